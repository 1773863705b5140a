"""The decorators of the kernels, and the cache that makes a second start fast.

numba keys its cache by the file that defines a function: an edited helper in another file, an edited enum or another
NUMBA_BOUNDSCHECK would be served stale. So the cache directory is named by all that a kernel depends on.
"""

from __future__ import annotations

import atexit
import hashlib
import logging
import os
import pickle
import shutil
import stat
import tempfile
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).resolve().parent.parent
_WITH_KERNELS = ("engine", "formulas", "market", "scenario")
_FLAGS = ("NUMBA_BOUNDSCHECK", "NUMBA_OPT", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES")


def cache_root() -> Path:
    """Where kernel caches live: BACKTESTER_CACHE_DIR, else the user's cache directory, else a temporary one.

    None that others can write; if need be one of this process alone, gone at its end.
    """
    chosen = os.environ.get("BACKTESTER_CACHE_DIR")
    base = Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "backtester"
    root = base / "kernels"
    if _is_ours(root, stat.S_IWOTH):
        return root
    shared = Path(tempfile.gettempdir()) / f"backtester-{os.getuid()}"
    if _is_ours(shared, stat.S_IRWXG | stat.S_IRWXO):
        return shared
    alone = tempfile.mkdtemp(prefix="backtester-")
    atexit.register(shutil.rmtree, alone, ignore_errors=True)
    return Path(alone)


def _is_ours(directory: Path, forbidden: int) -> bool:
    """Whether only we can have put something there. What lies in a cache is run: a planted file would be.

    The directory is made if it is missing; `forbidden` are the bits of its mode that would let others in.
    """
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        directory.mkdir(0o700, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            found = directory.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & forbidden


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
from numba.core.caching import FunctionCache, IndexDataCacheFile  # noqa: E402

numba.config.CACHE_DIR = str(CACHE_DIR)
_log = logging.getLogger(__name__)
_SEAL = hashlib.sha256().digest_size


class _SealedFile(IndexDataCacheFile):
    """The files of one kernel, its machine code behind a digest: a changed byte of it would be run."""

    def _dump(self, data: Any) -> bytes:
        body = super()._dump(data)
        return hashlib.sha256(body).digest() + body

    def _load_index(self) -> dict[Any, str]:
        try:
            with open(self._index_path, "rb") as file:
                stamp, names = _unseal(file.read())
        except FileNotFoundError:
            return {}
        return names if stamp == self._source_stamp else {}

    def _save_index(self, overloads: dict[Any, str]) -> None:
        with self._open_for_write(self._index_path) as file:
            file.write(self._dump((self._source_stamp, overloads)))

    def _load_data(self, name: str) -> Any:
        with open(self._data_path(name), "rb") as file:
            return _unseal(file.read())


def _unseal(sealed: bytes) -> Any:
    digest, body = sealed[:_SEAL], sealed[_SEAL:]
    if hashlib.sha256(body).digest() != digest:
        raise ValueError("the digest is another one")
    return pickle.loads(body)


class _KernelCache(FunctionCache):
    """The cache of one kernel. A damaged file is no file; a kernel that cannot be kept is compiled again next time."""

    has_told = False

    def __init__(self, function: Any) -> None:
        super().__init__(function)
        plain = self._cache_file
        self._cache_file = _SealedFile(plain._cache_path, self._impl.filename_base, plain._source_stamp)

    def load_overload(self, signature: Any, target: Any) -> Any:
        try:
            return super().load_overload(signature, target)
        except Exception:
            self._discard()
            return None

    def save_overload(self, signature: Any, compiled: Any) -> None:
        with suppress(OSError):
            super().save_overload(signature, compiled)

    def _discard(self) -> None:
        with suppress(OSError):
            os.unlink(self._cache_file._index_path)
        if not _KernelCache.has_told:
            _log.warning("kernel cache: a file in %s is damaged, compiling again", CACHE_DIR)
            _KernelCache.has_told = True


def kernel(function: Any) -> Any:
    """An entry point: called from Python, cached, releases the GIL."""
    dispatcher = numba.njit(nogil=True, error_model="numpy", _nrt=False, no_cfunc_wrapper=True)(function)
    if not numba.config.DISABLE_JIT:
        dispatcher._cache = _KernelCache(function)
    return dispatcher


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
