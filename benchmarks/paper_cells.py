"""Cells of the source papers on their data: the library's programs, and those by hand."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import qrnn_jax as qj
from benchmarks import plain_cells, throughput
from benchmarks.plain_jax import Loss
from benchmarks.programs import OURS, PLAIN, Forced
from benchmarks.workloads import DATA_BOUND, Numbers
from qrnn_jax.engines.dense import DensePlan
from qrnn_jax.engines.kraus import KrausPlan
from qrnn_jax.engines.native_choice import loop_refusal
from qrnn_jax.reproduction import cv_series, viqueira_task
from qrnn_jax.setup import plan_for

CHECKPOINTED_PLAIN = "plain JAX, steps recomputed"
BUILT_ONCE = "plain JAX, step built by hand"
SCAN = "plain JAX, mean and covariance"
EVERY, SOME, UNDONE = "Checkpointed(1)", "Checkpointed", "Adjoint"
NATIVE = f"{OURS}, Adjoint, native"
RULES: dict[str, qj.AbstractGradient] = {
    "Backprop": qj.Backprop(),
    EVERY: qj.Checkpointed(every=1),
    SOME: qj.Checkpointed(),
    UNDONE: qj.Adjoint(kernel="reference"),
}


@final
@dataclass(frozen=True, eq=False)
class Published:
    """One training step of a published cell.

    Arguments:
        name: on the command line.
        title: what it is.
        sizes: what the running time depends on.
        numbers: data and flat parameters.
        reference: the loss that is evaluated in float64.
        programs: all that is compared, by name; ratios are against the first.
        gradient_tolerance, gradient_goal: as of a `Workload`.
    """

    name: str
    title: str
    sizes: dict[str, int]
    numbers: Numbers
    reference: Loss
    programs: dict[str, Loss]
    gradient_tolerance: float = 1e-4
    gradient_goal: float = 2e-5
    golden: None = None


def takaki(batch: int, quick: bool) -> Published:
    """MSE of all outputs; data and targets uniform, angles as the cell draws them."""
    name = "takaki" if batch == 1 else "takaki-batch"
    wires = (2, 1, 1) if quick else (3, 3, 3)  # inputs, memory, depth
    cell, step = qj.cells.Takaki(*wires), plain_cells.takaki(*wires)
    batch, steps = (min(batch, 2), 5) if quick else (batch, 200)
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-DATA_BOUND, DATA_BOUND, (2, batch, steps))
    shape = (cell.depth, cell.wires, 3)
    params = rng.uniform(0, 2 * np.pi, int(np.prod(shape)))

    def loss(engine: Any, gradient: Any, params: Array, x: Array, y: Array) -> Array:
        def sequence(xs: Array) -> Array:
            angles = {"angles": params.reshape(shape)}
            return qj.run(cell, angles, xs[:, None], engine=engine, gradient=gradient)[:, 0]

        return jnp.mean((jax.vmap(sequence)(x) - y) ** 2)

    by_hand = _by_hand(step)
    return Published(
        name,
        "Takaki et al., {} inputs, {} memory wires, depth {}".format(*wires),
        _sizes(cell.wires, x, params),
        Numbers(x, y, params),
        by_hand[BUILT_ONCE],
        by_hand | _ours(loss, forced=True),
        gradient_tolerance=5e-4,  # float32 rounding, repeated over 200 steps
        gradient_goal=2e-4,
    )


def viqueira(batch: int, quick: bool) -> Published:
    """Task (a): windows of 20, the last 5 outputs count; the paper trains one window at a time."""
    task, scored, cell = viqueira_task.TASK, viqueira_task.SCORED, viqueira_task.CELL
    if quick:
        cell = qj.cells.Viqueira(exchange=1, memory=2, layers=1, uploads=1)
    windows = task.train[: min(batch, 2) if quick else batch]
    x, y = windows.inputs[..., 0], windows.targets[..., 0]
    params = viqueira_task.published_start(13192)[: 1 + cell.circuit.weight_count]
    params[0] = 0.1  # a bias of 0 would hide a wrong one

    def loss(engine: Any, gradient: Any, params: Array, x: Array, y: Array) -> Array:
        def sequence(xs: Array) -> Array:
            return qj.run(cell, params, xs[:, None], engine=engine, gradient=gradient)[:, 0]

        return jnp.mean((jax.vmap(sequence)(x) - y)[:, -scored:] ** 2)

    by_hand = _by_hand(plain_cells.viqueira(cell.memory, cell.layers, cell.uploads), last=scored)
    return Published(
        "viqueira" if batch == 1 else "viqueira-batch",
        "Viqueira et al., task (a), EMCZ2, 1 exchange wire, 2 memory wires",
        _sizes(cell.wires, x, params),
        Numbers(x, y, params),
        by_hand[PLAIN],
        by_hand | _ours(loss, forced=True),
    )


def cv_sine(quick: bool) -> Published:
    """The first of the paper's batches of 10 windows; outcomes of its own for each run."""
    task = qj.tasks.cv_series("sine")
    chosen = task.train[qj.tasks.fixed_batches(len(task.train))[0][: 3 if quick else None]]
    cell = replace(cv_series.CELL, homodyne="sampled")
    rng = np.random.default_rng(0)
    x = np.concatenate([chosen.inputs, rng.normal(size=chosen.inputs.shape)], axis=2)
    params = 0.3 * rng.normal(size=cell.circuit.weight_count + 1)

    def loss(engine: Any, gradient: Any, params: Array, x: Array, y: Array) -> Array:
        run = partial(qj.run, cell, params, engine=engine, gradient=gradient)
        return jnp.mean((jax.vmap(run)(x)[:, -1, 0] - y) ** 2)

    return Published(
        "cv-sine",
        "Siemaszko et al., sine, 1 input mode, 2 hidden modes, sampled homodyne outcomes",
        _sizes(cell.modes, x, params),
        Numbers(x, chosen.targets[:, -1, 0], params),
        plain_cells.modes_loss,
        {SCAN: plain_cells.modes_loss} | _ours(loss, forced=False),
    )


def mnist(quick: bool) -> Published:
    """Bausch's step of `benchmarks.throughput`; nothing by hand, so ours in float64 checks it."""
    cell = qj.cells.Bausch(lanes=2, workspace=2, stages=1, degree=1) if quick else throughput.MNIST
    bits, words, params = throughput.mnist_data(cell, *((2, 3) if quick else (200, 99)))

    def loss(engine: Any, gradient: Any, params: Array, x: Array, y: Array) -> Array:
        del engine, y
        return throughput.mnist_loss(cell, words, params, x, gradient)

    programs = _ours(loss, forced=False)
    if loop_refusal(plan_for(cell, qj.RealVector())) is None:
        programs[NATIVE] = partial(loss, None, qj.Adjoint(kernel="native"))
    return Published(
        "bausch-mnist",
        "Bausch, a step on pictures, every step projected on its target",
        _sizes(cell.circuit.wires, bits, params),
        Numbers(bits, np.zeros(len(bits)), params),
        programs[f"{OURS}, {EVERY}"],
        programs,
        gradient_tolerance=5e-4,
        gradient_goal=2e-4,
    )


CASES: dict[str, Callable[[bool], Published]] = {
    "takaki": partial(takaki, 1),
    "takaki-batch": partial(takaki, 32),
    "viqueira": partial(viqueira, 1),
    "viqueira-batch": partial(viqueira, 32),
    "cv-sine": cv_sine,
    "bausch-mnist": mnist,
}


def _sizes(wires: int, x: np.ndarray, params: np.ndarray) -> dict[str, int]:
    return {"wires": wires, "steps": x.shape[1], "batch": len(x), "parameters": len(params)}


def _by_hand(step: plain_cells.Step, last: int = 0) -> dict[str, Loss]:
    """Three forms of a step on qubits; `last` outputs count, 0 for all."""
    sequences = {
        PLAIN: plain_cells.gate_by_gate(step),
        CHECKPOINTED_PLAIN: plain_cells.gate_by_gate(step, checkpointed=True),
        BUILT_ONCE: plain_cells.built_once(step),
    }
    return {
        name: plain_cells.mean_square_from(sequence, -last) for name, sequence in sequences.items()
    }


def _ours(loss: Callable[..., Array], *, forced: bool) -> dict[str, Loss]:
    """Automatic, then every exact rule; with `forced` also plans that were not chosen."""
    found = {OURS: partial(loss, None, None)}
    found |= {f"{OURS}, {name}": partial(loss, None, rule) for name, rule in RULES.items()}
    if forced:
        for name in ("Backprop", EVERY, SOME):
            engine = Forced(KrausPlan)
            found[f"{OURS}, Kraus, {name}"] = partial(loss, engine, RULES[name])
        found[f"{OURS}, full matrix, {EVERY}"] = partial(loss, Forced(DensePlan), RULES[EVERY])
    return found
