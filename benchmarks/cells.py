"""`python -m benchmarks.cells`: one training step of the published cells, all rules side by side.

The automatic choice beside every exact rule and plan that one may pick by hand, and beside the same
cell by hand in plain JAX. Every program is checked against float64 before it is timed.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks import report
from benchmarks.machine import origin
from benchmarks.measure import (
    Gradient,
    Limits,
    Record,
    arguments,
    compile_step,
    prepare,
    side_by_side,
)
from benchmarks.paper_cells import CASES, Published
from benchmarks.programs import OURS, is_ours

ALLOWED = 1.3  # the automatic choice over the best rule picked by hand
_RESULTS = Path(__file__).resolve().parent / "results"
_ROUNDS, _QUICK_ROUNDS = 5, 2
_LIMITS = Limits(seconds=5.0, fraction_of_memory=0.5)


def main(given: Sequence[str] | None = None) -> int:
    """Measure the chosen cells; 1 if a program was refused or ours missed a goal, else 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cells", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument("--out", type=Path, help="folder for JSON (default: benchmarks/results)")
    chosen = parser.parse_args(given)
    if chosen.quick and chosen.out is not None and chosen.out.resolve() == _RESULTS:
        parser.error("a quick run must not replace real results; try another --out")
    started = time.perf_counter()
    found, failed = {}, False
    for name in chosen.only:
        rounds = _QUICK_ROUNDS if chosen.quick else _ROUNDS
        found[name], exact = measure(CASES[name](chosen.quick), rounds)
        choice = found[name]["automatic_over_best"]
        slow = not chosen.quick and (choice is None or not choice["meets"])
        refused = any(told["refused"] for told in found[name]["programs"].values())
        failed = failed or refused or slow or not exact
    if chosen.out or not chosen.quick:
        content = {
            "quick": chosen.quick,
            **origin() | {"limits": _LIMITS._asdict()},
            "cells": found,
        }
        report.write(chosen.out or _RESULTS, "cells", content)
    print(f"\n{time.perf_counter() - started:.0f} s in all")
    return int(failed)


def measure(case: Published, rounds: int) -> tuple[dict[str, Any], bool]:
    """One cell: its result, and whether ours is as exact as promised."""
    report.say(f"{case.name}: float64 reference")
    expected = reference(case)
    starts = {
        name: partial(prepare, loss, case.numbers, _LIMITS) for name, loss in case.programs.items()
    }
    records = side_by_side(case, expected, starts, rounds=rounds, say=report.say)
    choice = automatic_over_best(records)
    print("\n" + report.table(case, records))
    print(_choice_line(choice), flush=True)
    kept = ("title", "sizes", "reference", "gradient_tolerance", "gradient_goal", "programs",
            "ratios", "ours_over")  # fmt: skip
    content = report.as_json(case, expected, records, {})
    told = {key: content[key] for key in kept} | {"automatic_over_best": choice}
    return told, not report.missed(case, records)


def reference(case: Published) -> Gradient:
    """Value and gradient of the case's reference in float64."""
    with jax.enable_x64(True):
        args = arguments(case.numbers, "float64")
        value, gradient = compile_step(case.reference, args).step(*args)
        return Gradient(float(value), np.asarray(gradient))


def automatic_over_best(records: Sequence[Record]) -> dict[str, Any] | None:
    """The automatic choice's time over the fastest rule picked by hand; None without either."""
    known = {record.name: record for record in records if record.repeats_s}
    picked = [record for name, record in known.items() if is_ours(name) and name != OURS]
    if OURS not in known or not picked:
        return None
    best = min(picked, key=lambda record: record.median_s or 0.0)
    ours = known[OURS]
    assert ours.median_s is not None
    assert best.median_s is not None
    ratio = ours.median_s / best.median_s
    return {
        "program": best.name,
        "median": ratio,
        "best": min(ours.repeats_s) / min(best.repeats_s),
        "allowed": ALLOWED,
        "meets": ratio <= ALLOWED,
    }


def _choice_line(choice: Mapping[str, Any] | None) -> str:
    if choice is None:
        return "automatic over best picked by hand: unknown, since one of them was not timed"
    missed = "" if choice["meets"] else f"  MISSES ITS GOAL of {ALLOWED}"
    return (
        f"automatic over best picked by hand ({choice['program']}): "
        f"{choice['median']:.2f} (by best times {choice['best']:.2f}){missed}"
    )


if __name__ == "__main__":
    # before anything is compiled: compile times are to be those of a first run
    jax.config.update("jax_enable_compilation_cache", False)
    sys.exit(main())
