"""Argument checks shared by the tasks; every message names the argument and what to do instead."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def whole(name: str, value: Any, *, least: int) -> int:
    """`value` as an int of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(
            f"Argument `{name}` must be a whole number of at least {least}, but it is {value!r}; "
            f"try `{name}={least}`."
        )
    return int(value)


def real(name: str, value: Any, *, low: float, high: float = np.inf, closed: bool = False) -> float:
    """`value` as a float in (low, high], or in [low, high] where `closed`."""
    is_number = isinstance(value, int | float | np.integer | np.floating)
    if isinstance(value, bool) or not is_number or not np.isfinite(value):
        raise ValueError(f"Argument `{name}` must be a finite number, but it is {value!r}.")
    if value > high or value < low or (value == low and not closed):
        bounds = f"{'[' if closed else '('}{low:g}, {high:g}]"
        raise ValueError(f"Argument `{name}` must lie in {bounds}, but it is {value!r}.")
    return float(value)


def real_array(name: str, values: ArrayLike, *, axes: tuple[str, ...]) -> FloatArray:
    """`values` as a float64 array with one dimension per name in `axes`, all lengths >= 1."""
    try:
        array = np.asarray(values)
        if np.iscomplexobj(array):
            raise TypeError("complex numbers")
        array = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Argument `{name}` must be a rectangular array of real numbers, but NumPy says: "
            f"{error}; try lists of equal lengths."
        ) from None
    if array.ndim != len(axes):
        raise ValueError(
            f"Argument `{name}` must have the axes ({', '.join(axes)}), but its shape is "
            f"{array.shape}; try `np.reshape`."
        )
    if 0 in array.shape:
        raise ValueError(
            f"Argument `{name}` must have at least one {axes[array.shape.index(0)]}, but its shape "
            f"is {array.shape}; try a longer series."
        )
    return finite(name, array, axes=axes)


def finite(name: str, array: FloatArray, *, axes: tuple[str, ...]) -> FloatArray:
    """`array` itself, or an error that names the place of the first NaN or infinity."""
    bad = np.argwhere(~np.isfinite(array))
    if bad.size:
        place = ", ".join(f"{axis} {index}" for axis, index in zip(axes, bad[0], strict=True))
        raise ValueError(
            f"Argument `{name}` must be finite, but {place} is {array[tuple(bad[0])]}; "
            "try dropping or interpolating it."
        )
    return array


def sequence(name: str, values: ArrayLike) -> FloatArray:
    """One sequence as a finite float64 array (T, F); a flat list is one feature."""
    try:
        flat = np.ndim(values) == 1
    except ValueError:  # ragged rows: let `real_array` say so
        flat = False
    if not flat:
        return real_array(name, values, axes=("row", "column"))
    column = np.asarray(values)[:, None]  # (T,) -> (T, 1)
    return real_array(name, column, axes=("row", "column"))
