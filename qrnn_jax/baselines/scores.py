"""How well a trained network names words, in the unit of the quantum one."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from qrnn_jax.baselines.data import Examples, as_read
from qrnn_jax.baselines.network import Network


class WordScores(NamedTuple):
    """Means over the steps that count.

    Arguments:
        probability: given to the right word; what a network that samples its answers scores.
        accuracy: how often the right word is the likeliest.

    Example:
        >>> from qrnn_jax import baselines
        >>> baselines.WordScores(probability=0.25, accuracy=0.5).accuracy
        0.5
    """

    probability: float
    accuracy: float


def word_scores(network: Network, params: Any, data: Examples) -> WordScores:
    """The mean probability of the right word, and how often it is the likeliest.

    probability = sum(weight p(target)) / sum(weight), p the softmax of the outputs: the score of
    Bausch's network, which samples its answer. The accuracy is larger as a rule; do not compare it
    with a sampled rate.

    Arguments:
        network, params: one run's; `jax.tree.map(lambda leaf: leaf[0], trained.params)` is the
            first seed of `Trained`.
        data: `Examples` of words, made with `scored_only=True`.

    Returns:
        `WordScores(probability, accuracy)`.

    Raises:
        ValueError: if `data` holds numbers.

    Example:
        >>> import jax
        >>> from qrnn_jax import baselines, tasks
        >>> data = baselines.examples(tasks.xor(4, seed=0))
        >>> network = baselines.Network("gru", features=4, hidden=2, outputs=4)
        >>> scores = baselines.word_scores(network, network.init(jax.random.key(0)), data)
        >>> 0.0 < scores.probability < 1.0
        True
    """
    if not data.words:
        raise ValueError(
            "Argument `data` must hold words, but it holds numbers; try `examples(symbols)`."
        )
    answers = jax.vmap(partial(network, params))(as_read(jnp.asarray(data.inputs), data.words))
    chances = np.asarray(jax.nn.softmax(answers))  # (N, T, 2^I)
    right = np.take_along_axis(chances, data.targets[..., None], axis=2)[..., 0]
    hits = chances.argmax(axis=2) == data.targets
    return WordScores(
        float(np.average(right, weights=data.weights)),
        float(np.average(hits, weights=data.weights)),
    )
