"""Labelled sequences divided into training, validation and test, with their origin."""

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from ._checks import whole
from .base import Windows
from .symbols import Symbols

Sequences = TypeVar("Sequences", Symbols, Windows)


@dataclass(frozen=True, eq=False, kw_only=True)
class Splits(Generic[Sequences]):
    """Separate sequences (not one series) divided into training, validation and test.

    Each sequence is in one split. For windows of one series use `Task`.

    Arguments:
        name: of the function that made them.
        train, validation, test: `Symbols` or `Windows`.
        description: one or two sentences.
        source: where the data come from.
        licence: under which terms they may be used.

    Example:
        >>> from qrnn_jax import tasks
        >>> symbols = tasks.xor(6, seed=0)
        >>> splits = tasks.Splits(name="xor", train=symbols[:4], validation=symbols[4:5],
        ...                       test=symbols[5:], description="", source="", licence="")
        >>> len(splits.train), len(splits.validation), len(splits.test)
        (4, 1, 1)
    """

    name: str
    train: Sequences
    validation: Sequences
    test: Sequences
    description: str
    source: str
    licence: str


def repeats(sequences: Symbols | Windows, others: Symbols | Windows) -> NDArray[np.bool_]:
    """Which sequences have inputs that also occur among others: at low resolution, pictures do.

    out[n] = any_m (inputs[n] == others.inputs[m] everywhere).

    Returns:
        (N,) bool. Score the rest apart, `test[~repeats(test, train)]`, to know what a model does
        with inputs that it has never seen.

    Raises:
        ValueError: if the sequences differ in steps or columns.

    Example:
        >>> from qrnn_jax import tasks
        >>> symbols = tasks.Symbols([[[0]], [[1]], [[0]]], [[[1]]] * 3, [[True]] * 3)
        >>> tasks.repeats(symbols, symbols[1:2]).tolist()
        [False, True, False]
    """
    if sequences.inputs.shape[1:] != others.inputs.shape[1:]:
        raise ValueError(
            f"Argument `others` must have the steps and columns of `sequences`, "
            f"{sequences.inputs.shape[1:]}, but it has {others.inputs.shape[1:]}."
        )
    known = {values.tobytes() for values in others.inputs}
    return np.array([values.tobytes() in known for values in sequences.inputs])


def divide(
    labels: NDArray[np.integer], *, seed: int, validation: int, test: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Indices of a training, a validation and a test split, each in random order.

    Each label gives `validation` and `test` of its items to these; what is left is for training.
    """
    generator = np.random.default_rng(whole("seed", seed, least=0))
    validation = whole("validation", validation, least=1)
    test = whole("test", test, least=1)
    least = int(np.bincount(labels)[np.unique(labels)].min())
    if validation + test >= least:
        raise ValueError(
            f"Arguments `validation` and `test` must leave something of the {least} items of each "
            f"label to train on, but they add up to {validation + test}; try smaller ones."
        )
    parts: list[list[NDArray[np.intp]]] = [[], [], []]
    for label in np.unique(labels):
        order = generator.permutation(np.flatnonzero(labels == label))
        for part, chosen in zip(parts, np.split(order, [-test - validation, -test]), strict=True):
            part.append(chosen)
    train, held_out, tested = (generator.permutation(np.concatenate(part)) for part in parts)
    return train, held_out, tested
