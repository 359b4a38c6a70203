"""Native code is compiled on the user's machine on first use, and kept by the hash of its content.

Nothing is guessed about binaries: the system's compiler builds against the headers of the installed
jaxlib, for the processor at hand. Several processes may start at once: each writes a file of its
own and renames it, so that a reader finds a whole library or none.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

import jax
import jaxlib

FLAGS = ("-std=c++17", "-O3", "-march=native", "-fPIC", "-shared", "-Wno-psabi", "-pthread")
CACHE = "QRNN_JAX_KERNEL_CACHE"  # environment variable: where libraries are kept
COMPILER = "CXX"  # environment variable: what builds them


class BuildError(RuntimeError):
    """There is no native code here; the message says why."""


@lru_cache(maxsize=8)
def library(folder: Path) -> ctypes.CDLL:
    """The compiled library of one folder of C++ code; compiled where it is not in the cache.

    Arguments:
        folder: holds one `.cc` file of its own name and the headers that it includes.

    Raises:
        BuildError: no compiler, or it failed.
    """
    source = folder / f"{folder.name}.cc"
    compiler = _compiler()
    target = _cache() / f"{folder.name}-{_key(folder, compiler)}.so"
    if not target.exists():
        _compile(compiler, source, target)
    try:
        return ctypes.CDLL(str(target))
    except OSError as error:
        raise BuildError(f"The compiled kernel {target.name} does not load: {error}.") from error


def _compiler() -> str:
    wanted = os.environ.get(COMPILER)
    names = (wanted,) if wanted else ("g++", "clang++", "c++")
    for name in names:
        found = shutil.which(name)
        if found:
            return found
    raise BuildError(
        f"Native kernels need a C++ compiler, but none of {', '.join(names)} is there; try to "
        f"install one, or name it in the environment variable {COMPILER}."
    )


def _cache() -> Path:
    chosen = os.environ.get(CACHE)
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(chosen) if chosen else Path(root) / "qrnn_jax" / "kernels"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BuildError(
            f"Compiled kernels are kept in {folder}, but it cannot be made: {error}; try the "
            f"environment variable {CACHE}."
        ) from error
    return folder


def _key(folder: Path, compiler: str) -> str:
    """A hash of the sources and of everything that the result depends on."""
    version = subprocess.run([compiler, "--version"], capture_output=True, check=False).stdout
    parts = [version, jaxlib.__version__.encode(), " ".join(FLAGS).encode(), _processor()]
    parts += [
        path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix in (".cc", ".h")
    ]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _processor() -> bytes:
    """What `-march=native` looks at: a cache may be shared by different machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor().encode()
    kept = {line for line in lines if line.startswith(("flags", "model name", "Features"))}
    return "\n".join(sorted(kept)).encode()


def _compile(compiler: str, source: Path, target: Path) -> None:
    print(f"Compiling {source.stem} once (some seconds) ...", file=sys.stderr, flush=True)
    descriptor, draft = tempfile.mkstemp(dir=target.parent, suffix=".so.part")
    os.close(descriptor)
    command = [compiler, *FLAGS, "-isystem", jax.ffi.include_dir(), "-o", draft, str(source)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BuildError(f"The compiler failed on {source.name}: {done.stderr[-2000:]}")
        Path(draft).replace(target)
    finally:
        Path(draft).unlink(missing_ok=True)
