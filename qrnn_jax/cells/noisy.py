"""The noisy twin of any cell."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

from jax import Array

from qrnn_jax.cell import AbstractCell
from qrnn_jax.circuit import AbstractObservable, Circuit, NoiseProfile


@final
@dataclass(frozen=True)
class Noisy(AbstractCell):
    """Any cell as a noisy device would run it: the same classical maps, the noisy circuit.

    Equation: y_t = O(params, Tr(O rho'_t)), rho'_t = E'(x_t, w)[rho'_{t-1}], E' the noisy twin of
    the cell's step, see `NoiseProfile.noisy`.

    Shapes: params, xs and ys are those of the cell, so trained parameters can be passed on.

    Arguments:
        cell: the noiseless model.
        profile: what the device does besides.

    Raises:
        TypeError: no cell, or no profile.

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> ideal = qj.cells.Takaki(inputs=1, memory=1, depth=1)
        >>> noisy = qj.cells.Noisy(ideal, qj.NoiseProfile.preset("laboratory"))
        >>> qj.run(noisy, ideal.init(jax.random.key(0)), jnp.zeros((3, 1))).shape
        (3, 1)

    Source: Nielsen and Chuang, section 8.3, for the channels.
    """

    cell: AbstractCell
    profile: NoiseProfile

    def __post_init__(self) -> None:
        if not isinstance(self.cell, AbstractCell):
            raise TypeError(
                f"Argument `cell` must be a cell, but is {type(self.cell).__name__}; "
                "try `qj.cells.Takaki()`."
            )
        if not isinstance(self.profile, NoiseProfile):
            raise TypeError(
                f"Argument `profile` must be a `NoiseProfile`, but is "
                f'{type(self.profile).__name__}; try `qj.NoiseProfile.preset("laboratory")`.'
            )

    @cached_property
    def circuit(self) -> Circuit:
        return self.profile.noisy(self.cell.circuit)

    @property
    def observables(self) -> tuple[AbstractObservable, ...]:
        return self.cell.observables

    @property
    def features(self) -> int:
        return self.cell.features

    @property
    def outputs_count(self) -> int:
        return self.cell.outputs_count

    def init(self, key: Array) -> Any:
        return self.cell.init(key)

    def weights(self, params: Any) -> Array:
        return self.cell.weights(params)

    def data(self, params: Any, x: Array) -> Array:
        return self.cell.data(params, x)

    def outputs(self, params: Any, reads: Array) -> Array:
        return self.cell.outputs(params, reads)

    def feedback(self, y: Array) -> Array:
        return self.cell.feedback(y)

    def domain(self) -> tuple[float, float]:
        return self.cell.domain()
