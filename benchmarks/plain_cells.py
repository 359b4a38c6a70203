"""The published cells by hand in plain JAX: gate by gate, and as an expert builds a step once.

Nothing of the library is imported; where a model has constants, they are computed here again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from benchmarks.plain_jax import Loss, apply, rx, ry, rz

Sequence = Callable[[Array, Array], Array]  # (params, xs) -> outputs (T,)
_TURNS = {"RX": rx, "RY": ry, "RZ": rz}


class Turn(NamedTuple):
    """A gate of a step: a rotation, or a constant matrix by its name.

    Arguments:
        name: "RX", "RY", "RZ", or a key of the step's constants.
        wires: where it acts.
        angle: an index into (data angles, params); None for a constant.
    """

    name: str
    wires: tuple[int, ...]
    angle: int | None = None


@final
@dataclass(frozen=True)
class Step:
    """A step whose first wires are read, and then reset.

    Arguments:
        wires, inputs: all wires; how many of them are reset.
        encoder: gates on the inputs, the data among them.
        body: what follows, made of parameters alone.
        constants: dense matrices by name.
        angles: x_t -> data angles (k,), the first angles.
        weights: (2**inputs,), what a result of measuring the inputs counts.
        outputs: (params, mean of the weights) -> y_t.
    """

    wires: int
    inputs: int
    encoder: list[Turn]
    body: list[Turn]
    angles: Callable[[Array], Array]
    weights: np.ndarray
    outputs: Callable[[Array, Array], Array]
    constants: dict[str, np.ndarray] = field(default_factory=dict)

    def matrix(self, gate: Turn, angles: Array) -> Array:
        """A gate as a tensor, outputs first."""
        if gate.angle is not None:
            return _TURNS[gate.name](angles[gate.angle])
        return jnp.asarray(self.constants[gate.name]).reshape((2,) * 2 * len(gate.wires))


def takaki(inputs: int, memory: int, depth: int, tau: float = 0.2, scale: float = 2.0) -> Step:
    """Takaki et al. (2021), with constants drawn as the library's cell draws them."""
    wires = inputs + memory
    rng = np.random.default_rng(0)
    hamiltonian = np.zeros((2**wires, 2**wires))
    for wire, strength in enumerate(rng.uniform(-1, 1, wires)):
        hamiltonian += strength * _word(wires, {wire: np.array([[0, 1], [1, 0]])})
    z = np.diag([1, -1])
    for j in range(wires):
        for k in range(j):
            hamiltonian += rng.uniform(-1, 1) * _word(wires, {j: z, k: z})
    energies, basis = np.linalg.eigh(hamiltonian)
    index, body = count(1), []
    for _ in range(depth):
        body.append(Turn("evolve", tuple(range(wires))))
        body += [Turn(n, (w,), next(index)) for w in range(wires) for n in ("RX", "RZ", "RX")]
    ups = 1 - 2 * (np.arange(2**inputs)[:, None] >> np.arange(inputs) & 1)
    return Step(
        wires,
        inputs,
        [Turn("RY", (wire,), 0) for wire in range(inputs)],
        body,
        angles=lambda x: jnp.arccos(x)[None],
        weights=ups.mean(axis=1),
        outputs=lambda params, mean: scale * mean,
        constants={"evolve": basis * np.exp(-1j * tau * energies) @ basis.T},
    )


def viqueira(memory: int, layers: int, uploads: int) -> Step:
    """Viqueira et al. (2025), EMCZ2 with one exchange wire; params[0] is added to the output."""
    wires, index = 1 + memory, count(2)  # angles: x, bias, then the others
    encoder, body = [Turn("RY", (0,), 0)], []
    for _ in range(uploads):
        encoder += [Turn("RX", (0,), next(index)), Turn("RZ", (0,), next(index))]
        encoder.append(Turn("RY", (0,), 0))
    for _ in range(layers):
        body += [Turn(name, (w,), next(index)) for w in range(wires) for name in ("RX", "RZ")]
        body += [Turn("CZ", (wire, wire + 1)) for wire in range(wires - 1)]
    body.append(Turn("RX", (0,), next(index)))
    return Step(
        wires,
        1,
        encoder,
        body,
        angles=lambda x: x[None],
        weights=np.array([1.0, -1.0]),
        outputs=lambda params, mean: params[0] + mean,
        constants={"CZ": np.diag([1, 1, 1, -1])},
    )


def _word(wires: int, letters: dict[int, np.ndarray]) -> np.ndarray:
    found = np.ones((1, 1))
    for wire in range(wires):
        found = np.kron(found, letters.get(wire, np.eye(2)))
    return found


def gate_by_gate(step: Step, *, checkpointed: bool = False) -> Sequence:
    """One `tensordot` per gate and side of rho; `checkpointed`: steps are recomputed backwards."""
    n, a = step.wires, step.inputs
    outer, inner = 2**a, 2 ** (n - a)

    def advance(params: Array, rho: Array, x: Array) -> tuple[Array, Array]:
        angles = jnp.concatenate([step.angles(x), params])
        for gate in step.encoder + step.body:
            matrix = step.matrix(gate, angles).astype(rho.dtype)
            rho = apply(matrix, rho, gate.wires)
            rho = apply(matrix.conj(), rho, tuple(n + wire for wire in gate.wires))
        blocks = rho.reshape(outer, inner, outer, inner)
        mean = jnp.einsum("k,kbkb->", jnp.asarray(step.weights, params.dtype), blocks.real)
        memory = jnp.einsum("kbkc->bc", blocks)
        rho = jnp.zeros_like(blocks).at[0, :, 0, :].set(memory).reshape(rho.shape)
        return rho, step.outputs(params, mean)

    advance = jax.checkpoint(advance) if checkpointed else advance

    def sequence(params: Array, xs: Array) -> Array:
        dtype = jnp.result_type(params.dtype, jnp.complex64)
        rho = jnp.zeros((2,) * (2 * n), dtype).at[(0,) * (2 * n)].set(1)
        return lax.scan(lambda rho, x: advance(params, rho, x), rho, xs)[1]

    return sequence


def built_once(step: Step) -> Sequence:
    """The body once as a matrix, the inputs' states ahead of the loop, only the memory carried.

    Equation: K_t = U (psi(x_t) (x) 1), rho_t = sum_k <k| K_t rho_{t-1} K_t^dagger |k>.
    """
    n, a = step.wires, step.inputs
    outer, inner = 2**a, 2 ** (n - a)

    def product(gates: list[Turn], angles: Array, columns: Array, wires: int) -> Array:
        tensor = columns.reshape((2,) * wires + (-1,))
        for gate in gates:
            tensor = apply(step.matrix(gate, angles).astype(tensor.dtype), tensor, gate.wires)
        return tensor.reshape(columns.shape)

    def sequence(params: Array, xs: Array) -> Array:
        dtype = jnp.result_type(params.dtype, jnp.complex64)
        weights = jnp.asarray(step.weights, params.dtype)
        data = jnp.zeros_like(step.angles(xs[0]))
        body = product(step.body, jnp.concatenate([data, params]), jnp.eye(2**n, dtype=dtype), n)

        def encoded(x: Array) -> Array:
            angles = jnp.concatenate([step.angles(x), params])
            return product(step.encoder, angles, jnp.eye(outer, 1, dtype=dtype), a)[:, 0]

        states = jax.vmap(encoded)(xs)
        blocks = jnp.einsum("iab,ta->tib", body.reshape(-1, outer, inner), states)

        def advance(memory: Array, kraus: Array) -> tuple[Array, Array]:
            left = (kraus @ memory).reshape(outer, inner, inner)
            right = kraus.conj().reshape(outer, inner, inner)
            parts = jnp.einsum("kij,klj->kil", left, right)
            mean = weights @ jnp.einsum("kii->k", parts).real
            return parts.sum(axis=0), step.outputs(params, mean)

        memory = jnp.zeros((inner, inner), dtype).at[0, 0].set(1)
        return lax.scan(advance, memory, blocks)[1]

    return sequence


def mean_square_from(sequence: Sequence, first: int = 0) -> Loss:
    """The mean over batch and the steps from `first` on of (outputs - y)^2."""

    def loss(params: Array, x: Array, y: Array) -> Array:
        outputs = jax.vmap(sequence, in_axes=(None, 0))(params, x)
        return jnp.mean((outputs - y)[:, first:] ** 2)

    return loss


def modes(params: Array, xs: Array) -> Array:
    """Siemaszko et al. (2023), 3 modes, mode 0 measured before every step: outputs (T,).

    Mean (6,) and covariance (6, 6) of (x, p) of mode 0, 1, 2 in a scan; the symplectic matrix of a
    step is built once. xs (T, 2): the input, and a standard normal number for the measurement.
    """
    size, index = 6, count()
    matrix = jnp.eye(size, dtype=params.dtype)
    for part in range(2):
        pairs = [(0, 1), (1, 2), (0, 1)]
        thetas, phis = ([params[next(index)] for _ in pairs] for _ in range(2))
        for (i, j), theta, phi in zip(pairs, thetas, phis, strict=True):
            matrix = _splitter(theta, phi, i, j) @ matrix
        for mode in range(2):
            matrix = _on_mode(mode, _turn(params[next(index)])) @ matrix
        for mode in range(3 if part == 0 else 0):
            r = params[next(index)]
            matrix = _on_mode(mode, jnp.diag(jnp.exp(jnp.stack([-r, r])))) @ matrix
    radii, phases = params[19:22], params[22:25]
    shift = 2 * radii[:, None] * jnp.stack([jnp.cos(phases), jnp.sin(phases)], axis=1)

    def advance(state: tuple[Array, Array], x: Array) -> tuple[tuple[Array, Array], Array]:
        mean, covariance = state
        column = covariance[:, 0] / jnp.sqrt(covariance[0, 0])
        mean = (mean + column * x[1]).at[:2].set(0).at[0].add(2 * x[0])
        covariance = covariance - jnp.outer(column, column)
        covariance = covariance.at[:2].set(0).at[:, :2].set(0)
        covariance = covariance.at[0, 0].set(1).at[1, 1].set(1)
        mean = matrix @ mean + shift.reshape(size)
        return (mean, matrix @ covariance @ matrix.T), params[-1] * mean[0]

    vacuum = jnp.zeros(size, params.dtype), jnp.eye(size, dtype=params.dtype)
    return lax.scan(advance, vacuum, xs)[1]


def modes_loss(params: Array, x: Array, y: Array) -> Array:
    """The mean square error of the last outputs of windows x (B, T, 2)."""
    return jnp.mean((jax.vmap(modes, in_axes=(None, 0))(params, x)[:, -1] - y) ** 2)


def _turn(angle: Array) -> Array:
    c, s = jnp.cos(angle), jnp.sin(angle)
    return jnp.stack([c, -s, s, c]).reshape(2, 2)


def _on_mode(mode: int, block: Array) -> Array:
    first = 2 * mode
    return jnp.eye(6, dtype=block.dtype).at[first : first + 2, first : first + 2].set(block)


def _splitter(theta: Array, phi: Array, i: int, j: int) -> Array:
    """a_i -> cos a_i - exp(-i phi) sin a_j, a_j -> exp(i phi) sin a_i + cos a_j."""
    c, s, turn = jnp.cos(theta) * jnp.eye(2, dtype=theta.dtype), jnp.sin(theta), _turn(phi)
    here, there = slice(2 * i, 2 * i + 2), slice(2 * j, 2 * j + 2)
    matrix = jnp.eye(6, dtype=theta.dtype).at[here, here].set(c).at[there, there].set(c)
    return matrix.at[here, there].set(-s * turn.T).at[there, here].set(s * turn)
