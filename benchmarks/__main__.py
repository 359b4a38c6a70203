"""`python -m benchmarks`: ours beside its peers on the named workloads, in one run."""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import numpy as np

from benchmarks import report
from benchmarks.environment import interpreter
from benchmarks.measure import Record, arguments, compare
from benchmarks.memory import measure_apart
from benchmarks.peers import reduced_for, refusal_of
from benchmarks.picture import draw
from benchmarks.process import NAMES, peer_named, starting
from benchmarks.programs import (
    BACKPROP,
    CHECKPOINTED,
    OURS,
    PLAIN,
    REPLAY,
    SHARED,
    chosen_plan,
    programs,
)
from benchmarks.workloads import WORKLOADS, Workload

_RESULTS = Path(__file__).resolve().parent / "results"
_ROUNDS = 7
_QUICK_ROUNDS = 3
_SLOW_ROUNDS = 5  # where a program takes minutes


def main(arguments: list[str] | None = None) -> int:
    """Run the chosen workloads; 1 if a program was refused or ours missed its goal, else 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(WORKLOADS), default=list(WORKLOADS))
    parser.add_argument("--peers", nargs="*", choices=NAMES, help="other tools, too (default: all)")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument("--picture", action="store_true", help="draw the results that are there")
    parser.add_argument("--out", type=Path, help="folder for JSON (default: benchmarks/results)")
    parser.add_argument("--gpu", action="store_true", help="run `python -m benchmarks.gpu` instead")
    chosen = parser.parse_args(arguments)
    if chosen.gpu:
        from benchmarks import gpu

        return gpu.main(["--out", str(chosen.out)] if chosen.out else [])
    if chosen.quick and chosen.out is not None and chosen.out.resolve() == _RESULTS:
        parser.error("a quick run must not replace real results; try another --out")
    if chosen.picture:
        print(draw(chosen.out or _RESULTS))
        return 0
    folder = chosen.out if chosen.quick else chosen.out or _RESULTS
    started, failed = time.perf_counter(), False
    peers = find_peers(chosen.peers)
    for name in chosen.only:
        result, accepted = run(WORKLOADS[name], peers if name != "S1" else {}, quick=chosen.quick)
        failed = failed or not accepted
        if folder is not None:
            report.write(folder, name, result)
    print(f"\n{time.perf_counter() - started:.0f} s in all")
    return int(failed)


def find_peers(names: list[str] | None) -> dict[ModuleType, Path]:
    """The peers asked for, each with its interpreter: built before anything is measured."""
    if names is None:
        return {}
    modules = [peer_named(name) for name in names or NAMES]
    return {
        peer: interpreter(peer.__name__.split(".")[-1], peer.REQUIREMENTS, report.say)
        for peer in modules
    }


def run(
    workload: Workload, peers: dict[ModuleType, Path], *, quick: bool
) -> tuple[dict[str, Any], bool]:
    """Compare all programs on one workload; the result and whether every program was accepted."""
    if quick:
        workload = workload.small()
    rounds = _SLOW_ROUNDS if workload.name == "S1" else _ROUNDS
    rounds = _QUICK_ROUNDS if quick else rounds
    whole = {
        peer: python
        for peer, python in peers.items()
        if refusal_of(peer, workload) or reduced_for(peer, workload) == workload
    }
    with starting(whole, workload, quick=quick) as starts:
        losses = programs(workload)
        expected, records = compare(workload, losses, starts, rounds=rounds, say=report.say)
    if peers:
        report.say(f"{workload.name}: memory of ours, in a process of its own")
        ours = next(record for record in records if record.name == OURS)
        ours.memory = measure_apart(workload.name, OURS, quick=quick)
    print("\n" + report.table(workload, records), flush=True)
    extra: dict[str, Any] = {"quick": quick, "plan": chosen_plan(workload)}
    rest = {peer: python for peer, python in peers.items() if peer not in whole}
    smaller = {peer.TITLE: less(workload, peer, rest[peer], quick=quick) for peer in rest}
    if workload.name == "S1":
        extra["routes"] = routes(records, workload)
        print(_route_lines(extra["routes"]), flush=True)
    if workload.name == "W3":
        extra["memory"] = memory(workload.name, quick=quick)
        print(_memory_lines(extra["memory"]), flush=True)
    if smaller:
        extra["less_of_it"] = {title: told for title, (told, _) in smaller.items()}
    content = report.as_json(workload, expected, records, extra)
    refused = any(record.refused for record in records)
    refused = refused or not all(accepted for _, accepted in smaller.values())
    return content, not refused and not report.missed(workload, records)


def less(
    workload: Workload, peer: ModuleType, python: Path, *, quick: bool
) -> tuple[dict[str, Any], bool]:
    """A slow peer on as much of a workload as it runs in seconds, beside plain JAX and ours there.

    Nothing is scaled up to the whole workload.
    """
    small = reduced_for(peer, workload)
    title = f"{workload.title}; less of it, for {peer.TITLE}"
    small = replace(small, title=title)
    losses = {name: programs(small)[name] for name in (PLAIN, OURS)}
    with starting({peer: python}, workload, quick=quick) as starts:
        expected, records = compare(small, losses, starts, rounds=_SLOW_ROUNDS, say=report.say)
    print("\n" + report.table(small, records), flush=True)
    content = report.as_json(small, expected, records, {})
    kept = ("title", "sizes", "reference", "programs", "ratios", "ours_over")
    refused = any(record.refused for record in records)
    return {key: content[key] for key in kept}, not refused


def routes(records: list[Record], workload: Workload) -> dict[str, float | None]:
    """What the shift rule costs, and how far its routes are apart in float64."""
    median = {record.name: record.median_s for record in records}
    with jax.enable_x64(True):
        args = arguments(workload.draw(), "float64")
        losses = programs(workload)
        found = {name: np.asarray(jax.jit(jax.grad(f))(*args)) for name, f in losses.items()}
    return {
        "shared_over_backprop": _over(median[SHARED], median[BACKPROP]),
        "replay_over_shared": _over(median[REPLAY], median[SHARED]),
        "shared_minus_backprop": float(np.abs(found[SHARED] - found[BACKPROP]).max()),
        "shared_minus_replay": float(np.abs(found[SHARED] - found[REPLAY]).max()),
    }


def _over(one: float | None, other: float | None) -> float | None:
    return one / other if one and other else None


def _route_lines(found: dict[str, float | None]) -> str:
    ratios = [f"  {name:<24}{found[name] or 0:.1f}x" for name in list(found)[:2]]
    errors = [f"  {name:<24}{found[name]:.1e} (float64)" for name in list(found)[2:]]
    return "\n".join(["the shift rule's routes", *ratios, *errors])


def memory(workload: str, *, quick: bool) -> dict[str, Any]:
    """Peak memory of one gradient under both rules, each in its own process."""
    report.say(f"{workload}: peak memory, one process per rule")
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


if __name__ == "__main__":
    # before anything is compiled: compile times are to be those of a first run
    jax.config.update("jax_enable_compilation_cache", False)
    sys.exit(main())
