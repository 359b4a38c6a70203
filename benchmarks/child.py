"""The inside of a peer's process: prepare its program, then run one step per line "step".

Every answer is one line of JSON on standard output: first what preparing gave, then the seconds of
each step. What the peer itself prints goes to standard error.
"""

import argparse
import importlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any

import jax

from benchmarks.machine import versions
from benchmarks.measure import prepare, prepare_numpy
from benchmarks.peers import reduced_for
from benchmarks.workloads import WORKLOADS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("module", help="a peer's dotted name, such as benchmarks.peers.qujax")
    parser.add_argument("workload", choices=list(WORKLOADS))
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    chosen = parser.parse_args()
    tell = _answers()
    workload = WORKLOADS[chosen.workload]
    workload = workload.small() if chosen.quick else workload
    peer = importlib.import_module(chosen.module)
    workload = reduced_for(peer, workload)
    if hasattr(peer, "training_step"):
        ready = prepare_numpy(peer.training_step(workload), workload.draw())
    else:
        ready = prepare(peer.loss(workload), workload.draw())
    names = [line.split("==")[0] for line in peer.REQUIREMENTS]
    tell(
        {
            "trace_s": ready.trace_s,
            "compile_s": ready.compile_s,
            "temp_bytes": ready.temp_bytes,
            "memory": ready.memory,
            "value": ready.found.value,
            "gradient": ready.found.gradient.tolist(),
            "device": str(jax.devices()[0].device_kind),
            "versions": versions((*names, "jax", "jaxlib", "numpy")),
        }
    )
    for line in sys.stdin:
        if line != "step\n":
            raise ValueError(f"The process of a peer must be told `step`, but was told {line!r}.")
        tell({"seconds": ready.step()})


def _answers() -> Callable[[dict[str, Any]], None]:
    """Keep standard output for answers alone; all other prints go to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return lambda answer: print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
