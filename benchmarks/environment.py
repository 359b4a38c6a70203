"""A virtual environment for each peer, built on first use in the user's cache folder.

A folder's name holds a hash of all that was asked for, so a changed pin or another JAX gets an
environment of its own, and an old one is never changed.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

VARIABLE = "QRNN_JAX_PEER_CACHE"  # names another folder for the environments


def cache() -> Path:
    """Where the environments are: $QRNN_JAX_PEER_CACHE, or a folder in the user's cache."""
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "qrnn_jax" / "peers"


def pins() -> tuple[str, ...]:
    """The JAX of the running environment: peers are compared under the same one."""
    return tuple(f"{name}=={version(name)}" for name in ("jax", "jaxlib"))


def interpreter(
    name: str, requirements: Sequence[str], say: Callable[[str], None] = lambda text: None
) -> Path:
    """The Python of a peer's environment, which is built if it is not there yet.

    Raises:
        RuntimeError: the environment could not be built; the last lines are quoted.
    """
    wanted = [*requirements, *pins()]
    recipe = "\n".join([platform.python_version(), sys.prefix, *wanted])
    place = cache() / f"{name}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    finished = place / "requirements.txt"  # written last: without it the folder is half-built
    if not finished.exists():
        say(f"build the environment of {name} in {place}")
        shutil.rmtree(place, ignore_errors=True)
        _call(name, [sys.executable, "-m", "venv", str(place)])
        if wanted:
            _call(name, [str(python), "-m", "pip", "install", *wanted])
        finished.write_text("".join(f"{line}\n" for line in wanted))
    return python


def _call(name: str, command: Sequence[str]) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        told = (done.stdout + done.stderr)[-2000:]
        raise RuntimeError(f"Building the environment of {name} failed: {told}")
