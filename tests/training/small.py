"""A small trainable problem on three wires, and a cell whose gradient can be made NaN."""

from dataclasses import dataclass
from typing import final

import jax
import jax.numpy as jnp
import numpy as np

import qrnn_jax as qj
from qrnn_jax import tasks, training

CIRCUIT = qj.Circuit(
    3,
    (
        qj.RY(0, qj.Data(0)),
        qj.CRX(0, 1, qj.Weight(0)),
        qj.CNOT(1, 2),
        qj.RX(2, qj.Weight(1)),
        qj.RZ(0, qj.Weight(2)),
    ),
)
CELL = qj.CircuitCell(CIRCUIT, qj.Z(2))
START = jnp.array([0.4, -0.3, 0.9])
BAD = 2.0  # an input at which `Fragile` has a finite loss and a NaN gradient


def windows(count: int = 8, length: int = 6) -> tasks.Windows:
    """Random inputs; targets that the cell reaches exactly at some other weights."""
    inputs = np.random.default_rng(7).uniform(-1.5, 1.5, (count, length, 1))
    targets = np.asarray(training.predict(CELL, jnp.array([1.1, 0.5, -0.7]), inputs))
    return tasks.Windows(inputs, targets, np.ones((count, length), bool))


def with_bad_input(given: tasks.Windows, *indices: int) -> tasks.Windows:
    """The same windows, some of them with the input `BAD` at step 3."""
    inputs = given.inputs.copy()
    inputs[list(indices), 3] = BAD
    return tasks.Windows(inputs, given.targets, given.mask)


@final
@dataclass(frozen=True)
class Fragile(qj.AbstractCell):
    """`CELL` with the angle x + |w_0 (x - BAD)|, written so that its derivative is NaN at BAD."""

    circuit = CIRCUIT
    observables = (qj.Z(2),)
    features = 1
    outputs_count = 1

    def init(self, key):
        return jax.random.uniform(key, (3,))

    def weights(self, params):
        return params

    def data(self, params, x):
        return x + jnp.sqrt(jnp.square(params[:1] * (x - BAD)))

    def outputs(self, params, reads):
        return reads

    def feedback(self, y):
        return y

    def domain(self):
        return (-jnp.inf, jnp.inf)


def same_bits(first, second) -> bool:
    """Whether two pytrees have one structure and bitwise equal leaves (typed keys included)."""
    if jax.tree.structure(first) != jax.tree.structure(second):
        return False
    pairs = zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)
    return all(_bits(a) == _bits(b) for a, b in pairs)


def _bits(leaf):
    kind = str(jnp.asarray(leaf).dtype)
    if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    array = np.asarray(leaf)
    return kind, array.shape, array.tobytes()
