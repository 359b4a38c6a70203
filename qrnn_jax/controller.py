"""A classical controller in the loop: the angles of a step depend on what was read before."""

import abc
from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp
from jax import Array

from qrnn_jax.cell import CircuitCell
from qrnn_jax.circuit import AbstractObservable, Circuit
from qrnn_jax.circuit.groups import measurement_groups

FEEDS = ("expectations", "bits")


class AbstractController(abc.ABC):
    """A small classical recurrence that sets the data slots of every step; frozen and hashable.

    Equation: data_t = A(params, h_{t-1}, x_t);  h_t = U(params, h_{t-1}, x_t, reads_t).

    Example:
        >>> import qrnn_jax as qj
        >>> isinstance(qj.Perceptron(features=1, reads=1, angles=2), qj.AbstractController)
        True
    """

    features: int  # columns of the input xs (T, features)
    recalls_last: bool = False  # whether h_t depends on x_t and reads_t alone: no older memory

    @abc.abstractmethod
    def init(self, key: Array) -> Any:
        """Random parameters, a pytree of real arrays."""

    @abc.abstractmethod
    def start(self, params: Any) -> Any:
        """h_0, a pytree of real arrays."""

    @abc.abstractmethod
    def angles(self, params: Any, h: Any, x: Array) -> Array:
        """The step's data (Kd,), radians."""

    @abc.abstractmethod
    def update(self, params: Any, h: Any, x: Array, reads: Array) -> Any:
        """h_t, from what was read (M,)."""


@final
@dataclass(frozen=True)
class Perceptron(AbstractController):
    """One layer between the last reads and the next angles.

    Equation: data_t = pi tanh(V x_t + W y_{t-1} + b), y_0 = 0.

    Arguments:
        features: columns of the input.
        reads: numbers read per step, M.
        angles: data slots of the circuit, Kd.

    Example:
        >>> import jax, qrnn_jax as qj
        >>> qj.Perceptron(features=1, reads=2, angles=3).init(jax.random.key(0))["reads"].shape
        (3, 2)

    Source: the feed-forward controller of the hybrid recurrent network of arXiv 2510.25557, reduced
    to one layer.
    """

    features: int
    reads: int
    angles_count: int

    recalls_last = True

    def __init__(self, features: int, reads: int, angles: int) -> None:
        for name, value in (("features", features), ("reads", reads), ("angles", angles)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(
                    f"Argument `{name}` must be an integer of 1 or more, but is {value!r}."
                )
        object.__setattr__(self, "features", features)
        object.__setattr__(self, "reads", reads)
        object.__setattr__(self, "angles_count", angles)

    def init(self, key: Array) -> dict[str, Array]:
        keys, count = jax.random.split(key), self.angles_count
        return {
            "inputs": jax.random.normal(keys[0], (count, self.features)),
            "reads": jax.random.normal(keys[1], (count, self.reads)),
            "bias": jnp.zeros(count),
        }

    def start(self, params: dict[str, Array]) -> Array:
        return jnp.zeros(self.reads, params["bias"].dtype)

    def angles(self, params: dict[str, Array], h: Array, x: Array) -> Array:
        return jnp.pi * jnp.tanh(params["inputs"] @ x + params["reads"] @ h + params["bias"])

    def update(self, params: dict[str, Array], h: Array, x: Array, reads: Array) -> Array:
        del params, h, x
        return reads


@final
@dataclass(frozen=True)
class FeedbackCell:
    """A circuit whose data slots are set by a classical controller that sees earlier reads.

    Equation: y_t = Tr(O rho_t), rho_t = E(a_t, w)[rho_{t-1}], a_t = A(params, h_{t-1}, x_t),
    h_t = U(params, h_{t-1}, x_t, fed_t).

    Two different models. With `feed="expectations"`, fed_t are the expectation values y_t: exact in
    simulation; on a device every step needs circuits of its own, and S shots leave a bias of order
    1/S where the controller is not linear. With `feed="bits"`, fed_t are the outcomes of the one
    repetition at hand: what a device does within a run; it needs `shots`, and its gradient, by
    per-shot weights, is unbiased for any controller. A device plays it where the controller
    recalls the last reads only (`recalls_last`), with one conditional turn per outcome.

    Parameters: {"weights": (Kw,), "controller": the controller's own}. Where no earlier read is
    needed, use `CircuitCell`: it is faster and serves every rule.

    Arguments:
        cell: circuit and observables; the outputs are the reads.
        controller: sets the circuit's data slots.
        feed: "expectations" or "bits".

    Raises:
        ValueError: an unknown `feed`; bits of observables that one setting cannot measure; a
            circuit that post-selects.

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> circuit = qj.Circuit(
        ...     2, (qj.RY(0, qj.Data(0)), qj.CRX(0, 1, qj.Weight(0)), qj.CNOT(1, 0), qj.Reset(0))
        ... )
        >>> controller = qj.Perceptron(features=1, reads=1, angles=1)
        >>> cell = qj.FeedbackCell(qj.CircuitCell(circuit, (qj.Z(0),)), controller)
        >>> qj.run(cell, cell.init(jax.random.key(0)), jnp.zeros((5, 1))).shape
        (5, 1)

    Source: hybrid quantum-classical recurrent network, arXiv 2510.25557 (expectation values).
    """

    cell: CircuitCell
    controller: AbstractController
    feed: str = "expectations"

    def __post_init__(self) -> None:
        if self.feed not in FEEDS:
            raise ValueError(f"Argument `feed` must be one of {FEEDS}, but is {self.feed!r}.")
        if self.circuit.is_postselected:
            raise ValueError(
                "Argument `cell` must not post-select inside a feedback loop, but does; "
                "try `Measure(wire, to=bit)` and `If`."
            )
        if self.feed == "bits" and len(measurement_groups(self.observables)) > 1:
            raise ValueError(
                "Argument `cell` must have observables that one setting measures to feed bits, "
                'but has several; try fewer observables, or `feed="expectations"`.'
            )

    @property
    def circuit(self) -> Circuit:
        """One time step."""
        return self.cell.circuit

    @property
    def observables(self) -> tuple[AbstractObservable, ...]:
        """What is read at each step."""
        return self.cell.observables

    @property
    def features(self) -> int:
        """Columns of the input xs (T, features)."""
        return self.controller.features

    @property
    def outputs_count(self) -> int:
        """Columns of the output ys (T, outputs)."""
        return self.cell.outputs_count

    def init(self, key: Array) -> dict[str, Any]:
        """Random parameters: {"weights": (Kw,), "controller": ...}."""
        first, second = jax.random.split(key)
        return {"weights": self.cell.init(first), "controller": self.controller.init(second)}

    def domain(self) -> tuple[float, float]:
        """The closed interval that inputs must lie in: all real numbers."""
        return (-jnp.inf, jnp.inf)
