"""A search over sizes and learning rates, whose cost is said."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from qrnn_jax.baselines.data import Examples
from qrnn_jax.baselines.network import Network
from qrnn_jax.baselines.train import Trained, train_baseline


class Trial(NamedTuple):
    """One setting of a search, and the median over seeds of its last held-out loss.

    Example:
        >>> from qrnn_jax import baselines
        >>> network = baselines.Network("gru", features=1, hidden=2, outputs=1)
        >>> baselines.Trial(network, 0.01, 0.5).held_out
        0.5
    """

    network: Network
    learning_rate: float
    held_out: float


class Tuned(NamedTuple):
    """What `tune` returns.

    Arguments:
        best: the trial with the least held-out loss.
        result: of its training.
        trials: all of them, in the order of the search.
        budget: what was spent, in words, to print beside the result.

    Example:
        >>> from qrnn_jax import baselines
        >>> baselines.Tuned._fields
        ('best', 'result', 'trials', 'budget')
    """

    best: Trial
    result: Trained
    trials: tuple[Trial, ...]
    budget: str


def tune(
    networks: Sequence[Network],
    train: Examples,
    held_out: Examples,
    *,
    learning_rates: Sequence[float],
    epochs: int,
    key: Array,
    seeds: int = 5,
    batch: int = 10,
    batches: ArrayLike | None = None,
    loss: str | None = None,
    clip: float | None = None,
) -> Tuned:
    """Train every network at every learning rate, and keep the one with the least held-out loss.

    best = argmin over (network, rate) of the median over seeds of the last held-out loss; a
    diverged run (NaN) counts as infinitely bad. What is held out chooses here, so it must not be
    the test on which the winner is then reported.

    Arguments:
        networks: of one kind and several sizes, or of several kinds.
        learning_rates: to try with each.
        train, held_out, epochs, key, seeds, batch, batches, loss, clip: as in `train_baseline`.

    Returns:
        `Tuned`.

    Raises:
        ValueError: if there is no network or no learning rate.

    Example:
        >>> import jax
        >>> from qrnn_jax import baselines, tasks
        >>> task = tasks.cv_series("sine")
        >>> tuned = baselines.tune(
        ...     [baselines.Network("linear", features=1, hidden=2, outputs=1)],
        ...     baselines.examples(task.train[:80]), baselines.examples(task.train[80:]),
        ...     learning_rates=(1e-5, 1e-2), epochs=10, key=jax.random.key(0), seeds=2)
        >>> tuned.best.learning_rate, tuned.budget
        (0.01, '1 network x 2 learning rates x 2 seeds x 10 epochs = 4 runs, 320 updates')
    """
    if not len(networks) or not len(learning_rates):
        raise ValueError(
            "Arguments `networks` and `learning_rates` must hold at least one entry each, but they "
            f"hold {len(networks)} and {len(learning_rates)}; try `learning_rates=(0.01,)`."
        )
    trials: list[Trial] = []
    results: list[Trained] = []
    for network in networks:
        for rate in learning_rates:
            result = train_baseline(
                network, train, held_out, epochs=epochs, key=key, seeds=seeds, batch=batch,
                batches=batches, learning_rate=rate, loss=loss, clip=clip,
            )  # fmt: skip
            last = np.nan_to_num(result.held_out[:, -1], nan=np.inf)
            trials.append(Trial(network, float(rate), float(np.median(last))))
            results.append(result)
    best = int(np.argmin([trial.held_out for trial in trials]))
    runs = len(trials) * seeds
    budget = (
        f"{_counted(len(networks), 'network')} x "
        f"{_counted(len(learning_rates), 'learning rate')} x {_counted(seeds, 'seed')} x "
        f"{_counted(epochs, 'epoch')} = {_counted(runs, 'run')}, "
        f"{runs * results[0].losses.shape[1]:,} updates"
    )
    return Tuned(trials[best], results[best], tuple(trials), budget)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
