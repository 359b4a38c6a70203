"""PennyLane: one step is a QNode that is given the carried state and returns the next one.

`default.qubit` for a state vector, `default.mixed` for a density matrix, both with backprop through
their JAX interface.
"""

import jax.numpy as jnp
from jax import Array

from benchmarks.plain_jax import Loss
from benchmarks.recurrence import gates, recurrent_loss
from benchmarks.workloads import Workload

TITLE = "PennyLane"
REQUIREMENTS = ("pennylane==0.45.1",)


def loss(workload: Workload) -> Loss:
    """(params, x, y) -> mean square error."""
    import pennylane as qml

    mixed = workload.family == "reset"
    wires = range(workload.wires)
    step = gates(workload)
    kinds = {"RX": qml.RX, "RY": qml.RY, "RZ": qml.RZ, "RZZ": qml.IsingZZ}

    @qml.qnode(
        qml.device("default.mixed" if mixed else "default.qubit", wires=workload.wires),
        interface="jax",
        diff_method="backprop",
    )
    def node(angles: Array, state: Array):  # type: ignore[no-untyped-def]
        if mixed:
            qml.QubitDensityMatrix(state, wires=wires)
        else:
            qml.StatePrep(state, wires=wires, validate_norm=False)
        for name, on, angle in step:
            if angle is None:
                qml.CNOT(wires=on)
            else:
                kinds[name](angles[angle], wires=on)
        return qml.state()

    def advance(angles: Array, state: Array) -> Array:
        return jnp.asarray(node(angles, state), state.dtype)

    return recurrent_loss(workload, advance)
