"""Elman's XOR: a stream of bits in which every third follows from the two before it."""

import numpy as np

from ._checks import whole
from .symbols import Symbols, next_token

MARKER = 2  # the word 10, in place of a bit that nobody can know


def xor(count: int, *, seed: int, length: int = 36) -> Symbols:
    """Answer the next bit of a stream of triples a, b, a xor b, where it can be known.

    Inputs are the words 00 and 01. The target is the third bit of a triple, as 00 or 01, at the
    steps 1, 4, 7, ..., which count; elsewhere it is the word 10.

    Arguments:
        count: N, sequences.
        seed: of the random bits, a whole number of at least 0.
        length: L, bits of a sequence, at least 3.

    Returns:
        `Symbols` of N sequences, L - 1 steps and words of 2 bits.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> from qrnn_jax import tasks
        >>> symbols = tasks.xor(1, seed=3, length=7)
        >>> symbols.input_words.tolist(), symbols.words.tolist()
        ([[1, 0, 1, 0, 0, 0]], [[2, 1, 2, 2, 0, 2]])
        >>> symbols.mask.astype(int).tolist()
        [[0, 1, 0, 0, 1, 0]]

    Source: Elman, Cognitive Science 14, 179 (1990); as in Bausch, arXiv:2006.14619, section 4.2.
    """
    count = whole("count", count, least=1)
    length = whole("length", length, least=3)
    generator = np.random.default_rng(whole("seed", seed, least=0))
    pairs = generator.integers(0, 2, size=(count, -(-length // 3), 2))  # (N, triples, 2)
    third = pairs[..., :1] ^ pairs[..., 1:]
    bits = np.concatenate([pairs, third], axis=2).reshape(count, -1)[:, :length]
    known = np.broadcast_to(np.arange(length) % 3 == 2, bits.shape)
    return next_token(bits, np.where(known, bits, MARKER), known, width=2)
