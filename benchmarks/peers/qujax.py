"""qujax: one step is its function from parameters and a state tensor to the next state tensor."""

import jax.numpy as jnp
from jax import Array

from benchmarks.plain_jax import Loss
from benchmarks.recurrence import gates, recurrent_loss
from benchmarks.workloads import Workload

TITLE = "qujax"
REQUIREMENTS = ("qujax==1.1.0",)
_NAMES = {"RX": "Rx", "RY": "Ry", "RZ": "Rz", "RZZ": "ZZPhase", "CNOT": "CX"}


def loss(workload: Workload) -> Loss:
    """(params, x, y) -> mean square error."""
    import qujax

    mixed = workload.family == "reset"
    build = (
        qujax.get_params_to_densitytensor_func if mixed else qujax.get_params_to_statetensor_func
    )
    step = gates(workload)
    function = build(
        [_NAMES[gate.name] for gate in step],
        [list(gate.wires) for gate in step],
        [[] if gate.angle is None else [gate.angle] for gate in step],
        workload.wires,
    )
    axes = (2,) * (2 * workload.wires if mixed else workload.wires)

    def advance(angles: Array, state: Array) -> Array:
        turns = angles / jnp.pi  # qujax counts angles in units of pi
        return function(turns, state.reshape(axes)).reshape(state.shape)

    return recurrent_loss(workload, advance)
