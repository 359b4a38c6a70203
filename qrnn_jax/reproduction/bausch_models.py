"""What is trained on words: Bausch's network, and classical ones, behind one face."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import qrnn_jax as qj
from qrnn_jax import baselines


class Batch(NamedTuple):
    """Sequences as arrays: what `Symbols` holds, with any axes before (T, ...).

    Arguments:
        inputs, targets: bits, (..., T, I).
        words: targets as numbers, (..., T).
        mask: (..., T), the steps that count.
    """

    inputs: Any
    targets: Any
    words: Any
    mask: Any

    @staticmethod
    def of(symbols: qj.tasks.Symbols, axes: tuple[int, ...] | None = None) -> Batch:
        """From sequences (N, ...), folded to (*axes, ...).

        Example:
            >>> import qrnn_jax as qj
            >>> from qrnn_jax.reproduction.bausch_models import Batch
            >>> Batch.of(qj.tasks.xor(6, seed=0), (3, 2)).words.shape
            (3, 2, 35)
        """
        axes = (len(symbols),) if axes is None else axes
        bits = (symbols.inputs.astype(np.float32), symbols.targets.astype(np.float32))
        arrays = (*bits, symbols.words.astype(np.int32), symbols.mask)
        return Batch(*(array.reshape(*axes, *array.shape[1:]) for array in arrays))


class Model(Protocol):
    """Something that answers words; hashable."""

    def init(self, key: Array) -> Any:
        """Parameters to start from."""

    def loss(self, params: Any, batch: Batch) -> tuple[Array, Array]:
        """What is minimised over a batch, and the overhead of its projections."""

    def evaluate(self, params: Any, batch: Batch, key: Array) -> tuple[Array, Array]:
        """Probabilities (N, T, 2^I) and answered words (N, T), as the paper validates."""


def scored_mean(values: Array, batch: Batch) -> Array:
    """The mean over the steps that count."""
    return jnp.sum(values * batch.mask) / jnp.sum(batch.mask)


@final
@dataclass(frozen=True)
class Quantum:
    """Bausch's network: trained with every step projected on its target.

    Its state is real; without an engine it is float64 where x64 is on, as in the laboratory, also
    for float32 parameters. Looks never take the engine.

    Example:
        >>> import jax, qrnn_jax as qj
        >>> from qrnn_jax.reproduction.bausch_models import Quantum
        >>> Quantum(qj.cells.Bausch(2, 4, 1, 3)).init(jax.random.key(0)).shape
        (264,)
    """

    cell: qj.cells.Bausch
    engine: qj.RealVector | None = None

    def init(self, key: Array) -> Array:
        return self.cell.init(key)

    def forced(self, params: Array, batch: Batch) -> Array:
        """Probabilities where every step is projected on its target, (N, T, 2^I)."""
        xs = jnp.concatenate([batch.inputs, batch.targets], axis=-1)
        return jax.vmap(partial(qj.run, self.cell, params, engine=self.engine))(xs)

    def loss(self, params: Array, batch: Batch) -> tuple[Array, Array]:
        chances = self.forced(params, batch)
        loss = qj.losses.probability_cross_entropy(chances, batch.words, mask=batch.mask)
        return loss, qj.cells.overhead(chances, batch.words)

    def evaluate(self, params: Array, batch: Batch, key: Array) -> tuple[Array, Array]:
        """Steps that count are drawn, others projected on the target."""

        def one(inputs: Array, targets: Array, mask: Array, key: Array) -> Any:
            drawn = qj.cells.sample(self.cell, params, inputs, key, forced=targets, mask=mask)
            return drawn.probabilities, drawn.words

        keys = jax.random.split(key, len(batch.mask))
        return jax.vmap(one)(batch.inputs, batch.targets, batch.mask, keys)


@final
@dataclass(frozen=True)
class Classical:
    """A network of `baselines`: cross-entropy of one-hot words; it answers the likeliest one.

    Example:
        >>> from qrnn_jax import baselines
        >>> from qrnn_jax.reproduction.bausch_models import Classical
        >>> Classical(baselines.Network("lstm", 4, 5, 4)).network.parameters
        224
    """

    network: baselines.Network

    def init(self, key: Array) -> Any:
        return self.network.init(key)

    def _answers(self, params: Any, batch: Batch) -> Array:
        places = 2 ** jnp.arange(batch.inputs.shape[-1])[::-1]
        words = jnp.asarray(batch.inputs @ places.astype(jnp.float32), jnp.int32)
        read = jax.nn.one_hot(words, self.network.features)
        return jax.vmap(partial(self.network, params))(read)

    def loss(self, params: Any, batch: Batch) -> tuple[Array, Array]:
        logs = jax.nn.log_softmax(self._answers(params, batch))
        right = jnp.take_along_axis(logs, batch.words[..., None], axis=-1)[..., 0]
        return -scored_mean(right, batch), jnp.ones(())  # nothing is projected

    def evaluate(self, params: Any, batch: Batch, key: Array) -> tuple[Array, Array]:
        del key
        answers = self._answers(params, batch)
        return jax.nn.softmax(answers), jnp.argmax(answers, axis=-1)


def alike(cell: qj.cells.Bausch, kind: str) -> Classical:
    """The classical network of one kind with about as many parameters as the cell.

    Example:
        >>> import qrnn_jax as qj
        >>> from qrnn_jax.reproduction.bausch_models import alike
        >>> alike(qj.cells.Bausch(2, 4, 1, 3), "lstm").network.parameters
        292
    """
    words = cell.outputs_count
    size = cell.circuit.weight_count
    return Classical(baselines.size_for(size, kind, features=words, outputs=words))
