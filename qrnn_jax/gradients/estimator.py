"""Gradients that a device can measure: weighted sums of the outputs of perturbed circuits.

Every such rule is a table. Run r plays the tape a_r (T, K); of its outputs some are kept; then

    dy[s, m] = sum_r b_r(d weights, d data) keep_r[s] y[s, m](a_r),      b_r linear

A rule says how many runs there are, what each one plays and what it counts for. The derivative
itself, its keys, its shots and its standard errors are written once, here and in `estimate.py`.
Primal and perturbed runs never share a key: run r draws from stream (1, r), the primal from 0.
"""

import abc
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from qrnn_jax.circuit import Circuit
from qrnn_jax.circuit.spread import spread
from qrnn_jax.devices import map_runs
from qrnn_jax.gradients.base import AbstractExpectations, AbstractGradient, Function, Start

PRIMAL, RUNS, RULE = 0, 1, 2  # the streams of random numbers


@final
@dataclass(frozen=True)
class Problem:
    """What is static about a derivative: the step, T, and what is differentiated."""

    circuit: Circuit
    steps: int
    weights: bool
    data: bool
    degree: int = 1  # of the observables, see `AbstractExpectations.degree`


class Point(NamedTuple):
    """Where the derivative is taken, or a tangent there.

    Arguments:
        weights: (Kw,).
        data: (T, Kd).
        tape: (T, K), `spread` of both.
    """

    weights: Array
    data: Array
    tape: Array


class AbstractEstimator(AbstractGradient):
    """A gradient made of runs of perturbed circuits: what hardware can do.

    Example:
        >>> import qrnn_jax as qj
        >>> isinstance(qj.ParameterShift(), qj.AbstractEstimator)
        True
    """

    needs_exact = False
    chunk: int | None
    devices: int

    @property
    @abc.abstractmethod
    def draws(self) -> int | None:
        """Into how many independent, equally distributed groups the runs fall; None if fixed.

        The runs of one group stand together."""

    @property
    @abc.abstractmethod
    def is_unbiased(self) -> bool:
        """Whether the expectation of the estimate is the derivative."""

    @abc.abstractmethod
    def problem_refusal(self, problem: Problem) -> str | None:
        """Why the rule cannot take this derivative, in a sentence; None if it can."""

    @abc.abstractmethod
    def count(self, problem: Problem) -> int:
        """Number of runs R."""

    @abc.abstractmethod
    def play(self, problem: Problem, point: Point, index: Array, key: Any) -> tuple[Array, Array]:
        """The tape (T, K) of run `index`, and which outputs it counts for, (T,) booleans."""

    @abc.abstractmethod
    def coefficients(self, problem: Problem, point: Point, tangent: Point, key: Any) -> Array:
        """b_r, (R,): what each run counts for; linear in the tangent."""

    @abc.abstractmethod
    def shares(self, problem: Problem, point: Point, key: Any) -> Array | None:
        """Relative numbers of shots (R,); None for equal ones."""

    @abc.abstractmethod
    def again(
        self, expectations: AbstractExpectations, tape: Array, tape_dot: Array, start: Start
    ) -> Array:
        """The tangent of a run's own outputs, for second derivatives."""

    @property
    def is_random(self) -> bool:
        return self.draws is not None

    def sampled_refusal(self) -> str | None:
        """Why the rule, set as it is, cannot serve runs under shots; None if it can."""
        return None

    def differentiate(self, expectations: AbstractExpectations) -> Function:
        return partial(_estimated, self, expectations)

    def evaluations(self, circuit: Circuit, steps: int, *, data: bool = False) -> int:
        """How many circuits one gradient needs, for all outputs together.

        Arguments:
            circuit: the step.
            steps: T.
            data: whether the gradient in the data is asked for, too.

        Returns:
            The number of perturbed circuits, without the unperturbed run. Each is one circuit per
            measurement setting; with `prefixes=True` each output has circuits of its own.

        Example:
            >>> import qrnn_jax as qj
            >>> circuit = qj.Circuit(2, (qj.RX(0, qj.Weight(0)), qj.CRX(0, 1, qj.Weight(1))))
            >>> qj.ParameterShift().evaluations(circuit, steps=20)
            120
        """
        return self.count(Problem(circuit, steps, True, data))

    def predicted_stderr(
        self, circuit: Circuit, data: ArrayLike, shots: int, *, sigma: float = 1.0
    ) -> np.ndarray:
        """The standard error of dy/dw that shot noise will cause, before anything is run.

        Equation: stderr_i = sigma sqrt(sum_r b_r(e_i)^2 / shots_r), e_i the i-th unit vector.

        Arguments:
            circuit: the step.
            data: (T, Kd), radians.
            shots: repetitions per circuit; rules that split unequally keep the total.
            sigma: standard deviation of one outcome; at most 1 for a Pauli word.

        Returns:
            (Kw,), for one output after the last step. The spread that random directions or random
            occurrences add is not in it.

        Example:
            >>> import numpy as np, qrnn_jax as qj
            >>> circuit = qj.Circuit(1, (qj.RX(0, qj.Weight(0)),))
            >>> data = np.zeros((8, 0))  # sigma T / sqrt(N), N = 2 T shots: 8 / sqrt(1600)
            >>> qj.ParameterShift().predicted_stderr(circuit, data, shots=100).round(6).tolist()
            [0.2]
        """
        values = jnp.asarray(np.asarray(data), jnp.result_type(float))
        problem = Problem(circuit, len(values), True, False)
        refusal = self.problem_refusal(problem) or self.sampled_refusal()
        if refusal:
            raise ValueError(refusal)
        key = jax.random.key(0) if self.is_random else None
        weights = jnp.zeros(circuit.weight_count, values.dtype)
        point = Point(weights, values, spread(circuit, weights, values))
        table = coefficient_table(self, problem, point, key)
        # only what counts for the last output
        last = lax.map(
            lambda index: self.play(problem, point, index, key)[1][-1],
            jnp.arange(self.count(problem)),
        )
        table = jnp.where(last, table, 0)
        split = self.shares(problem, point, key)
        each = shots if split is None else split_shots(split, shots)
        return np.asarray(sigma * jnp.sqrt(jnp.sum(table**2 / each, axis=1)), float)


def coefficient_table(rule: AbstractEstimator, problem: Problem, point: Point, key: Any) -> Array:
    """b_r for every weight: (Kw, R)."""

    def column(direction: Array) -> Array:
        zeros = jnp.zeros_like(point.data)
        return rule.coefficients(problem, point, tangent_at(problem, point, direction, zeros), key)

    return jax.vmap(column)(jnp.eye(len(point.weights), dtype=point.weights.dtype))


def tangent_at(problem: Problem, point: Point, weights_dot: Array, data_dot: Array) -> Point:
    """The tangent of a point, its tape included."""
    function = partial(spread, problem.circuit)
    primals, tangents = (point.weights, point.data), (weights_dot, data_dot)
    return Point(weights_dot, data_dot, jax.jvp(function, primals, tangents)[1])


def split_shots(shares: Array, shots: int) -> Array:
    """Whole numbers of shots, at least one each, about `shots` times the runs in total."""
    total = jnp.maximum(jnp.sum(shares), jnp.finfo(shares.dtype).tiny)
    wanted = shares / total * shots * len(shares)
    least = min(shots, 2)  # one repetition alone has no variance
    return jnp.maximum(jnp.round(wanted), least).astype(int)


@partial(jax.custom_jvp, nondiff_argnums=(0, 1, 2))
def kept_reads(
    rule: AbstractEstimator,
    expectations: AbstractExpectations,
    problem: Problem,
    point: Point,
    start: Start,
) -> Array:
    """The kept outputs of every run, (R, T, M); their derivative is the rule's `again`.

    The rule is attached here, outside of the loop over runs: inside of a loop JAX drops it in
    forward-over-reverse mode, and differentiates what it surrounds.
    """

    def play(tape: Array, keep: Array, own: Start) -> Array:
        return _replay(expectations, tape, keep, own)[0]

    return play_all(rule, expectations, problem, point, start, play)


def _replay(
    expectations: AbstractExpectations, tape: Array, keep: Array, own: Start
) -> tuple[Array, Any]:
    """The kept outputs of one run, (T, M), and what else it returns."""
    reads, rest = expectations.replay(tape, own.stream(PRIMAL)._replace(keep=keep))
    return jnp.where(keep[:, None], reads, 0), rest


@kept_reads.defjvp
def _kept_reads_jvp(
    rule: AbstractEstimator,
    expectations: AbstractExpectations,
    problem: Problem,
    primals: Any,
    tangents: Any,
) -> tuple[Array, Array]:
    point, start = primals
    again = partial(_again, rule, expectations, problem, point, tangents[0])
    runs = kept_reads(rule, expectations, problem, point, start)
    return runs, _each_run(rule, expectations, problem, point, start, again)


def _again(
    rule: AbstractEstimator,
    expectations: AbstractExpectations,
    problem: Problem,
    point: Point,
    point_dot: Point,
    index: Array,
    key: Any,
    own: Start,
) -> Array:
    """The tangent of the kept outputs of run `index`, (T, M)."""
    function = partial(rule.play, problem, index=index, key=key)
    tape, tape_dot, keep = jax.jvp(function, (point,), (point_dot,), has_aux=True)
    return jnp.where(keep[:, None], rule.again(expectations, tape, tape_dot, own), 0)


@partial(jax.custom_jvp, nondiff_argnums=(0, 1, 2))
def joined_reads(
    rule: AbstractEstimator,
    expectations: AbstractExpectations,
    problem: Problem,
    point: Point,
    start: Start,
) -> tuple[tuple[Array, Any], Array]:
    """The unperturbed run and the kept outputs of all others, asked for at once.

    The same keys as one by one: every run has shots of its own.
    """

    def play(tape: Array, keep: Array, own: Start) -> tuple[Array, Any]:
        return _replay(expectations, tape, keep, own)

    reads, rests = play_joined(rule, expectations, problem, point, start, play)
    return (reads[0], jax.tree.map(lambda leaf: leaf[0], rests)), reads[1:]


@joined_reads.defjvp
def _joined_reads_jvp(
    rule: AbstractEstimator,
    expectations: AbstractExpectations,
    problem: Problem,
    primals: Any,
    tangents: Any,
) -> tuple[Any, Any]:
    point, start = primals
    (reads, rest), runs = joined_reads(rule, expectations, problem, point, start)
    reads_dot = rule.again(expectations, point.tape, tangents[0].tape, start)
    again = partial(_again, rule, expectations, problem, point, tangents[0])
    runs_dot = _each_run(rule, expectations, problem, point, start, again)
    still = jax.tree.map(jnp.zeros_like, rest)
    return ((reads, rest), runs), ((reads_dot, still), runs_dot)


def play_joined(
    rule: AbstractEstimator,
    expectations: AbstractExpectations,
    problem: Problem,
    point: Point,
    start: Start,
    play: Callable[[Array, Array, Start], Any],
) -> Any:
    """`play_all` with the unperturbed run in front of the others, in the same batch."""
    key, own_of = start.stream(RULE).key, _owns(rule, expectations, problem, point, start)

    def one(place: Array) -> Any:
        is_first, index = place == 0, jnp.maximum(place - 1, 0)
        tape, keep = rule.play(problem, point, index, key)
        own = own_of(index)
        shots = None if own.shots is None else jnp.where(is_first, expectations.shots, own.shots)
        own = own._replace(key=jnp.where(is_first, start.key, own.key), shots=shots)
        return play(jnp.where(is_first, point.tape, tape), keep | is_first, own)

    return _mapped(rule, expectations, problem, one, 1 + rule.count(problem))


def play_all(
    rule: AbstractEstimator,
    expectations: AbstractExpectations,
    problem: Problem,
    point: Point,
    start: Start,
    play: Callable[[Array, Array, Start], Any],
) -> Any:
    """Whatever `play(tape, keep, start)` returns for every run, each with a key of its own."""

    def one(index: Array, key: Any, own: Start) -> Any:
        return play(*rule.play(problem, point, index, key), own)

    return _each_run(rule, expectations, problem, point, start, one)


def _each_run(
    rule: AbstractEstimator,
    expectations: AbstractExpectations,
    problem: Problem,
    point: Point,
    start: Start,
    function: Callable[[Array, Any, Start], Any],
) -> Any:
    """Whatever `function(index, the rule's key, the run's own start)` returns, stacked."""
    key, own_of = start.stream(RULE).key, _owns(rule, expectations, problem, point, start)

    def one(index: Array) -> Any:
        return function(index, key, own_of(index))

    return _mapped(rule, expectations, problem, one, rule.count(problem))


def _owns(
    rule: AbstractEstimator,
    expectations: AbstractExpectations,
    problem: Problem,
    point: Point,
    start: Start,
) -> Callable[[Array], Start]:
    """What each run starts from: a key, and perhaps a number of shots of its own."""
    streams, key = start.stream(RUNS), start.stream(RULE).key
    shares = None if expectations.shots is None else rule.shares(problem, point, key)
    shots = None if shares is None else split_shots(shares, expectations.shots or 1)
    return lambda index: streams.stream(index)._replace(
        shots=None if shots is None else shots[index]
    )


def _mapped(
    rule: AbstractEstimator,
    expectations: AbstractExpectations,
    problem: Problem,
    one: Callable[[Array], Any],
    count: int,
) -> Any:
    """`one` of 0 .. count - 1, stacked, as many at a time as memory allows."""
    size = rule.chunk or expectations.batch(problem.steps)
    return map_runs(
        lambda index: lax.map(one, index, batch_size=min(size, len(index))), count, rule.devices
    )


def _estimated(
    rule: AbstractEstimator,
    expectations: AbstractExpectations,
    weights: Array,
    data: Array,
    start: Start,
) -> tuple[Array, Any]:
    """f with the rule attached; what else it returns is detached."""
    return _reads(rule, expectations, weights, data, start)


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _reads(
    rule: AbstractEstimator,
    expectations: AbstractExpectations,
    weights: Array,
    data: Array,
    start: Start,
) -> tuple[Array, Any]:
    """f(weights, data), prepared once."""
    del rule
    return expectations(weights, data, start.stream(PRIMAL), loop=lax.scan)


@partial(_reads.defjvp, symbolic_zeros=True)
def _reads_jvp(
    rule: AbstractEstimator, expectations: AbstractExpectations, primals: Any, tangents: Any
) -> tuple[tuple[Array, Any], tuple[Array, Any]]:
    weights, data, start = primals
    in_weights, in_data = (not is_zero(tangent) for tangent in tangents[:2])
    if not all(map(is_zero, jax.tree.leaves(tangents[2], is_leaf=is_zero))):
        raise ValueError(
            f"Argument `carry` must not be differentiated under `{type(rule).__name__}`, but is; "
            "try `gradient=Backprop()`, or `jax.lax.stop_gradient(carry)`."
        )
    problem = Problem(expectations.circuit, len(data), in_weights, in_data, expectations.degree)
    refusal = rule.problem_refusal(problem)
    if refusal:
        raise ValueError(refusal)
    point = Point(weights, data, spread(problem.circuit, weights, data))
    runs = None
    if expectations.joins and rule.count(problem):
        (reads, rest), runs = joined_reads(rule, expectations, problem, point, start)
    else:
        reads, rest = _reads(rule, expectations, weights, data, start)
    still = jax.tree.map(jnp.zeros_like, rest)
    if not rule.count(problem):  # nothing is differentiated, or no angle depends on it
        return (reads, rest), (jnp.zeros_like(reads), still)
    if runs is None:
        runs = kept_reads(rule, expectations, problem, point, start)
    dots = [
        jnp.zeros_like(primal) if is_zero(tangent) else tangent
        for primal, tangent in zip((weights, data), tangents)
    ]
    tangent = tangent_at(problem, point, *dots)
    weighted = rule.coefficients(problem, point, tangent, start.stream(RULE).key)
    return (reads, rest), (jnp.einsum("r,rsm->sm", weighted, runs), still)


def is_zero(tangent: Any) -> bool:
    """Whether JAX knows that nothing is differentiated here."""
    return isinstance(tangent, jax.custom_derivatives.SymbolicZero)
