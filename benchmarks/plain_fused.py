"""A stronger peer: what an expert who sees that weights stay the same builds once, by hand.

With resets, all gates become one dense matrix outside the loop, applied as U rho U^dagger. Without,
the gates of up to five neighbouring qubits become one matrix, and a ring of CNOTs one permutation.
Still plain JAX with reverse mode; it shows how much of the gain is that one idea.
"""

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from benchmarks.plain_jax import Loss, apply, mean_square, rx, ry, rz, rzz
from benchmarks.workloads import Workload

_BLOCK = 5  # qubits of a matrix


def fused_loss(workload: Workload) -> Loss:
    """(params, x, y) -> mean square error."""
    return _reset_loss(workload) if workload.family == "reset" else _unitary_loss(workload)


def _unitary_loss(workload: Workload) -> Loss:
    n = workload.wires
    blocks = [range(q, min(q + _BLOCK, n)) for q in range(0, n, _BLOCK)]
    ring = _ring(n)

    def sequence(params: Array, xs: Array) -> Array:
        angles = params.reshape(workload.rotations)
        layers = [[_product([rz(b) @ ry(a) for a, b in angle[block.start : block.stop]])
                   for block in blocks] for angle in angles]  # fmt: skip

        def step(psi: Array, x: Array) -> tuple[Array, Array]:
            first = _product([ry(jnp.arccos(x))] * workload.inputs)
            psi = (first.astype(psi.dtype) @ psi.reshape(len(first), -1)).reshape(-1)
            for layer in layers:
                before = 1
                for matrix in layer:
                    parts = psi.reshape(before, len(matrix), -1)
                    psi = jnp.einsum("ij,ajb->aib", matrix, parts).reshape(-1)
                    before *= len(matrix)
                psi = psi[ring]
            halves = jnp.sum(jnp.abs(psi.reshape(2, -1)) ** 2, axis=1)
            return psi, halves[0] - halves[1]

        dtype = jnp.result_type(params.dtype, jnp.complex64)
        return lax.scan(step, jnp.zeros(2**n, dtype).at[0].set(1), xs)[1]

    return mean_square(sequence)


def _product(matrices: list[Array]) -> Array:
    found = jnp.ones((1, 1), matrices[0].dtype)
    for matrix in matrices:
        found = jnp.kron(found, matrix)
    return found


def _ring(n: int) -> np.ndarray:
    """Where each amplitude comes from when CNOT(q, q + 1) has acted for all q in turn."""
    source = np.arange(2**n)
    for q in reversed(range(n)):
        control, target = n - 1 - q, n - 1 - (q + 1) % n
        source = source ^ ((source >> control & 1) << target)
    return source


def _reset_loss(workload: Workload) -> Loss:
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
