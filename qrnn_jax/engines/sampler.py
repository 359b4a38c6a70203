"""One repetition of a recurrent circuit at a time: what a device does, and how it is averaged.

A *sampler* plays one step for one repetition. It turns uniform random numbers into outcomes, so all
randomness is drawn in one place, here. Repetitions differ in nothing but their numbers: whatever
does not depend on them (matrices of all steps) is made once by `prepare`.

    prepared = sampler.prepare(tape)                          (T, ...), for all repetitions
    carry, values = sampler.step(carry, prepared_t, u_t)      inside lax.scan, vmapped over shots
"""

import abc
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

CHUNK = 1024  # repetitions of a small state simulated side by side
REPLAYS = 128  # runs simulated side by side
_NUMBERS = 2**22  # numbers that sampled runs may hold at a time


class Estimate(NamedTuple):
    """The mean of some repetitions and how far it may be off.

    Arguments:
        mean: (T, M).
        covariance: (T, M, M), of the mean, between the reads of one step.
        projected: (P,), the variance of sum_tm directions[p, t, m] mean[t, m]: correlations between
            steps included.
    """

    mean: Array
    covariance: Array
    projected: Array


class AbstractSource(abc.ABC):
    """Where the repetitions of one measurement setting come from; frozen and hashable."""

    @property
    @abc.abstractmethod
    def reads(self) -> int:
        """How many numbers a step returns, M."""

    @abc.abstractmethod
    def batch(self, steps: int, repetitions: int) -> int:
        """How many runs of T steps to play side by side."""

    @abc.abstractmethod
    def estimate(self, tape: Array, key: Array, shots: int | Array, directions: Array) -> Estimate:
        """Average repetitions.

        Arguments:
            tape: (T, K).
            key: a JAX key.
            shots: number of repetitions; may be traced.
            directions: (P, T, M), what `Estimate.projected` refers to; P may be 0.

        Returns:
            An `Estimate`. Variances are sample variances over repetitions; NaN for a single one.
        """


class AbstractJobs(AbstractSource):
    """Repetitions that are asked for elsewhere, in jobs: all that is needed is asked for at once.

    So one question returns whatever may be wanted of the answer, and a question can leave out the
    outputs that nobody wants.
    """

    @abc.abstractmethod
    def ask(
        self, tape: Array, key: Array, shots: int | Array, keep: Array | None, whole: bool
    ) -> tuple[Array, Array]:
        """Average repetitions; under `vmap` the whole batch is one question.

        Arguments:
            tape: (T, K).
            key: a JAX key.
            shots: number of repetitions; may be traced.
            keep: (T,) booleans, the outputs that count; None for all. Others may come back as 0.
            whole: which covariance is returned.

        Returns:
            The mean (T, M), and its covariance: (T, M, T, M), or within each step (T, M, M).
        """

    def estimate(self, tape: Array, key: Array, shots: int | Array, directions: Array) -> Estimate:
        return self.kept(tape, key, shots, directions, None)

    def kept(
        self, tape: Array, key: Array, shots: int | Array, directions: Array, keep: Array | None
    ) -> Estimate:
        """`estimate` of the outputs that count, see `ask`."""
        if not len(directions):
            mean, covariance = self.ask(tape, key, shots, keep, False)
            return Estimate(mean, covariance, jnp.zeros(0, mean.dtype))
        mean, covariance = self.ask(tape, key, shots, keep, True)
        each = jnp.arange(len(mean))
        return Estimate(mean, covariance[each, :, each], along(covariance, directions))


def along(covariance: Array, directions: Array) -> Array:
    """The variance along (P, T, M) directions, from the covariance (T, M, T, M) of all outputs."""
    return jnp.einsum("ptm,tmsn,psn->p", directions, covariance, directions)


class AbstractBranches(abc.ABC):
    """Repetitions whose angles follow the outcome of the step before; frozen and hashable."""

    @property
    @abc.abstractmethod
    def values(self) -> np.ndarray:
        """(V, M), what each of the V outcomes of a step reads."""

    @abc.abstractmethod
    def ask(
        self, tape: Array, key: Array, time: int | Array, shots: int, whole: bool
    ) -> tuple[Array, Array]:
        """Moments of the reads y of all steps, apart for the outcomes v of the step before `time`.

        Arguments:
            tape: (T, V, K), the angles of every step behind each outcome of the step before; the
                first step takes those of outcome 0.
            key: a JAX key.
            time: which step; before step 0 the outcome counts as 0.
            shots: number of repetitions.
            whole: which products of reads are returned.

        Returns:
            E[1_v y], (V, T, M), and E[1_v y y'], averages over the repetitions: (V, T, M, T, M), or
            within each step (V, T, M, M).
        """


class AbstractSampler(AbstractSource):
    """One repetition of one measurement setting, simulated step by step."""

    @property
    @abc.abstractmethod
    def uniforms(self) -> int:
        """How many uniform random numbers a step takes."""

    @property
    @abc.abstractmethod
    def width(self) -> int:
        """How many repetitions to simulate side by side: fewer where each one is large."""

    @property
    @abc.abstractmethod
    def numbers(self) -> int:
        """How many numbers `prepare` keeps per step, about."""

    @abc.abstractmethod
    def prepare(self, tape: Array) -> Any:
        """Whatever all repetitions share, a pytree with leading axis T, from the tape (T, K)."""

    @abc.abstractmethod
    def init(self) -> Any:
        """The start of one repetition, |0..0>."""

    @abc.abstractmethod
    def step(self, carry: Any, prepared_t: Any, uniforms: Array) -> tuple[Any, Array]:
        """One step of one repetition: (carry, values (M,))."""

    def batch(self, steps: int, repetitions: int) -> int:
        held = max(self.numbers, min(repetitions, self.width))
        return max(1, min(REPLAYS, _NUMBERS // (steps * held)))

    def estimate(self, tape: Array, key: Array, shots: int | Array, directions: Array) -> Estimate:
        return sampled_estimate(self, tape, key, shots, directions)


class _Moments(NamedTuple):
    alive: Array  # number of repetitions
    first: Array  # sum of values, (T, M)
    second: Array  # sum of products, (T, M, M)
    lines: Array  # sums of the projections and of their squares, (2, P)


def sampled_estimate(
    sampler: AbstractSampler, tape: Array, key: Array, shots: int | Array, directions: Array
) -> Estimate:
    """Average simulated repetitions of one setting, see `AbstractSource.estimate`."""
    prepared = sampler.prepare(tape)
    size = min(sampler.width, shots if isinstance(shots, int) else CHUNK // 8)
    chunks = (shots + size - 1) // size

    def add(index: Any, total: _Moments) -> _Moments:
        alive = index * size + jnp.arange(size) < shots
        values = _values(sampler, prepared, tape, jax.random.fold_in(key, index), size)
        return jax.tree.map(jnp.add, total, _moments(values, alive, directions))

    empty = jnp.zeros((0, len(tape), sampler.reads), tape.dtype)
    start = _moments(empty, jnp.zeros(0, bool), directions)
    return _estimate(lax.fori_loop(0, chunks, add, start))


def _values(sampler: AbstractSampler, prepared: Any, tape: Array, key: Array, size: int) -> Array:
    """(size, T, M): the values of some repetitions."""
    uniforms = jax.random.uniform(key, (len(tape), size, sampler.uniforms), tape.dtype)
    carry = jax.tree.map(lambda x: jnp.broadcast_to(x, (size, *x.shape)), sampler.init())

    def step(carry: Any, inputs: tuple[Any, Array]) -> tuple[Any, Array]:
        return jax.vmap(sampler.step, (0, None, 0))(carry, *inputs)

    _, values = lax.scan(step, carry, (prepared, uniforms))
    return jnp.swapaxes(values, 0, 1)


def _moments(values: Array, alive: Array, directions: Array) -> _Moments:
    values = jnp.where(alive[:, None, None], values, 0)
    lines = jnp.einsum("stm,ptm->sp", values, directions)
    return _Moments(
        jnp.sum(alive.astype(values.dtype)),
        jnp.sum(values, axis=0),
        jnp.einsum("sti,stj->tij", values, values),
        jnp.stack([jnp.sum(lines, axis=0), jnp.sum(lines**2, axis=0)]),
    )


def _estimate(total: _Moments) -> Estimate:
    """Means, and sample variances of the means; rounding never makes them negative."""
    count = total.alive
    mean = total.first / count
    outer = mean[:, :, None] * mean[:, None, :]
    covariance = (total.second / count - outer) / (count - 1)
    first, square = total.lines / count
    projected = jnp.maximum(square - first**2, 0) / (count - 1)
    return Estimate(mean, covariance, projected)


def pick(probabilities: Array, uniform: Array) -> Array:
    """The index drawn from (O,) probabilities by one uniform number; O where they leave a rest.

    An outcome of probability 0 is never drawn.
    """
    return jnp.sum(uniform >= jnp.cumsum(probabilities))


def choose(weights: Array, uniform: Array) -> Array:
    """The index drawn in proportion to (O,) weights by one uniform number below 1.

    Always below O, and never an outcome of weight 0: rounding in the sum leaves no rest.
    """
    limits = jnp.cumsum(weights)
    return jnp.sum(uniform * limits[-1] >= limits)
