"""Running and differentiating a circuit under a classical controller.

Expectation values fed back. The run freezes the angles a*. The shift rule gives the causal Jacobian
J[t, k, s] = d y_s / d a[t, k] with all other angles frozen; a triangular scan closes the loop:

    y_s = y*_s + sum_{t <= s, k} J[t, k, s] (a[t, k] - a*[t, k]),    a_t = A(params, y_1..y_{t-1})

Its value is y*, its derivative the chain rule's, in plain JAX.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from qrnn_jax.circuit.observed import observed
from qrnn_jax.circuit.spread import spread, weight_row
from qrnn_jax.controller import FeedbackCell
from qrnn_jax.engines import AbstractEngine, AbstractExactEngine, AbstractPlan
from qrnn_jax.engines.marginals import marginal_estimate
from qrnn_jax.expectations import Expectations, Quantum, SampledExpectations
from qrnn_jax.gradients import AbstractGradient, Automatic, Backprop, ParameterShift
from qrnn_jax.gradients.base import Start
from qrnn_jax.gradients.once import once
from qrnn_jax.gradients.runs import PRIMAL, Point, Problem, kept_reads
from qrnn_jax.gradients.shift_table import shift_table
from qrnn_jax.setup import engine_for, expectations_for


class Loop(NamedTuple):
    """One closed run.

    Arguments:
        reads: (T, M).
        covariance: (T, M, M), of the reads; None if exact.
        tape: (T, K), the angles that the controller chose.
    """

    reads: Array
    covariance: Array | None
    tape: Array


def feedback_rule(gradient: AbstractGradient | None, sampled: bool) -> AbstractGradient:
    """The rules that close the loop; others are refused by name."""
    if gradient in (None, Automatic()):
        return ParameterShift() if sampled else Backprop()
    if isinstance(gradient, ParameterShift) and gradient == ParameterShift(chunk=gradient.chunk):
        return gradient
    if isinstance(gradient, Backprop) and not sampled:
        return gradient
    raise ValueError(
        "Argument `gradient` must be `ParameterShift()` for a controlled circuit, or `Backprop()` "
        f"while nothing is drawn, but is {gradient}; the other rules do not close the loop."
    )


def expectation_loop(
    cell: FeedbackCell,
    engine: AbstractEngine | None,
    shots: int | None,
    rule: AbstractGradient,
    params: Any,
    xs: Array,
    key: Array | None,
) -> Loop:
    """Feed expectation values back: exact ones, or estimates from circuits of their own.

    Arguments:
        cell: with `feed="expectations"`.
        engine: an exact engine, a device, or None.
        shots: repetitions of each of the T prefix circuits and of every shifted circuit.
        rule: from `feedback_rule`.
        params: the cell's.
        xs: (T, features).
        key: a JAX key; None if exact.
    """
    model = expectations_for(cell.cell, engine, shots, shots is not None, len(xs))
    if model.joins:
        return _shifted(cell, None, model, rule, params, xs, key)
    chosen = exact_engine(cell, engine)
    circuit, observables = observed(cell.circuit, cell.observables)
    plan = chosen.plan(circuit, observables)
    if isinstance(model, SampledExpectations):
        outcomes = tuple(setting.group.outcomes for setting in model.settings if setting.group)
        plan = chosen.plan(circuit, outcomes)
    if isinstance(rule, Backprop):
        return _closed(cell, plan, model, params, xs, key)
    return _shifted(cell, plan, model, rule, params, xs, key)


def exact_engine(cell: FeedbackCell, engine: AbstractEngine | None) -> AbstractExactEngine:
    """The engine that carries the state through the loop."""
    chosen = engine_for(cell.cell, engine)
    if not isinstance(chosen, AbstractExactEngine):
        raise ValueError(
            "Argument `engine` must be exact where expectation values are fed back, but is "
            f'{chosen}; try `qj.DensityMatrix()`, or `feed="bits"`.'
        )
    return chosen


def _closed_on_device(
    cell: FeedbackCell, model: SampledExpectations, params: Any, xs: Array, key: Any
) -> Loop:
    """The loop where no state can be carried: step t asks for circuits of t steps, from |0..0>."""
    controller, own, weights = cell.controller, params["controller"], params["weights"]

    def step(carry: Any, inputs: tuple[Array, Array]) -> tuple[Any, Any]:
        (tape, h), (x, time) = carry, inputs
        row = spread(cell.circuit, weights, controller.angles(own, h, x))
        tape = tape.at[time].set(row)
        start = Start(key=jax.random.fold_in(key, time), keep=jnp.arange(len(xs)) == time)
        found = model.estimate(tape, start, None)
        h = controller.update(own, h, x, found.mean[time])
        return (tape, h), (found.mean[time], found.covariance[time])

    tape = jnp.zeros((len(xs), len(cell.circuit.parameters)), xs.dtype)
    first = (tape, controller.start(own))
    (tape, _), (reads, covariance) = lax.scan(step, first, (xs, jnp.arange(len(xs))))
    return Loop(reads, covariance, tape)


def _closed(
    cell: FeedbackCell, plan: AbstractPlan | None, model: Quantum, params: Any, xs: Array, key: Any
) -> Loop:
    """The loop itself: angles from the controller, one step, reads back to the controller."""
    if plan is None:
        assert isinstance(model, SampledExpectations)
        return _closed_on_device(cell, model, params, xs, key)
    controller, own, weights = cell.controller, params["controller"], params["weights"]
    prepared = plan.prepare(weight_row(cell.circuit, weights))

    def step(carry: Any, inputs: tuple[Array, Array]) -> tuple[Any, Any]:
        (state, h), (x, time) = carry, inputs
        tape = spread(cell.circuit, weights, controller.angles(own, h, x))
        state, found = plan.step(prepared, state, plan.encode(prepared, tape))
        reads, covariance = _draw(model, found, None if key is None else (key, time))
        h = controller.update(own, h, x, reads)
        return (state, h), (reads, covariance, tape)

    first = (plan.open(plan.init()), controller.start(own))
    _, (reads, covariance, tape) = lax.scan(step, first, (xs, jnp.arange(len(xs))))
    return Loop(reads, covariance, tape)


def _draw(model: Quantum, found: Array, place: Any) -> tuple[Array, Array | None]:
    """Exact reads as they are; outcome probabilities become the estimate of a prefix circuit."""
    if isinstance(model, Expectations):
        return found, None
    key = jax.random.fold_in(*place)
    mean, covariance, begin = jnp.zeros(()), jnp.zeros(()), 0
    for index, setting in enumerate(model.settings):
        assert setting.group is not None
        size = setting.group.outcomes.outputs
        chances = found[begin : begin + size][None]
        none = jnp.zeros((0, 1, setting.group.values.shape[1]), found.dtype)
        drawn = jax.random.fold_in(key, index)
        here = marginal_estimate(chances, setting.group, drawn, model.repetitions, none, False)
        mean, covariance = mean + here.mean[0], covariance + here.covariance[0]
        begin += size
    return mean, covariance


@partial(jax.custom_vjp, nondiff_argnums=(0, 1, 2, 3))
def _shifted(
    cell: FeedbackCell,
    plan: AbstractPlan | None,
    model: Quantum,
    rule: AbstractGradient,
    params: Any,
    xs: Array,
    key: Array | None,
) -> Loop:
    del rule
    return _closed(cell, plan, model, params, xs, Start(key=key).stream(PRIMAL).key)


def _shifted_forward(
    cell: FeedbackCell, plan: Any, model: Any, rule: Any, params: Any, xs: Array, key: Any
) -> tuple[Loop, Any]:
    loop = _shifted(cell, plan, model, rule, params, xs, key)
    return loop, (params, xs, key, loop)


def _shifted_backward(
    cell: FeedbackCell, plan: Any, model: Quantum, rule: Any, kept: Any, cotangent: Loop
) -> tuple[Any, Array, None]:
    del plan
    params, xs, key, loop = kept
    problem = Problem(cell.circuit, len(xs), True, True)
    refusal = rule.problem_refusal(problem)
    if refusal:
        raise ValueError(refusal)
    nothing = jnp.zeros(0, loop.tape.dtype)
    state = model.plan.init() if isinstance(model, Expectations) else None
    start, point = Start(state, key=key), Point(nothing, nothing, loop.tape)
    runs = kept_reads(rule, model, problem, point, start)  # (T rows, T, M)
    jacobian = _jacobian(problem, runs)
    _, pull = jax.vjp(lambda p, x: _surrogate(cell, jacobian, loop, p, x), params, xs)
    return (*once("A controlled circuit under `ParameterShift`", pull(cotangent.reads)), None)


_shifted.defvjp(_shifted_forward, _shifted_backward)


def _jacobian(problem: Problem, runs: Array) -> Array:
    """J[t, k, s, m] = d y[s, m] / d a[t, k], from the runs of all shifts."""
    table, steps = shift_table(problem), problem.steps
    width = len(problem.circuit.parameters)
    by_row = runs.reshape(steps, len(table.columns), steps, -1)
    weighted = jnp.asarray(table.coefficients, runs.dtype)[:, None, None] * by_row
    empty = jnp.zeros((steps, width, steps, by_row.shape[-1]), runs.dtype)
    return empty.at[:, table.columns].add(weighted)


def _surrogate(cell: FeedbackCell, jacobian: Array, loop: Loop, params: Any, xs: Array) -> Array:
    """The closed loop to first order around the run: the value is its reads."""
    controller, own, weights = cell.controller, params["controller"], params["weights"]

    def step(carry: Any, inputs: Any) -> tuple[Any, Array]:
        (moved, h), (x, slopes, tape, reads, time) = carry, inputs
        angles = spread(cell.circuit, weights, controller.angles(own, h, x))
        moved = moved + jnp.einsum("ksm,k->sm", slopes, angles - tape)
        y = reads + moved[time]
        return (moved, controller.update(own, h, x, y)), y

    first = (jnp.zeros_like(loop.reads), controller.start(own))
    times = jnp.arange(len(xs))
    return lax.scan(step, first, (xs, jacobian, loop.tape, loop.reads, times))[1]
