"""Bausch's first task: learn two sequences by heart."""

import numpy as np

from ._checks import whole
from .symbols import Symbols, next_token


def memorisation(*, length: int = 20) -> Symbols:
    """Two sequences to learn by heart, each answered one token ahead: 01230123... and 44444444...

    Every step counts. The first token already tells the two apart, so a table of five entries
    solves the task: it shows that training works, not that a memory does.

    Arguments:
        length: L, tokens of a sequence, at least 2.

    Returns:
        `Symbols` of 2 sequences, L - 1 steps and words of 3 bits.

    Raises:
        ValueError: if `length` is below 2.

    Example:
        >>> from qrnn_jax import tasks
        >>> tasks.memorisation(length=6).words.tolist()
        [[1, 2, 3, 0, 1], [4, 4, 4, 4, 4]]

    Source: Bausch, "Recurrent quantum neural networks", arXiv:2006.14619, section 4.1; the
    sequences are those of the published program (the text names 12312... and 444...).
    """
    length = whole("length", length, least=2)
    tokens = np.stack([np.arange(length) % 4, np.full(length, 4)])
    return next_token(tokens, tokens, np.ones(tokens.shape, dtype=bool), width=3)
