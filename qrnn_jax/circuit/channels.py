"""Noise channels and reset, as Kraus matrices; strengths are slots: sweeps do not recompile."""

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import jax.numpy as jnp
import numpy as np
from jax import Array

from qrnn_jax.circuit.constants import FrozenArray
from qrnn_jax.circuit.operation import PAULI_MATRICES, AbstractChannel, check_wires, complex_like
from qrnn_jax.circuit.slots import Slot, as_slot
from qrnn_jax.ops import safe_sqrt, superoperator


class AbstractStrengthChannel(AbstractChannel):
    """A one-wire channel with one strength, a probability."""

    wire: int
    strength: Slot | float

    @property
    def wires(self) -> tuple[int, ...]:
        return (self.wire,)

    @property
    def parameters(self) -> tuple[Slot, ...]:
        return (as_slot(self.strength, "strength"),)

    @property
    def label(self) -> str:
        return type(self).__name__

    def __post_init__(self) -> None:
        check_wires(self.wires)
        slot = as_slot(self.strength, "strength")
        if not slot.terms and not 0 <= slot.constant <= 1:
            raise ValueError(
                f"Argument `strength` of {type(self).__name__} must be in [0, 1], "
                f"but is {slot.constant}."
            )
        object.__setattr__(self, "strength", slot)


def _checked(strength: Array) -> Array:
    """The strength, NaN where it is no probability: a traced value cannot raise."""
    return jnp.where((strength >= 0) & (strength <= 1), strength, jnp.nan)


class AbstractPauliChannel(AbstractStrengthChannel):
    """A random Pauli matrix: affine in its probabilities, so every derivative is exact."""

    letters: ClassVar[str]

    @abc.abstractmethod
    def probabilities(self, strength: Array) -> list[Array]:
        """The probability of each letter."""

    def kraus(self, *strengths: Array) -> Array:
        weights = [jnp.sqrt(p) for p in self.probabilities(*strengths)]
        return jnp.stack(
            [w * complex_like(PAULI_MATRICES[p], w) for w, p in zip(weights, self.letters)]
        )

    def superoperator(self, *strengths: Array) -> Array:
        weights = self.probabilities(_checked(*strengths))
        squares = [np.kron(PAULI_MATRICES[p], PAULI_MATRICES[p].conj()) for p in self.letters]
        return sum(w * complex_like(square, w) for w, square in zip(weights, squares))  # type: ignore[return-value]


class AbstractDamping(AbstractStrengthChannel):
    """K_0 = diag(1, sqrt(1-s)) and K_1 = sqrt(s) J with J a constant matrix."""

    jump: ClassVar[np.ndarray]

    def kraus(self, *strengths: Array) -> Array:
        (strength,) = strengths
        keep = jnp.diag(jnp.stack([jnp.ones_like(strength), jnp.sqrt(1 - strength)]))
        return jnp.stack([keep + 0j, jnp.sqrt(strength) * complex_like(self.jump, strength)])

    def superoperator(self, *strengths: Array) -> Array:
        strength = _checked(*strengths)
        coherence = safe_sqrt(1 - strength)  # its slope diverges at 1: taken just inside
        keep = jnp.diag(jnp.stack([jnp.ones_like(strength), coherence, coherence, 1 - strength]))
        return keep + strength * complex_like(np.kron(self.jump, self.jump), strength)


@final
@dataclass(frozen=True)
class Depolarizing(AbstractPauliChannel):
    """A random Pauli error with total probability p.

    Equation: rho -> (1-p) rho + (p/3) (X rho X + Y rho Y + Z rho Z). Qiskit's parameter is 4p/3.

    Arguments:
        wire: the wire acted on.
        strength: p in [0, 1]; a number or a slot. Not trainable by shift rules.

    Raises:
        ValueError: the constant strength is outside [0, 1].

    Example:
        >>> import qrnn_jax as qj
        >>> qj.Depolarizing(0, 0.03).is_unitary
        False

    Source: Nielsen and Chuang, section 8.3.4.
    """

    wire: int
    strength: Slot | float

    letters = "IXYZ"

    def probabilities(self, strength: Array) -> list[Array]:
        return [1 - strength, strength / 3, strength / 3, strength / 3]


@final
@dataclass(frozen=True)
class BitFlip(AbstractPauliChannel):
    """X with probability p.

    Equation: rho -> (1-p) rho + p X rho X.

    Arguments:
        wire: the wire acted on.
        strength: p in [0, 1]; a number or a slot. Not trainable by shift rules.

    Raises:
        ValueError: the constant strength is outside [0, 1].

    Example:
        >>> import qrnn_jax as qj
        >>> qj.BitFlip(0, 0.1).label
        'BitFlip'

    Source: Nielsen and Chuang, section 8.3.3.
    """

    wire: int
    strength: Slot | float

    letters = "IX"

    def probabilities(self, strength: Array) -> list[Array]:
        return [1 - strength, strength]


@final
@dataclass(frozen=True)
class AmplitudeDamping(AbstractDamping):
    """Decay of |1> to |0> with probability gamma.

    Equation: K_0 = diag(1, sqrt(1-gamma)), K_1 = sqrt(gamma) |0><1|.

    Arguments:
        wire: the wire acted on.
        strength: gamma in [0, 1]; a number or a slot. Not trainable by shift rules.

    Raises:
        ValueError: the constant strength is outside [0, 1].

    Example:
        >>> import qrnn_jax as qj
        >>> qj.AmplitudeDamping(2, 0.05).wires
        (2,)

    Source: Nielsen and Chuang, section 8.3.5.
    """

    wire: int
    strength: Slot | float

    jump = np.array([[0.0, 1.0], [0.0, 0.0]])


@final
@dataclass(frozen=True)
class PhaseDamping(AbstractDamping):
    """Loss of coherence without loss of energy.

    Equation: K_0 = diag(1, sqrt(1-lambda)), K_1 = diag(0, sqrt(lambda)); the off-diagonal
    elements of rho are multiplied by sqrt(1-lambda).

    Arguments:
        wire: the wire acted on.
        strength: lambda in [0, 1]; a number or a slot. Not trainable by shift rules.

    Raises:
        ValueError: the constant strength is outside [0, 1].

    Example:
        >>> import qrnn_jax as qj
        >>> qj.PhaseDamping(0, 0.2).parameters
        (0.2,)

    Source: Nielsen and Chuang, section 8.3.6.
    """

    wire: int
    strength: Slot | float

    jump = np.array([[0.0, 0.0], [0.0, 1.0]])


@final
@dataclass(frozen=True)
class Kraus(AbstractChannel):
    """Any constant channel.

    Equation: rho -> sum_m K_m rho K_m^dagger with sum_m K_m^dagger K_m = 1.

    Arguments:
        wires: k distinct wires.
        matrices: (m, 2**k, 2**k), complete to 1e-6; hashed by their bytes.

    Raises:
        ValueError: wrong shapes, or not trace preserving.

    Example:
        >>> import numpy as np, qrnn_jax as qj
        >>> qj.Kraus((0,), np.array([np.eye(2)])).label
        'Kraus'

    Source: Nielsen and Chuang, section 8.2.3.
    """

    on: tuple[int, ...]
    constant: FrozenArray

    def __init__(self, wires: int | Sequence[int], matrices: Any) -> None:
        wires = (wires,) if isinstance(wires, int) else tuple(wires)
        check_wires(wires)
        value = np.asarray(matrices)
        size = 2 ** len(wires)
        if value.ndim != 3 or value.shape[1:] != (size, size):
            raise ValueError(
                f"Argument `matrices` must have shape (m, {size}, {size}) for {len(wires)} wires, "
                f"but has shape {value.shape}."
            )
        total = np.einsum("mab,mac->bc", value.conj(), value)
        error = float(np.abs(total - np.eye(size)).max())
        if not error < 1e-6:
            raise ValueError(
                "Argument `matrices` must satisfy sum_m K_m^dagger K_m = 1, "
                f"but the difference is {error:.2g}."
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
        return "Kraus"

    @property
    def static(self) -> object:
        return self.constant

    def kraus(self, *strengths: Array) -> Array:
        del strengths
        return self.constant.on_device()

    def superoperator(self, *strengths: Array) -> Array:
        return superoperator(self.kraus(*strengths))


@final
@dataclass(frozen=True)
class Reset(AbstractChannel):
    """Trace a wire out and prepare |0>: a channel, never a post-selection.

    Equation: rho -> |0><0| (x) Tr_wire(rho), K_0 = |0><0|, K_1 = |0><1|.

    Arguments:
        wire: the wire reset.

    Raises:
        ValueError: the wire is no non-negative integer.

    Example:
        >>> import qrnn_jax as qj
        >>> qj.Circuit(2, (qj.CNOT(0, 1), qj.Reset(0))).memory_wires
        (1,)

    Source: Takaki et al., Phys. Rev. A 103, 052414 (2021).
    """

    wire: int

    def __post_init__(self) -> None:
        check_wires(self.wires)

    @property
    def wires(self) -> tuple[int, ...]:
        return (self.wire,)

    @property
    def parameters(self) -> tuple[Slot, ...]:
        return ()

    @property
    def label(self) -> str:
        return "|0⟩"

    def kraus(self, *strengths: Array) -> Array:
        del strengths
        return jnp.asarray(np.array([[[1, 0], [0, 0]], [[0, 1], [0, 0]]], complex))

    def superoperator(self, *strengths: Array) -> Array:
        return superoperator(self.kraus(*strengths))
