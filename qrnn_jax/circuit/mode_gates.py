"""Gates on modes: displacement, squeezing, rotation, beamsplitter, and the Kerr gate."""

import abc
from dataclasses import dataclass
from typing import final

import jax.numpy as jnp
import numpy as np
from jax import Array

from qrnn_jax.circuit.affine import Affine
from qrnn_jax.circuit.mode_shifts import Entries
from qrnn_jax.circuit.modes import AbstractModeGate
from qrnn_jax.circuit.operation import check_wires
from qrnn_jax.circuit.slots import Slot, as_slot
from qrnn_jax.circuit.spectrum import ShiftTerm
from qrnn_jax.ops import beamsplitter_matrix, displacement_matrix, squeezing_matrix


class AbstractPolarGate(AbstractModeGate):
    """A gate of one mode with a magnitude r and a phase phi."""

    mode: int
    r: Slot | float
    phi: Slot | float

    @property
    def wires(self) -> tuple[int, ...]:
        return (self.mode,)

    @property
    def parameters(self) -> tuple[Slot, ...]:
        return (as_slot(self.r, "r"), as_slot(self.phi, "phi"))

    def __post_init__(self) -> None:
        check_wires(self.wires)
        for name in ("r", "phi"):
            object.__setattr__(self, name, as_slot(getattr(self, name), name))


class AbstractNumberPhase(AbstractModeGate):
    """A gate of one mode that multiplies |n> by exp(i a g(n)), g an integer function."""

    mode: int

    @property
    def wires(self) -> tuple[int, ...]:
        return (self.mode,)

    @abc.abstractmethod
    def phases(self, number: np.ndarray) -> np.ndarray:
        """g(n)."""

    def fock_matrix(self, cutoff: int, *parameters: Array) -> Array:
        (a,) = parameters
        return jnp.diag(jnp.exp(1j * a * jnp.asarray(self.phases(np.arange(cutoff)), a.dtype)))


@final
@dataclass(frozen=True)
class Displacement(AbstractPolarGate):
    """A shift in phase space.

    Equation: D(alpha) = exp(alpha a^dagger - alpha* a), alpha = r exp(i phi): a -> a + alpha, so
    <x> grows by 2 r cos phi and <p> by 2 r sin phi.

    Arguments:
        mode: the mode acted on.
        r: magnitude, real, of either sign; a number or a slot. The encoding of data.
        phi: radians; a number or a slot.

    Raises:
        ValueError: the mode is no non-negative integer, or a number is not finite.

    Example:
        >>> import qrnn_jax as qj
        >>> qj.Displacement(0, qj.Data(0)).shift_terms(0)[0]
        ShiftTerm(coefficient=0.5, shift=1.0)

    Source: Weedbrook et al., Rev. Mod. Phys. 84, 621 (2012), at hbar = 2.
    """

    mode: int
    r: Slot | float
    phi: Slot | float = 0.0

    symbol = "D"
    entries = (Entries.LINEAR, Entries.ANGLE)

    def affine(self, *parameters: Array) -> Affine:
        r, phi = parameters
        return Affine(shift=2 * r * jnp.stack([jnp.cos(phi), jnp.sin(phi)]))

    def fock_matrix(self, cutoff: int, *parameters: Array) -> Array:
        r, phi = parameters
        return displacement_matrix(r, phi, cutoff)


@final
@dataclass(frozen=True)
class Squeezing(AbstractPolarGate):
    """Less noise in one direction of phase space, more in the other.

    Equation: S(r, phi) = exp((z* a^2 - z a^dagger^2) / 2), z = r exp(i phi):
    a -> a cosh r - exp(i phi) a^dagger sinh r; at phi = 0, x -> exp(-r) x and p -> exp(r) p.

    Arguments:
        mode: the mode acted on.
        r: magnitude, real, of either sign; a number or a slot.
        phi: radians; a number or a slot.

    Raises:
        ValueError: the mode is no non-negative integer, or a number is not finite.

    Example:
        >>> import qrnn_jax as qj
        >>> len(qj.Squeezing(0, qj.Weight(0)).shift_terms(0, observable_degree=2))
        4

    Source: Weedbrook et al., Rev. Mod. Phys. 84, 621 (2012), at hbar = 2.
    """

    mode: int
    r: Slot | float
    phi: Slot | float = 0.0

    symbol = "Sq"
    entries = (Entries.HYPERBOLIC, Entries.ANGLE)

    def affine(self, *parameters: Array) -> Affine:
        r, phi = parameters
        c, s = jnp.cosh(r), jnp.sinh(r)
        across, off = s * jnp.cos(phi), -s * jnp.sin(phi)
        return Affine(jnp.stack([c - across, off, off, c + across]).reshape(2, 2))

    def fock_matrix(self, cutoff: int, *parameters: Array) -> Array:
        r, phi = parameters
        return squeezing_matrix(r, phi, cutoff)


@final
@dataclass(frozen=True)
class Rotation(AbstractNumberPhase):
    """A turn in phase space: free evolution of one mode.

    Equation: R(phi) = exp(i phi n): a -> exp(i phi) a.

    Arguments:
        mode: the mode acted on.
        phi: radians; a number or a slot.

    Raises:
        ValueError: the mode is no non-negative integer, or the angle is not finite.

    Example:
        >>> import qrnn_jax as qj
        >>> qj.Rotation(0, 0.3).label
        'R'

    Source: Weedbrook et al., Rev. Mod. Phys. 84, 621 (2012).
    """

    mode: int
    phi: Slot | float

    symbol = "R"
    entries = (Entries.ANGLE,)

    @property
    def parameters(self) -> tuple[Slot, ...]:
        return (as_slot(self.phi, "phi"),)

    def __post_init__(self) -> None:
        check_wires(self.wires)
        object.__setattr__(self, "phi", as_slot(self.phi, "phi"))

    def affine(self, *parameters: Array) -> Affine:
        (phi,) = parameters
        c, s = jnp.cos(phi), jnp.sin(phi)
        return Affine(jnp.stack([c, -s, s, c]).reshape(2, 2))

    def phases(self, number: np.ndarray) -> np.ndarray:
        return number


@final
@dataclass(frozen=True)
class Beamsplitter(AbstractModeGate):
    """Two modes interfere.

    Equation: B(theta, phi) = exp(theta (exp(i phi) a1 a2^dagger - h.c.)): a1 -> t a1 - r* a2,
    a2 -> t a2 + r a1, t = cos theta, r = exp(i phi) sin theta.

    Arguments:
        first: the first mode.
        second: the second mode.
        theta: radians, pi/4 for half and half; a number or a slot.
        phi: radians; a number or a slot.

    Raises:
        ValueError: the modes are equal or no non-negative integers, or a number is not finite.

    Example:
        >>> import qrnn_jax as qj
        >>> qj.Beamsplitter(0, 2, qj.Weight(0), qj.Weight(1)).wires
        (0, 2)

    Source: Killoran et al., Quantum 3, 129 (2019), Strawberry Fields' convention.
    """

    first: int
    second: int
    theta: Slot | float
    phi: Slot | float

    symbol = "BS"
    entries = (Entries.ANGLE, Entries.ANGLE)

    @property
    def wires(self) -> tuple[int, ...]:
        return (self.first, self.second)

    @property
    def parameters(self) -> tuple[Slot, ...]:
        return (as_slot(self.theta, "theta"), as_slot(self.phi, "phi"))

    def __post_init__(self) -> None:
        check_wires(self.wires)
        for name in ("theta", "phi"):
            object.__setattr__(self, name, as_slot(getattr(self, name), name))

    def affine(self, *parameters: Array) -> Affine:
        theta, phi = parameters
        t, u, v = jnp.cos(theta), jnp.sin(theta) * jnp.cos(phi), jnp.sin(theta) * jnp.sin(phi)
        zero = jnp.zeros_like(t)  # U = [[t, -u + iv], [u + iv, t]], S = [[Re, -Im], [Im, Re]]
        rows = [t, -u, zero, -v, u, t, -v, zero, zero, v, t, -u, v, zero, u, t]
        return Affine(jnp.stack(rows).reshape(4, 4))

    def fock_matrix(self, cutoff: int, *parameters: Array) -> Array:
        theta, phi = parameters
        return beamsplitter_matrix(theta, phi, cutoff)


@final
@dataclass(frozen=True)
class Kerr(AbstractNumberPhase):
    """A phase quadratic in the photon number: the gate that is not Gaussian.

    Equation: K(k) = exp(i k n^2).

    It has no finite shift rule, and a circuit that holds it has none for any of its gates: use
    `Backprop()`, on `Fock(cutoff)`.

    Arguments:
        mode: the mode acted on.
        k: real; a number or a slot.

    Raises:
        ValueError: the mode is no non-negative integer, or the number is not finite.

    Example:
        >>> import qrnn_jax as qj
        >>> qj.Kerr(0, 0.1).has_shift_rule
        False

    Source: Killoran et al., Phys. Rev. Research 1, 033063 (2019).
    """

    mode: int
    k: Slot | float

    symbol = "Kerr"
    is_gaussian = False
    entries = ()

    @property
    def parameters(self) -> tuple[Slot, ...]:
        return (as_slot(self.k, "k"),)

    @property
    def has_shift_rule(self) -> bool:
        return False

    @property
    def shift_obstacle(self) -> str | None:
        return "it is not Gaussian, so means are not linear in what a gate before it does"

    def __post_init__(self) -> None:
        check_wires(self.wires)
        object.__setattr__(self, "k", as_slot(self.k, "k"))

    def affine(self, *parameters: Array) -> Affine:
        raise ValueError(
            f"A Gaussian map must come from a Gaussian gate, but {self} is none; "
            "try `engine=Fock(cutoff)`."
        )

    def phases(self, number: np.ndarray) -> np.ndarray:
        return number**2

    def shift_terms(self, parameter: int, observable_degree: int = 1) -> tuple[ShiftTerm, ...]:
        del parameter, observable_degree
        raise ValueError(
            f"A shift rule on modes must have a Gaussian gate, but {self} is none; try "
            "`Backprop()`."
        )
