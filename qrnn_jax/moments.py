"""The exact mean and variance of a gradient estimate: what finite shots do, without drawing any."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from qrnn_jax.cell import AbstractCell
from qrnn_jax.checks import check_cell, check_inputs, check_key, check_params, check_place
from qrnn_jax.circuit.spread import spread
from qrnn_jax.engines import AbstractExactEngine, AbstractPlan
from qrnn_jax.engines.base import complex_dtype, real_dtype
from qrnn_jax.engines.marginals import marginal_moments
from qrnn_jax.expectations import Expectations, SampledExpectations
from qrnn_jax.gradients import AbstractEstimator, AbstractPerturbation
from qrnn_jax.gradients.base import Start
from qrnn_jax.gradients.estimator import coefficient_table
from qrnn_jax.gradients.runs import RULE, Point, Problem, play_all
from qrnn_jax.setup import check_shots, expectations_for, plan_for


class GradientMoments(NamedTuple):
    """What `gradient_moments` returns.

    Arguments:
        mean: (Kw,), the expectation of the estimate; it differs from the gradient by the bias.
        variance: (Kw,), of the estimate.
        circuits: number of distinct perturbed circuits, each in every measurement setting.

    Example:
        >>> import qrnn_jax as qj
        >>> qj.GradientMoments._fields
        ('mean', 'variance', 'circuits')
    """

    mean: Array
    variance: Array
    circuits: int


def gradient_moments(
    cell: AbstractCell,
    params: Any,
    xs: ArrayLike,
    *,
    gradient: AbstractEstimator,
    shots: int,
    step: int = -1,
    read: int = 0,
    engine: AbstractExactEngine | None = None,
    key: Array | None = None,
) -> GradientMoments:
    """Mean and variance of the estimated derivative of one read in all weights, computed exactly.

    Equation: mean = sum_r b_r y_r, variance = sum_r b_r^2 Var(o_r) / shots_r, with y_r the exact
    expectation and Var(o_r) the exact one-shot variance of the read in perturbed circuit r. For a
    Pauli word Var(o_r) = 1 - y_r^2.

    Nothing is drawn, so any number of shots costs the same: use it to compare rules, steps and
    budgets; use `estimate_gradient` for losses, and for several steps at once. A random rule's
    directions are drawn from `key`, and the moments are those given the directions.

    Arguments:
        cell: the model; its weights are differentiated, not its params.
        params: pytree of real arrays.
        xs: (T, features).
        gradient: the rule.
        shots: repetitions per circuit; rules that split unequally keep the total.
        step: which step's read; -1 is the last one.
        read: which read, 0 .. M - 1.
        engine: an exact engine; as in `run`.
        key: for random rules.

    Returns:
        `GradientMoments(mean, variance, circuits)`.

    Raises:
        ValueError: as `run`; a rule that only a simulator can follow; a post-selected circuit.

    Example:
        >>> import jax.numpy as jnp, qrnn_jax as qj
        >>> cell = qj.CircuitCell(qj.Circuit(1, (qj.RX(0, qj.Weight(0)),)), (qj.Z(0),))
        >>> moments = qj.gradient_moments(
        ...     cell, jnp.array([0.8]), jnp.zeros((1, 0)), gradient=qj.ParameterShift(), shots=50
        ... )
        >>> f"{moments.variance[0]:.6f}", moments.circuits  # (1 - sin(0.8)^2) / 100
        ('0.004854', 2)

    Source: Mari, Bromley and Killoran, Phys. Rev. A 103, 012405 (2021).
    """
    check_cell(cell)
    xs = check_inputs(cell, xs)
    check_params(cell, params)
    check_shots(shots)
    problem = Problem(cell.circuit, len(xs), True, False)
    _check_rule(gradient, problem)
    check_place(cell, len(xs), step, read)
    check_key(key, gradient.is_random)
    plan_for(cell, engine)  # refuses engines that are not exact
    model = expectations_for(cell, engine, shots, True, len(xs))
    assert isinstance(model, SampledExpectations)
    mean, variance = _moments(cell, model, gradient, problem, params, xs, (step, read), key)
    return GradientMoments(mean, variance, gradient.count(problem))


def _check_rule(rule: AbstractEstimator, problem: Problem) -> None:
    """Refuse rules and circuits whose estimate has no moments here."""
    if not isinstance(rule, AbstractEstimator) or rule.needs_exact:
        raise ValueError(
            f"Argument `gradient` must be a rule that a device can follow, but is {rule}; "
            "try `qj.ParameterShift()`."
        )
    if problem.circuit.is_postselected:
        raise ValueError(
            "Argument `cell` must not post-select here, but does: its output is a ratio of two "
            "estimates; try `estimate_gradient`."
        )
    if isinstance(rule, AbstractPerturbation) and rule.on == "loss":
        raise ValueError(
            f"Argument `gradient` must act on outputs here, but is {rule}; "
            'try `on="outputs"`, or `estimate_gradient`.'
        )
    refusal = rule.sampled_refusal() or rule.problem_refusal(problem)
    if refusal or not rule.count(problem):
        raise ValueError(
            refusal or "Argument `cell` must have weights that set angles, but has none."
        )


@partial(jax.jit, static_argnums=(0, 1, 2, 3, 6))
def _moments(
    cell: AbstractCell,
    model: SampledExpectations,
    rule: AbstractEstimator,
    problem: Problem,
    params: Any,
    xs: Array,
    place: tuple[int, int],
    key: Array | None,
) -> tuple[Array, Array]:
    dtype = real_dtype(complex_dtype(None))
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), params)
    weights = cell.weights(params)
    data = jax.vmap(partial(cell.data, params))(xs.astype(dtype))
    point = Point(weights, data, spread(problem.circuit, weights, data))
    start = Start(key=key)

    def play(tape: Array, keep: Array, own: Start) -> tuple[Array, Array, Array]:
        mean, variance = _one_shot(model, tape, place)
        shots = jnp.asarray(model.repetitions if own.shots is None else own.shots, dtype)
        return keep[place[0]] * mean, keep[place[0]] * variance, shots

    means, variances, shots = play_all(rule, model, problem, point, start, play)
    table = coefficient_table(rule, problem, point, start.stream(RULE).key)
    return table @ means, table**2 @ (variances / shots)


def _one_shot(
    model: SampledExpectations, tape: Array, place: tuple[int, int]
) -> tuple[Array, Array]:
    """The exact mean and variance of one read of one repetition; settings are independent."""
    mean, variance = jnp.zeros((), tape.dtype), jnp.zeros((), tape.dtype)
    for setting in model.settings:
        assert setting.group is not None
        assert isinstance(setting.source, AbstractPlan)
        chances, _ = Expectations(setting.source).replay(tape, Start(setting.source.init()))
        here = marginal_moments(chances, setting.group)
        mean, variance = mean + here[0][place], variance + here[1][place]
    return mean, variance
