"""What a program asks of the disk, observed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def asked_of_the_disk(monkeypatch: pytest.MonkeyPatch, root: Path) -> list[str]:
    """What is synced and renamed from now on, in order, by paths from `root`; all of it is done, too.

    Example: `sync new/a`, `rename new to old`.
    """
    asked: list[str] = []
    fsync, rename = os.fsync, os.rename

    def name(path: str | Path) -> str:
        return os.path.relpath(path, root)

    def sync(handle: int) -> None:
        asked.append(f"sync {name(os.readlink(f'/proc/self/fd/{handle}'))}")
        fsync(handle)

    def move(old: Path, new: Path) -> None:
        asked.append(f"rename {name(old)} to {name(new)}")
        rename(old, new)

    monkeypatch.setattr("os.fsync", sync)
    monkeypatch.setattr("os.rename", move)
    return asked
