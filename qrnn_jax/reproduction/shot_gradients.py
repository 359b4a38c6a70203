"""The shift rule's gradient of one window as S shots would return it, in two noise models.

`gaussian_gradient` is the model of Viqueira's program: every output and every shifted output has a
Gaussian error of its own, of variance (1 - z^2) / S. `device_gradient` is what a device returns:
all outputs of a circuit come from the same S repetitions, so they are correlated; their average has
exactly the covariance of one repetition over S and is a Gaussian for S >= 100, by the central limit
theorem. Neither samples shot by shot: the exact means and variances of all 2 K T shifted circuits
come first, then one draw for what is summed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from .pauli_steps import PauliSteps

RIDGE = 1e-6  # on a covariance, where an outcome is certain


class Pass(NamedTuple):
    """One exact run over a window.

    Arguments:
        outputs: z, (T,).
        ends: states behind the last gate of each step, (T, 4, D).
        seen: states behind every gate, (T, G, 4 D).
    """

    outputs: Array
    ends: Array
    seen: Array


def play(steps: PauliSteps, weights: Array, inputs: Array) -> Pass:
    """Run a window of inputs (T,).

    Example:
        >>> import jax.numpy as jnp, qrnn_jax as qj
        >>> from qrnn_jax.reproduction.pauli_steps import PauliSteps
        >>> from qrnn_jax.reproduction.shot_gradients import play
        >>> cell = qj.cells.Viqueira(1, 1, layers=1, uploads=0)
        >>> weights, xs = jnp.arange(5.0), jnp.array([0.3, 0.8])
        >>> exact = qj.run(cell, jnp.append(0.0, weights), xs[:, None])[:, 0]
        >>> bool(jnp.allclose(play(PauliSteps(cell), weights, xs).outputs, exact, atol=1e-5))
        True
    """

    def step(memory: Array, x: Array) -> tuple[Array, tuple[Array, Array]]:
        state, seen = steps.forwards(weights, x, memory)
        return state[0], (state, seen)

    start = jnp.asarray(steps.start, weights.dtype)
    _, (ends, seen) = lax.scan(step, start, inputs)
    return Pass(ends[:, 3, 0], ends, seen)


def gaussian_gradient(
    steps: PauliSteps, params: Array, window: tuple[Array, Array], shots: Any, key: Array
) -> Array:
    """The gradient (P,) of mean (b + z_t - target_t)^2 over the last W steps, bias b first.

    dz_s / d theta_i = sum_t (z_s(+t) - z_s(-t)) / 2, with errors of their own in z_s, z_s(+t) and
    z_s(-t), s >= t.

    Arguments:
        steps: of the cell.
        params: (1 + K,).
        window: inputs (T,), targets (W,).
        shots: S, of every circuit; may be infinite: then the gradient is exact.
        key: of the draws.

    Example:
        >>> from functools import partial
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> from qrnn_jax.reproduction.pauli_steps import PauliSteps
        >>> from qrnn_jax.reproduction.shot_gradients import gaussian_gradient
        >>> steps = PauliSteps(qj.cells.Viqueira(1, 1, layers=1, uploads=0))
        >>> window, key = (jnp.ones(4), jnp.zeros(2)), jax.random.key(0)
        >>> rule = partial(gaussian_gradient, steps)
        >>> jax.eval_shape(rule, jnp.ones(6), window, 1000, key).shape
        (6,)
    """
    inputs, targets = window
    played, scored = play(steps, params[1:], inputs), len(targets)
    exact = played.outputs[-scored:]
    output_key, slope_key = jax.random.split(key)
    drawn = _noisy(exact, jnp.maximum(1 - exact**2, 0) / shots, output_key)
    mean, variance = output_slopes(steps, params[1:], inputs, played, scored)
    slopes = _noisy(mean, variance / shots, slope_key)
    return _chain(params[0] + drawn - targets, lambda outer: slopes @ outer)


def output_slopes(
    steps: PauliSteps, weights: Array, inputs: Array, played: Pass, scored: int
) -> tuple[Array, Array]:
    """Mean and variance (K, W), in one repetition of each circuit, of the rule's dz_s / d theta_i.

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> from qrnn_jax.reproduction.pauli_steps import PauliSteps
        >>> from qrnn_jax.reproduction.shot_gradients import output_slopes, play
        >>> steps = PauliSteps(qj.cells.Viqueira(1, 1, layers=1, uploads=0))
        >>> def slopes(weights, xs):
        ...     return output_slopes(steps, weights, xs, play(steps, weights, xs), 2)
        >>> jax.eval_shape(slopes, jnp.ones(5), jnp.ones(4))[1].shape
        (5, 2)
    """

    def back(rows: Array, step: Any) -> tuple[Array, tuple[Array, Array]]:
        x, seen, mark, counts = step
        rows, still, swing = steps.backwards(weights, x, _behind(rows, mark), seen)
        return rows, (swing, counts * (1 - still**2 - swing**2) / 2)  # (K, W) each

    marks = _marks(len(inputs), scored, weights.dtype)
    counts = jnp.cumsum(marks[::-1], axis=0)[::-1]  # (T, W): outcome s is at step t or later
    begin = jnp.zeros((scored, len(steps.start)), weights.dtype)
    _, (swings, variances) = lax.scan(
        back, begin, (inputs, played.seen, marks, counts), reverse=True
    )
    return swings.sum(0), jnp.maximum(variances.sum(0), 0)


def device_gradient(
    steps: PauliSteps, params: Array, window: tuple[Array, Array], shots: Any, key: Array
) -> Array:
    """As `gaussian_gradient`, all outputs of a circuit from the same repetitions.

    With l_s = d loss / d z_s at the measured outputs, shifted circuit (i, t, +-) measures the mean
    of sum_s l_s o_s, o_s = +-1 the outcomes of one repetition.

    Arguments:
        steps, params, window, shots, key: as in `gaussian_gradient`.

    Example:
        >>> from functools import partial
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> from qrnn_jax.reproduction.pauli_steps import PauliSteps
        >>> from qrnn_jax.reproduction.shot_gradients import device_gradient
        >>> steps = PauliSteps(qj.cells.Viqueira(1, 1, layers=1, uploads=0))
        >>> window, key = (jnp.ones(4), jnp.zeros(2)), jax.random.key(0)
        >>> rule = partial(device_gradient, steps)
        >>> jax.eval_shape(rule, jnp.ones(6), window, 1000, key).shape
        (6,)
    """
    inputs, targets = window
    played, scored = play(steps, params[1:], inputs), len(targets)
    output_key, slope_key = jax.random.split(key)
    spread = covariance(steps, params[1:], inputs, played, scored) + RIDGE * jnp.eye(scored)
    root = jnp.linalg.cholesky(spread.astype(params.dtype))
    normal = jax.random.normal(output_key, (scored,), params.dtype)
    drawn = played.outputs[-scored:] + root @ normal / jnp.sqrt(shots)

    def gradient(outer: Array) -> Array:
        mean, variance = shifted_sums(steps, params[1:], inputs, played, outer)
        return _noisy(mean, variance / shots, slope_key)

    return _chain(params[0] + drawn - targets, gradient)


def covariance(
    steps: PauliSteps, weights: Array, inputs: Array, played: Pass, scored: int
) -> Array:
    """Of the last W outcomes of one repetition, (W, W).

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> from qrnn_jax.reproduction.pauli_steps import PauliSteps
        >>> from qrnn_jax.reproduction.shot_gradients import covariance, play
        >>> steps = PauliSteps(qj.cells.Viqueira(1, 1, layers=1, uploads=0))
        >>> weights, xs = jnp.arange(5.0), jnp.array([0.3, 0.8, -0.1])
        >>> found = jax.eval_shape(
        ...     lambda w: covariance(steps, w, xs, play(steps, w, xs), 2), weights)
        >>> found.shape
        (2, 2)
    """

    def back(rows: Array, step: Any) -> tuple[Array, Array]:
        x, end, seen, mark = step
        second = rows @ end[3]  # E[o_t o_s], s > t
        rows, _, _ = steps.backwards(weights, x, _behind(rows, mark), seen)
        return rows, second

    last = (inputs, played.ends, played.seen, _marks(len(inputs), scored, weights.dtype))
    begin = jnp.zeros((scored, len(steps.start)), weights.dtype)
    parts = jax.tree.map(lambda part: part[-scored:], last)
    _, above = lax.scan(back, begin, parts, reverse=True)
    mean = played.outputs[-scored:]
    return above + above.T + jnp.eye(scored) - jnp.outer(mean, mean)


def shifted_sums(
    steps: PauliSteps, weights: Array, inputs: Array, played: Pass, outer: Array
) -> tuple[Array, Array]:
    """Mean and variance (K,), in one repetition, of the rule's sum over all shifted circuits.

    Two rows go back: the mean of what later outcomes add to sum_s l_s o_s, and the mean square.

    Arguments:
        steps, weights, inputs, played: as in `play`, and what it returned.
        outer: l, (W,).

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> from qrnn_jax.reproduction.pauli_steps import PauliSteps
        >>> from qrnn_jax.reproduction.shot_gradients import play, shifted_sums
        >>> steps = PauliSteps(qj.cells.Viqueira(1, 1, layers=1, uploads=0))
        >>> def sums(weights, xs):
        ...     return shifted_sums(steps, weights, xs, play(steps, weights, xs), jnp.ones(2))
        >>> jax.eval_shape(sums, jnp.ones(5), jnp.ones(4))[1].shape
        (5,)
    """

    def back(rows: Array, step: Any) -> tuple[Array, tuple[Array, Array]]:
        x, seen, slope = step
        full = _behind(rows, jnp.stack([slope, jnp.zeros_like(slope)]))
        full = full.at[1, 3].add(2 * slope * rows[0])
        full = full.at[1, 0, 0].add(slope**2)
        rows, still, swing = steps.backwards(weights, x, full, seen)
        mean, square = (jnp.stack([still[:, row] + swing[:, row], still[:, row] - swing[:, row]])
                        for row in (0, 1))  # fmt: skip
        return rows, (swing[:, 0], jnp.sum(square - mean**2, axis=0) / 4)

    slopes = jnp.concatenate([jnp.zeros(len(inputs) - len(outer), outer.dtype), outer])
    begin = jnp.zeros((2, len(steps.start)), weights.dtype)
    _, (means, variances) = lax.scan(back, begin, (inputs, played.seen, slopes), reverse=True)
    return means.sum(0), jnp.maximum(variances.sum(0), 0)


def _chain(errors: Array, gradient: Any) -> Array:
    """The derivative of mean errors^2 in the bias and, by `gradient`, in the weights."""
    outer = 2 * errors / len(errors)
    return jnp.concatenate([jnp.sum(outer)[None], gradient(outer)])


def _noisy(mean: Array, variance: Array, key: Array) -> Array:
    return mean + jnp.sqrt(variance) * jax.random.normal(key, mean.shape, mean.dtype)


def _marks(count: int, scored: int, dtype: Any) -> Array:
    """(T, W): 1 where outcome s is read at step t."""
    return jnp.eye(count, dtype=dtype)[:, -scored:]


def _behind(rows: Array, marks: Array) -> Array:
    """Rows on the memory (R, D) as rows behind the last gate, plus the outcome itself."""
    full = jnp.zeros((len(rows), 4, rows.shape[1]), rows.dtype).at[:, 0].set(rows)
    return full.at[:, 3, 0].add(marks)
