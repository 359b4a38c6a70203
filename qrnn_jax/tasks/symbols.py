"""Batches of word sequences: what a network of qubits reads and answers bit by bit."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._checks import FloatArray

Bits = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Symbols:
    """N sequences of T steps: words in, words to answer, I bits each, and the steps that count.

    word = sum_i bit_i 2^(I-1-i): bit 0 is the most significant. A sequence of L tokens gives
    T = L - 1 steps: step t reads token t and answers token t + 1. Steps that do not count keep
    their target word, since Bausch's network is projected on it. `symbols[indices]` selects
    sequences; `len(symbols)` counts them. For real numbers use `Windows`.

    Arguments:
        inputs: (N, T, I) of 0 and 1, what is read at each step.
        targets: (N, T, I) of 0 and 1, what should be answered at the same step.
        mask: (N, T) bool, the steps that count.

    Raises:
        ValueError: if shapes disagree, a bit is neither 0 nor 1, or no step counts.

    Example:
        >>> from qrnn_jax import tasks
        >>> symbols = tasks.Symbols([[[0, 1], [1, 0]]], [[[1, 0], [1, 1]]], [[False, True]])
        >>> len(symbols), symbols.width, symbols.scored, symbols.words.tolist()
        (1, 2, 1, [[2, 3]])
        >>> symbols.xs[0].tolist()
        [[0.0, 1.0, 1.0, 0.0], [1.0, 0.0, 1.0, 1.0]]
    """

    inputs: Bits
    targets: Bits
    mask: NDArray[np.bool_]

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", _bits("inputs", self.inputs))
        object.__setattr__(self, "targets", _bits("targets", self.targets))
        object.__setattr__(self, "mask", np.asarray(self.mask))
        if self.targets.shape != self.inputs.shape:
            raise ValueError(
                f"Argument `targets` must have the shape of `inputs`, {self.inputs.shape}, but it "
                f"has {self.targets.shape}; try one target word of I bits per step."
            )
        steps = self.inputs.shape[:2]
        if self.mask.shape != steps or self.mask.dtype != np.bool_:
            raise ValueError(
                f"Argument `mask` must be bool of shape {steps}, but it is {self.mask.dtype} of "
                f"shape {self.mask.shape}; try `np.ones({steps}, bool)`."
            )
        if not self.mask.any():
            raise ValueError(
                "Argument `mask` must let at least one step count, but it is False everywhere; "
                "try `mask[:, -1] = True`."
            )

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: slice | Sequence[int] | NDArray[np.integer]) -> "Symbols":
        return Symbols(self.inputs[index], self.targets[index], self.mask[index])

    @property
    def width(self) -> int:
        """I, the bits of a word."""
        return self.inputs.shape[2]

    @property
    def scored(self) -> int:
        """The number of steps that count, over all sequences."""
        return int(self.mask.sum())

    @property
    def input_words(self) -> NDArray[np.int64]:
        """(N, T), the words read, as numbers."""
        return _numbers(self.inputs)

    @property
    def words(self) -> NDArray[np.int64]:
        """(N, T), the words to answer, as numbers."""
        return _numbers(self.targets)

    @property
    def xs(self) -> FloatArray:
        """(N, T, 2 I), input bits and then target bits: what `cells.Bausch` takes."""
        return np.concatenate([self.inputs, self.targets], axis=2).astype(np.float64)


def word_bits(words: ArrayLike, width: int) -> Bits:
    """Whole numbers as bits along a new last axis, the most significant first."""
    places = np.arange(width - 1, -1, -1)
    return (np.asarray(words)[..., None] >> places & 1).astype(np.uint8)


def next_token(inputs: ArrayLike, answers: ArrayLike, mask: ArrayLike, *, width: int) -> Symbols:
    """Symbols of L - 1 steps from tokens: step t reads `inputs[t]`, answers `answers[t + 1]`.

    Arguments:
        inputs, answers: (N, L) words as numbers below 2^width.
        mask: (N, L) bool, the tokens of `answers` that count; the first is never asked for.
    """
    return Symbols(
        word_bits(np.asarray(inputs)[:, :-1], width),
        word_bits(np.asarray(answers)[:, 1:], width),
        np.asarray(mask)[:, 1:],
    )


def _numbers(bits: Bits) -> NDArray[np.int64]:
    return bits @ (1 << np.arange(bits.shape[-1] - 1, -1, -1))


def _bits(name: str, values: ArrayLike) -> Bits:
    array = np.asarray(values)
    if array.ndim != 3 or 0 in array.shape:
        raise ValueError(
            f"Argument `{name}` must have the axes (sequence, step, bit), none of them empty, but "
            f"its shape is {array.shape}; try `np.reshape`."
        )
    if not np.isin(array, (0, 1)).all():
        raise ValueError(
            f"Argument `{name}` must hold bits, 0 or 1, but it holds "
            f"{array[~np.isin(array, (0, 1))].flat[0]!r}; try the word's binary digits."
        )
    return array.astype(np.uint8)
