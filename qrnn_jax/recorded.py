"""A controller fed by recorded bits: the outcomes of the one repetition at hand.

Every repetition has its own bits and so its own angles. Shift the angle (t, k) in all branches; by
causality the bits before t keep their law, so with per-shot weights

    d<L>/dp = sum_{t, k} sum_j c_j E[ (d a_tk / dp)(recorded bits) * <ct, outcomes from t on> ]

is unbiased for any controller, and one set of 2 K T circuits serves all its parameters.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.flatten_util import ravel_pytree

from qrnn_jax.circuit.groups import measurement_groups
from qrnn_jax.circuit.observed import observed
from qrnn_jax.circuit.spread import spread, weight_row
from qrnn_jax.controller import FeedbackCell
from qrnn_jax.engines.base import complex_dtype
from qrnn_jax.engines.trajectories import TrajectorySampler
from qrnn_jax.feedback import Loop
from qrnn_jax.gradients import ParameterShift
from qrnn_jax.gradients.base import Start
from qrnn_jax.gradients.once import once
from qrnn_jax.gradients.runs import PRIMAL, RUNS, Problem
from qrnn_jax.gradients.shift_table import shift_table
from qrnn_jax.setup import check_measurable

Shift = tuple[Array, Array, Array]  # step, tape column, angle


def bit_loop(cell: FeedbackCell, shots: int, params: Any, xs: Array, key: Array) -> Loop:
    """Play `shots` repetitions, each with its own bits; reverse mode by per-shot weights.

    Arguments:
        cell: with `feed="bits"`.
        shots: repetitions of every circuit.
        params: the cell's.
        xs: (T, features).
        key: a JAX key.
    """
    reads, covariance = _averaged(cell, shots, params, xs, key)
    return Loop(reads, covariance, jnp.zeros((len(xs), 0)))


def sampler_for(cell: FeedbackCell) -> TrajectorySampler:
    """Pure states: their angles may differ from repetition to repetition."""
    circuit, observables = observed(cell.circuit, cell.observables)
    (group,) = measurement_groups(cell.observables, dict(cell.circuit.readout_errors))
    check_measurable(circuit, (group,))
    return TrajectorySampler(circuit, observables, complex_dtype(None), group)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _averaged(
    cell: FeedbackCell, shots: int, params: Any, xs: Array, key: Array
) -> tuple[Array, Array]:
    """The mean of the outcomes (T, M) and its covariance (T, M, M)."""
    own = Start(key=key).stream(PRIMAL).key
    assert own is not None
    values = play_bits(cell, shots, params, xs, own, None)
    mean = jnp.mean(values, axis=0)
    second = jnp.einsum("sti,stj->tij", values, values) / shots
    return mean, (second - mean[:, :, None] * mean[:, None, :]) / (shots - 1)


def _forward(
    cell: FeedbackCell, shots: int, params: Any, xs: Array, key: Array
) -> tuple[tuple[Array, Array], Any]:
    return _averaged(cell, shots, params, xs, key), (params, xs, key)


def _backward(
    cell: FeedbackCell, shots: int, kept: Any, cotangents: tuple[Array, Array]
) -> tuple[Any, Array, None]:
    params, xs, key = kept
    unravel = ravel_pytree((params, xs))[1]
    jacobian, _ = shot_jacobian(cell, shots, params, xs, key, cotangents[0])
    gradient = jnp.einsum("ptm,tm->p", jacobian, cotangents[0])
    # bits are drawn: what depends on the inputs through them alone must be refused as well
    gradient, *_ = once("A circuit fed by bits", (gradient, params, xs))
    return (*unravel(gradient), None)


_averaged.defvjp(_forward, _backward)


def shot_jacobian(
    cell: FeedbackCell, shots: int, params: Any, xs: Array, key: Array, cotangent: Array
) -> tuple[Array, Array]:
    """The reads' derivative in (params, xs), raveled, from per-shot weights.

    Arguments:
        cotangent: (T, M).

    Returns:
        The Jacobian (P, T, M), and the variance (P,) of its product with the cotangent.
    """
    problem = Problem(cell.circuit, len(xs), True, True)
    refusal = ParameterShift().problem_refusal(problem)
    if refusal:
        raise ValueError(refusal)
    table, streams = shift_table(problem), Start(key=key).stream(RUNS)
    rows = len(table.columns)
    columns = jnp.asarray(table.columns)
    coefficients = jnp.asarray(table.coefficients, xs.dtype)
    shifts = jnp.asarray(table.shifts, xs.dtype)

    def one(index: Array) -> tuple[Array, Array]:
        time, row = index // rows, index % rows
        own = streams.stream(index).key
        assert own is not None
        values = play_bits(cell, shots, params, xs, own, (time, columns[row], shifts[row]))
        later = (jnp.arange(len(xs)) >= time)[:, None]

        def angle(inputs: tuple[Any, Array], values: Array) -> Array:
            return coefficients[row] * recorded_tape(cell, *inputs, values)[time, columns[row]]

        slopes = jax.vmap(lambda v: ravel_pytree(jax.grad(angle)((params, xs), v))[0])(values)
        kept = jnp.where(later, values, 0)
        weighted = slopes * jnp.einsum("stm,tm->s", kept, cotangent)[:, None]  # (S, P)
        jacobian = jnp.einsum("sp,stm->ptm", slopes, kept) / shots
        return jacobian, jnp.var(weighted, axis=0, ddof=1) / shots

    jacobians, variances = lax.map(one, jnp.arange(len(xs) * rows))
    return jnp.sum(jacobians, axis=0), jnp.sum(variances, axis=0)


def play_bits(
    cell: FeedbackCell, shots: int, params: Any, xs: Array, key: Array, shift: Shift | None
) -> Array:
    """The outcomes (S, T, M) of repetitions whose angles follow their own bits."""
    sampler, controller = sampler_for(cell), cell.controller
    own, weights = params["controller"], params["weights"]
    uniforms = jax.random.uniform(key, (shots, len(xs), sampler.uniforms), xs.dtype)
    moves = jnp.zeros((len(xs), len(cell.circuit.parameters)), xs.dtype)
    if shift is not None:
        moves = moves.at[shift[0], shift[1]].add(shift[2])
    # without data all repetitions agree, so what is made of these rows is made once for them
    fixed = jax.vmap(sampler.fixed)(weight_row(cell.circuit, weights) + moves)

    def repetition(uniforms: Array) -> Array:
        def step(carry: Any, inputs: Any) -> tuple[Any, Array]:
            (branch, h), (x, u, move, fixed_t) = carry, inputs
            row = spread(cell.circuit, weights, controller.angles(own, h, x)) + move
            branch, values = sampler.step(branch, sampler.encode(fixed_t, row), u)
            return (branch, controller.update(own, h, x, values)), values

        first = (sampler.init(), controller.start(own))
        return lax.scan(step, first, (xs, uniforms, moves, fixed))[1]

    return lax.map(repetition, uniforms, batch_size=min(shots, sampler.width))


def recorded_tape(cell: FeedbackCell, params: Any, xs: Array, values: Array) -> Array:
    """The angles (T, K) that follow from the bits of one repetition, (T, M)."""
    controller, own = cell.controller, params["controller"]

    def step(h: Any, inputs: tuple[Array, Array]) -> tuple[Any, Array]:
        x, read = inputs
        tape = spread(cell.circuit, params["weights"], controller.angles(own, h, x))
        return controller.update(own, h, x, read), tape

    return lax.scan(step, controller.start(own), (xs, values))[1]
