"""`python -m benchmarks.sweeps`: one training step against batch, length and width.

Ours without being told how, plain JAX gate by gate, and the step fused by hand. At every point
each program is checked against float64 before it is timed. A program whose next point would take
too long is not run there, and the result says so.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, final

import jax

from benchmarks import report
from benchmarks.machine import origin
from benchmarks.measure import (
    Gradient,
    Limits,
    NotRunError,
    Ready,
    Record,
    prepare,
    reference,
    side_by_side,
)
from benchmarks.ours import library_loss
from benchmarks.picture import draw_sweeps
from benchmarks.plain_fused import fused_loss
from benchmarks.plain_jax import Loss, plain_loss
from benchmarks.programs import FUSED, OURS, PLAIN
from benchmarks.workloads import W1, W2, W3, W4, Workload

_RESULTS = Path(__file__).resolve().parent / "results"
_ROUNDS, _QUICK_ROUNDS = 5, 1
_LIMITS = Limits(seconds=4.0, fraction_of_memory=0.5)


@final
@dataclass(frozen=True)
class Sweep:
    """One size of a workload is varied.

    Arguments:
        name: on the command line.
        title: over its panel.
        workload: what is varied.
        axis: "batch", "steps" or "wires".
        sizes: its values, ascending.
    """

    name: str
    title: str
    workload: Workload
    axis: str
    sizes: tuple[int, ...]

    def point(self, size: int) -> Workload:
        """The workload of one size."""
        return replace(self.workload, golden=None, **{self.axis: size})

    def work(self, size: int) -> int:
        """What the time is taken to be proportional to."""
        return 2**size if self.axis == "wires" else size

    def small(self) -> "Sweep":
        """Two small points, to see that it runs."""
        first, second = (3, 4) if self.axis == "wires" else (2, 3)
        return replace(self, workload=self.workload.small(), sizes=(first, second))


SWEEPS = {
    sweep.name: sweep
    for sweep in (
        Sweep("batch-W1", "W1: 6 qubits with resets, 20 steps", W1, "batch", (1, 8, 32, 256)),
        Sweep("batch-W2", "W2: 10 qubits, pure state, 50 steps", W2, "batch", (1, 8, 64, 256)),
        Sweep("length-W3", "W3: 8 qubits, pure state, 8 sequences", W3, "steps", (16, 112, 784)),
        Sweep(
            "width-W4", "as W2, pure state, 4 steps, 1 sequence", W4, "wires", (4, 8, 12, 16, 18)
        ),
    )
}
MAKERS: dict[str, Callable[[Workload], Loss]] = {
    PLAIN: plain_loss,
    OURS: library_loss,
    FUSED: fused_loss,
}


def main(given: Sequence[str] | None = None) -> int:
    """Measure the chosen sweeps and draw them; 1 if a program was refused, else 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweeps", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(SWEEPS), default=list(SWEEPS))
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument("--picture", action="store_true", help="draw the results that are there")
    parser.add_argument("--out", type=Path, help="folder of results (default: benchmarks/results)")
    chosen = parser.parse_args(given)
    if chosen.quick and chosen.out is not None and chosen.out.resolve() == _RESULTS:
        parser.error("a quick run must not replace real results; try another --out")
    if chosen.picture:
        print(draw_sweeps(chosen.out or _RESULTS))
        return 0
    started = time.perf_counter()
    found, failed = {}, False
    for name in chosen.only:
        sweep = SWEEPS[name].small() if chosen.quick else SWEEPS[name]
        found[name], accepted = measure(sweep, _QUICK_ROUNDS if chosen.quick else _ROUNDS)
        failed = failed or not accepted
    if chosen.out or not chosen.quick:
        folder = chosen.out or _RESULTS
        report.write(
            folder,
            "sweeps",
            {"quick": chosen.quick, **origin() | {"limits": _LIMITS._asdict()}, "sweeps": found},
        )
        print(draw_sweeps(folder))
    print(f"\n{time.perf_counter() - started:.0f} s in all")
    return int(failed)


def measure(sweep: Sweep, rounds: int) -> tuple[dict[str, Any], bool]:
    """All points: the result, and whether every program was accepted."""
    points: list[dict[str, Any]] = []
    known: dict[str, tuple[int, float]] = {}  # of each program, the last point and its seconds
    accepted = True
    for size in sweep.sizes:
        workload = sweep.point(size)
        expected, records = compare_at(sweep, size, known, rounds)
        print("\n" + report.table(workload, records), flush=True)
        for record in records:
            if record.median_s is not None:
                known[record.name] = size, record.median_s
        accepted = accepted and not any(record.refused for record in records)
        programs = {record.name: report.program(workload, record) for record in records}
        points.append(
            {
                "sizes": workload.sizes,
                "loss_float64": expected.value,
                "gradient_tolerance": workload.gradient_tolerance,
                "gradient_goal": workload.gradient_goal,
                "programs": programs,
            }
        )
    return {"title": sweep.title, "axis": sweep.axis, "points": points}, accepted


def compare_at(
    sweep: Sweep, size: int, known: Mapping[str, tuple[int, float]], rounds: int
) -> tuple[Gradient, list[Record]]:
    """One point. The reference is the step fused by hand: gate by gate takes minutes in float64."""
    workload = sweep.point(size)
    report.say(f"{sweep.name}: {sweep.axis} {size}, float64 reference")
    numbers = workload.draw()
    expected = reference(workload, numbers, fused_loss(workload))

    def start(name: str) -> Ready:
        if name in known:
            last, seconds = known[name]
            forecast = seconds * sweep.work(size) / sweep.work(last)
            if forecast > _LIMITS.seconds:
                raise NotRunError(
                    f"by its time at {sweep.axis} {last} a step would take about {forecast:.1f} s, "
                    f"over the {_LIMITS.seconds:g} s allowed here"
                )
        return prepare(MAKERS[name](workload), numbers, _LIMITS)

    starts = {name: partial(start, name) for name in MAKERS}
    return expected, side_by_side(workload, expected, starts, rounds=rounds, say=report.say)


if __name__ == "__main__":
    # before anything is compiled: compile times are to be those of a first run
    jax.config.update("jax_enable_compilation_cache", False)
    sys.exit(main())
