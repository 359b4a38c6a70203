"""Tasks as arrays for a classical network: inputs, targets, weights of steps, and which loss."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from numpy.typing import NDArray

import qrnn_jax as qj

LOSSES = ("squared", "logistic", "words")


class Examples(NamedTuple):
    """Sequences as a network reads them.

    Arguments:
        inputs: (N, T, F) numbers, or (N, T) words, which are read as one-hot vectors.
        targets: (N, T, O) numbers, or (N, T) words.
        weights: (N, T), 1 for a step that counts and 0 for others.
        words: 2^I where inputs and targets are words, else 0.

    Example:
        >>> from qrnn_jax import baselines, tasks
        >>> baselines.examples(tasks.xor(5, seed=0)).inputs.shape
        (5, 35)
    """

    inputs: NDArray
    targets: NDArray
    weights: NDArray
    words: int

    @property
    def features(self) -> int:
        """F, inputs of a step."""
        return self.words or self.inputs.shape[2]

    @property
    def outputs(self) -> int:
        """O, outputs of a step."""
        return self.words or self.targets.shape[2]


def examples(data: "qj.tasks.Windows | qj.tasks.Symbols", *, scored_only: bool = True) -> Examples:
    """A task's sequences for a classical network.

    Arguments:
        data: `Windows` of numbers, or `Symbols`, whose words become classes.
        scored_only: whether only the steps of the mask enter the loss. Bausch's LSTM and RNN were
            trained on all outputs: `False`.

    Returns:
        `Examples`; `features` and `outputs` are those that a `Network` needs.

    Raises:
        ValueError: if `data` is neither `Windows` nor `Symbols`.

    Example:
        >>> from qrnn_jax import baselines, tasks
        >>> data = baselines.examples(tasks.cv_series("sine").train)
        >>> data.features, data.outputs, data.weights[0].tolist()
        (1, 1, [0.0, 0.0, 0.0, 1.0])
        >>> data = baselines.examples(tasks.xor(2, seed=0), scored_only=False)
        >>> data.features, data.outputs, float(data.weights.min())
        (4, 4, 1.0)
    """
    if not isinstance(data, qj.tasks.Windows | qj.tasks.Symbols):
        raise ValueError(
            f"Argument `data` must be `tasks.Windows` or `tasks.Symbols`, but it is a "
            f"{type(data).__name__}; try `task.train`."
        )
    weights = (data.mask if scored_only else np.ones_like(data.mask)).astype(np.float64)
    if isinstance(data, qj.tasks.Symbols):
        return Examples(data.input_words, data.words, weights, 2**data.width)
    return Examples(data.inputs, data.targets, weights, 0)


def as_read(inputs: Array, words: int) -> Array:
    """Words (..., T) as one-hot vectors (..., T, 2^I); numbers as they are."""
    return jax.nn.one_hot(inputs, words) if words else inputs


def step_losses(kind: str, answers: Array, targets: Array) -> Array:
    """The loss of each step, (..., T), from a network's answers (..., T, O).

    "squared": mean over outputs of (y - target)^2. "logistic": -log of the probability that the
    sigmoid of y gives to a target of 0 or 1. "words": -log of the softmax probability of the word.
    """
    if kind == "words":
        return optax.softmax_cross_entropy_with_integer_labels(answers, targets)
    if kind == "logistic":
        return jnp.mean(optax.sigmoid_binary_cross_entropy(answers, targets), axis=-1)
    return jnp.mean((answers - targets) ** 2, axis=-1)
