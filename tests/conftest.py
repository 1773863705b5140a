"""Settings of every test: the same examples on every run, tables as wide as README has them."""

from __future__ import annotations

import os

from hypothesis import settings

os.environ.pop("COLUMNS", None)

settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
settings.load_profile("repeatable")
