"""How a child process of these tests starts, computes and answers: JSON on its last line."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SECONDS = 240  # a bound for a busy machine, not an estimate


def start(module: str, devices: int, *arguments: str) -> subprocess.Popen:
    """A Python process in which JAX has so many CPU devices."""
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "1"}
    quick = os.environ.get("XLA_FLAGS", "")  # what tests/conftest.py found this XLA to understand
    environment["XLA_FLAGS"] = f"{quick} --xla_force_host_platform_device_count={devices}"
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "kernels")])
    return subprocess.Popen(
        [sys.executable, "-m", f"tests.devices.{module}", *arguments],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def answers(*children: subprocess.Popen) -> list[dict[str, Any]]:
    """What they found, in order. None outlives this call."""
    end, found = time.monotonic() + SECONDS, []
    try:
        for child in children:
            out, err = child.communicate(timeout=max(1.0, end - time.monotonic()))
            assert child.returncode == 0, err[-4000:]
            found.append(json.loads(out.splitlines()[-1]))
    finally:
        for child in children:
            child.kill()
            child.communicate()
    return found


def distance(first: Any, second: Any) -> float:
    """The largest difference between two trees of arrays of one structure."""
    import jax
    import numpy as np

    assert jax.tree.structure(first) == jax.tree.structure(second)
    pairs = zip(jax.tree.leaves(first), jax.tree.leaves(second))
    return max(float(np.abs(np.asarray(a) - np.asarray(b)).max()) for a, b in pairs)


def refusal(call: Any) -> str:
    """The message of the error that a call ends with."""
    try:
        call()
    except ValueError as error:
        return str(error)
    return "no error"
