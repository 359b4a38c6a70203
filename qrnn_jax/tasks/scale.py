"""The affine map from original units into arccos's range, fitted on the training span only."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ._checks import FloatArray, real


@dataclass(frozen=True, kw_only=True)
class Standardiser:
    """The affine map that takes [low, high], in original units, onto [-limit, limit].

    scaled = slope (x - centre),  slope = 2 limit / (high - low),  centre = (low + high) / 2.

    Fit it on the training span only (`Standardiser.fit`). Later values may then leave
    [-limit, limit]: up to (1/limit - 1) (high - low) / 2 outside the training extremes they land in
    the head-room below 1; beyond it, `clipped` (for inputs, which must stay in arccos's domain)
    cuts them at -1 or 1, and `clip_count` says how often. `scaled` (for targets) never cuts, so
    that no error is made to look smaller.

    Arguments:
        low, high: the extremes of the training span, in original units.
        limit: where the extremes land, in (0, 1].

    Raises:
        ValueError: if `low` is not below `high`, or `limit` lies outside (0, 1].

    Example:
        >>> from qrnn_jax import tasks
        >>> scale = tasks.Standardiser.fit([0.0, 50.0, 100.0], limit=0.5)
        >>> scale.scaled([0.0, 100.0, 300.0]).tolist(), scale.clipped([300.0]).tolist()
        ([-0.5, 0.5, 2.5], [1.0])
        >>> scale.original([-0.5, 0.5]).tolist(), scale.clip_count([0.0, 300.0])
        ([0.0, 100.0], 1)
    """

    low: float
    high: float
    limit: float = 0.9

    def __post_init__(self) -> None:
        real("limit", self.limit, low=0.0, high=1.0)
        if not (np.isfinite([self.low, self.high]).all() and self.low < self.high):
            raise ValueError(
                f"Argument `high` must be above `low`, both finite, but they are {self.high} and "
                f"{self.low}; a constant series cannot be standardised, try a longer training span."
            )

    @classmethod
    def fit(cls, values: ArrayLike, *, limit: float = 0.9) -> "Standardiser":
        """The map whose `low` and `high` are the extremes of `values` (of any shape)."""
        array = np.asarray(values, dtype=np.float64)
        if not array.size:
            raise ValueError("Argument `values` must not be empty; try a longer training span.")
        return cls(low=float(array.min()), high=float(array.max()), limit=limit)

    @classmethod
    def identity(cls) -> "Standardiser":
        """The map that changes nothing, for series that are born in [-1, 1]."""
        return cls(low=-1.0, high=1.0, limit=1.0)

    @property
    def slope(self) -> float:
        """Scaled units per original unit."""
        return 2.0 * self.limit / (self.high - self.low)

    @property
    def centre(self) -> float:
        """The value, in original units, that lands on 0."""
        return 0.5 * (self.low + self.high)

    def scaled(self, values: ArrayLike) -> FloatArray:
        """Original to scaled units, never clipped: for targets."""
        return self.slope * (np.asarray(values, dtype=np.float64) - self.centre)

    def clipped(self, values: ArrayLike) -> FloatArray:
        """Original to scaled units, clipped to [-1, 1]: for inputs."""
        return np.clip(self.scaled(values), -1.0, 1.0)

    def clip_count(self, values: ArrayLike) -> int:
        """How many of `values` (original units) `clipped` changes."""
        return int(np.sum(np.abs(self.scaled(values)) > 1.0))

    def original(self, values: ArrayLike) -> FloatArray:
        """Scaled back to original units: the inverse of `scaled`."""
        return np.asarray(values, dtype=np.float64) / self.slope + self.centre
