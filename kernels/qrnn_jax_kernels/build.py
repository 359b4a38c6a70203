"""Native code is compiled on the user's machine on first use, and kept by the hash of its content.

Nothing is guessed about binaries: the system's compiler builds against the headers of the installed
jaxlib, C++ for the processor at hand, CUDA for several kinds of GPU. Several processes may start at
once: each writes a file of its own and renames it, so that a reader finds a whole library or none.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import jax
import jaxlib

CACHE = "QRNN_JAX_KERNEL_CACHE"  # environment variable: where libraries are kept


@dataclass(frozen=True)
class Toolchain:
    """What builds one language.

    Arguments:
        language: its name in sentences.
        suffix: of a source.
        variable: an environment variable that names the compiler.
        compilers: which are looked for, if it does not.
        flags: what they are given.
        for_this_processor: whether the result depends on the processor at hand.
    """

    language: str
    suffix: str
    variable: str
    compilers: tuple[str, ...]
    flags: tuple[str, ...]
    for_this_processor: bool


_FLAGS = ("-std=c++17", "-march=native", "-fPIC", "-shared", "-Wno-psabi", "-pthread")
CPP = Toolchain("C++", ".cc", "CXX", ("g++", "clang++", "c++"), ("-O3", *_FLAGS), True)
# binary code for Ampere and Hopper, and for later ones what the driver can translate
_GPUS = (
    *("-gencode", "arch=compute_80,code=sm_80"),
    *("-gencode", "arch=compute_90,code=[sm_90,compute_90]"),
)
CUDA = Toolchain(
    "CUDA",
    ".cu",
    "NVCC",
    ("nvcc",),
    ("-std=c++17", "-O3", *_GPUS, "--threads", "0", "-Xcompiler", "-fPIC", "-shared"),
    False,
)


class BuildError(RuntimeError):
    """There is no native code here; the message says why."""


@lru_cache(maxsize=8)
def library(folder: Path, toolchain: Toolchain = CPP) -> ctypes.CDLL:
    """The compiled library of one folder of code; compiled where it is not in the cache.

    Arguments:
        folder: holds one source of its own name and the headers that it includes, besides those of
            the folder `shared` beside it.
        toolchain: which source is built, and how.

    Raises:
        BuildError: no compiler, or it failed.
    """
    source = folder / f"{folder.name}{toolchain.suffix}"
    compiler = _compiler(toolchain)
    target = _cache() / f"{folder.name}-{_key(folder, toolchain, compiler)}.so"
    try:
        if not target.exists():
            _compile([compiler, *toolchain.flags], source, target)
    except OSError as error:
        raise BuildError(
            f"The kernel {source.name} cannot be built in {target.parent}: {error}; try the "
            f"environment variable {CACHE}."
        ) from error
    try:
        return ctypes.CDLL(str(target))
    except OSError as error:
        raise BuildError(f"The compiled kernel {target.name} does not load: {error}.") from error


def cpu_obstacle(folder: Path, targets: dict[str, str]) -> str | None:
    """Why the C++ code of a folder is not there on the CPU, in a sentence; None if it is.

    Arguments:
        folder: see `library`.
        targets: JAX's name of every handler, and its symbol.
    """
    if jax.default_backend() != "cpu":
        return f"this native code runs on the CPU, but the default device is {jax.devices()[0]}"
    try:
        found = library(folder, CPP)
    except BuildError as error:
        _warn_once(f"{error} JAX's own loop is used instead.")
        return str(error)
    for name, symbol in targets.items():
        handler = jax.ffi.pycapsule(getattr(found, symbol))
        jax.ffi.register_ffi_target(name, handler, platform="cpu")
    return None


@lru_cache(maxsize=8)
def _warn_once(message: str) -> None:
    warnings.warn(message, stacklevel=4)


def ffi_obstacle(found: ctypes.CDLL) -> str | None:
    """Why a library that exports `QrnnFfiVersion` is not for the installed jaxlib, or None.

    One that was built for another version must not be registered: it would break JAX itself.
    """
    header = Path(jax.ffi.include_dir()) / "xla" / "ffi" / "api" / "c_api.h"
    here = dict(re.findall(r"#define XLA_FFI_API_(MAJOR|MINOR) (\d+)", header.read_text()))
    expected, built = 1000 * int(here["MAJOR"]) + int(here["MINOR"]), found.QrnnFfiVersion()
    if built == expected:
        return None
    return f"the kernel was built for version {built} of XLA's FFI, but jaxlib has {expected}"


def _compiler(toolchain: Toolchain) -> str:
    wanted = os.environ.get(toolchain.variable)
    names = (wanted,) if wanted else toolchain.compilers
    for name in names:
        found = shutil.which(name)
        if found:
            return found
    raise BuildError(
        f"Native kernels need a {toolchain.language} compiler, but none of {', '.join(names)} is "
        f"there; try to install one, or name it in the environment variable {toolchain.variable}."
    )


def _cache() -> Path:
    chosen = os.environ.get(CACHE)
    root = os.environ.get("XDG_CACHE_HOME") or os.path.join("~", ".cache")
    folder = Path(chosen or os.path.join(os.path.expanduser(root), "qrnn_jax", "kernels"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BuildError(
            f"Compiled kernels are kept in {folder}, but it cannot be made: {error}; try the "
            f"environment variable {CACHE}."
        ) from error
    return folder


def _key(folder: Path, toolchain: Toolchain, compiler: str) -> str:
    """A hash of the sources and of everything that the result depends on."""
    version = subprocess.run([compiler, "--version"], capture_output=True, check=False).stdout
    parts = [version, jaxlib.__version__.encode(), " ".join(toolchain.flags).encode()]
    parts += [_processor()] if toolchain.for_this_processor else []
    kinds = (toolchain.suffix, ".h")
    folders = (folder, folder.parent / "shared")
    found = [path for place in folders if place.is_dir() for path in sorted(place.iterdir())]
    parts += [path.read_bytes() for path in found if path.suffix in kinds]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _processor() -> bytes:
    """What `-march=native` looks at: a cache may be shared by different machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor().encode()
    kept = {line for line in lines if line.startswith(("flags", "model name", "Features"))}
    return "\n".join(sorted(kept)).encode()


def _compile(command: list[str], source: Path, target: Path) -> None:
    print(f"Compiling {source.name} once (some seconds) ...", file=sys.stderr, flush=True)
    descriptor, draft = tempfile.mkstemp(dir=target.parent, suffix=".so.part")
    os.close(descriptor)
    command = [*command, "-isystem", jax.ffi.include_dir(), "-o", draft, str(source)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            told = (done.stderr or done.stdout)[-2000:]
            raise BuildError(f"The compiler failed on {source.name}: {told}")
        Path(draft).replace(target)
    finally:
        Path(draft).unlink(missing_ok=True)
