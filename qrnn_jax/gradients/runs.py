"""The runs of a device rule: which circuits are played, with which keys and shots, and how.

Primal and perturbed runs never share a key: run r draws from stream (1, r), the primal from 0.
Simulated runs are mapped over as memory allows, the primal apart, prepared once. Runs that are
asked for elsewhere go out as one batch, the primal in front of it, with the same keys.
"""

import abc
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
from jax import Array, lax

from qrnn_jax.circuit import Circuit
from qrnn_jax.devices import map_runs
from qrnn_jax.gradients.base import AbstractExpectations, Start

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


class AbstractRuns(abc.ABC):
    """A list of runs: how many there are, and what each one plays."""

    chunk: int | None
    devices: int

    @abc.abstractmethod
    def count(self, problem: Problem) -> int:
        """Number of runs R."""

    @abc.abstractmethod
    def play(self, problem: Problem, point: Point, index: Array, key: Any) -> tuple[Array, Array]:
        """The tape (T, K) of run `index`, and which outputs it counts for, (T,) booleans."""

    @abc.abstractmethod
    def shares(self, problem: Problem, point: Point, key: Any) -> Array | None:
        """Relative numbers of shots (R,); None for equal ones."""

    @abc.abstractmethod
    def again(
        self, expectations: AbstractExpectations, tape: Array, tape_dot: Array, start: Start
    ) -> Array:
        """The tangent of a run's own outputs, for second derivatives."""


def split_shots(shares: Array, shots: int) -> Array:
    """Whole numbers of shots, at least one each, about `shots` times the runs in total."""
    total = jnp.maximum(jnp.sum(shares), jnp.finfo(shares.dtype).tiny)
    wanted = shares / total * shots * len(shares)
    least = min(shots, 2)  # one repetition alone has no variance
    return jnp.maximum(jnp.round(wanted), least).astype(int)


@partial(jax.custom_jvp, nondiff_argnums=(0, 1, 2))
def kept_reads(
    rule: AbstractRuns,
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
    rule: AbstractRuns,
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
    rule: AbstractRuns,
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
    rule: AbstractRuns,
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
    rule: AbstractRuns,
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
    rule: AbstractRuns,
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
        own = own_or_first(is_first, start, own_of(index), expectations)
        return play(jnp.where(is_first, point.tape, tape), keep | is_first, own)

    return _mapped(rule, expectations, problem, one, 1 + rule.count(problem))


def own_or_first(
    is_first: Array, start: Start, own: Start, expectations: AbstractExpectations
) -> Start:
    """The start of the unperturbed run, or a perturbed run's own, where outcomes are drawn."""
    assert start.key is not None
    assert own.key is not None
    assert expectations.shots is not None
    shots = None if own.shots is None else jnp.where(is_first, expectations.shots, own.shots)
    return own._replace(key=jnp.where(is_first, start.key, own.key), shots=shots)


def play_all(
    rule: AbstractRuns,
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
    rule: AbstractRuns,
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
    rule: AbstractRuns,
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
    rule: AbstractRuns,
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
