"""Bausch's long sequences: recall, at the end, the one base that was marked."""

import numpy as np

from ._checks import whole
from .symbols import Symbols, next_token

MARK = 4  # the first of three bits


def marked_base(count: int, *, seed: int, length: int, leak: bool = False) -> Symbols:
    """Read L random bases, one of them marked in the first half; name that base at the last step.

    A base is a word 0bb, the marked one 1bb, at a place drawn uniformly from 1 to L/2 - 1. Only
    the last step counts; its target is the base, 0bb.

    **The published program leaks the answer.** Its targets are 1bb at the marked place and 0bb at
    every later one, and Bausch's network is *projected* on its targets, in validation as well: the
    answer is forced on the output at least twice before it is asked for. `leak=True` gives these
    targets, to compare with the published curves. By default every target that does not count is
    000, and only a network that remembers its inputs can answer.

    Arguments:
        count: N, sequences.
        seed: of the bases and places, a whole number of at least 0.
        length: L, bases of a sequence, at least 4.
        leak: whether targets that do not count give the answer away.

    Returns:
        `Symbols` of N sequences, L - 1 steps and words of 3 bits.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> from qrnn_jax import tasks
        >>> tasks.marked_base(1, seed=1, length=8).input_words.tolist()
        [[1, 6, 3, 3, 0, 0, 3]]
        >>> tasks.marked_base(1, seed=1, length=8).words.tolist()
        [[0, 0, 0, 0, 0, 0, 2]]
        >>> tasks.marked_base(1, seed=1, length=8, leak=True).words.tolist()
        [[6, 2, 2, 2, 2, 2, 2]]

    Source: Bausch, arXiv:2006.14619, figure 9, as in the published program; the
    targets without a leak are ours.
    """
    count = whole("count", count, least=1)
    length = whole("length", length, least=4)
    generator = np.random.default_rng(whole("seed", seed, least=0))
    bases = generator.integers(0, 4, size=(count, length))
    place = generator.integers(1, length // 2, size=(count, 1))
    base = np.take_along_axis(bases, place, axis=1)  # (N, 1)
    time = np.arange(length)
    marked = time == place  # (N, L)
    last = np.broadcast_to(time == length - 1, marked.shape)
    answers = np.where(time >= place, base, 0) + MARK * marked if leak else np.where(last, base, 0)
    return next_token(bases + MARK * marked, answers, last, width=3)
