"""Two kinds of small handwritten digits, shown grey by grey: a stand-in for MNIST."""

import numpy as np
from numpy.typing import NDArray

from ._checks import FloatArray, whole
from .base import Windows
from .splits import Splits, divide


def eight_by_eight(
    positive: int = 3, negative: int = 6, *, seed: int = 0, validation: int = 20, test: int = 60
) -> Splits[Windows]:
    """Tell two handwritten digits apart from the 64 greys of an 8 x 8 picture, row by row.

    x_t = grey / 16 in [0, 1]; the target is 1 for `positive`, 0 for `negative`, and the last step
    alone counts.

    **A stand-in.** Siemaszko et al. scale pictures of MNIST down to 7 x 7, 49 steps; these are
    other pictures, by other hands, at another size. Do not compare accuracies with theirs.

    Arguments:
        positive, negative: two different digits, 0 to 9.
        seed: of the splits.
        validation, test: pictures of each digit held back; about 100 of each are left to train on.

    Returns:
        `Splits` of `Windows` with 64 steps.

    Raises:
        ImportError: without scikit-learn, which ships the pictures (extra `data`).
        ValueError: if an argument is out of its range.

    Example:
        >>> from qrnn_jax import tasks
        >>> splits = tasks.eight_by_eight()
        >>> splits.train.inputs.shape, len(splits.validation), len(splits.test)
        ((204, 64, 1), 40, 120)

    Source: the task of Siemaszko et al., Quantum Mach. Intell. 5 (2023), arXiv:2207.00378; the test
    part of the UCI "Optical recognition of handwritten digits" (Alpaydin and Kaynak, 1998; CC BY
    4.0) as shipped with scikit-learn (BSD 3-clause).
    """
    pair = (whole("positive", positive, least=0), whole("negative", negative, least=0))
    if pair[0] == pair[1] or max(pair) > 9:
        raise ValueError(
            f"Arguments `positive` and `negative` must be two different digits from 0 to 9, but "
            f"they are {positive} and {negative}; try 3 and 6."
        )
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(
            "`eight_by_eight` needs the pictures that the package scikit-learn ships; try "
            '`pip install "qrnn_jax[data]"`.'
        ) from error
    greys, digits = load_digits(return_X_y=True)
    chosen = np.isin(digits, pair)
    labels = (digits[chosen] == pair[0]).astype(np.int64)
    windows = _as_windows(greys[chosen] / 16.0, labels)
    train, held_out, tested = divide(labels, seed=seed, validation=validation, test=test)
    return Splits(
        name="eight_by_eight",
        train=windows[train],
        validation=windows[held_out],
        test=windows[tested],
        description=f"Handwritten {pair[0]} against {pair[1]}, 8 x 8 greys: a stand-in for MNIST.",
        source="UCI Optical recognition of handwritten digits, as shipped with scikit-learn.",
        licence="Pictures: CC BY 4.0; scikit-learn: BSD 3-clause.",
    )


def _as_windows(greys: FloatArray, labels: NDArray[np.int64]) -> Windows:
    """One window per picture; the label stands at every step and counts at the last."""
    steps = greys.shape[1]
    targets = np.broadcast_to(labels[:, None, None].astype(np.float64), (*greys.shape, 1))
    last = np.broadcast_to(np.arange(steps) == steps - 1, greys.shape)
    return Windows(greys[:, :, None], targets, last)
