"""A peer that needs nothing: the gates of a step by plain JAX, in an empty environment.

`FAKE_PEER=wrong` halves its loss; `FAKE_PEER=broken` ends its process.
"""

import os
import sys

import jax.numpy as jnp

from benchmarks import plain_jax
from benchmarks.recurrence import gates, recurrent_loss

TITLE = "a fake peer"
REQUIREMENTS = ()
_GATES = {"RX": plain_jax.rx, "RY": plain_jax.ry, "RZ": plain_jax.rz, "RZZ": plain_jax.rzz}


def loss(workload):
    print("what a tool prints is no answer")
    if os.environ.get("FAKE_PEER") == "broken":
        sys.exit("the fake peer gave up")
    n, mixed = workload.wires, workload.family == "reset"

    def advance(angles, state):
        tensor = state.reshape((2,) * (2 * n if mixed else n))
        for name, wires, angle in gates(workload):
            gate = jnp.asarray(plain_jax.CNOT) if angle is None else _GATES[name](angles[angle])
            tensor = plain_jax.apply(gate.astype(tensor.dtype), tensor, wires)
            if mixed:
                others = tuple(n + wire for wire in wires)
                tensor = plain_jax.apply(gate.conj().astype(tensor.dtype), tensor, others)
        return tensor.reshape(state.shape)

    right = recurrent_loss(workload, advance)
    wrong = os.environ.get("FAKE_PEER") == "wrong"
    return (lambda *args: 0.5 * right(*args)) if wrong else right
