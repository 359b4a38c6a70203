"""What every peer shares: one time step as a list of gates, and the loop around it in plain JAX.

A peer brings only `advance`, which applies a step's gates with its own circuit. Reading <Z_0>, the
reset between steps, `lax.scan` over time and `vmap` over the batch are the same for all.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax

from benchmarks.plain_jax import Loss, mean_square
from benchmarks.workloads import Workload

Advance = Callable[[Array, Array], Array]  # (angles, state) -> state


class Gate(NamedTuple):
    """One gate of a step: "RX", "RY", "RZ", "RZZ" or "CNOT"; `angle` is an index into angles."""

    name: str
    wires: tuple[int, ...]
    angle: int | None


def gates(workload: Workload) -> list[Gate]:
    """One step in order. Its angles are arccos x_t, then the workload's parameters."""
    n, found = workload.wires, [Gate("RY", (q,), 0) for q in range(workload.inputs)]
    names = ("RX", "RZ", "RX") if workload.family == "reset" else ("RY", "RZ")
    first_coupling = 1 + workload.layers * n * len(names)
    for layer in range(workload.layers):
        for q in range(n):
            first = 1 + (layer * n + q) * len(names)
            found += [Gate(name, (q,), first + k) for k, name in enumerate(names)]
        if workload.family == "unitary":
            found += [Gate("CNOT", (q, (q + 1) % n), None) for q in range(n)]
        first = first_coupling + layer * len(workload.pairs)
        found += [Gate("RZZ", pair, first + k) for k, pair in enumerate(workload.pairs)]
    return found


def recurrent_loss(workload: Workload, advance: Advance) -> Loss:
    """(params, x, y) -> mean square error.

    Arguments:
        workload: its family decides whether the state is a vector (2**n,) or, where wires are
            reset, a density matrix (2**n, 2**n).
        advance: applies the gates of one step.
    """
    mixed = workload.family == "reset"
    size, outer = 2**workload.wires, 2**workload.inputs
    inner = size // outer

    def read(state: Array) -> Array:
        weights = jnp.diag(state).real if mixed else jnp.abs(state) ** 2
        up, down = weights.reshape(2, -1).sum(axis=1)
        return up - down

    def reset(rho: Array) -> Array:
        memory = jnp.einsum("kbkc->bc", rho.reshape(outer, inner, outer, inner))
        return jnp.zeros_like(rho).at[:inner, :inner].set(memory)

    def sequence(params: Array, xs: Array) -> Array:
        def step(state: Array, x: Array) -> tuple[Array, Array]:
            state = advance(jnp.concatenate([jnp.arccos(x)[None], params]), state)
            output = read(state)
            return reset(state) if mixed else state, output

        dtype = jnp.result_type(params.dtype, jnp.complex64)
        start = jnp.zeros((size, size) if mixed else (size,), dtype)
        return lax.scan(step, start.at[(0,) * start.ndim].set(1), xs)[1]

    return mean_square(sequence)
