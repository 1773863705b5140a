"""Virtual environments for peers: made on demand, outside of ours, which they are no part of."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Peer(NamedTuple):
    """What to install: packages as `pip` names them, for a Python of at least this version."""

    name: str
    packages: tuple[str, ...]
    least_python: tuple[int, int]


HFTBACKTEST = Peer("hftbacktest", ("hftbacktest==2.4.4",), (3, 11))
NAUTILUS = Peer("nautilus_trader", ("nautilus_trader==2.0.0rc7", "numpy", "pyarrow"), (3, 13))


class Environment(NamedTuple):
    """The interpreter of a peer, or why there is none."""

    python: Path | None
    absence: str = ""


def default_root() -> Path:
    """Where the environments live unless --peer-env says otherwise."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "backtester" / "peers"


def prepare(peer: Peer, root: Path) -> Environment:
    """The environment of `peer` below `root`, made if it is not there; one that cannot be had is absent, no error."""
    folder = root / peer.name
    stamp = folder / "installed.txt"
    python = folder / "bin" / "python"
    wanted = "\n".join(peer.packages)
    if stamp.exists() and stamp.read_text() == wanted and python.exists():
        return Environment(python)
    maker = find_python(peer.least_python)
    if maker is None:
        least = ".".join(map(str, peer.least_python))
        return Environment(None, f"{peer.name} needs Python {least}, none was found")
    install = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *peer.packages)
    for command in ((maker, "-m", "venv", "--clear", folder), install):
        print(f"{peer.name}: {' '.join(map(str, command))}", file=sys.stderr)
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        if done.returncode != 0:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()
            return Environment(None, f"{peer.name} could not be installed: {said[-1] if said else 'no reason given'}")
    stamp.write_text(wanted)
    return Environment(python)


def find_python(least: tuple[int, int]) -> Path | None:
    """A Python of at least this version: our own, then those of the path, of pyenv and of uv."""
    for candidate in _candidates(least):
        test = f"import sys; sys.exit(sys.version_info < {least})"
        try:
            if subprocess.run([candidate, "-c", test], capture_output=True).returncode == 0:
                return Path(candidate)
        except OSError:
            continue
    return None


def _candidates(least: tuple[int, int]) -> Iterator[str]:
    yield sys.executable
    for minor in range(least[1], least[1] + 3):
        found = shutil.which(f"python3.{minor}")
        if found:
            yield found
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    yield from map(str, sorted(versions.glob("3.*/bin/python")))
    if shutil.which("uv"):
        asked = subprocess.run(["uv", "python", "find", f">={least[0]}.{least[1]}"], capture_output=True, text=True)
        if asked.returncode == 0:
            yield asked.stdout.strip()
