"""The peer: gate-by-gate plain JAX, as an able user writes it in an afternoon.

One `tensordot` per gate (on both sides of rho where the state is mixed), `lax.scan` over time,
`vmap` over the batch, `jax.value_and_grad` on top, the whole thing jitted. It imports nothing from
the library, so it is also the reference that every other program must match in float64.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from benchmarks.workloads import Workload

Loss = Callable[[Array, Array, Array], Array]


def rx(angle: Array) -> Array:
    c, s = jnp.cos(angle / 2), jnp.sin(angle / 2)
    return jnp.array([[c, -1j * s], [-1j * s, c]])


def ry(angle: Array) -> Array:
    c, s = jnp.cos(angle / 2), jnp.sin(angle / 2)
    return jnp.array([[c, -s], [s, c]])


def rz(angle: Array) -> Array:
    phase = jnp.exp(-0.5j * angle)
    return jnp.diag(jnp.array([phase, phase.conj()]))


def rzz(angle: Array) -> Array:
    phase = jnp.exp(-0.5j * angle)
    diagonal = jnp.array([phase, phase.conj(), phase.conj(), phase])
    return jnp.diag(diagonal).reshape(2, 2, 2, 2)


CNOT = np.eye(4)[[0, 1, 3, 2]].reshape(2, 2, 2, 2)


def apply(gate: Array, tensor: Array, axes: tuple[int, ...]) -> Array:
    """Contract a gate's inputs with some axes of a tensor; its outputs take their place."""
    inputs = tuple(range(len(axes), 2 * len(axes)))
    return jnp.moveaxis(jnp.tensordot(gate, tensor, (inputs, axes)), range(len(axes)), axes)


def unitary_loss(workload: Workload) -> Loss:
    """Loss of a cell without resets: a state vector of shape (2,) * n."""
    n = workload.wires

    def step(params: Array, psi: Array, x: Array) -> tuple[Array, Array]:
        angles = params.reshape(workload.rotations)
        for q in range(workload.inputs):
            psi = apply(ry(jnp.arccos(x)), psi, (q,))
        for layer in range(workload.layers):
            for q in range(n):
                psi = apply(ry(angles[layer, q, 0]), psi, (q,))
                psi = apply(rz(angles[layer, q, 1]), psi, (q,))
            for q in range(n):
                psi = apply(jnp.asarray(CNOT, psi.dtype), psi, (q, (q + 1) % n))
        probabilities = (jnp.abs(psi) ** 2).reshape(2, -1).sum(axis=1)
        return psi, probabilities[0] - probabilities[1]

    def sequence(params: Array, xs: Array) -> Array:
        dtype = jnp.result_type(params.dtype, jnp.complex64)
        psi = jnp.zeros((2,) * n, dtype).at[(0,) * n].set(1)
        return lax.scan(lambda psi, x: step(params, psi, x), psi, xs)[1]

    return mean_square(sequence)


def reset_loss(workload: Workload) -> Loss:
    """Loss of a cell that resets its first qubits: a density matrix of shape (2,) * 2n."""
    n, a = workload.wires, workload.inputs
    b = n - a
    split = workload.layers * n * 3

    def both(gate: Array, rho: Array, wires: tuple[int, ...]) -> Array:
        rho = apply(gate, rho, wires)
        return apply(gate.conj(), rho, tuple(n + w for w in wires))

    def step(params: Array, rho: Array, x: Array) -> tuple[Array, Array]:
        angles = params[:split].reshape(workload.rotations)
        couplings = params[split:].reshape(workload.layers, -1)
        for q in range(a):
            rho = both(ry(jnp.arccos(x)), rho, (q,))
        for layer in range(workload.layers):
            for q in range(n):
                rho = both(rx(angles[layer, q, 0]), rho, (q,))
                rho = both(rz(angles[layer, q, 1]), rho, (q,))
                rho = both(rx(angles[layer, q, 2]), rho, (q,))
            for k, (i, j) in enumerate(workload.pairs):
                rho = both(rzz(couplings[layer, k]), rho, (i, j))
        probabilities = jnp.diag(rho.reshape(2**n, 2**n)).real.reshape(2, -1).sum(axis=1)
        memory = jnp.einsum("kbkc->bc", rho.reshape(2**a, 2**b, 2**a, 2**b))
        empty = jnp.zeros((2**a, 2**a), rho.dtype).at[0, 0].set(1)
        rho = jnp.einsum("ac,bd->abcd", empty, memory).reshape((2,) * (2 * n))
        return rho, probabilities[0] - probabilities[1]

    def sequence(params: Array, xs: Array) -> Array:
        dtype = jnp.result_type(params.dtype, jnp.complex64)
        rho = jnp.zeros((2,) * (2 * n), dtype).at[(0,) * (2 * n)].set(1)
        return lax.scan(lambda rho, x: step(params, rho, x), rho, xs)[1]

    return mean_square(sequence)


def plain_loss(workload: Workload) -> Loss:
    """(params, x, y) -> mean square error, for the workload's family."""
    return reset_loss(workload) if workload.family == "reset" else unitary_loss(workload)


def mean_square(sequence: Callable[[Array, Array], Array]) -> Loss:
    """The mean over batch and time of (outputs - y)^2, for a model of one sequence."""

    def loss(params: Array, x: Array, y: Array) -> Array:
        outputs = jax.vmap(sequence, in_axes=(None, 0))(params, x)
        return jnp.mean((outputs - y) ** 2)

    return loss
