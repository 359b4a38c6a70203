"""The yearly mean sunspot numbers, 1700-2008: a real series, shipped with the package."""

import hashlib
from dataclasses import replace
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from ._checks import FloatArray, whole
from .base import Task, Windows
from .scale import Standardiser
from .windows import sliding_windows, washout

FILE = "data/sunspots.csv"
SHA256 = "9d5660b3e9fe7c464550e69559cf74b20a5ec3888c4aaff3bfeaadf1e0fe32a3"
LICENCE = "Public domain"
SOURCE = (
    "Yearly mean international sunspot numbers, version 1 (before the recalibration of July 2015), "
    "NOAA National Geophysical Data Center, as distributed with statsmodels."
)


def sunspot_numbers() -> tuple[NDArray[np.int64], FloatArray]:
    """The years 1700-2008 and their mean sunspot numbers, read from the shipped file.

    R = k (10 groups + spots), averaged over a year; version 1 of the series.

    Returns:
        years (309,), numbers (309,).

    Raises:
        ValueError: if the file is not, byte for byte, the one that was shipped.

    Example:
        >>> from qrnn_jax import tasks
        >>> years, numbers = tasks.sunspot_numbers()
        >>> len(years), int(years[numbers.argmax()]), float(numbers.max())
        (309, 1957, 190.2)
    """
    text = resources.files(__package__).joinpath(FILE).read_bytes()
    rows = np.loadtxt(_verified(text).decode("ascii").splitlines(), delimiter=",")
    return rows[:, 0].astype(np.int64), rows[:, 1]


def _verified(content: bytes) -> bytes:
    """The content with Unix line ends, if its SHA-256 is the one recorded here."""
    content = content.replace(b"\r\n", b"\n")
    digest = hashlib.sha256(content).hexdigest()
    if digest != SHA256:
        raise ValueError(
            f"File `{FILE}` must have the SHA-256 {SHA256}, but it has {digest}; try installing "
            "qrnn_jax again."
        )
    return content


def sunspots(
    *,
    length: int = 16,
    train_until: int = 1920,
    validate_until: int = 1955,
    wash_out: int | None = None,
    limit: float = 0.6,
) -> Task:
    """Predict next year's sunspot number from the last `length` years.

    input x_t, target x_{t+1}, in overlapping windows of `length` years; a window belongs to the
    split of the year it predicts last. Validation and test score that last step only, and so does
    training by default: the model then sees exactly the `length` past values of a linear
    autoregression of that order.

    The map to scaled units takes the extremes of the training span to +-`limit`. The Sun was more
    active after 1920 than before: at limit 0.6 every later year still lands inside [-1, 1] (the
    greatest on 0.88); at 0.9 the inputs 1957 and 1958 would be clipped, targets never.
    `task.scale.clip_count(task.series)` reports it.

    Arguments:
        length: L, the years of a window.
        train_until: the last year used for training and for the scale.
        validate_until: the last year of validation; equal to `train_until` for none.
        wash_out: first steps of a training window that do not count; None means L - 1.
        limit: where the extremes of the training span land, in (0, 1].

    Returns:
        `train`, `validation`, `test` of shape (N, L, 1); with the defaults N = 205, 35, 53.

    Raises:
        ValueError: if the years are not in order, a split is empty, or the file is corrupt.

    Example:
        >>> from qrnn_jax import tasks
        >>> task = tasks.sunspots()
        >>> len(task.train), len(task.validation), len(task.test), task.scale.high
        (205, 35, 53, 154.4)

    Source: `tasks/data/README.md`.
    """
    years, numbers = sunspot_numbers()
    length = whole("length", length, least=1)
    _check_years(years, length, train_until, validate_until)
    scale = Standardiser.fit(numbers[years <= train_until], limit=limit)
    windows = sliding_windows(scale.scaled(numbers), length)
    windows = replace(windows, inputs=np.clip(windows.inputs, -1.0, 1.0))
    predicted = years[length:]  # the year of each window's last target
    held_back = (predicted > train_until) & (predicted <= validate_until)
    training_wash_out = length - 1 if wash_out is None else wash_out
    return Task(
        name="sunspots",
        train=_split(windows, predicted <= train_until, training_wash_out),
        validation=_split(windows, held_back, length - 1) if held_back.any() else None,
        test=_split(windows, predicted > validate_until, length - 1),
        series=numbers[:, None],
        scale=scale,
        description=(
            f"Yearly sunspot numbers, one year ahead from {length}; train to {train_until}, test "
            f"from {validate_until + 1} to {years[-1]}."
        ),
        source=SOURCE,
        licence=LICENCE,
    )


def _split(windows: Windows, chosen: NDArray[np.bool_], steps: int) -> Windows:
    part = windows[np.flatnonzero(chosen)]
    return replace(part, mask=washout(part.mask, steps))


def _check_years(
    years: NDArray[np.int64], length: int, train_until: int, validate_until: int
) -> None:
    earliest, last = int(years[0]) + length, int(years[-1])
    if not earliest <= train_until <= validate_until < last:
        raise ValueError(
            f"Arguments `train_until` and `validate_until` must obey {earliest} <= train_until <= "
            f"validate_until < {last} for windows of {length} years, but they are {train_until} "
            f"and {validate_until}; try 1920 and 1955."
        )
