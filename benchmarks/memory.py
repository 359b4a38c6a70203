"""Peak memory of one gradient, each program in a process of its own.

Two figures: what XLA reserves for temporaries (`memory_analysis`), and how far the process's peak
resident set rises above its level just before the first run. The second needs Linux: the peak is
reset through /proc after compiling, so that the compiler's own memory does not hide the run's.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import jax

from benchmarks.measure import arguments, compile_step
from benchmarks.programs import programs
from benchmarks.resident import watch
from benchmarks.workloads import WORKLOADS, Workload

_ROOT = Path(__file__).resolve().parent.parent


def measure_here(workload: Workload, program: str) -> dict[str, int | None]:
    """Compile and run one gradient in this process."""
    args = arguments(workload.draw(), "float32")
    compiled = compile_step(programs(workload)[program], args)
    jax.block_until_ready(args)
    _, found = watch(lambda: jax.block_until_ready(compiled.step(*args)))
    return {"temp_bytes": compiled.temp_bytes, **found}


def measure_apart(name: str, program: str, *, quick: bool) -> dict[str, int | None]:
    """The same in a fresh process; `quick` takes the small workload of that name.

    Raises:
        RuntimeError: the process failed; its last lines are quoted.
    """
    command = [sys.executable, "-m", "benchmarks.memory", name, program]
    command += ["--quick"] if quick else []
    environment = {**os.environ, "JAX_ENABLE_X64": "0"}
    done = subprocess.run(command, cwd=_ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"Measuring {program} on {name} failed: {done.stderr[-2000:]}")
    result: dict[str, int | None] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workload", choices=list(WORKLOADS))
    parser.add_argument("program")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    chosen = parser.parse_args()
    workload = WORKLOADS[chosen.workload]
    print(json.dumps(measure_here(workload.small() if chosen.quick else workload, chosen.program)))


if __name__ == "__main__":
    main()
