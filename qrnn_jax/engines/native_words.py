"""Observables as Pauli words: what native code can read."""

from collections.abc import Sequence

import numpy as np

from qrnn_jax.circuit import PauliSum, Probabilities
from qrnn_jax.circuit.observables import AbstractObservable, AbstractPauli

try:
    from qrnn_jax_kernels.program import Word
except ImportError:  # the leaf package is optional
    Word = None  # type: ignore[assignment,misc]

PauliWord = tuple[tuple[int, str], ...]


def all_terms(observables: Sequence[AbstractObservable]) -> list[dict]:
    """Of every read, its Pauli words with their coefficients."""
    found: list[dict] = []
    for observable in observables:
        if isinstance(observable, AbstractPauli):
            found.append(_collected(observable.as_sum()))
        elif isinstance(observable, Probabilities):
            found += _outcomes(observable.wires)
    return found


def _collected(total: PauliSum) -> dict:
    terms: dict = {}
    for coefficient, word in total.terms:
        terms[word] = terms.get(word, 0.0) + coefficient
    return terms


def _outcomes(wires: tuple[int, ...]) -> list[dict]:
    """P(b) = 2^-k sum_S (-1)^(b . S) Z_S."""
    subsets = np.arange(2 ** len(wires))
    bits = subsets[:, None] >> np.arange(len(wires))[::-1] & 1
    words = [tuple(sorted((w, "Z") for w, bit in zip(wires, row) if bit)) for row in bits]
    signs = (-1.0) ** (bits @ bits.T) / len(subsets)
    return [dict(zip(words, row.tolist())) for row in signs]


def as_word(word: PauliWord, wires: int) -> "Word":
    """A Pauli word as native code reads it."""
    place = {wire: 1 << (wires - 1 - wire) for wire, _ in word}
    flips = sum(place[wire] for wire, letter in word if letter in "XY")
    signs = sum(place[wire] for wire, letter in word if letter in "ZY")
    return Word(flips, signs, sum(letter == "Y" for _, letter in word) % 4)
