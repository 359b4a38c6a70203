"""Whether Gaussian outputs stand for sampled ones: gradients from drawn outcomes beside them."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import qrnn_jax as qj

from .gaussian_outputs import OutcomeModel
from .quick_jit import quick_jit


def gaussian_agreement(cell: qj.AbstractCell, repeats: int, seed: int) -> dict[str, float]:
    """Gradients of one window from drawn outcomes beside the Gaussian's: T = 4, S = 100.

    Arguments:
        cell: the model, see `OutcomeModel`; params are a bias and the weights.
        repeats: gradients drawn.
        seed: of the place and of the keys.

    Returns:
        `z`, the r.m.s. over params of the mean's deviation in standard errors; `variance`, summed
        over params, over the predicted one; `repeats`.

    Example:
        >>> import qrnn_jax as qj
        >>> from qrnn_jax.validation.gaussian_agreement import gaussian_agreement
        >>> cell = qj.cells.Viqueira(exchange=1, memory=1, layers=0, uploads=1)
        >>> 0.2 < gaussian_agreement(cell, repeats=50, seed=0)["variance"] < 3
        True
    """
    steps, shots = 4, 100
    model = OutcomeModel(cell, scored=2, dtype=jnp.result_type(1j))
    params = jnp.asarray(np.random.default_rng(seed).uniform(0, 2 * np.pi, model.size + 1))
    params = params.at[0].set(0.1)
    xs, target = jnp.linspace(-0.9, 0.7, steps), jnp.array([0.3, -0.2])

    def loss(params: Array, key: Array) -> Array:
        ys = qj.run(model.cell, params, xs[:, None], shots=shots, key=key)[-2:, 0]
        return jnp.mean((ys - target) ** 2)

    keys = jax.random.split(jax.random.key(seed), repeats)
    drawn = np.asarray(quick_jit(partial(jax.lax.map, partial(jax.grad(loss), params)))(keys))
    predict = quick_jit(partial(predicted_gradient, model))
    mean, variance = map(np.asarray, predict(params, xs, target, shots))
    z = (drawn.mean(0) - mean) / np.sqrt(variance / repeats)
    return {
        "z": float(np.sqrt(np.mean(z**2))),
        "variance": float(drawn.var(0, ddof=1).sum() / variance.sum()),
        "repeats": repeats,
    }


def predicted_gradient(
    model: OutcomeModel, params: Array, xs: Array, target: Array, shots: int
) -> tuple[Array, Array]:
    """Mean and variance of the squared error's shift gradient, exact for independent estimates.

    Equation: g_p = sum_t l_t J_tp with independent l and J, so Var g_p = E[l]^T Var(J_p) E[l] +
    E[J_p]^T Var(l) E[J_p] + Tr(Var(l) Var(J_p)).

    Arguments:
        model: of the cell.
        params: (P,), a bias and the weights.
        xs: (T,).
        target: (W,).
        shots: S, of every circuit.

    Returns:
        (P,) each, the bias first.

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> from qrnn_jax.validation.gaussian_agreement import predicted_gradient
        >>> from qrnn_jax.validation.gaussian_outputs import OutcomeModel
        >>> model = OutcomeModel(qj.cells.Viqueira(1, 1, layers=1, uploads=0), scored=1)
        >>> mean, variance = predicted_gradient(
        ...     model, jnp.zeros(6), jnp.array([0.3, 0.2]), jnp.zeros(1), shots=100
        ... )
        >>> mean.shape, variance.shape
        ((6,), (6,))
    """
    size, steps, scored = model.size, len(xs), model.scored
    base = model.steps(model.nodes(params[1:]), xs)
    shifts = jnp.pi / 2 * jnp.concatenate([jnp.eye(size), -jnp.eye(size)])
    moved = jax.vmap(lambda shift: model.steps(model.nodes(params[1:] + shift), xs))(shifts)

    def replay(time: Array, map_t: Array) -> Any:
        return model.moments(base.at[time].set(map_t))

    each = jax.vmap(jax.vmap(replay), (None, 0))(jnp.arange(steps), moved)  # (2K, T, ...)
    late = jnp.arange(steps)[:, None] <= jnp.arange(steps - scored, steps)  # (T, W)
    signs = jnp.concatenate([jnp.ones(size), -jnp.ones(size)]) / 2
    means = (signs[:, None, None] * late * each.mean).reshape(2, size, steps, scored)
    both = late[:, :, None] & late[:, None, :]
    spread = (both * each.covariance).reshape(2, size, steps, scored, scored) / 4 / shots
    jacobian, noise = means.sum((0, 2)), spread.sum((0, 2))  # (K, W), (K, W, W)
    jacobian = jnp.concatenate([jnp.ones((1, scored)), jacobian])
    noise = jnp.concatenate([jnp.zeros((1, scored, scored)), noise])
    found = model.moments(base)
    slope = 2 * (params[0] + found.mean - target) / scored
    wobble = 4 * found.covariance / shots / scored**2
    variance = (
        jnp.einsum("s,pst,t->p", slope, noise, slope)
        + jnp.einsum("ps,st,pt->p", jacobian, wobble, jacobian)
        + jnp.einsum("st,pts->p", wobble, noise)
    )
    return jacobian @ slope, variance
