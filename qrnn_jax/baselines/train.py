"""Adam on many seeds at once, with the batches of the quantum model."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax
from numpy.typing import ArrayLike, NDArray

from qrnn_jax.baselines.checks import whole
from qrnn_jax.baselines.data import LOSSES, Examples, as_read, step_losses
from qrnn_jax.baselines.network import Network


class Trained(NamedTuple):
    """What `train_baseline` returns; the first axis is the seed.

    Arguments:
        params: final parameters, each leaf with the seeds first.
        losses: (seeds, epochs x updates), of each batch before its update.
        epoch_losses: (seeds, epochs), their mean over an epoch: the running loss that Keras prints.
        held_out: (seeds, epochs), after each epoch, on the sequences held out.

    Example:
        >>> from qrnn_jax import baselines
        >>> baselines.Trained._fields
        ('params', 'losses', 'epoch_losses', 'held_out')
    """

    params: Any
    losses: NDArray[np.floating]
    epoch_losses: NDArray[np.floating]
    held_out: NDArray[np.floating]


def train_baseline(
    network: Network,
    train: Examples,
    held_out: Examples,
    *,
    epochs: int,
    key: Array,
    seeds: int = 5,
    batch: int = 10,
    batches: ArrayLike | None = None,
    learning_rate: float = 0.01,
    loss: str | None = None,
    clip: float | None = None,
) -> Trained:
    """Train a classical network by Adam from several seeds, vectorised, in one compiled call.

    minimise sum(weight * loss) / sum(weight) over the sequences of a batch; Adam with Keras's
    constants (0.9, 0.999, 1e-7).

    Arguments:
        network: with the features and outputs of `train`.
        train, held_out: from `examples`; nothing is chosen by `held_out` here.
        epochs: passes over the training sequences.
        key: decides initial parameters and orders.
        seeds: runs, each from its own part of `key`.
        batch: sequences of an update; each epoch takes all sequences in a new order, the last
            batch being smaller where it must.
        batches: (updates, size) indices, the same in every epoch, instead of new orders: what
            `tasks.fixed_batches` gives.
        learning_rate: of Adam.
        loss: "squared", "logistic" (targets 0 and 1) or "words"; by default "words" for words and
            "squared" for numbers.
        clip: greatest norm of a gradient, or None.

    Returns:
        `Trained`.

    Raises:
        ValueError: if an argument is out of its range or does not suit the others.

    Example:
        >>> import jax
        >>> from qrnn_jax import baselines, tasks
        >>> task = tasks.cv_series("sine")
        >>> network = baselines.Network("linear", features=1, hidden=2, outputs=1)
        >>> result = baselines.train_baseline(
        ...     network, baselines.examples(task.train), baselines.examples(task.test),
        ...     epochs=20, key=jax.random.key(0), seeds=2, batches=tasks.fixed_batches(98))
        >>> result.losses.shape, bool((result.held_out[:, -1] < result.held_out[:, 0]).all())
        ((2, 180), True)
    """
    kind = loss or ("words" if train.words else "squared")
    _check(network, train, held_out, kind, epochs=epochs, seeds=seeds, batch=batch)
    start, order = jax.random.split(key)
    starts = [network.init(part) for part in jax.random.split(start, seeds)]
    params = jax.tree.map(lambda *leaves: jnp.stack(leaves), *starts)
    if batches is None:
        rows = _shuffled(order, len(train.inputs), seeds=seeds, epochs=epochs, batch=batch)
    else:
        fixed = _checked_batches(batches, len(train.inputs))
        rows = np.broadcast_to(fixed, (seeds, epochs, *fixed.shape))
    data = jax.tree.map(jnp.asarray, (train[:3], held_out[:3]))
    rate = jnp.asarray(learning_rate, float)
    recipe = _Recipe(network, kind, train.words, clip)
    params, losses, tested = _train(recipe, data, rate, params, jnp.asarray(rows))
    losses, tested = np.asarray(losses), np.asarray(tested)
    return Trained(params, losses.reshape(seeds, -1), losses.mean(axis=2), tested)


class _Recipe(NamedTuple):
    """What is fixed when a training is compiled."""

    network: Network
    loss: str
    words: int
    clip: float | None


@partial(jax.jit, static_argnums=0)
def _train(recipe: _Recipe, data: tuple, rate: Array, params: Any, rows: Array) -> tuple:
    """Every seed: parameters, losses (seeds, epochs, updates), held-out losses (seeds, epochs)."""
    return jax.vmap(partial(_train_one, recipe, data, rate))(params, rows)


def _train_one(recipe: _Recipe, data: tuple, rate: Array, params: Any, rows: Array) -> tuple:
    train, held_out = data
    optimizer = optax.chain(
        optax.clip_by_global_norm(recipe.clip) if recipe.clip else optax.identity(),
        optax.scale_by_adam(eps=1e-7),
        optax.scale_by_learning_rate(rate),
    )

    def update(carry: tuple, indices: Array) -> tuple[tuple, Array]:
        params, state = carry
        part = jax.tree.map(lambda array: array[indices], train)
        kept = indices >= 0  # -1 fills up a row
        loss, gradient = jax.value_and_grad(_mean_loss)(params, recipe, part, kept)
        change, state = optimizer.update(gradient, state)
        return (optax.apply_updates(params, change), state), loss

    def epoch(carry: tuple, rows: Array) -> tuple[tuple, tuple[Array, Array]]:
        carry, losses = lax.scan(update, carry, rows)
        everyone = jnp.ones(held_out[0].shape[0], bool)
        return carry, (losses, _mean_loss(carry[0], recipe, held_out, everyone))

    (params, _), (losses, tested) = lax.scan(epoch, (params, optimizer.init(params)), rows)
    return params, losses, tested


def _mean_loss(params: Any, recipe: _Recipe, part: tuple, kept: Array) -> Array:
    """The weighted mean over the sequences of `part` (inputs, targets, weights) that are kept."""
    inputs, targets, weights = part
    read = as_read(inputs, recipe.words)
    answers = jax.vmap(partial(recipe.network, params))(read)  # (N, T, O)
    weights = weights * kept[:, None]
    losses = step_losses(recipe.loss, answers, targets)
    return jnp.sum(weights * losses) / jnp.sum(weights)


def _shuffled(key: Array, count: int, *, seeds: int, epochs: int, batch: int) -> NDArray[np.int64]:
    """(seeds, epochs, updates, batch): all indices in new orders; last rows filled up with -1."""
    if batch > count:
        raise ValueError(
            f"Argument `batch` must be at most the {count} training sequences, but it is {batch}; "
            f"try `batch={count}`."
        )
    generator = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    everyone = np.broadcast_to(np.arange(count), (seeds, epochs, count))
    orders = generator.permuted(everyone, axis=2)
    filled = np.pad(orders, ((0, 0), (0, 0), (0, -count % batch)), constant_values=-1)
    return filled.reshape(seeds, epochs, -1, batch)


def _checked_batches(batches: ArrayLike, count: int) -> NDArray[np.int64]:
    rows = np.asarray(batches)
    if rows.ndim != 2 or rows.size == 0 or rows.min() < 0 or rows.max() >= count:
        raise ValueError(
            f"Argument `batches` must hold rows of indices from 0 to {count - 1}, but its shape is "
            f"{rows.shape}; try `tasks.fixed_batches({count})`."
        )
    return rows


def _check(network: Network, train: Examples, held_out: Examples, loss: str, **counts: int) -> None:
    for name, value in counts.items():
        whole(name, value, least=1)
    for name, data in (("train", train), ("held_out", held_out)):
        needed = (data.features, data.outputs)
        if needed != (network.features, network.outputs):
            raise ValueError(
                f"Argument `network` must have the features and outputs of `{name}`, {needed}, but "
                f"it has {(network.features, network.outputs)}; try `Network({network.kind!r}, "
                f"{needed[0]}, {network.hidden}, {needed[1]})`."
            )
    if loss not in LOSSES or (loss == "words") != bool(train.words):
        raise ValueError(
            f"Argument `loss` must be 'words' for words and 'squared' or 'logistic' for numbers, "
            f"but it is {loss!r}; try `loss=None`."
        )
