"""General gates: U3, any constant unitary, and exact evolution under a sum of Pauli words."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import jax.numpy as jnp
import numpy as np
from jax import Array

from qrnn_jax.circuit.constants import FrozenArray
from qrnn_jax.circuit.observables import AbstractPauli, PauliSum
from qrnn_jax.circuit.operation import (
    PAULI_MATRICES,
    AbstractGate,
    check_wires,
    complex_like,
    is_diagonal_matrix,
)
from qrnn_jax.circuit.slots import Slot, as_slot


@final
@dataclass(frozen=True)
class U3(AbstractGate):
    """The general one-wire gate with three angles.

    Equation: U3 = [[cos(t/2), -e^{il} sin(t/2)], [e^{ip} sin(t/2), e^{i(p+l)} cos(t/2)]], with
    t = theta, p = phi, l = lam; up to a phase RZ(phi) RY(theta) RZ(lam). Each angle has
    frequency 1.

    Arguments:
        wire: the wire acted on.
        theta: radians; a number or a slot.
        phi: radians; a number or a slot.
        lam: radians; a number or a slot.

    Raises:
        ValueError: the wire is no non-negative integer, or an angle is not finite.

    Example:
        >>> import qrnn_jax as qj
        >>> qj.U3(0, 0.1, qj.Weight(0), 0.3).shift_terms(1)[0].coefficient
        0.5

    Source: Cross et al., ACM Trans. Quantum Comput. 3, 12 (2022), the gate U.
    """

    wire: int
    theta: Slot | float
    phi: Slot | float
    lam: Slot | float

    def __post_init__(self) -> None:
        check_wires(self.wires)
        for name in ("theta", "phi", "lam"):
            object.__setattr__(self, name, as_slot(getattr(self, name), name))

    @property
    def wires(self) -> tuple[int, ...]:
        return (self.wire,)

    @property
    def parameters(self) -> tuple[Slot, ...]:
        return tuple(as_slot(angle, "angle") for angle in (self.theta, self.phi, self.lam))

    @property
    def label(self) -> str:
        return "U3"

    def matrix(self, *angles: Array) -> Array:
        theta, phi, lam = angles
        cosine, sine = jnp.cos(theta / 2), jnp.sin(theta / 2)
        first = jnp.stack([cosine + 0j, -jnp.exp(1j * lam) * sine])
        second = jnp.stack([jnp.exp(1j * phi) * sine, jnp.exp(1j * (phi + lam)) * cosine])
        return jnp.stack([first, second])

    def generators(self) -> tuple[np.ndarray, ...]:
        return (PAULI_MATRICES["Y"] / 2, PAULI_MATRICES["Z"] / 2, PAULI_MATRICES["Z"] / 2)


@final
@dataclass(frozen=True)
class Unitary(AbstractGate):
    """Any constant unitary matrix on some wires.

    Equation: psi -> U psi, U indexed [out, in], first wire most significant.

    Arguments:
        wires: k distinct wires.
        matrix: (2**k, 2**k), unitary to 1e-6; hashed by its bytes.

    Raises:
        ValueError: wrong shape, or not unitary; for other linear maps use `Kraus`.

    Example:
        >>> import numpy as np, qrnn_jax as qj
        >>> qj.Unitary((0,), np.array([[0, 1], [1, 0]])).label
        'U'

    Source: Nielsen and Chuang, section 2.2.
    """

    on: tuple[int, ...]
    constant: FrozenArray

    def __init__(self, wires: int | Sequence[int], matrix: Any) -> None:
        wires = (wires,) if isinstance(wires, int) else tuple(wires)
        check_wires(wires)
        value = np.asarray(matrix)
        size = 2 ** len(wires)
        if value.shape != (size, size):
            raise ValueError(
                f"Argument `matrix` must have shape {(size, size)} for {len(wires)} wires, "
                f"but has shape {value.shape}."
            )
        error = float(np.abs(value @ value.conj().T - np.eye(size)).max())
        if not error < 1e-6:
            raise ValueError(
                f"Argument `matrix` must be unitary, but |U U^dagger - 1| is {error:.2g}; "
                "try `Kraus(wires, matrices)` for other linear maps."
            )
        object.__setattr__(self, "on", wires)
        object.__setattr__(self, "constant", FrozenArray(value))

    @property
    def wires(self) -> tuple[int, ...]:
        return self.on

    @property
    def parameters(self) -> tuple[Slot, ...]:
        return ()

    @property
    def label(self) -> str:
        return "U"

    @property
    def static(self) -> object:
        return self.constant

    @property
    def is_diagonal(self) -> bool:
        return is_diagonal_matrix(self.constant.value)

    @property
    def is_real(self) -> bool:
        return not np.any(np.imag(self.constant.value))

    def matrix(self, *angles: Array) -> Array:
        del angles
        return self.constant.on_device()

    def generators(self) -> tuple[np.ndarray, ...]:
        return ()


@final
@dataclass(frozen=True)
class Evolution(AbstractGate):
    """Exact evolution under a sum of Pauli words: never Trotterised.

    Equation: U = exp(-i H time), H = sum_m c_m P_m (note: no factor 1/2).

    Arguments:
        hamiltonian: a Pauli operator or sum.
        time: a number or a slot. The shift rule has one pair per distinct eigenvalue gap of H, so a
            trainable time suits a few-gap H only; otherwise write rotations.

    Raises:
        TypeError: the Hamiltonian is no Pauli operator or sum.
        ValueError: the time is not finite.

    Example:
        >>> import qrnn_jax as qj
        >>> qj.Evolution(qj.Z(0) @ qj.Z(1), 0.2).wires
        (0, 1)

    Source: Mitarai et al., Phys. Rev. A 98, 032309 (2018), the fixed layer of their ansatz.
    """

    hamiltonian: AbstractPauli
    time: Slot | float

    def __post_init__(self) -> None:
        if not isinstance(self.hamiltonian, AbstractPauli):
            raise TypeError(
                "Argument `hamiltonian` must be a Pauli operator or sum, but is "
                f"{type(self.hamiltonian).__name__}; try `qj.Z(0) @ qj.Z(1) + 0.5 * qj.X(0)`, "
                "or `Unitary(wires, matrix)`."
            )
        object.__setattr__(self, "hamiltonian", self.hamiltonian.as_sum())
        object.__setattr__(self, "time", as_slot(self.time, "time"))

    @property
    def wires(self) -> tuple[int, ...]:
        return self.hamiltonian.wires

    @property
    def parameters(self) -> tuple[Slot, ...]:
        return (as_slot(self.time, "time"),)

    @property
    def label(self) -> str:
        return "e⁻ⁱᴴᵗ"

    @property
    def static(self) -> object:
        place = {wire: position for position, wire in enumerate(self.wires)}
        terms = self.hamiltonian.as_sum().terms
        return PauliSum(tuple((c, tuple((place[w], p) for w, p in word)) for c, word in terms))

    @cached_property
    def _dense(self) -> np.ndarray:
        place = {wire: position for position, wire in enumerate(self.wires)}
        return self.hamiltonian.matrices(place, len(place))[0]

    @property
    def is_diagonal(self) -> bool:
        return all(
            letter == "Z" for _, word in self.hamiltonian.as_sum().terms for _, letter in word
        )

    def matrix(self, *angles: Array) -> Array:
        (time,) = angles
        energies, vectors = np.linalg.eigh(self._dense)
        basis = complex_like(vectors, time)
        phases = jnp.exp(-1j * jnp.asarray(energies, time.dtype) * time)
        return (basis * phases) @ basis.conj().T

    def generators(self) -> tuple[np.ndarray, ...]:
        return (self._dense,)
