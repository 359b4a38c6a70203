"""Losses of outputs that are averages over shots, and what the shots do to them.

Under shots an output y is an average with a variance of its own, so a loss that is not linear in y
is off on average. A gradient is a product of two estimates, l'(y) and dy, with shots of their own:
its bias is that of l' alone. None for the squared error and the Brier score, whose l' is linear.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from qrnn_jax.run import Result


def mse(outputs: ArrayLike, targets: ArrayLike) -> Array:
    """The mean squared error.

    Equation: L = mean (y - target)^2.

    Under S shots its gradient is unbiased, but its value is too large by the mean variance of the
    outputs, (1 - y^2) / S each for a Pauli word; for the value use `mse_unbiased`.

    Arguments:
        outputs: y, any shape.
        targets: the same shape.

    Returns:
        A scalar.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> import jax.numpy as jnp, qrnn_jax as qj
        >>> float(qj.losses.mse(jnp.array([[0.5], [1.0]]), jnp.array([[0.0], [0.0]])))
        0.625

    Source: Sweke et al., Quantum 4, 314 (2020), on unbiased gradients of losses of shot averages.
    """
    outputs, targets = _pair(outputs, targets, "targets")
    return jnp.mean((outputs - targets) ** 2)


def mse_unbiased(result: Result, targets: ArrayLike) -> Array:
    """The mean squared error without what shots add to it.

    Equation: L = mean [(y - target)^2 - stderr^2]; its expectation is the mean squared error of the
    exact outputs, because stderr^2 is the unbiased sample variance of the mean y. For one Pauli
    word this is the U-statistic ((sum of outcomes)^2 - S) / (S (S - 1)) in place of y^2.

    It may be negative. Its gradient is that of `mse`, which is unbiased already: train on either.
    Exact for outputs that are linear in the reads; to first order in 1 / S for others.

    Arguments:
        result: of `simulate`, with 2 shots or more; an exact one gives `mse`.
        targets: (T, outputs).

    Returns:
        A scalar; NaN for a single shot.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> circuit = qj.Circuit(1, (qj.RX(0, qj.Weight(0)), qj.Reset(0)))
        >>> cell, xs = qj.CircuitCell(circuit, (qj.Z(0),)), jnp.zeros((400, 0))
        >>> result = qj.simulate(cell, jnp.array([0.6]), xs, shots=10, key=jax.random.key(0))
        >>> targets = jnp.full((400, 1), jnp.cos(0.6))  # the exact outputs: the error is all noise
        >>> abs(float(qj.losses.mse_unbiased(result, targets))) < 0.006  # `mse` gives 0.03
        True

    Source: Hoeffding, Ann. Math. Statist. 19, 293 (1948), for U-statistics.
    """
    noise = 0.0 if result.stderr is None else jnp.mean(result.stderr**2)
    return mse(result.outputs, targets) - noise


def brier(outputs: ArrayLike, labels: ArrayLike) -> Array:
    """The Brier score of binary labels: the squared error of their probabilities.

    Equation: L = mean (1 - p)^2, p = (1 + (-1)^label y) / 2 the probability of the label.

    A proper score, quadratic in y: its gradient is unbiased for any number of shots, where that of
    `cross_entropy` is not. The bias of its value is a quarter of that of `mse`.

    Arguments:
        outputs: y in [-1, 1], expectation values of Pauli words, any shape.
        labels: bits, the same shape; bit 0 stands for the outcome +1.

    Returns:
        A scalar in [0, 1].

    Raises:
        ValueError: the shapes differ; a label that is no bit.

    Example:
        >>> import jax.numpy as jnp, qrnn_jax as qj
        >>> float(qj.losses.brier(jnp.array([0.5, 0.5]), jnp.array([0, 1])))
        0.3125

    Source: Brier, Monthly Weather Review 78, 1 (1950).
    """
    return jnp.mean((1 - _chances(outputs, labels)) ** 2)


def cross_entropy(outputs: ArrayLike, labels: ArrayLike, *, floor: float = 1e-6) -> Array:
    """The cross-entropy of binary labels.

    Equation: L = mean -log p, p = (1 + (-1)^label y) / 2 the probability of the label.

    Under S shots it is biased, see `cross_entropy_bias`, and worthless where p S is not large: use
    `cross_entropy_jackknife`, or `brier`, which is a proper score, too.

    Arguments:
        outputs: y in [-1, 1], expectation values of Pauli words, any shape.
        labels: bits, the same shape; bit 0 stands for the outcome +1.
        floor: a smaller p counts as `floor`, and its slope is 0; in (0, 1). With S shots a label
            that was never seen has p = 0: 1 / (2 S), half a count, keeps its loss within log 2S.

    Returns:
        A scalar in [0, -log floor].

    Raises:
        ValueError: the shapes differ; a label that is no bit; a floor outside of (0, 1).

    Example:
        >>> import jax.numpy as jnp, qrnn_jax as qj
        >>> print(f"{qj.losses.cross_entropy(jnp.array([0.5, 0.5]), jnp.array([0, 1])):.4f}")
        0.8370

    Source: Sweke et al., Quantum 4, 314 (2020), on losses that are no polynomials.
    """
    if not 0 < floor < 1:
        raise ValueError(f"Argument `floor` must be in (0, 1), but is {floor!r}; try 1e-6.")
    return jnp.mean(-jnp.log(jnp.maximum(_chances(outputs, labels), floor)))


def cross_entropy_bias(outputs: ArrayLike, labels: ArrayLike, shots: int) -> Array:
    """By how much shots raise the cross-entropy on average, to first order in 1 / shots.

    Equation: E[-log p_hat] + log p = (1 - p) / (2 p S) + O(1 / S^2), from the second derivative
    1 / p^2 and the variance p (1 - p) / S. The slope is off by twice the relative amount: E[1 /
    p_hat] = (1 + (1 - p) / (p S)) / p, so each entry's gradient is too long by (1 - p) / (p S).

    It diverges as p goes to 0: there no finite number of shots makes the loss trustworthy.

    Arguments:
        outputs: y in [-1, 1], best the exact ones, any shape.
        labels: bits, the same shape.
        shots: S.

    Returns:
        A scalar: the mean over all entries.

    Raises:
        ValueError: the shapes differ; a label that is no bit; `shots` is no positive integer.

    Example:
        >>> import jax.numpy as jnp, qrnn_jax as qj
        >>> print(f"{qj.losses.cross_entropy_bias(jnp.array([0.82]), jnp.array([0]), 50):.6f}")
        0.000989

    Source: the delta method, for example Lehmann and Casella, Theory of Point Estimation, 6.1.
    """
    chances = _chances(outputs, labels)
    return jnp.mean((1 - chances) / (2 * chances * _counted(shots, least=1)))


def cross_entropy_jackknife(outputs: ArrayLike, labels: ArrayLike, shots: int) -> Array:
    """The cross-entropy from S shots with its bias, and that of its gradient, removed to order 1/S.

    Equation: for n = p_hat S shots that showed the label and any function h of p,

        J[h] = S h(n/S) - (S-1)/S [n h((n-1)/(S-1)) + (S-n) h(n/(S-1))]

    is the jackknife: leaving out one shot leaves n - 1 of S - 1, n times, or n of S - 1, S - n
    times. The value is the mean of J[-log p]; the slope, of its own, is J[-1/p]: the derivative of
    a bias-corrected value is not the bias-corrected derivative. What remains is of order 1 / S^2.

    A label seen less than half a time counts as half a time. Both corrections cost variance where
    p S is small; `brier` needs none.

    Arguments:
        outputs: y in [-1, 1], averages of +-1 over `shots` repetitions, any shape.
        labels: bits, the same shape.
        shots: S, 2 or more.

    Returns:
        A scalar.

    Raises:
        ValueError: the shapes differ; a label that is no bit; less than 2 shots.

    Example:
        >>> import jax.numpy as jnp, qrnn_jax as qj
        >>> outputs, labels = jnp.array([0.8]), jnp.array([0])
        >>> plain = qj.losses.cross_entropy(outputs, labels)
        >>> better = qj.losses.cross_entropy_jackknife(outputs, labels, shots=50)
        >>> print(f"{plain - better:.4f}")  # (1 - p) / (2 p S), to first order
        0.0011

    Source: Quenouille, Biometrika 43, 353 (1956).
    """
    count = _counted(shots, least=2)
    chances = _chances(outputs, labels)
    still = lax.stop_gradient(chances)
    return jnp.mean(
        _jackknifed_value(still, count) + _jackknifed_slope(still, count) * (chances - still)
    )


def probability_cross_entropy(
    outputs: ArrayLike, words: ArrayLike, *, mask: ArrayLike | None = None
) -> Array:
    """The loss of Bausch's programs: a softmax cross-entropy whose logits are probabilities.

    Equation: L = mean [log sum_j exp p_j - p_word - (log(K - 1 + e) - 1)]: 0 for a certain right
    word, 0.380, 0.643, 0.805, 0.898, 0.948 for a uniform guess among K = 2, 4, 8, 16, 32 words.

    All losses of that paper are in this unit. It is bounded and not proper: near the optimum it
    measures 1 - p_word linearly, about (1 - p_word) for few words. Use it to compare with the
    paper; where the probabilities matter, use the negative log-likelihood.

    Arguments:
        outputs: p, (..., K), outcome distributions.
        words: whole numbers below K, (...), the right words.
        mask: (...) booleans, which of them count; None for all.

    Returns:
        A scalar, 0 or more; NaN where nothing counts.

    Raises:
        ValueError: the shapes do not fit.

    Example:
        >>> import jax.numpy as jnp, qrnn_jax as qj
        >>> guess = jnp.full((5, 4), 0.25)
        >>> print(f"{qj.losses.probability_cross_entropy(guess, jnp.zeros(5, int)):.3f}")
        0.643

    Source: the loss of Bausch, arXiv 2006.14619, as its program computes it.
    """
    outputs, words = jnp.asarray(outputs), jnp.asarray(words)
    counted = jnp.ones(words.shape, bool) if mask is None else jnp.asarray(mask, bool)
    for name, array in (("words", words), ("mask", counted)):
        if array.shape != outputs.shape[:-1]:
            raise ValueError(
                f"Argument `{name}` must have shape {outputs.shape[:-1]}, but has shape "
                f"{array.shape}; try one word, as a number, per distribution."
            )
    chances = jnp.take_along_axis(outputs, words[..., None], axis=-1)[..., 0]
    least = np.log(outputs.shape[-1] - 1 + np.e) - 1
    losses = jax.nn.logsumexp(outputs, axis=-1) - chances - least
    return jnp.mean(losses, where=counted)


def _jackknifed_value(p: Array, shots: int) -> Array:
    """J[-log p], each difference to -log p written as one logarithm: float32 keeps its digits."""
    seen, _, change = _left_out(p, shots)
    shown = -p * shots * jnp.log1p(change / (seen * (shots - 1)))
    other = -shots * (1 - p) * jnp.log1p(_any(p, shots) / (shots - 1))
    return -jnp.log(seen / shots) - (1 - 1 / shots) * (shown + other)


def _jackknifed_slope(p: Array, shots: int) -> Array:
    """J[-1/p]."""
    seen, short, change = _left_out(p, shots)
    shown, other = p * shots * change / (short * seen), shots * (1 - p) * _any(p, shots) / seen
    return -shots / seen - (1 - 1 / shots) * (shown + other)


def _left_out(p: Array, shots: int) -> tuple[Array, Array, Array]:
    """n, n - 1, both at least 1/2, and (n - 1) S - n (S - 1)."""
    seen, short = jnp.maximum(p * shots, 0.5), jnp.maximum(p * shots - 1, 0.5)
    return seen, short, (short - seen) * shots + seen


def _any(p: Array, shots: int) -> Array:
    """1 where the label was seen at all: without, leaving out a shot changes nothing."""
    return jnp.where(p * shots < 0.5, 0.0, 1.0)


def _pair(outputs: ArrayLike, others: ArrayLike, name: str) -> tuple[Array, Array]:
    """Two arrays of one shape: (T,) and (T, 1) would broadcast to (T, T) without a word."""
    first, second = jnp.asarray(outputs), jnp.asarray(others)
    if first.shape != second.shape:
        raise ValueError(
            f"Argument `{name}` must have the shape of the outputs, {first.shape}, but has shape "
            f"{second.shape}; try `{name}.reshape(outputs.shape)`."
        )
    return first, second


def _chances(outputs: ArrayLike, labels: ArrayLike) -> Array:
    """The probability of every label."""
    outputs, bits = _pair(outputs, labels, "labels")
    if not isinstance(bits, jax.core.Tracer) and not np.isin(np.asarray(bits), (0, 1)).all():
        raise ValueError(
            "Argument `labels` must hold bits, 0 (outcome +1) or 1 (outcome -1), but holds "
            "something else; try `(1 - labels) // 2` for labels of +1 and -1."
        )
    return (1 + (1 - 2 * bits) * outputs) / 2


def _counted(shots: int, least: int) -> int:
    if isinstance(shots, bool) or not isinstance(shots, int) or shots < least:
        raise ValueError(
            f"Argument `shots` must be an integer of {least} or more, but is {shots!r}."
        )
    return shots
