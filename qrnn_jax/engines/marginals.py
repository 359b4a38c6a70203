"""Sampling each step's outcomes from its exact distribution: T circuits, 1..t steps each.

Where the outputs need not come from the same repetitions (every output has circuits of its own), or
where there is one step only, the outcome counts are one multinomial draw. Any number of shots costs
the same.
"""

import jax
import jax.numpy as jnp
from jax import Array

from qrnn_jax.circuit.groups import Group
from qrnn_jax.engines.sampler import Estimate


def marginal_estimate(
    chances: Array, group: Group, key: Array, shots: int | Array, directions: Array, selects: bool
) -> Estimate:
    """Draw the outcome counts of every step on its own.

    Arguments:
        chances: (T, O), the exact probabilities at the read-out; where the circuit post-selects,
            those of surviving: the rest of 1 is discarded.
        group: what is measured.
        key: a JAX key.
        shots: repetitions per step; may be traced.
        directions: (P, T, M), see `Estimate`.
        selects: whether the circuit post-selects; then the last read is 1 for what survives.

    Returns:
        An `Estimate`; steps are independent.
    """
    values = jnp.asarray(group.values, chances.dtype)
    if group.flips is not None:
        chances = chances @ jnp.asarray(group.flips.value.real, chances.dtype).T
    chances = jnp.maximum(chances, 0)
    if selects:
        lost = jnp.maximum(1 - jnp.sum(chances, axis=1, keepdims=True), 0)
        chances = jnp.concatenate([chances, lost], axis=1)
        survived = jnp.ones((len(values), 1), values.dtype)
        values = jnp.pad(jnp.concatenate([values, survived], axis=1), ((0, 1), (0, 0)))
    chances = chances / jnp.sum(chances, axis=1, keepdims=True)
    counts = jax.random.multinomial(key, jnp.asarray(shots, chances.dtype), chances)
    share = counts / shots
    mean = share @ values
    second = jnp.einsum("to,oi,oj->tij", share, values, values)
    covariance = (second - mean[:, :, None] * mean[:, None, :]) / (shots - 1)
    projected = jnp.einsum("pti,tij,ptj->p", directions, covariance, directions)
    return Estimate(mean, covariance, jnp.maximum(projected, 0))  # rounding may leave less


def marginal_moments(chances: Array, group: Group) -> tuple[Array, Array]:
    """The exact mean and variance of one repetition's values at every step, (T, M) each.

    Arguments:
        chances: (T, O), the exact probabilities at the read-out.
        group: what is measured.
    """
    values = jnp.asarray(group.values, chances.dtype)
    if group.flips is not None:
        chances = chances @ jnp.asarray(group.flips.value.real, chances.dtype).T
    mean = chances @ values
    return mean, jnp.maximum(chances @ values**2 - mean**2, 0)
