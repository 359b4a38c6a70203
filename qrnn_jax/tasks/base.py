"""What a task is: windows of inputs and targets, which steps count, and their origin."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ._checks import FloatArray, real_array
from .scale import Standardiser

AXES = ("window", "row", "column")


@dataclass(frozen=True, eq=False)
class Windows:
    """N sequences of T steps with targets, and a mask of the steps that count.

    loss = sum(mask * mean_o (y - target)^2) / sum(mask).

    Time is the second axis here and the first of each sequence `windows.inputs[n]`.
    `windows[indices]` selects sequences; `len(windows)` counts them.

    Arguments:
        inputs: (N, T, F), what the model is fed, in the units of the model.
        targets: (N, T, O), what it should answer at the same step.
        mask: (N, T) bool; False marks wash-out, history and padding.

    Raises:
        ValueError: if shapes disagree, T = 0, a value is not finite (its place is named), or no
            step counts.

    Example:
        >>> import numpy as np
        >>> from qrnn_jax import tasks
        >>> windows = tasks.Windows(np.zeros((3, 4, 1)), np.ones((3, 4, 2)), np.ones((3, 4), bool))
        >>> len(windows), windows[:2].targets.shape, windows[[2]].scored
        (3, (2, 4, 2), 4)
    """

    inputs: FloatArray
    targets: FloatArray
    mask: NDArray[np.bool_]

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", real_array("inputs", self.inputs, axes=AXES))
        object.__setattr__(self, "targets", real_array("targets", self.targets, axes=AXES))
        object.__setattr__(self, "mask", np.asarray(self.mask))
        steps = self.inputs.shape[:2]
        if self.targets.shape[:2] != steps:
            raise ValueError(
                f"Argument `targets` must have the (N, T) of `inputs`, {steps}, but it has "
                f"{self.targets.shape[:2]}; try `sliding_windows` or `pad`."
            )
        if self.mask.shape != steps or self.mask.dtype != np.bool_:
            raise ValueError(
                f"Argument `mask` must be bool of shape {steps}, but it is {self.mask.dtype} of "
                f"shape {self.mask.shape}; try `np.ones({steps}, bool)`."
            )
        if not self.mask.any():
            raise ValueError(
                "Argument `mask` must let at least one step count, but it is False everywhere; "
                "try a shorter wash-out."
            )

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: slice | Sequence[int] | NDArray[np.integer]) -> "Windows":
        return Windows(self.inputs[index], self.targets[index], self.mask[index])

    @property
    def scored(self) -> int:
        """The number of steps that count, over all windows."""
        return int(self.mask.sum())


@dataclass(frozen=True, eq=False, kw_only=True)
class Task:
    """A series cut into training, validation and test windows, with its origin.

    `inputs` and `targets` are in scaled units, `series` in original ones; `scale` maps between
    them and was fitted on the training span alone. A test window may begin with earlier history:
    its mask scores test steps only.

    Arguments:
        name: of the function that made it, its key in `TASKS` where it stands there; for variants
            of one function, such as the series of `cv_series`, the variant's own.
        train, test: windows with equal F and O.
        validation: windows for choosing when to stop, or None.
        series: (S, F), the whole series in time order, in original units.
        scale: the map from original to scaled units.
        description: one or two sentences.
        source: where the definition or the data come from.
        licence: under which terms the data may be used.

    Raises:
        ValueError: if the feature or output counts of the splits differ.

    Example:
        >>> from qrnn_jax import tasks
        >>> task = tasks.cosine(steps=100)
        >>> task.train.inputs.shape, task.test.scored, task.scale.clip_count(task.series)
        ((1, 100, 1), 100, 0)
    """

    name: str
    train: Windows
    validation: Windows | None
    test: Windows
    series: FloatArray
    scale: Standardiser
    description: str
    source: str
    licence: str

    def __post_init__(self) -> None:
        expected = _columns(self.train)
        for name, windows in (("validation", self.validation), ("test", self.test)):
            if windows is not None and _columns(windows) != expected:
                raise ValueError(
                    f"Argument `{name}` must have the (features, outputs) of `train`, {expected}, "
                    f"but it has {_columns(windows)}; try cutting all splits from one series."
                )


def _columns(windows: Windows) -> tuple[int, int]:
    return windows.inputs.shape[2], windows.targets.shape[2]
