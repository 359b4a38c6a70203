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
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

import qrnn_jax as qj
from benchmarks import report
from benchmarks.machine import machine, versions
from benchmarks.measure import arguments
from benchmarks.ours import cell, library_loss
from benchmarks.workloads import W1, W3, Workload
from qrnn_jax.setup import plan_for

_RESULTS = Path(__file__).resolve().parent / "results"
_ROUNDS, _QUICK_ROUNDS = 7, 3
_VALUE, _GRADIENT = 1e-4, 5e-4  # allowed relative errors of float32
_SIDE, _COPY = 2048, 2**26  # of the matrix product; numbers that are copied, 256 MiB
_MNIST = qj.cells.Bausch(lanes=2, workspace=8, stages=2, degree=2)


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
    steps, refused, errors = {}, {}, {}
    for case in cases:
        print(f"  {case.name}: compile and check ...", file=sys.stderr, flush=True)
        steps[case.name], errors[case.name] = _checked(case)
        value, gradient = errors[case.name]
        refused[case.name] = not (value < _VALUE and gradient < _GRADIENT)
    timed = {"gemm": _gemm(quick), "copy": _copy(quick)}
    timed |= {name: step for name, step in steps.items() if not refused[name]}
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(rounds):
        for name, call in timed.items():
            begun = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - begun)
    return _as_json(cases, refused, errors, seconds, quick=quick)


def _as_json(
    cases: list[Case],
    refused: dict[str, bool],
    errors: dict[str, tuple[float, float]],
    seconds: dict[str, list[float]],
    *,
    quick: bool,
) -> dict[str, Any]:
    median = {name: statistics.median(found) for name, found in seconds.items()}
    gemm = 2 * _side(quick) ** 3 / median["gemm"]
    told: dict[str, Any] = {}
    for case in cases:
        value, gradient = errors[case.name]
        told[case.name] = {
            "batch": case.batch,
            "refused": refused[case.name],
            "value_error": value,
            "gradient_error": gradient,
        }
        if refused[case.name]:
            continue
        told[case.name] |= {
            "median_s": median[case.name],
            "seconds_per_sequence": median[case.name] / case.batch,
            "flops": case.flops,
            "fraction_of_gemm": case.flops / gemm / median[case.name],
            "repeats_s": [round(found, 6) for found in seconds[case.name]],
        }
    return {
        "quick": quick,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        "gemm_flops_per_s": gemm,
        "copy_bytes_per_s": 2 * 4 * _copied(quick) / median["copy"],
        "cases": told,
    }


def table(found: dict[str, Any]) -> str:
    """A plain table."""
    lines = [
        f"sgemm {found['gemm_flops_per_s'] / 1e9:.0f} GFLOP/s, copy (read and write) "
        f"{found['copy_bytes_per_s'] / 1e9:.0f} GB/s",
        f"{'training step':<28}{'batch':>7}{'ms':>10}{'us per sequence':>17}{'of sgemm':>10}",
    ]
    for name, case in found["cases"].items():
        if case["refused"]:
            lines.append(f"{name:<28}REFUSED: gradient off by {case['gradient_error']:.1e}")
            continue
        lines.append(
            f"{name:<28}{case['batch']:>7}{1e3 * case['median_s']:>10.1f}"
            f"{1e6 * case['seconds_per_sequence']:>17.1f}{100 * case['fraction_of_gemm']:>9.1f}%"
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
    """An amplitude costs 6 in a real turn or a phase; backward twice that and 4 for the sums."""
    gates = workload.layers * (workload.wires + 1) + workload.inputs
    return (6 + 2 * 6 + 4) * gates * 2.0**workload.wires


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
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2, (batch, steps, 2 * _MNIST.lanes)).astype(np.float32)
    words = bits[..., _MNIST.lanes :] @ 2 ** np.arange(_MNIST.lanes)[::-1]

    def loss(params: jax.Array, xs: jax.Array) -> jax.Array:
        engine = qj.RealVector(params.dtype)
        chances = jax.vmap(lambda x: qj.run(_MNIST, params, x, engine=engine))(xs)
        return qj.losses.probability_cross_entropy(chances, jnp.asarray(words, jnp.int32))

    params = np.asarray(_MNIST.init(jax.random.key(0)))
    return Case(
        f"Bausch's MNIST, batch {batch}",
        batch,
        3 * batch * steps * _step_flops(),
        loss,
        lambda dtype: (jnp.asarray(params, dtype), jnp.asarray(bits, dtype)),
    )


def _step_flops() -> float:
    """What XLA counts for one step forward; a gradient is thrice that."""
    params, xs = jnp.zeros(_MNIST.circuit.weight_count), jnp.zeros((1, 2 * _MNIST.lanes))
    run = jax.jit(lambda p, x: qj.run(_MNIST, p, x))
    return float(run.lower(params, xs).compile().cost_analysis()["flops"])


def _checked(case: Case) -> tuple[Callable[[], None], tuple[float, float]]:
    """The compiled step in float32, and its relative errors in value and gradient."""
    with jax.enable_x64(True):
        exact, slope = jax.jit(jax.value_and_grad(case.loss))(*case.draw("float64"))
        exact, slope = float(exact), np.asarray(slope)
    args = case.draw("float32")
    step = jax.jit(jax.value_and_grad(case.loss)).lower(*args).compile()
    value, gradient = step(*args)
    value_error = abs(float(value) - exact) / abs(exact)
    gradient_error = float(np.abs(np.asarray(gradient) - slope).max() / np.abs(slope).max())
    return lambda: jax.block_until_ready(step(*args)), (value_error, gradient_error)


def _side(quick: bool) -> int:
    return 256 if quick else _SIDE


def _copied(quick: bool) -> int:
    return 2**16 if quick else _COPY


def _gemm(quick: bool) -> Callable[[], Any]:
    matrix = jnp.ones((_side(quick), _side(quick)), jnp.float32)
    product = jax.jit(jnp.matmul).lower(matrix, matrix).compile()
    product(matrix, matrix)
    return lambda: jax.block_until_ready(product(matrix, matrix))


def _copy(quick: bool) -> Callable[[], None]:
    """Into memory that is already there: what the system must map first is no ceiling."""
    source = np.ones(_copied(quick), np.float32)
    target = np.zeros_like(source)
    return lambda: np.copyto(target, source)


if __name__ == "__main__":
    sys.exit(main())
