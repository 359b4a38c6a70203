"""The same workloads described for the library."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import qrnn_jax as qj
from benchmarks.workloads import Workload
from qrnn_jax.circuit.operation import AbstractOperation


def cell(workload: Workload) -> qj.CircuitCell:
    """One step as a circuit; weight indices follow the workload's flat parameters."""
    operations: list[AbstractOperation] = [qj.RY(q, qj.Data(0)) for q in range(workload.inputs)]
    index = np.arange(int(np.prod(workload.rotations))).reshape(workload.rotations)
    first_coupling = index.size
    for layer in range(workload.layers):
        for q in range(workload.wires):
            gates = (qj.RX, qj.RZ, qj.RX) if workload.family == "reset" else (qj.RY, qj.RZ)
            operations += [g(q, qj.Weight(int(i))) for g, i in zip(gates, index[layer, q])]
        if workload.family == "unitary":
            ring = [(q, (q + 1) % workload.wires) for q in range(workload.wires)]
            operations += [qj.CNOT(control, target) for control, target in ring]
        start = first_coupling + layer * len(workload.pairs)
        operations += [
            qj.RZZ(i, j, qj.Weight(start + k)) for k, (i, j) in enumerate(workload.pairs)
        ]
    if workload.family == "reset":
        operations += [qj.Reset(q) for q in range(workload.inputs)]
    return qj.CircuitCell(qj.Circuit(workload.wires, tuple(operations)), (qj.Z(0),))


def library_loss(
    workload: Workload,
    *,
    engine: qj.AbstractEngine | None = None,
    gradient: qj.AbstractGradient | None = None,
) -> Callable[[Array, Array, Array], Array]:
    """(params, x, y) -> mean square error, with arccos x taken outside the circuit."""
    model = cell(workload)

    def loss(params: Array, x: Array, y: Array) -> Array:
        def sequence(xs: Array) -> Array:
            return qj.run(model, params, xs, engine=engine, gradient=gradient)[:, 0]

        outputs = jax.vmap(sequence)(jnp.arccos(x)[..., None])
        return jnp.mean((outputs - y) ** 2)

    return loss
