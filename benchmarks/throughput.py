"""`python -m benchmarks.throughput`: time per sequence at large batches beside ceilings.

Each case is checked against float64 before it is timed. Its arithmetic, counted in its cheapest
known form, over the speed of a large matrix product of the same run, is the fraction that is told.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

import qrnn_jax as qj
from benchmarks import report
from benchmarks.machine import origin
from benchmarks.measure import (
    Gradient,
    Record,
    arguments,
    check,
    compile_step,
    refusal,
    time_rounds,
)
from benchmarks.ours import cell, library_loss
from benchmarks.workloads import W1, W3, Workload
from qrnn_jax.engines.native_real import RealLoop
from qrnn_jax.setup import plan_for

_RESULTS = Path(__file__).resolve().parent / "results"
_ROUNDS, _QUICK_ROUNDS = 7, 3
_GRADIENT = 5e-4  # allowed relative error of float32
_SIDE, _COPY = 2048, 2**26  # of the matrix product; numbers that are copied, 256 MiB
MNIST = qj.cells.Bausch(lanes=2, workspace=8, stages=2, degree=2)


@final
@dataclass(frozen=True)
class Case:
    """A training step at a large batch.

    Arguments:
        name: in the table.
        batch: sequences.
        flops: arithmetic of one step's value and gradient, for all sequences.
        loss: a scalar of (params, *data).
        draw: dtype -> (params, *data).
    """

    name: str
    batch: int
    flops: float
    loss: Callable[..., jax.Array]
    draw: Callable[[str], tuple]


def main(given: list[str] | None = None) -> int:
    """Measure all cases; 1 if one was refused."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throughput", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny batches, to see that it runs")
    parser.add_argument("--out", type=Path, help="folder for JSON (default: benchmarks/results)")
    chosen = parser.parse_args(given)
    rounds = _QUICK_ROUNDS if chosen.quick else _ROUNDS
    found = measure([reset, unitary, mnist], rounds, quick=chosen.quick)
    print(table(found))
    if chosen.out or not chosen.quick:
        report.write(chosen.out or _RESULTS, "throughput", found)
    return int(any(case["refused"] for case in found["cases"].values()))


def measure(makers: list[Callable[[bool], Case]], rounds: int, *, quick: bool) -> dict[str, Any]:
    """All cases and ceilings, in turns so that a slow minute hits all of them."""
    cases = [make(quick) for make in makers]
    steps, records = {"gemm": _gemm(quick), "copy": _copy(quick)}, []
    for case in cases:
        print(f"  {case.name}: compile and check ...", file=sys.stderr, flush=True)
        record, step = _prepared(case)
        records.append(record)
        if not record.refused:
            steps[case.name] = step
    repeats = time_rounds(steps, rounds=rounds)
    median = {name: statistics.median(found) for name, found in repeats.items()}
    gemm = 2 * _side(quick) ** 3 / median["gemm"]
    for record in records:
        record.repeats_s = repeats.get(record.name, [])
    return {
        "quick": quick,
        **origin(),
        "gemm_flops_per_s": gemm,
        "copy_bytes_per_s": 2 * 4 * _copied(quick) / median["copy"],
        "cases": {case.name: _told(case, record, gemm) for case, record in zip(cases, records)},
    }


def _prepared(case: Case) -> tuple[Record, Callable[[], float]]:
    """The compiled step in float32, with how far it is from float64."""
    with jax.enable_x64(True):
        args = case.draw("float64")
        value, gradient = compile_step(case.loss, args).step(*args)
        expected = Gradient(float(value), np.asarray(gradient))
    args = case.draw("float32")
    compiled = compile_step(case.loss, args)
    value, gradient = compiled.step(*args)
    found = Gradient(float(value), np.asarray(gradient, np.float64))
    result = check(found, expected, gradient_tolerance=_GRADIENT)
    refused = refusal(result, _GRADIENT)
    step = _timed(lambda: jax.block_until_ready(compiled.step(*args)))
    return Record(case.name, *compiled[1:], check=result, refused=refused), step


def _told(case: Case, record: Record, gemm: float) -> dict[str, Any]:
    assert record.check is not None
    told = {"batch": case.batch, "refused": record.refused, **record.check._asdict()}
    seconds = record.median_s
    if seconds is None:
        return told
    return told | {
        "trace_s": record.trace_s,
        "compile_s": record.compile_s,
        "temp_bytes": record.temp_bytes,
        "median_s": seconds,
        "seconds_per_sequence": seconds / case.batch,
        "flops": case.flops,
        "fraction_of_gemm": case.flops / gemm / seconds,
        "repeats_s": [round(found, 6) for found in record.repeats_s],
    }


def table(found: dict[str, Any]) -> str:
    """A plain table."""
    lines = [
        f"sgemm {found['gemm_flops_per_s'] / 1e9:.0f} GFLOP/s, copy (read and write) "
        f"{found['copy_bytes_per_s'] / 1e9:.0f} GB/s",
        f"{'training step':<28}{'batch':>7}{'ms':>10}{'us per sequence':>17}{'of sgemm':>10}"
        f"{'compile s':>11}{'temp MB':>9}",
    ]
    for name, case in found["cases"].items():
        if case["refused"]:
            lines.append(f"{name:<28}REFUSED: {case['refused']}")
            continue
        lines.append(
            f"{name:<28}{case['batch']:>7}{1e3 * case['median_s']:>10.1f}"
            f"{1e6 * case['seconds_per_sequence']:>17.1f}{100 * case['fraction_of_gemm']:>9.1f}%"
            f"{case['trace_s'] + case['compile_s']:>11.1f}{case['temp_bytes'] / 1e6:>9.1f}"
        )
    return "\n".join(lines)


def reset(quick: bool) -> Case:
    """W1 at 2048: one real matrix product of the transfer matrix per step, and two backward."""
    workload = replace(W1, batch=8 if quick else 2048, golden=None)
    plan = plan_for(cell(workload), None)
    tape = jnp.zeros(len(plan.circuit.parameters))
    shapes = jax.tree.leaves(jax.eval_shape(plan.prepare, tape))
    largest = max(int(np.prod(leaf.shape)) for leaf in shapes)
    return _of_workload(workload, 3 * 2 * largest)


def unitary(quick: bool) -> Case:
    """W3 at 128: real turns and one diagonal per layer, psi and lambda; see `_unitary_flops`."""
    workload = replace(W3, batch=2 if quick else 128, golden=None)
    if quick:
        workload = replace(workload, steps=8)
    return _of_workload(workload, _unitary_flops(workload))


def _unitary_flops(workload: Workload) -> float:
    """An amplitude costs 4 in a turn, 6 in a phase; backward twice that and 4 for the sums.

    Inputs are one turn with the first trained one, and all phases of a layer count as one.
    """
    turn, phase = 4 + 2 * 4 + 4, 6 + 2 * 6 + 4
    return workload.layers * (turn * workload.wires + phase) * 2.0**workload.wires


def _of_workload(workload: Workload, per_step: float) -> Case:
    return Case(
        f"{workload.name}, batch {workload.batch}",
        workload.batch,
        per_step * workload.steps * workload.batch,
        library_loss(workload),
        lambda dtype: arguments(workload.draw(), dtype),
    )


def mnist(quick: bool) -> Case:
    """A step of Bausch's network on pictures, every step projected on its target."""
    batch, steps = (4, 5) if quick else (200, 99)
    bits, words, params = mnist_data(MNIST, batch, steps)
    return Case(
        f"Bausch's MNIST, batch {batch}",
        batch,
        batch * steps * _step_flops(),
        lambda params, xs: mnist_loss(MNIST, words, params, xs),
        lambda dtype: (jnp.asarray(params, dtype), jnp.asarray(bits, dtype)),
    )


def mnist_data(
    cell: qj.cells.Bausch, batch: int, steps: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Random bits (batch, steps, 2 lanes), the words (batch, steps) to be read, and parameters."""
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2, (batch, steps, 2 * cell.lanes)).astype(np.float32)
    words = bits[..., cell.lanes :] @ 2 ** np.arange(cell.lanes)[::-1]
    return bits, words, np.asarray(cell.init(jax.random.key(0)))


def mnist_loss(
    cell: qj.cells.Bausch,
    words: np.ndarray,
    params: jax.Array,
    xs: jax.Array,
    gradient: qj.AbstractGradient | None = None,
) -> jax.Array:
    """The cross entropy of the words, by one gradient rule; None chooses."""
    engine = qj.RealVector(params.dtype)
    chances = jax.vmap(lambda x: qj.run(cell, params, x, engine=engine, gradient=gradient))(xs)
    return qj.losses.probability_cross_entropy(chances, jnp.asarray(words, jnp.int32))


def _step_flops() -> float:
    """An amplitude costs 3 in a turn; backward that again, and 4 for the slopes of its table."""
    turned = RealLoop(plan_for(MNIST, None)).turned_wires
    return 10.0 * sum(2**wires for wires in turned)


def _side(quick: bool) -> int:
    return 256 if quick else _SIDE


def _copied(quick: bool) -> int:
    return 2**16 if quick else _COPY


def _gemm(quick: bool) -> Callable[[], float]:
    matrix = jnp.ones((_side(quick), _side(quick)), jnp.float32)
    product = jax.jit(jnp.matmul).lower(matrix, matrix).compile()
    return _timed(lambda: jax.block_until_ready(product(matrix, matrix)))


def _copy(quick: bool) -> Callable[[], float]:
    """Into memory that is already there: what the system must map first is no ceiling."""
    source = np.ones(_copied(quick), np.float32)
    target = np.zeros_like(source)
    return _timed(lambda: np.copyto(target, source))


def _timed(call: Callable[[], Any]) -> Callable[[], float]:
    """The call, run once now; then the seconds that it takes."""
    call()

    def step() -> float:
        started = time.perf_counter()
        call()
        return time.perf_counter() - started

    return step


if __name__ == "__main__":
    # before anything is compiled: compile times are to be those of a first run
    jax.config.update("jax_enable_compilation_cache", False)
    sys.exit(main())
