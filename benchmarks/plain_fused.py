"""A stronger peer for cells with resets: the step's unitary built once, by hand.

The circuit's weights are the same at all steps, so a user who sees that can multiply the gates into
one dense matrix outside the loop and apply it to rho as U rho U^dagger. Still plain JAX, still the
full density matrix; it shows how much of the gain is that one idea.
"""

import jax.numpy as jnp
from jax import Array, lax

from benchmarks.plain_jax import Loss, apply, mean_square, rx, ry, rz, rzz
from benchmarks.workloads import Workload


def fused_loss(workload: Workload) -> Loss:
    """(params, x, y) -> mean square error, for the "reset" family."""
    n, a = workload.wires, workload.inputs
    size, outer, inner = 2**n, 2**a, 2 ** (n - a)
    split = workload.layers * n * 3

    def unitary(params: Array) -> Array:
        angles = params[:split].reshape(workload.rotations)
        couplings = params[split:].reshape(workload.layers, -1)
        columns = jnp.eye(size).reshape((2,) * n + (size,))
        for layer in range(workload.layers):
            for q in range(n):
                rotation = rx(angles[layer, q, 2]) @ rz(angles[layer, q, 1])
                columns = apply(rotation @ rx(angles[layer, q, 0]), columns, (q,))
            for k, (i, j) in enumerate(workload.pairs):
                columns = apply(rzz(couplings[layer, k]), columns, (i, j))
        return columns.reshape(size, size)

    def sequence(params: Array, xs: Array) -> Array:
        u = unitary(params)
        z0 = jnp.repeat(jnp.array([1.0, -1.0]), size // 2)

        def step(memory: Array, x: Array) -> tuple[Array, Array]:
            phi = jnp.ones(1)
            for _ in range(a):
                phi = jnp.kron(phi, ry(jnp.arccos(x))[:, 0])
            rho = jnp.kron(jnp.outer(phi, phi), memory)
            rho = u @ rho @ u.conj().T
            output = jnp.sum(z0 * jnp.diag(rho).real)
            return jnp.einsum("kbkc->bc", rho.reshape(outer, inner, outer, inner)), output

        memory = jnp.zeros((inner, inner), u.dtype).at[0, 0].set(1)
        return lax.scan(step, memory, xs)[1]

    return mean_square(sequence)
