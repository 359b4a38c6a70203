"""A controller fed by recorded bits, on a device: a turn for every outcome of the step before.

The controller recalls the last reads only, so a step has V sets of angles, one for each outcome v
of the step before, and the device plays those of the outcome that it found. By per-shot weights,
see `recorded.py`, with 1_v = 1 where the repetition found v before step t,

    d<L>/dp = sum_{t, k, j} c_j sum_v (d a_tvk / dp) E[ 1_v <ct, outcomes from t on> ]

The angle (t, k) is shifted for all outcomes at once. All 2 K T circuits and the unperturbed one are
one question.
"""

from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.flatten_util import ravel_pytree

from qrnn_jax.circuit.spread import spread
from qrnn_jax.controller import FeedbackCell
from qrnn_jax.engines import AbstractEngine
from qrnn_jax.engines.sampler import AbstractBranches
from qrnn_jax.feedback import Loop
from qrnn_jax.gradients import ParameterShift
from qrnn_jax.gradients.base import Start
from qrnn_jax.gradients.once import once, refuse_twice
from qrnn_jax.gradients.runs import PRIMAL, RUNS, Problem
from qrnn_jax.gradients.shift_table import shift_table
from qrnn_jax.setup import measurement_settings

_OWNER = "A circuit fed by bits"
_MOST = 16  # outcomes of a step: as many conditional turns for one


@lru_cache(maxsize=64)
def branches_for(cell: FeedbackCell, engine: AbstractEngine) -> AbstractBranches | None:
    """Where the repetitions come from; None where the engine has no such.

    Arguments:
        cell: with `feed="bits"`.
        engine: the caller's.

    Raises:
        ValueError: a controller that recalls more than the last reads; too many outcomes.
    """
    circuit, (group,) = measurement_settings(cell)
    source = engine.branched_source(circuit, group)
    if source is None:
        return None
    if len(group.values) > _MOST:
        raise ValueError(
            f"Argument `cell` must read at most {_MOST} outcomes a step where a device feeds bits, "
            f"but reads {len(group.values)}: each is a conditional turn; try fewer wires."
        )
    if not cell.controller.recalls_last:
        raise ValueError(
            "Argument `cell` must have a controller that recalls the last reads only "
            f"(`recalls_last`) where a device feeds bits, but has {cell.controller}: every history "
            "would have angles of its own; try `Perceptron`, or `Trajectories` to simulate it."
        )
    return source


def branch_loop(
    cell: FeedbackCell, source: AbstractBranches, shots: int, params: Any, xs: Array, key: Array
) -> Loop:
    """`bit_loop` on a device.

    Arguments:
        cell: with `feed="bits"`.
        source: from `branches_for`.
        shots: repetitions of every circuit.
        params: the cell's.
        xs: (T, features).
        key: a JAX key.
    """
    reads, covariance = _averaged(cell, source, shots, params, xs, key)
    return Loop(reads, covariance, jnp.zeros((len(xs), 0)))


class Answer(NamedTuple):
    """What all circuits of a gradient returned, the unperturbed one first.

    Arguments:
        first: (1 + R, V, T, M), see `AbstractBranches.ask`.
        second: (1 + R, V, T, M, T, M), or within each step (1 + R, V, T, M, M).
    """

    first: Array
    second: Array


@partial(jax.custom_jvp, nondiff_argnums=(0, 1, 2, 3))
def ask_all(
    cell: FeedbackCell,
    source: AbstractBranches,
    shots: int,
    whole: bool,
    params: Any,
    xs: Array,
    key: Array,
) -> Answer:
    """The unperturbed circuit and all shifted ones, in one question.

    Arguments:
        cell: with `feed="bits"`.
        source: from `branches_for`.
        shots: repetitions of every circuit.
        whole: whether reads of different steps are multiplied, too.
        params: the cell's.
        xs: (T, features).
        key: a JAX key.
    """
    tape, shifts, start = tape_of(cell, source, params, xs), _shifts(cell, len(xs)), Start(key=key)
    streams, own = start.stream(RUNS), start.stream(PRIMAL).key
    assert own is not None
    times, columns, moves = (
        jnp.asarray(part) for part in (shifts.times, shifts.columns, shifts.moves)
    )

    def one(place: Array) -> tuple[Array, Array]:
        is_first, index = place == 0, jnp.maximum(place - 1, 0)
        move = jnp.where(is_first, 0, moves[index]).astype(tape.dtype)
        moved = tape.at[times[index], :, columns[index]].add(move)
        other = streams.stream(index).key
        assert other is not None
        time = jnp.where(is_first, 0, times[index])
        return source.ask(moved, jnp.where(is_first, own, other), time, shots, whole)

    count = 1 + len(shifts.times)
    return Answer(*lax.map(one, jnp.arange(count), batch_size=count))


@ask_all.defjvp
def _ask_all_jvp(*ignored: Any) -> Any:
    del ignored
    return refuse_twice(_OWNER)


def tape_of(cell: FeedbackCell, source: AbstractBranches, params: Any, xs: Array) -> Array:
    """The angles (T, V, K) of every step behind each outcome of the step before."""
    controller, own = cell.controller, params["controller"]
    first, values = controller.start(own), jnp.asarray(source.values, xs.dtype)

    def row(time: Array, x: Array, before: Array, value: Array) -> Array:
        later = controller.update(own, first, before, value)
        h = jax.tree.map(lambda a, b: jnp.where(time == 0, a, b), first, later)
        return spread(cell.circuit, params["weights"], controller.angles(own, h, x))

    each = jax.vmap(jax.vmap(row, (None, None, None, 0)), (0, 0, 0, None))
    return each(jnp.arange(len(xs)), xs, jnp.roll(xs, 1, axis=0), values)


class _Shifts(NamedTuple):
    """One row per shifted circuit."""

    times: np.ndarray
    columns: np.ndarray
    moves: np.ndarray
    coefficients: np.ndarray


def _shifts(cell: FeedbackCell, steps: int) -> _Shifts:
    """Every occurrence of every angle, step by step."""
    problem = Problem(cell.circuit, steps, True, True)
    refusal = ParameterShift().problem_refusal(problem)
    if refusal:
        raise ValueError(refusal)
    table = shift_table(problem)
    times = np.repeat(np.arange(steps), len(table.columns))
    parts = (table.columns, table.shifts, table.coefficients)
    return _Shifts(times, *(np.tile(part, steps) for part in parts))


def later(shifts: _Shifts, steps: int) -> Array:
    """(R, T): which outputs can feel a shift."""
    return jnp.arange(steps) >= jnp.asarray(shifts.times)[:, None]


def mean_covariance(first: Array, second: Array, shots: int) -> Array:
    """The covariance (T, M, T, M) of the mean (T, M) of some repetitions."""
    return (second - jnp.multiply.outer(first, first)) / (shots - 1)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1, 2))
def _averaged(
    cell: FeedbackCell, source: AbstractBranches, shots: int, params: Any, xs: Array, key: Array
) -> tuple[Array, Array]:
    """The mean of the outcomes (T, M) and its covariance (T, M, M)."""
    own = Start(key=key).stream(PRIMAL).key
    assert own is not None
    first, second = source.ask(tape_of(cell, source, params, xs), own, 0, shots, False)
    return _within(first[0], second[0], shots)


def _within(first: Array, second: Array, shots: int) -> tuple[Array, Array]:
    """The mean (T, M) and its covariance within each step, from E[y] and E[y y']."""
    return first, (second - first[:, :, None] * first[:, None]) / (shots - 1)


def _forward(
    cell: FeedbackCell, source: AbstractBranches, shots: int, params: Any, xs: Array, key: Array
) -> tuple[tuple[Array, Array], Any]:
    found = ask_all(cell, source, shots, False, params, xs, key)
    return _within(found.first[0, 0], found.second[0, 0], shots), (params, xs, found.first[1:])


def _backward(
    cell: FeedbackCell, source: AbstractBranches, shots: int, kept: Any, cotangents: Any
) -> tuple[Any, Array, None]:
    del shots
    params, xs, runs = kept
    shifts = _shifts(cell, len(xs))
    slope = jnp.where(later(shifts, len(xs))[:, :, None], cotangents[0], 0)  # (R, T, M)
    weighted = jnp.asarray(shifts.coefficients, runs.dtype)[:, None] * jnp.einsum(
        "rvtm,rtm->rv", runs, slope
    )
    tape, pull = jax.vjp(lambda p, x: tape_of(cell, source, p, x), params, xs)
    by_angle = jnp.zeros_like(tape).at[shifts.times, :, shifts.columns].add(weighted)
    return (*once(_OWNER, pull(by_angle)), None)


_averaged.defvjp(_forward, _backward)


def branch_jacobian(
    cell: FeedbackCell,
    source: AbstractBranches,
    shots: int,
    params: Any,
    xs: Array,
    runs: Answer,
    cotangent: Array,
) -> tuple[Array, Array]:
    """The reads' derivative in params, raveled, from per-shot weights.

    Arguments:
        cell: with `feed="bits"`.
        source: from `branches_for`.
        shots: repetitions of every circuit.
        params: the cell's.
        xs: (T, features).
        runs: of the R shifted circuits.
        cotangent: (T, M).

    Returns:
        The Jacobian (P, T, M), and the variance (P,) of its product with the cotangent.
    """
    flat, unravel = ravel_pytree(params)
    shifts = _shifts(cell, len(xs))
    angles = jax.jacfwd(lambda f: tape_of(cell, source, unravel(f), xs))(flat)  # (T, V, K, P)
    weights = jnp.asarray(shifts.coefficients, runs.first.dtype)[:, None, None]
    weights = weights * angles[shifts.times, :, shifts.columns]  # (R, V, P)
    counts = later(shifts, len(xs))[:, :, None]
    jacobian = jnp.einsum("rvp,rvtm->ptm", weights, jnp.where(counts[:, None], runs.first, 0))
    slope = jnp.where(counts, cotangent, 0)
    mean = jnp.einsum("rvp,rvtm,rtm->rp", weights, runs.first, slope)
    square = jnp.einsum("rvp,rvtmsn,rtm,rsn->rp", weights**2, runs.second, slope, slope)
    return jacobian, jnp.sum(square - mean**2, axis=0) / (shots - 1)
