"""TensorCircuit-NG, JAX back end: one step is its circuit, which starts from the carried state.

`Circuit` for a state vector, `DMCircuit` for a density matrix. Of its contractors each gets the
fastest that we found: "plain-experimental" for vectors, its default ("greedy") for matrices.
"""

import jax.numpy as jnp
from jax import Array

from benchmarks.plain_jax import Loss
from benchmarks.recurrence import gates, recurrent_loss
from benchmarks.workloads import Workload

TITLE = "TensorCircuit-NG"
REQUIREMENTS = ("tensorcircuit-ng==1.10.0",)


def loss(workload: Workload) -> Loss:
    """(params, x, y) -> mean square error."""
    import tensorcircuit as tc

    mixed = workload.family == "reset"
    tc.set_backend("jax")
    tc.set_dtype("complex64")
    tc.set_contractor("greedy" if mixed else "plain-experimental", preprocessing=mixed)
    step = gates(workload)

    def advance(angles: Array, state: Array) -> Array:
        if mixed:
            circuit = tc.DMCircuit(workload.wires, dminputs=state)
        else:
            circuit = tc.Circuit(workload.wires, inputs=state)
        for name, wires, angle in step:
            call = getattr(circuit, name.lower())
            call(*wires) if angle is None else call(*wires, theta=angles[angle])
        return jnp.reshape(circuit.state(), state.shape)

    return recurrent_loss(workload, advance)
