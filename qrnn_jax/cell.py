"""What a recurrent model is: one step's circuit and three small classical maps around it."""

import abc
from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp
from jax import Array

from qrnn_jax.circuit import AbstractObservable, Circuit


class AbstractCell(abc.ABC):
    """A recurrent quantum circuit with its classical maps; frozen and hashable.

    Equation: weights = W(params); data_t = D(params, x_t); reads_t = f(weights, data)_t (quantum);
    y_t = O(params, reads_t).

    Final classes hold settings only; numbers live in `params`, a pytree of real arrays.

    Example:
        >>> import qrnn_jax as qj
        >>> isinstance(qj.cells.Takaki(), qj.AbstractCell)
        True
    """

    @property
    @abc.abstractmethod
    def circuit(self) -> Circuit:
        """One time step."""

    @property
    @abc.abstractmethod
    def observables(self) -> tuple[AbstractObservable, ...]:
        """What is read at each step."""

    @property
    @abc.abstractmethod
    def features(self) -> int:
        """Columns of the input xs (T, features)."""

    @property
    @abc.abstractmethod
    def outputs_count(self) -> int:
        """Columns of the output ys (T, outputs)."""

    @abc.abstractmethod
    def init(self, key: Array) -> Any:
        """Random parameters, a pytree of real arrays."""

    @abc.abstractmethod
    def weights(self, params: Any) -> Array:
        """params -> (Kw,), radians."""

    @abc.abstractmethod
    def data(self, params: Any, x: Array) -> Array:
        """x_t (features,) -> (Kd,), radians; NaN where x is outside its domain."""

    @abc.abstractmethod
    def outputs(self, params: Any, reads: Array) -> Array:
        """reads_t (M,) -> y_t (outputs,)."""

    @abc.abstractmethod
    def feedback(self, y: Array) -> Array:
        """y_t (outputs,) -> x_{t+1} (features,), for free-running forecasts."""

    @abc.abstractmethod
    def domain(self) -> tuple[float, float]:
        """The closed interval that inputs must lie in."""


@final
@dataclass(frozen=True)
class CircuitCell(AbstractCell):
    """A circuit as a recurrent model of its own: params are the weights, inputs the angles.

    Equation: y_t = (Tr(O_1 rho_t), Tr(O_2 rho_t), ...), rho_t from `Circuit` at (w, x_t).

    Arguments:
        circuit: one time step.
        observables: what is read at each step; `Probabilities` gives several numbers.

    Shapes: params (Kw,), xs (T, Kd) in radians, ys (T, M).

    Raises:
        ValueError: no observable, or one on a wire that the circuit does not have.

    Example:
        >>> import jax.numpy as jnp, qrnn_jax as qj
        >>> circuit = qj.Circuit(2, (qj.RY(0, qj.Data(0)), qj.CNOT(0, 1), qj.Reset(0)))
        >>> cell = qj.CircuitCell(circuit, observables=(qj.Z(0), qj.Z(0) @ qj.Z(1)))
        >>> qj.run(cell, jnp.zeros(0), jnp.zeros((3, 1))).shape
        (3, 2)

    Source: the general form of Takaki et al., Phys. Rev. A 103, 052414 (2021).
    """

    one_step: Circuit
    readout: tuple[AbstractObservable, ...]

    def __init__(
        self,
        circuit: Circuit,
        observables: AbstractObservable | tuple[AbstractObservable, ...],
    ) -> None:
        if isinstance(observables, AbstractObservable):
            observables = (observables,)
        object.__setattr__(self, "one_step", circuit)
        object.__setattr__(self, "readout", tuple(observables))
        self._check()

    @property
    def circuit(self) -> Circuit:
        return self.one_step

    @property
    def observables(self) -> tuple[AbstractObservable, ...]:
        return self.readout

    def _check(self) -> None:
        if not self.observables:
            raise ValueError("Argument `observables` must hold at least one, but is empty.")
        for index, observable in enumerate(self.observables):
            if not isinstance(observable, AbstractObservable):
                raise TypeError(
                    f"Argument `observables` must hold observables, but entry {index} is "
                    f"{type(observable).__name__}; try `qj.Z(0)`."
                )
            for wire in observable.wires:
                if wire >= self.circuit.wires:
                    raise ValueError(
                        f"Argument `observables` must act on wires below {self.circuit.wires}, but "
                        f"entry {index}, {observable}, names wire {wire}; try another wire."
                    )

    @property
    def features(self) -> int:
        return self.circuit.data_count

    @property
    def outputs_count(self) -> int:
        return sum(observable.outputs for observable in self.observables)

    def init(self, key: Array) -> Array:
        return jax.random.uniform(key, (self.circuit.weight_count,), maxval=2 * jnp.pi)

    def weights(self, params: Array) -> Array:
        return params

    def data(self, params: Array, x: Array) -> Array:
        del params
        return x

    def outputs(self, params: Array, reads: Array) -> Array:
        del params
        return reads

    def feedback(self, y: Array) -> Array:
        if self.outputs_count != self.features:
            raise ValueError(
                "A free-running forecast must feed back as many outputs as there are inputs, but "
                f"the cell has {self.outputs_count} outputs and {self.features} inputs; "
                "try a cell of your own with a `feedback` method."
            )
        return y

    def domain(self) -> tuple[float, float]:
        return (-jnp.inf, jnp.inf)
