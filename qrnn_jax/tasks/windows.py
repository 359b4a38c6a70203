"""Cutting sequences into windows, and saying which of their steps count."""

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from ._checks import FloatArray, sequence, whole
from .base import Windows


def sliding_windows(
    series: ArrayLike, length: int, *, horizon: int = 1, stride: int = 1
) -> Windows:
    """Every window of a series, each step paired with the value `horizon` steps later.

    inputs[n, t] = series[n stride + t],  targets[n, t] = series[n stride + t + horizon].

    Arguments:
        series: (S, F), or (S,) for one feature.
        length: T, the steps of a window.
        horizon: how many steps ahead the target lies.
        stride: steps between the starts of neighbouring windows; `length` makes them disjoint.

    Returns:
        N = 1 + floor((S - length - horizon) / stride) windows; every step counts.

    Raises:
        ValueError: if the series is too short for one window, or holds a NaN.

    Example:
        >>> from qrnn_jax import tasks
        >>> windows = tasks.sliding_windows([0, 1, 2, 3, 4], 3)
        >>> windows.inputs[:, :, 0].tolist(), windows.targets[:, -1, 0].tolist()
        ([[0.0, 1.0, 2.0], [1.0, 2.0, 3.0]], [3.0, 4.0])
    """
    values = sequence("series", series)
    length = whole("length", length, least=1)
    horizon = whole("horizon", horizon, least=1)
    stride = whole("stride", stride, least=1)
    if len(values) < length + horizon:
        raise ValueError(
            f"Argument `series` must have at least length + horizon = {length + horizon} rows, but "
            f"it has {len(values)}; try a shorter `length`."
        )
    inputs = _cut(values[: len(values) - horizon], length, stride)
    targets = _cut(values[horizon:], length, stride)
    return Windows(inputs, targets, np.ones(inputs.shape[:2], dtype=bool))


def _cut(values: FloatArray, length: int, stride: int) -> FloatArray:
    views = sliding_window_view(values, length, axis=0)[::stride]  # (N, F, T)
    return np.ascontiguousarray(views.swapaxes(1, 2))  # (N, T, F)


def washout(mask: NDArray[np.bool_], steps: int) -> NDArray[np.bool_]:
    """A copy of a mask in which the first steps of every window do not count.

    out[n, t] = mask[n, t] and t >= steps: a recurrent model forgets its initial state meanwhile.

    Arguments:
        mask: (N, T) bool.
        steps: how many steps to leave out, from 0 to T - 1.

    Raises:
        ValueError: if `steps` is negative, or leaves nothing of a window.

    Example:
        >>> import numpy as np
        >>> from qrnn_jax import tasks
        >>> tasks.washout(np.ones((1, 4), bool), 3).tolist()
        [[False, False, False, True]]
    """
    length = mask.shape[1]
    if whole("steps", steps, least=0) >= length:
        raise ValueError(
            f"Argument `steps` must be below the window length {length}, but it is {steps}; "
            f"try `steps={length - 1}`."
        )
    return mask & (np.arange(length) >= steps)


def pad(inputs: Sequence[ArrayLike], targets: Sequence[ArrayLike]) -> Windows:
    """Sequences of unequal lengths as one rectangular batch, zeros at the ends masked out.

    T = max_n T_n,  mask[n, t] = (t < T_n). The zeros come last, so a causal model never sees them
    before a step that counts.

    Arguments:
        inputs: N sequences (T_n, F), or (T_n,) for one feature.
        targets: N sequences (T_n, O), or (T_n,) for one output.

    Raises:
        ValueError: if there are no sequences, lengths of a pair differ, feature counts differ from
            sequence to sequence, a sequence is empty (T = 0) or holds a NaN.

    Example:
        >>> from qrnn_jax import tasks
        >>> windows = tasks.pad([[1, 2, 3], [4]], [[2, 3, 4], [5]])
        >>> windows.inputs[:, :, 0].tolist(), windows.mask.sum(axis=1).tolist()
        ([[1.0, 2.0, 3.0], [4.0, 0.0, 0.0]], [3, 1])
    """
    if not len(inputs) or len(inputs) != len(targets):
        raise ValueError(
            "Arguments `inputs` and `targets` must hold the same number of sequences, at least "
            f"one, but they hold {len(inputs)} and {len(targets)}."
        )
    xs = [sequence(f"inputs[{n}]", values) for n, values in enumerate(inputs)]
    ys = [sequence(f"targets[{n}]", values) for n, values in enumerate(targets)]
    for n, (x, y) in enumerate(zip(xs, ys, strict=True)):
        if len(x) != len(y):
            raise ValueError(
                f"Argument `targets[{n}]` must have the {len(x)} rows of `inputs[{n}]`, but it has "
                f"{len(y)}; try one target per step."
            )
    lengths = np.array([len(x) for x in xs])
    mask = np.arange(lengths.max()) < lengths[:, None]  # (N, T)
    return Windows(_stack("inputs", xs, mask), _stack("targets", ys, mask), mask)


def _stack(name: str, arrays: list[FloatArray], mask: NDArray[np.bool_]) -> FloatArray:
    columns = arrays[0].shape[1]
    for n, array in enumerate(arrays):
        if array.shape[1] != columns:
            raise ValueError(
                f"Argument `{name}` must have one number of columns, but `{name}[0]` has {columns} "
                f"and `{name}[{n}]` has {array.shape[1]}; try the same features in every sequence."
            )
    stacked = np.zeros((*mask.shape, columns))
    stacked[mask] = np.concatenate(arrays)  # rows of `mask` are filled in order
    return stacked
