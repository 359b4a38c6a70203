"""`python -m benchmarks`: ours beside its peers on the named workloads, in one run."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import jax

from benchmarks import report
from benchmarks.measure import compare
from benchmarks.memory import measure_apart
from benchmarks.programs import BACKPROP, CHECKPOINTED, chosen_plan, programs
from benchmarks.workloads import WORKLOADS, Workload

_RESULTS = Path(__file__).resolve().parent / "results"
_ROUNDS = 7
_QUICK_ROUNDS = 3


def main(arguments: list[str] | None = None) -> int:
    """Run the chosen workloads; 1 if a program was refused, else 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(WORKLOADS), default=list(WORKLOADS))
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument("--out", type=Path, help="folder for JSON (default: benchmarks/results)")
    chosen = parser.parse_args(arguments)
    if chosen.quick and chosen.out is not None and chosen.out.resolve() == _RESULTS:
        parser.error("a quick run must not replace real results; try another --out")
    folder = chosen.out if chosen.quick else chosen.out or _RESULTS
    started, refused = time.perf_counter(), False
    for name in chosen.only:
        result, accepted = run(WORKLOADS[name], quick=chosen.quick)
        refused = refused or not accepted
        if folder is not None:
            report.write(folder, name, result)
    print(f"\n{time.perf_counter() - started:.0f} s in all")
    return int(refused)


def run(workload: Workload, *, quick: bool) -> tuple[dict[str, Any], bool]:
    """Compare all programs on one workload; the result and whether every program was accepted."""
    if quick:
        workload = workload.small()
    rounds = _QUICK_ROUNDS if quick else _ROUNDS
    expected, records = compare(workload, programs(workload), rounds=rounds, say=_say)
    print("\n" + report.table(workload, records), flush=True)
    extra: dict[str, Any] = {"quick": quick, "plan": chosen_plan(workload)}
    if workload.name == "W3":
        extra["memory"] = memory(workload.name, quick=quick)
        print(_memory_lines(extra["memory"]), flush=True)
    content = report.as_json(workload, expected, records, extra)
    return content, all(record.refused is None for record in records)


def memory(workload: str, *, quick: bool) -> dict[str, Any]:
    """Peak memory of one gradient under both rules, each in its own process."""
    _say(f"{workload}: peak memory, one process per rule")
    found = {name: measure_apart(workload, name, quick=quick) for name in (BACKPROP, CHECKPOINTED)}
    ratios = {}
    for key in ("temp_bytes", "rss_rise_bytes"):
        large, small = found[BACKPROP][key], found[CHECKPOINTED][key]
        ratios[key] = large / small if large and small else None
    return {"programs": found, "backprop_over_checkpointed": ratios}


def _memory_lines(result: dict[str, Any]) -> str:
    lines = ["peak memory of one gradient"]
    for name, found in result["programs"].items():
        rise = found["rss_rise_bytes"]
        told = "unknown" if rise is None else f"{rise / 1e6:.1f} MB"
        lines.append(f"  {name:<30}XLA temporaries {found['temp_bytes'] / 1e6:.1f} MB, rise {told}")
    ratios = result["backprop_over_checkpointed"]
    shown = ", ".join(f"{key} {value:.1f}x" for key, value in ratios.items() if value)
    return "\n".join([*lines, f"  Backprop over Checkpointed: {shown}"])


def _say(text: str) -> None:
    print(f"  {text} ...", file=sys.stderr, flush=True)


if __name__ == "__main__":
    # before anything is compiled: compile times are to be those of a first run
    jax.config.update("jax_enable_compilation_cache", False)
    sys.exit(main())
