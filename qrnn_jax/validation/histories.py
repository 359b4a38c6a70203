"""A controller fed by recorded bits, small enough to sum over all histories of outcomes.

One data qubit, one memory qubit, two angles per step, both set by a nonlinear controller with three
parameters. The sums here use none of the library's circuits, engines or rules.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import qrnn_jax as qj

STEPS = 4
COUPLING = 0.9
PARAMETERS = np.array([0.7, -1.1, 0.8])
WEIGHTS = np.array([0.5, -0.8, 0.6, 1.0])  # of the outcomes of the four steps
HISTORIES = 1.0 - 2.0 * (np.arange(2**STEPS)[:, None] >> np.arange(STEPS)[::-1] & 1)  # (16, T)
XX = np.fliplr(np.eye(4))


@final
@dataclass(frozen=True)
class Reflex(qj.AbstractController):
    """Angles that are nonlinear in the outcomes so far.

    Equation: a_t = (2 sin(p_0 + p_1 h), tanh(p_2 h + 0.3)), h_t = tanh(0.6 h_{t-1} + o_t).

    Example:
        >>> import jax
        >>> from qrnn_jax.validation.histories import Reflex
        >>> Reflex().init(jax.random.key(0)).shape
        (3,)
    """

    features: int = 1

    def init(self, key: Array) -> Array:
        return jax.random.normal(key, (3,))

    def start(self, params: Array) -> Array:
        return 0.4 * jnp.ones((), params.dtype)

    def angles(self, params: Array, h: Array, x: Array) -> Array:
        del x
        return jnp.stack([2 * jnp.sin(params[0] + params[1] * h), jnp.tanh(params[2] * h + 0.3)])

    def update(self, params: Array, h: Array, x: Array, reads: Array) -> Array:
        del params, x
        return jnp.tanh(0.6 * h + reads[0])


def reflex_cell() -> qj.FeedbackCell:
    """The library's version of the circuit.

    Example:
        >>> from qrnn_jax.validation.histories import reflex_cell
        >>> reflex_cell().feed
        'bits'
    """
    operations = (
        qj.RX(0, qj.Data(0)), qj.RZ(1, qj.Data(1)), qj.RXX(0, 1, COUPLING), qj.RY(1, 0.5),
        qj.Reset(0),
    )  # fmt: skip
    return qj.FeedbackCell(qj.CircuitCell(qj.Circuit(2, operations), (qj.Z(0),)), Reflex(), "bits")


def tape(params: Array, outcomes: Array) -> Array:
    """The angles (T, 2) that follow from the outcomes (T,) of one repetition.

    Example:
        >>> import jax.numpy as jnp
        >>> from qrnn_jax.validation.histories import tape
        >>> tape(jnp.zeros(3), jnp.ones(4)).shape
        (4, 2)
    """
    controller, nothing = Reflex(), jnp.zeros(1)
    h, rows = controller.start(params), []
    for outcome in outcomes:
        rows.append(controller.angles(params, h, nothing))
        h = controller.update(params, h, nothing, outcome[None])
    return jnp.stack(rows)


def chances(params: Array, offsets: Array) -> Array:
    """The probabilities (16, T) of the first t outcomes of every history.

    Arguments:
        params: (3,).
        offsets: (T, 2), added to the angles in all branches.

    Example:
        >>> import jax.numpy as jnp
        >>> from qrnn_jax.validation.histories import chances
        >>> print(f"{chances(jnp.ones(3), jnp.zeros((4, 2)))[:, -1].sum():.4f}")
        1.0000
    """

    xx = jnp.asarray(XX, complex)  # its type named: JAX keeps constants from call to call

    def one(outcomes: Array) -> Array:
        angles = tape(params, outcomes) + offsets
        state, found = jnp.zeros(4, complex).at[0].set(1), []
        for step in range(STEPS):
            state = jnp.kron(_rx(angles[step, 0]), _rz(angles[step, 1])) @ state
            state = jnp.cos(COUPLING / 2) * state - 1j * jnp.sin(COUPLING / 2) * (xx @ state)
            memory = jnp.kron(jnp.eye(2), _ry(jnp.asarray(0.5))) @ state
            seen = jnp.where(outcomes[step] > 0, memory[:2], memory[2:])
            found.append(jnp.sum(jnp.abs(seen) ** 2))
            state = jnp.concatenate([seen, jnp.zeros(2)])  # the data qubit starts anew in |0>
        return jnp.stack(found)

    return jax.vmap(one)(jnp.asarray(HISTORIES, params.dtype))


def mean_outcomes(params: Array) -> Array:
    """E[o_t], (T,): the exact outputs.

    Example:
        >>> import jax.numpy as jnp
        >>> from qrnn_jax.validation.histories import mean_outcomes
        >>> bool((abs(mean_outcomes(jnp.ones(3))) <= 1).all())
        True
    """
    return chances(params, jnp.zeros((STEPS, 2)))[:, -1] @ jnp.asarray(HISTORIES, params.dtype)


def _ry(angle: Array) -> Array:
    c, s = jnp.cos(angle / 2), jnp.sin(angle / 2)
    return jnp.array([[c, -s], [s, c]]).astype(complex)


def _rx(angle: Array) -> Array:
    c, s = jnp.cos(angle / 2), jnp.sin(angle / 2)
    return jnp.array([[c, -1j * s], [-1j * s, c]])


def _rz(angle: Array) -> Array:
    return jnp.diag(jnp.exp(0.5j * angle * jnp.array([-1, 1])))


class Variances(NamedTuple):
    """Exact facts about estimates of the gradient of E[sum_t w_t o_t].

    Arguments:
        gradient: (3,).
        mean: (3,), the expectation of the estimate from per-shot weights.
        per_shot: (3,), its variance times the number of all shots, evenly split over 16 circuits.
        score: (3,), the same for the likelihood ratio, outcomes times the score of the history.
        causal: (3,), the same where each outcome multiplies only the score of the bits up to it.
    """

    gradient: Array
    mean: Array
    per_shot: Array
    score: Array
    causal: Array


def variances(params: Array, compiled: Callable[..., Any] = jax.jit) -> Variances:
    """Means and variances of the estimates, by sums over all histories.

    Arguments:
        params: (3,).
        compiled: how to compile.

    Example:
        >>> import jax.numpy as jnp, numpy as np
        >>> from qrnn_jax.validation.histories import variances
        >>> found = variances(jnp.ones(3))
        >>> bool(np.allclose(found.mean, found.gradient, atol=1e-5))
        True
    """
    return compiled(_variances)(jnp.asarray(params))


def _variances(params: Array) -> Variances:
    outcomes = jnp.asarray(HISTORIES * WEIGHTS, params.dtype)
    still = jnp.zeros((STEPS, 2))
    prefix, slopes = chances(params, still), jax.jacfwd(chances)(params, still)  # (16, T, 3)
    whole = prefix[:, -1]
    gradient = slopes[:, -1].T @ outcomes.sum(axis=1)
    scores = slopes / prefix[..., None]  # of the first t bits
    plain = outcomes.sum(axis=1)[:, None] * scores[:, -1]
    causal = jnp.einsum("ht,htp->hp", outcomes, scores)
    mean, spread = _shifted(params, outcomes)

    def variance(values: Array) -> Array:
        return whole @ values**2 - gradient**2

    return Variances(gradient, mean, spread, variance(plain), variance(causal))


def _shifted(params: Array, outcomes: Array) -> tuple[Array, Array]:
    """Mean of the sum over the 16 circuits, and 16 times the sum of their one-shot variances."""
    histories = jnp.asarray(HISTORIES, params.dtype)
    slopes = jax.vmap(jax.jacfwd(tape), (None, 0))(params, histories)  # (16, T, 2, 3)
    later = jnp.cumsum(outcomes[:, ::-1], axis=1)[:, ::-1]  # from step t on
    weighted = slopes * later[:, :, None, None] / 2
    unit = jnp.eye(2 * STEPS).reshape(-1, STEPS, 2) * jnp.pi / 2
    shifted = jax.vmap(lambda offsets: chances(params, offsets)[:, -1])
    mean, spread = jnp.zeros(3), jnp.zeros(3)
    for sign in (1, -1):
        laws = shifted(sign * unit).reshape(STEPS, 2, -1)
        means = jnp.einsum("tkh,htkp->tkp", laws, sign * weighted)
        squares = jnp.einsum("tkh,htkp->tkp", laws, weighted**2)
        mean += means.sum(axis=(0, 1))
        spread += (squares - means**2).sum(axis=(0, 1))
    return mean, 4 * STEPS * spread
