"""The few circuits that every tool runs, each as a function of its angles written with our library.

Every circuit starts in |0...0>; the gradient of its last Z expectation value is the question. The
angles of a case are the same numbers for every tool.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import qrnn_jax as qj

MEASURED = qj.Kraus((0,), np.array([np.diag([1.0, 0.0]), np.diag([0.0, 1.0])]))
"""A measurement of wire 0 whose outcome nobody keeps: its two branches, summed."""

STEPS = 4  # of the recurrent circuit


@final
@dataclass(frozen=True)
class Case:
    """One circuit, its angles, and its exact value as a JAX function of them.

    Arguments:
        name: its key in the record.
        text: the circuit in one line.
        angles: radians.
        occurrences: R, the gates that share the angle used most often.
        value: angles -> expectation value, by our library.
    """

    name: str
    text: str
    angles: tuple[float, ...]
    occurrences: int
    value: Callable[[Array], Array]

    def truth(self) -> np.ndarray:
        """The exact gradient (P,) by automatic differentiation of our library, float64."""
        return np.asarray(jax.grad(self.value)(jnp.asarray(self.angles, jnp.float64)))


def _last(
    operations: tuple,
    *observables: qj.AbstractObservable,
    wires: int,
    weights: Array,
    data: Array | None = None,
    steps: int = 1,
) -> Array:
    """Expectation values (M,) at the last step."""
    cell = qj.CircuitCell(qj.Circuit(wires, operations), observables)
    data = jnp.zeros((steps, 0)) if data is None else data
    return qj.run(cell, weights, data, gradient=qj.Backprop())[-1]


def _shared(steps: int) -> Callable[[Array], Array]:
    operations = (qj.RX(0, qj.Weight(0)),)
    return lambda angles: _last(operations, qj.Z(0), wires=1, weights=angles, steps=steps)[0]


def _recurrent(angles: Array) -> Array:
    operations = (
        qj.RX(0, qj.Weight(0)),
        qj.CNOT(0, 1),
        qj.RY(1, qj.Weight(1)),
        qj.CNOT(1, 0),
        qj.Reset(0),
    )
    return _last(operations, qj.Z(0), wires=2, weights=angles, steps=STEPS)[0]


def _reset(angles: Array) -> Array:
    operations = (qj.RX(0, qj.Data(0)), qj.CNOT(0, 1), qj.RY(1, 0.4), qj.Reset(0))
    return _last(operations, qj.Z(1), wires=2, weights=jnp.zeros(0), data=angles[:, None])[0]


def _conditional(angles: Array) -> Array:
    """The recorded bit controls the gate: the same as a controlled gate after the measurement."""
    operations = (
        qj.RY(1, 0.4),
        qj.RX(0, qj.Weight(0)),
        MEASURED,
        qj.CRY(0, 1, qj.Weight(1)),
    )
    return _last(operations, qj.Z(1), wires=2, weights=angles)[0]


def _post_selection(angles: Array) -> Array:
    """<P Z_1> / <P> with P = (1 - Z_0) / 2, differentiated as the quotient that it is."""
    operations = (qj.RX(0, qj.Weight(0)), qj.RY(1, qj.Weight(1)), qj.CNOT(1, 0))
    observables = (qj.Z(0), qj.Z(1), qj.Z(0) @ qj.Z(1))
    z0, z1, both = _last(operations, *observables, wires=2, weights=angles)
    return (z1 - both) / (1 - z0)


def _sampled_outcome(angles: Array) -> Array:
    operations = (qj.RX(0, qj.Weight(0)), qj.CNOT(0, 1), MEASURED, qj.RY(1, qj.Weight(1)))
    return _last(operations, qj.Z(1), wires=2, weights=angles)[0]


CASES = (
    Case("shared-2", "2 gates RX(w) on one wire; Z", (0.4,), 2, _shared(2)),
    Case("shared-3", "3 gates RX(w) on one wire; Z", (0.4,), 3, _shared(3)),
    Case(
        "recurrent",
        "4 steps of RX(0, a) CNOT(0, 1) RY(1, b) CNOT(1, 0), with wire 0 measured and reset "
        "between steps; Z on wire 0",
        (0.5, 0.8),
        STEPS,
        _recurrent,
    ),
    Case(
        "reset",
        "3 steps of RX(0, a_t) CNOT(0, 1) RY(1, 0.4), each ending with wire 0 measured and "
        "reset; every angle used once; Z on wire 1",
        (0.5, 0.8, 1.1),
        1,
        _reset,
    ),
    Case(
        "conditional",
        "RY(1, 0.4) RX(0, a), measure wire 0, RY(1, b) if the bit is 1; Z on wire 1",
        (1.1, 1.4),
        1,
        _conditional,
    ),
    Case(
        "post-selection",
        "RX(0, a) RY(1, b) CNOT(1, 0), post-select outcome 1 on wire 0; Z on wire 1",
        (0.4, 0.6),
        1,
        _post_selection,
    ),
    Case(
        "sampled-outcome",
        "RX(0, a) CNOT(0, 1), measure wire 0, RY(1, b); Z on wire 1",
        (0.9, 0.5),
        1,
        _sampled_outcome,
    ),
    Case("finite-difference", "2 gates RX(w) on one wire; Z", (0.4,), 2, _shared(2)),
)
BY_NAME = {case.name: case for case in CASES}
