"""A simulator that plays templates as a device would: pure states, one repetition at a time.

It is written in NumPy on purpose: `run` calls devices from inside of a JAX callback, where JAX
itself must not be used (it may wait for itself). It shares no code with the engines, and plays the
instructions that other devices get, so it also judges how circuits are lowered.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from qrnn_jax.hardware.protocol import GATES, AbstractDevice, Capabilities
from qrnn_jax.hardware.template import (
    CONDITION,
    READOUT_ERROR,
    ROTATIONS,
    Instruction,
    Template,
)

Wires = tuple[int, ...]
_OTHERS = ("measure", "reset", "kraus")
_IN_FLIGHT = 2**20  # amplitudes of the repetitions played side by side
_ROOT = 2**-0.5
_PAULIS = {
    "x": np.array([[0, 1], [1, 0]], complex),
    "y": np.array([[0, -1j], [1j, 0]], complex),
    "z": np.diag([1.0 + 0j, -1]),
}
_CX = np.eye(4, dtype=complex)[[0, 1, 3, 2]]
_FIXED = {
    **_PAULIS,
    "h": _ROOT * np.array([[1, 1], [1, -1]], complex),
    "s": np.diag([1, 1j]),
    "sdg": np.diag([1, -1j]),
    "t": np.diag([1, np.exp(0.25j * np.pi)]),
    "cx": _CX,
    "cz": np.diag([1.0 + 0j, 1, 1, -1]),
    "swap": np.eye(4, dtype=complex)[[0, 2, 1, 3]],
}


@final
@dataclass(frozen=True)
class LocalDevice(AbstractDevice):
    """Our own simulator behind the device protocol: no extra needed, noise channels included.

    Equation: psi -> K_m psi / sqrt(p_m) with probability p_m, for every measurement, reset and
    channel; gates as they are.

    Use it to try out what a device run costs and returns. For simulation as such `Trajectories` and
    `DensityMatrix` are far faster.

    Arguments:
        max_shots: shots per row in one job.

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> engine = qj.Device(qj.hardware.LocalDevice(), shots=100)
        >>> circuit = qj.Circuit(1, (qj.RX(0, qj.Weight(0)), qj.Reset(0)))
        >>> cell = qj.CircuitCell(circuit, (qj.Z(0),))
        >>> weights, xs = jnp.array([jnp.pi]), jnp.zeros((2, 0))
        >>> qj.run(cell, weights, xs, engine=engine, key=jax.random.key(0)).ravel().tolist()
        [-1.0, -1.0]

    Source: Moelmer, Castin and Dalibard, J. Opt. Soc. Am. B 10, 524 (1993).
    """

    max_shots: int = 100_000

    replays_free = True

    @property
    def capabilities(self) -> Capabilities:
        basis = GATES | {"measure", "reset", "kraus", CONDITION, READOUT_ERROR}
        return Capabilities(basis, max_wires=20, max_shots=self.max_shots)

    def run(self, template: Template, rows: np.ndarray, shots: int, seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        bits = np.zeros((len(rows), shots, template.steps, template.outputs), np.uint8)
        tape = rows.reshape(len(rows), template.steps, template.columns)
        batch = max(1, _IN_FLIGHT >> template.wires)  # repetitions at a time, over all rows
        size = min(shots, batch)
        width = max(1, batch // size)
        for first in range(0, len(rows), width):
            for begin in range(0, shots, size):
                part = slice(first, first + width), slice(begin, begin + size)
                bits[part] = _play(template, tape[part[0]], bits[part].shape[1], rng)
        return bits


def _play(template: Template, tape: np.ndarray, shots: int, rng: np.random.Generator) -> np.ndarray:
    """Bits (R, S, T, k) of some rows (R, T, K)."""
    psi = np.zeros((len(tape), *[2] * template.wires, shots), np.complex64)
    psi.reshape(len(tape), -1, shots)[:, 0] = 1
    bits = np.zeros((len(tape), shots, template.steps, template.outputs), np.uint8)
    gates: list[tuple[np.ndarray, Wires]] = []  # still to be played
    for step, instruction in template.instructions():
        name = instruction.name
        if name not in _OTHERS and instruction.when is None:
            gates.append((_matrices(instruction, tape[:, step]), instruction.wires))
            continue
        psi, gates = _all_applied(gates, psi), []
        if name == "measure":
            psi, found = _measured(psi, instruction.wires[0], rng)
            if instruction.bit is not None:
                bits[:, :, step, instruction.bit] = _flipped(found, instruction.flips, rng)
        elif name == "reset":
            psi, _ = _measured(psi, instruction.wires[0], rng)
            psi = _emptied(psi, instruction.wires[0])
        elif name == "kraus":
            psi = _jumped(psi, instruction, rng)
        else:
            made = _applied(_matrices(instruction, tape[:, step]), psi, instruction.wires)
            assert instruction.when is not None
            psi = np.where(_holds(instruction.when, bits[:, :, step - 1], psi), made, psi)
    return bits


def _holds(number: int, bits: np.ndarray, psi: np.ndarray) -> np.ndarray:
    """Where a register (R, S, k) holds a number, spread over the axes of the state."""
    found = bits @ (1 << np.arange(bits.shape[-1])[::-1]) == number
    return _spread(found, psi) > 0


def _matrices(instruction: Instruction, row: np.ndarray) -> np.ndarray:
    """One matrix for all rows (1, d, d), or one for each (R, d, d)."""
    name = instruction.name
    if name == "unitary":
        return instruction.matrices
    if name not in ROTATIONS:
        return _FIXED[name][None]
    assert instruction.angle is not None
    half = (row[:, instruction.angle.column] * instruction.angle.scale) / 2
    half = (half + instruction.angle.offset / 2)[:, None, None]
    pauli = np.eye(1)
    for letter in name[1:]:
        pauli = np.kron(pauli, _PAULIS[letter])
    return np.cos(half) * np.eye(len(pauli)) - 1j * np.sin(half) * pauli


def _all_applied(gates: Sequence[tuple[np.ndarray, Wires]], psi: np.ndarray) -> np.ndarray:
    """Gates in a row: one by one, or their product first, where there are more shots than states.

    The product is what the gates make of the columns of the identity.
    """
    size = 2 ** (psi.ndim - 2)
    if len(gates) <= 2 or size >= psi.shape[-1]:
        for matrices, wires in gates:
            psi = _applied(matrices, psi, wires)
        return psi
    whole = np.eye(size, dtype=psi.dtype).reshape(1, *psi.shape[1:-1], size)
    for matrices, wires in gates:
        whole = _applied(matrices, whole, wires)
    product = whole.reshape(len(whole), size, size)
    return np.matmul(product, psi.reshape(len(psi), size, -1)).reshape(psi.shape)


def _applied(matrices: np.ndarray, psi: np.ndarray, wires: Wires) -> np.ndarray:
    """Matrices (R or 1, d, d) on some wires of (R, 2, .., 2, S)."""
    axes, front = [wire + 1 for wire in wires], list(range(1, len(wires) + 1))
    moved = np.moveaxis(psi, axes, front)  # (R, 2, .., 2 of the wires, rest, S)
    flat = moved.reshape(len(psi), matrices.shape[1], -1)
    made = np.matmul(matrices.astype(psi.dtype), flat)
    return np.moveaxis(made.reshape(len(made), *moved.shape[1:]), front, axes)


def _weights(psi: np.ndarray) -> np.ndarray:
    """The squared norm of every repetition, (R, S)."""
    squares = psi.real**2 + psi.imag**2
    return squares.reshape(len(psi), -1, psi.shape[-1]).sum(axis=1)


def _measured(
    psi: np.ndarray, wire: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The states found in, and the outcomes (R, S)."""
    zero, one = np.split(psi, 2, axis=wire + 1)
    p0, p1 = _weights(zero), _weights(one)
    found = rng.random(p0.shape) * (p0 + p1) >= p0
    kept = _spread(np.where(found, 0, 1 / np.sqrt(np.maximum(p0, 1e-30))), psi)
    other = _spread(np.where(found, 1 / np.sqrt(np.maximum(p1, 1e-30)), 0), psi)
    return np.concatenate([zero * kept, one * other], axis=wire + 1), found


def _emptied(psi: np.ndarray, wire: int) -> np.ndarray:
    """|1> becomes |0>: behind a measurement one of the two amplitudes is zero."""
    zero, one = np.split(psi, 2, axis=wire + 1)
    return np.concatenate([zero + one, np.zeros_like(one)], axis=wire + 1)


def _jumped(psi: np.ndarray, instruction: Instruction, rng: np.random.Generator) -> np.ndarray:
    """One Kraus matrix, drawn by its probability."""
    branches = [_applied(k[None], psi, instruction.wires) for k in instruction.matrices]
    limits = np.cumsum([_weights(branch) for branch in branches], axis=0)  # (m, R, S)
    drawn = np.sum(rng.random(limits.shape[1:]) * limits[-1] >= limits, axis=0)
    made: Any = sum(_spread(drawn == m, psi) * branch for m, branch in enumerate(branches))
    return made / _spread(np.sqrt(_weights(made)), psi)


def _flipped(found: np.ndarray, flips: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """The outcomes as they are reported."""
    if not any(flips):
        return found
    return found ^ (rng.random(found.shape) < np.where(found, flips[1], flips[0]))


def _spread(values: np.ndarray, psi: np.ndarray) -> np.ndarray:
    """(R, S) with axes of length 1 for the wires, in the precision of the state."""
    shape = (len(psi), *[1] * (psi.ndim - 2), psi.shape[-1])
    return values.astype(psi.real.dtype).reshape(shape)
