"""Every test runs in float64; what is meant for float32 says `with jax.enable_x64(False)`."""

import os
import subprocess
import sys

# the tests run many small programs once: compiling them is most of the time, so compile quickly
QUICK = "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"


def understood(flags: str) -> bool:
    """Whether this version of XLA knows the flags: it ends the process where it does not."""
    code = "import jax; jax.jit(lambda x: x + 1)(0.0)"
    environment = {**os.environ, "XLA_FLAGS": flags}
    return not subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, check=False
    ).returncode


if "XLA_FLAGS" not in os.environ:  # workers inherit what the first process found
    os.environ["XLA_FLAGS"] = QUICK if understood(QUICK) else ""

import jax  # noqa: E402
import matplotlib  # noqa: E402

jax.config.update("jax_enable_x64", True)
matplotlib.use("Agg")
