"""Values and gradients of a loss as a device would estimate them, with their standard errors."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.flatten_util import ravel_pytree
from jax.typing import ArrayLike

from qrnn_jax.branched import (
    Answer,
    ask_all,
    branch_jacobian,
    branches_for,
    mean_covariance,
)
from qrnn_jax.cell import AbstractCell
from qrnn_jax.checks import (
    check_cell,
    check_inputs,
    check_key,
    check_params,
    check_prefixes,
    check_survival,
)
from qrnn_jax.circuit.spread import spread
from qrnn_jax.controller import FeedbackCell
from qrnn_jax.engines import AbstractEngine, Trajectories
from qrnn_jax.engines.sampler import AbstractBranches, along
from qrnn_jax.expectations import Expectations, Quantum, SampledExpectations
from qrnn_jax.feedback import feedback_rule
from qrnn_jax.gradients import (
    AbstractEstimator,
    AbstractGradient,
    AbstractSimulatorGradient,
)
from qrnn_jax.gradients.base import Start
from qrnn_jax.gradients.estimator import tangent_at
from qrnn_jax.gradients.perturbation import AbstractPerturbation
from qrnn_jax.gradients.runs import (
    PRIMAL,
    RULE,
    RUNS,
    Point,
    Problem,
    own_or_first,
    play_all,
    play_joined,
    split_shots,
)
from qrnn_jax.recorded import play_bits, shot_jacobian
from qrnn_jax.run import finish, prepare, run
from qrnn_jax.setup import check_shots, expectations_for, rule_for, shots_for

Loss = Callable[[Array], Array]


class GradientEstimate(NamedTuple):
    """What `estimate_gradient` returns: `value, gradient, stderr = ...`.

    Arguments:
        value: the loss at the estimated outputs.
        gradient: like `params`.
        stderr: like `params`, the standard error of each entry; 0 for exact gradients, NaN where
            one random draw leaves no way to tell.

    Example:
        >>> import qrnn_jax as qj
        >>> qj.GradientEstimate._fields
        ('value', 'gradient', 'stderr')
    """

    value: Array
    gradient: Any
    stderr: Any


def estimate_gradient(
    loss: Loss,
    cell: AbstractCell | FeedbackCell,
    params: Any,
    xs: ArrayLike,
    *,
    engine: AbstractEngine | None = None,
    gradient: AbstractGradient | None = None,
    shots: int | None = None,
    prefixes: bool = False,
    key: Array | None = None,
) -> GradientEstimate:
    """The loss and its gradient from finite shots, each gradient entry with its standard error.

    Equation: g_p = sum_r b_rp <l', y_r> and stderr_p^2 = sum_r b_rp^2 Var<l', y_r> + Var<u_p, y>,
    l' = dL/dy at the estimated outputs y, y_r the outputs of perturbed circuit r, u_p how g_p
    depends on y. All y and y_r have shots of their own, so for losses that are at most quadratic
    in the outputs an unbiased rule gives an unbiased gradient. To first order in the noise.

    The same numbers as `jax.grad` of `loss(run(...))` with the same key; use that in a training
    loop, and this to know how far to trust them.

    Arguments:
        loss: outputs (T, outputs) -> scalar. Compiled once per function: define it once.
        cell: the model.
        params: pytree of real arrays.
        xs: (T, features), one sequence.
        engine: as in `run`.
        gradient: as in `run`; a perturbing rule with `on="loss"` differentiates the loss itself.
        shots: as in `run`; None for exact expectation values.
        prefixes: as in `run`.
        key: as in `run`.

    Returns:
        `GradientEstimate(value, gradient, stderr)`. Biased rules state their statistical error
        only. Where expectation values are fed back under shots, the errors are NaN: unknown.

    Raises:
        ValueError: as `run`.

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> cell = qj.CircuitCell(
        ...     qj.Circuit(1, (qj.RX(0, qj.Weight(0)), qj.Reset(0))), (qj.Z(0),)
        ... )
        >>> value, gradient, stderr = qj.estimate_gradient(
        ...     jnp.sum, cell, jnp.array([0.8]), jnp.zeros((4, 0)), shots=900, key=jax.random.key(1)
        ... )
        >>> bool(abs(gradient[0] + 4 * jnp.sin(0.8)) < 4 * stderr[0]), f"{stderr[0]:.2f}"
        (True, '0.05')

    Source: Sweke et al., Quantum 4, 314 (2020), for unbiased products of independent estimates.
    """
    if isinstance(cell, FeedbackCell):
        check_prefixes(cell, prefixes)
        return _controlled(loss, cell, params, check_inputs(cell, xs), engine, gradient, shots, key)
    check_cell(cell)
    xs = check_inputs(cell, xs)
    check_params(cell, params)
    expectations = expectations_for(cell, engine, shots, prefixes, xs.shape[0])
    rule = rule_for(expectations, xs.shape[0], gradient)
    check_key(key, expectations.shots is not None or rule.is_random)
    found = _estimate(loss, cell, expectations, rule, params, xs, key)
    if cell.circuit.is_postselected:
        check_survival(found.value)
    return found


def _controlled(
    loss: Loss,
    cell: FeedbackCell,
    params: Any,
    xs: Array,
    engine: AbstractEngine | None,
    gradient: AbstractGradient | None,
    shots: int | None,
    key: Array | None,
) -> GradientEstimate:
    """Bits fed back: per-shot weights. Expectation values: not linear in the runs, no errors."""
    check_shots(shots)
    shots = shots_for(engine, shots)
    options = {"engine": engine, "gradient": gradient, "shots": shots, "key": key}

    def value_of(params: Any) -> Array:
        return loss(run(cell, params, xs, **options))  # type: ignore[arg-type]

    if cell.feed == "expectations" or shots is None or key is None:
        value, slopes = jax.value_and_grad(value_of)(params)
        unknown = jnp.nan if shots is not None else 0.0
        return GradientEstimate(value, slopes, jax.tree.map(lambda x: unknown + 0 * x, slopes))
    if not isinstance(engine, Trajectories | None):
        source = branches_for(cell, engine)
        if source is not None:
            check_params(cell, params)
            feedback_rule(gradient, True)
            check_key(key, True)
            return _from_branches(loss, cell, source, shots, params, xs, key)
    outputs = run(cell, params, xs, **options)  # type: ignore[arg-type]
    value, slope = jax.value_and_grad(loss)(outputs)
    return _from_bits(loss, cell, shots, params, xs, key, (value, outputs, slope))


@partial(jax.jit, static_argnums=(0, 1, 2))
def _from_bits(
    loss: Loss,
    cell: FeedbackCell,
    shots: int,
    params: Any,
    xs: Array,
    key: Array,
    found: tuple[Array, Array, Array],
) -> GradientEstimate:
    value, outputs, slope = found
    flat, unravel = ravel_pytree(params)
    jacobian, variance = shot_jacobian(cell, shots, params, xs, key, slope)
    jacobian, variance = jacobian[: len(flat)], variance[: len(flat)]  # behind them those of xs
    own = Start(key=key).stream(PRIMAL).key
    assert own is not None
    values = play_bits(cell, shots, params, xs, own, None)
    curved = jax.vmap(lambda column: jax.jvp(jax.grad(loss), (outputs,), (column,))[1])(jacobian)
    lines = jnp.einsum("stm,ptm->sp", values, curved)
    variance = variance + jnp.var(lines, axis=0, ddof=1) / shots
    gradient = jnp.einsum("ptm,tm->p", jacobian, slope)
    return GradientEstimate(value, unravel(gradient), unravel(jnp.sqrt(variance)))


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _from_branches(
    loss: Loss,
    cell: FeedbackCell,
    source: AbstractBranches,
    shots: int,
    params: Any,
    xs: Array,
    key: Array,
) -> GradientEstimate:
    """On a device: one question, whose answer holds all moments."""
    found = ask_all(cell, source, shots, True, params, xs, key)
    outputs, unravel = found.first[0, 0], ravel_pytree(params)[1]
    value, slope = jax.value_and_grad(loss)(outputs)
    runs = Answer(found.first[1:], found.second[1:])
    jacobian, variance = branch_jacobian(cell, source, shots, params, xs, runs, slope)
    curved = jax.vmap(lambda column: jax.jvp(jax.grad(loss), (outputs,), (column,))[1])(jacobian)
    variance = variance + along(mean_covariance(outputs, found.second[0, 0], shots), curved)
    gradient = jnp.einsum("ptm,tm->p", jacobian, slope)
    return GradientEstimate(value, unravel(gradient), unravel(jnp.sqrt(variance)))


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _estimate(
    loss: Loss,
    cell: AbstractCell,
    expectations: Quantum,
    rule: AbstractGradient,
    params: Any,
    xs: Array,
    key: Array | None,
) -> GradientEstimate:
    model = _Model(loss, cell, expectations, xs, key)
    if isinstance(rule, AbstractPerturbation) and rule.on == "loss":
        return _on_loss(model, rule, params)
    if isinstance(rule, AbstractEstimator) and not rule.needs_exact:
        return _on_outputs(model, rule, params)

    replays = not isinstance(rule, AbstractSimulatorGradient)

    def exact(params: Any) -> Array:
        params, weights, data, start = model.prepare(params, replays=replays)
        reads, _ = rule.differentiate(expectations)(weights, data, start)
        return model.loss_of(params, reads)

    value, gradient = jax.value_and_grad(exact)(params)
    return GradientEstimate(value, gradient, jax.tree.map(jnp.zeros_like, gradient))


class _Model(NamedTuple):
    """The fixed surroundings of an estimate."""

    loss: Loss
    cell: AbstractCell
    expectations: Quantum
    xs: Array
    key: Array | None

    def prepare(self, params: Any, *, replays: bool = True) -> tuple[Any, Array, Array, Start]:
        """params, weights, data and the start of a run, see `prepare` of `run.py`."""
        exact = isinstance(self.expectations, Expectations)
        state = self.expectations.plan.init() if exact else None
        return prepare(
            self.cell, self.expectations, params, self.xs, state, self.key, replays=replays
        )

    def loss_of(self, params: Any, reads: Array) -> Array:
        """The loss as a function of the reads (T, M), and of what the outputs take from params."""
        return self.loss(jax.vmap(partial(finish, self.cell, params))(reads))

    def measure(
        self, tape: Array, start: Start, slope_of: Callable[[Array], Array]
    ) -> tuple[Array, Array]:
        """The reads of one run, and their variance along a direction (T, M) that follows them."""
        if self.joins is not None:
            reads, covariance = self.joins.whole(tape, start)
            return reads, along(covariance, slope_of(reads)[None])[0]
        reads, _ = self.play(tape, start, None)  # simulated: the same key, the same shots again
        return reads, self.play(tape, start, slope_of(reads)[None])[1][0]

    @property
    def joins(self) -> SampledExpectations | None:
        """The quantum part where all runs are asked for at once, else None."""
        found = self.expectations
        return found if isinstance(found, SampledExpectations) and found.joins else None

    def play(self, tape: Array, start: Start, directions: Array | None) -> tuple[Array, Array]:
        """The reads of one run, and the variance along (P, T, M) directions; 0 if exact."""
        if isinstance(self.expectations, Expectations):
            count = 0 if directions is None else len(directions)
            return self.expectations.replay(tape, start)[0], jnp.zeros(count, tape.dtype)
        found = self.expectations.estimate(tape, start, directions)
        return found.mean, found.projected


def _on_outputs(model: _Model, rule: AbstractEstimator, params: Any) -> GradientEstimate:
    """Outputs are perturbed; the loss's own derivative is classical."""
    flat, unravel = ravel_pytree(params)

    def inputs(flat: Array) -> tuple[Array, Array]:
        _, weights, data, _ = model.prepare(unravel(flat))
        return weights, data

    params, weights, data, start = model.prepare(params)
    directions = jnp.eye(len(flat), dtype=weights.dtype)
    slopes = jax.vmap(lambda e: jax.jvp(inputs, (flat,), (e.astype(flat.dtype),))[1])(directions)
    problem = Problem(model.cell.circuit, len(data), True, _depends(inputs, flat))
    if not rule.count(problem):
        raise ValueError(
            "Argument `params` must set angles of the circuit to have a gradient with a standard "
            "error, but sets none; try `jax.grad` of a loss on `run`."
        )
    refusal = rule.problem_refusal(problem)
    if refusal:
        raise ValueError(refusal)
    point = Point(weights, data, spread(problem.circuit, weights, data))
    slope_of = jax.grad(partial(model.loss_of, params))
    play = _apart if model.joins is None else _joined
    reads, runs, variances, variance_along = play(model, rule, problem, point, start, slope_of)
    value, (direct, slope) = jax.value_and_grad(model.loss_of, (0, 1))(params, reads)
    key = start.stream(RULE).key
    table = jax.vmap(
        lambda w, x: rule.coefficients(problem, point, tangent_at(problem, point, w, x), key)
    )(*slopes)  # (P, R)
    jacobian = jnp.einsum("pr,rtm->ptm", table, runs)
    gradient = jnp.einsum("ptm,tm->p", jacobian, slope) + ravel_pytree(direct)[0]
    variance = _run_variance(rule, table, jnp.einsum("rtm,tm->r", runs, slope), variances)
    variance += variance_along(_primal_slopes(model, params, unravel, reads, jacobian))
    return GradientEstimate(value, unravel(gradient), unravel(jnp.sqrt(variance)))


class _Played(NamedTuple):
    """All runs of a gradient.

    Arguments:
        reads: (T, M), of the unperturbed run.
        runs: (R, T, M), what is kept of the others.
        variances: (R,), along the slope of the loss.
        along: the variance of the unperturbed reads along (P, T, M) directions, (P,).
    """

    reads: Array
    runs: Array
    variances: Array
    along: Callable[[Array], Array]


def _apart(
    model: _Model,
    rule: AbstractEstimator,
    problem: Problem,
    point: Point,
    start: Start,
    slope_of: Callable[[Array], Array],
) -> _Played:
    """Simulated: the unperturbed run first, then the others; the same key plays the same shots."""
    reads, _ = model.play(point.tape, start.stream(PRIMAL), None)
    slope = slope_of(reads)

    def play(tape: Array, keep: Array, own: Start) -> tuple[Array, Array]:
        kept = jnp.where(keep[:, None], slope, 0)
        found, variance = model.play(tape, own.stream(PRIMAL), kept[None])
        return jnp.where(keep[:, None], found, 0), variance[0]

    runs, variances = play_all(rule, model.expectations, problem, point, start, play)
    along = lambda slopes: model.play(point.tape, start.stream(PRIMAL), slopes)[1]  # noqa: E731
    return _Played(reads, runs, variances, along)


def _joined(
    model: _Model,
    rule: AbstractEstimator,
    problem: Problem,
    point: Point,
    start: Start,
    slope_of: Callable[[Array], Array],
) -> _Played:
    """On a device: one question for all runs, with all covariances, for it is asked once."""
    source = model.joins
    assert source is not None

    def play(tape: Array, keep: Array, own: Start) -> tuple[Array, Array, Array]:
        mean, covariance = source.whole(tape, own.stream(PRIMAL)._replace(keep=keep))
        return jnp.where(keep[:, None], mean, 0), covariance, keep

    means, covariances, keep = play_joined(rule, source, problem, point, start, play)
    kept = jnp.where(keep[1:, :, None], slope_of(means[0]), 0)
    variances = jnp.einsum("rtm,rtmsn,rsn->r", kept, covariances[1:], kept)
    return _Played(means[0], means[1:], variances, partial(along, covariances[0]))


def _run_variance(rule: AbstractEstimator, table: Array, values: Array, variances: Array) -> Array:
    """The variance of sum_r table[p, r] values[r], (P,)."""
    if rule.draws is None:
        # a run of one repetition has no variance; it must not spoil weights that do not use it
        return jnp.sum(jnp.where(table != 0, table**2 * variances, 0), axis=1)
    parts = (table * values).reshape(len(table), rule.draws, -1).sum(axis=2)
    variance = jnp.var(parts, axis=1, ddof=1) * rule.draws  # parts are added, not averaged
    return jnp.where(jnp.any(table != 0, axis=1), variance, jnp.nan)  # never drawn: unknown


def _primal_slopes(
    model: _Model, params: Any, unravel: Callable[[Array], Any], reads: Array, jacobian: Array
) -> Array:
    """How each entry of the gradient depends on the unperturbed outputs, through l': (P, T, M)."""

    def entry(direction: Array, column: Array, reads: Array) -> Array:
        tangents = (unravel(direction), column)
        return jax.jvp(model.loss_of, (params, reads), tangents)[1]

    unit = jnp.eye(len(jacobian), dtype=reads.dtype)
    return jax.vmap(jax.grad(entry, argnums=2), (0, 0, None))(unit, jacobian, reads)


def _on_loss(model: _Model, rule: AbstractPerturbation, params: Any) -> GradientEstimate:
    """The loss itself is perturbed, parameters as a whole."""
    flat, unravel = ravel_pytree(model.prepare(params)[0])  # in the engine's type
    start = Start(key=model.key)
    offsets, table = rule.offsets(len(flat), flat.dtype, start.stream(RULE).key)
    shares = None if model.expectations.shots is None else rule.split(len(flat), flat.dtype)
    shots = None if shares is None else split_shots(shares, model.expectations.shots or 1)

    def one(offset: Array, own: Start) -> tuple[Array, Array]:
        moved, weights, data, begin = model.prepare(unravel(flat + offset))
        tape = spread(model.cell.circuit, weights, data)
        begin = begin._replace(key=own.key, shots=own.shots).stream(PRIMAL)
        loss_of = partial(model.loss_of, moved)
        reads, variance = model.measure(tape, begin, jax.grad(loss_of))
        return loss_of(reads), variance

    runs = start.stream(RUNS)

    def perturbed(index: Array) -> tuple[Array, Array]:
        return one(offsets[index], own_of(index))

    def own_of(index: Array) -> Start:
        return runs.stream(index)._replace(shots=None if shots is None else shots[index])

    def joined(place: Array) -> tuple[Array, Array]:
        is_first, index = place == 0, jnp.maximum(place - 1, 0)
        own = own_or_first(is_first, start, own_of(index), model.expectations)
        return one(jnp.where(is_first, 0, offsets[index]), own)

    size = rule.chunk or model.expectations.batch(len(model.xs))
    if model.joins is None:
        value, _ = one(jnp.zeros_like(flat), start)
        places = jnp.arange(len(offsets))
        values, variances = lax.map(perturbed, places, batch_size=min(size, len(places)))
    else:
        places = jnp.arange(1 + len(offsets))
        found, variances = lax.map(joined, places, batch_size=min(size, len(places)))
        value, values, variances = found[0], found[1:], variances[1:]
    variance = _run_variance(rule, table, values, variances)
    return GradientEstimate(value, unravel(table @ values), unravel(jnp.sqrt(variance)))


def _depends(inputs: Callable[[Array], tuple[Array, Array]], flat: Array) -> bool:
    """Whether the data depend on the parameters: a fact of the program, not of its values."""
    seen = []

    @jax.custom_jvp
    def probe(data: Array) -> Array:
        return data

    @partial(probe.defjvp, symbolic_zeros=True)
    def _(primals: Any, tangents: Any) -> tuple[Array, Array]:
        seen.append(not isinstance(tangents[0], jax.custom_derivatives.SymbolicZero))
        return primals[0], jnp.zeros_like(primals[0])

    jax.eval_shape(lambda f: jax.jvp(lambda flat: probe(inputs(flat)[1]), (f,), (f,)), flat)
    return any(seen)
