"""The decorators of the kernels, and the cache that makes a second start fast.

numba keys its cache by the file that defines a function: an edited helper in another file, an edited enum or another
NUMBA_BOUNDSCHECK would be served stale. So the cache directory is named by all that a kernel depends on.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from importlib.metadata import version
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent
_WITH_KERNELS = ("engine", "market", "scenario")
_FLAGS = ("NUMBA_BOUNDSCHECK", "NUMBA_OPT", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES")


def cache_root() -> Path:
    """Where kernel caches live: BACKTESTER_CACHE_DIR, else the user's cache directory, else the temporary one."""
    chosen = os.environ.get("BACKTESTER_CACHE_DIR")
    base = Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "backtester"
    root = base / "kernels"
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            return root
    except OSError:
        return Path(tempfile.gettempdir()) / f"backtester-{os.getuid()}" / "kernels"


def fingerprint() -> str:
    """16 hex digits over every source and setting that a compiled kernel depends on."""
    digest = hashlib.sha256()
    sources = [_PACKAGE / "bounds.py", _PACKAGE / "enums.py"]
    for folder in _WITH_KERNELS:
        sources += sorted((_PACKAGE / folder).rglob("*.py"))
    for path in sources:
        digest.update(str(path.relative_to(_PACKAGE)).encode() + b"\0" + path.read_bytes() + b"\0")
    digest.update(version("numba").encode())
    for flag in _FLAGS:
        digest.update(f"\0{flag}={os.environ.get(flag, '')}".encode())
    return digest.hexdigest()[:16]


CACHE_DIR = cache_root() / fingerprint()
os.environ["NUMBA_CACHE_DIR"] = str(CACHE_DIR)

import numba  # noqa: E402  (numba reads NUMBA_CACHE_DIR when it is imported)

numba.config.CACHE_DIR = str(CACHE_DIR)

#: An entry point: called from Python, cached, releases the GIL.
kernel = numba.njit(cache=True, nogil=True, error_model="numpy", _nrt=False, no_cfunc_wrapper=True)

#: An inner function of a kernel. It has no Python wrapper, which saves a third of the compile time: call it from a
#: kernel only (a test wraps it in one).
helper = numba.njit(nogil=True, error_model="numpy", _nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True)

#: A helper that LLVM makes part of every caller: for the few that run once an account and mark.
inlined = numba.njit(
    nogil=True, error_model="numpy", _nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True
)


def is_warm(name: str = "advance") -> bool:
    """Whether the kernel `name` was compiled for this machine and these sources before."""
    return any(CACHE_DIR.rglob(f"*.{name}-*.nbi"))
