"""One time step as a frozen description: an ordered list of operations on some wires."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from qrnn_jax.circuit.bits import check_bit_wires, find_bit_wires
from qrnn_jax.circuit.channels import Reset
from qrnn_jax.circuit.draw_matplotlib import draw_matplotlib
from qrnn_jax.circuit.draw_text import draw_text
from qrnn_jax.circuit.lower import lower
from qrnn_jax.circuit.matrices import apply_blocks, block_matrices
from qrnn_jax.circuit.modes import acts_on_modes
from qrnn_jax.circuit.operation import AbstractMarker, AbstractOperation
from qrnn_jax.circuit.read import Read
from qrnn_jax.circuit.readout_error import ReadoutError, check_readout_errors
from qrnn_jax.circuit.slots import Slot
from qrnn_jax.circuit.spread import spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@final
@dataclass(frozen=True)
class Circuit:
    """One time step of a recurrent circuit.

    Equation: rho_t = E(x_t, w)[rho_{t-1}], E the composition of the operations in order, first
    operation first. Wire 0 is the most significant bit; rho_0 = |0..0><0..0|.

    Arguments:
        wires: number of wires n, 1 or more: qubits, or modes where the operations act on modes.
        operations: gates, channels, resets, measurements and at most one `Read`.

    Raises:
        ValueError: a wire out of range, a gap in the slots, more than one `Read`, a recorded bit
            that something else acts on, a `ReadoutError` behind the read-out, operations on qubits
            next to operations on modes.
        TypeError: something that is no operation.

    Example:
        >>> import qrnn_jax as qj
        >>> circuit = qj.Circuit(
        ...     wires=2,
        ...     operations=(qj.RY(0, qj.Data(0)), qj.CRX(0, 1, qj.Weight(0)), qj.Reset(0)),
        ... )
        >>> circuit.weight_count, circuit.data_count, circuit.memory_wires
        (1, 1, (1,))
    """

    wires: int
    operations: tuple[AbstractOperation, ...]

    def __init__(self, wires: int, operations: Sequence[AbstractOperation]) -> None:
        object.__setattr__(self, "wires", wires)
        object.__setattr__(self, "operations", tuple(operations))
        self._check_operations()
        self._check_slots()
        acts_on_modes(self.operations)
        check_bit_wires(self.operations)
        check_readout_errors(self.operations, self.read_index)
        object.__setattr__(self, "_hash", hash((self.wires, self.operations)))

    def __hash__(self) -> int:
        return int(self.__dict__["_hash"])

    @cached_property
    def parameters(self) -> tuple[Slot, ...]:
        """Every gate parameter of the step in order: the columns of the occurrence tape (T, K)."""
        return tuple(slot for operation in self.operations for slot in operation.parameters)

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """For each operation, the tape column of its first parameter."""
        counts = [len(operation.parameters) for operation in self.operations]
        return tuple(np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(int).tolist())

    @cached_property
    def weight_count(self) -> int:
        """Number of weights Kw."""
        return len({index for slot in self.parameters for index in slot.weights})

    @cached_property
    def data_count(self) -> int:
        """Number of data values per step Kd."""
        return len({index for slot in self.parameters for index in slot.data})

    @cached_property
    def is_unitary(self) -> bool:
        """Whether the step has no channel, no reset and no back-action of the read-out."""
        return all(op.is_unitary for op in self.operations) and not self.is_read_measured

    @cached_property
    def is_modes(self) -> bool:
        """Whether the wires are modes of light; else they are qubits."""
        return acts_on_modes(self.operations)

    @cached_property
    def is_read_measured(self) -> bool:
        """Whether reading measures the wires: `Read(measure=True)`."""
        return any(isinstance(op, Read) and op.measure for op in self.operations)

    @cached_property
    def is_postselected(self) -> bool:
        """Whether only runs with a wanted outcome are kept, so that outputs are ratios."""
        return any(operation.is_selective for operation in self.operations)

    @cached_property
    def bit_wires(self) -> tuple[int, ...]:
        """Wires that hold a recorded bit: `to` of some `Measure`, `bit` of some `If`.

        Only these, `Reset`, `BitFlip` (a wrong record) and `ReadoutError` may name them, so that
        the state stays classical there.
        """
        return find_bit_wires(self.operations)

    @property
    def readout_errors(self) -> dict[int, tuple[float, float]]:
        """For each wire with a `ReadoutError`: (P(read 1 | true 0), P(read 0 | true 1))."""
        errors = [op for op in self.operations if isinstance(op, ReadoutError)]
        return {error.wire: error.flips for error in errors}

    @cached_property
    def reset_wires(self) -> tuple[int, ...]:
        """Wires whose last operation is a reset: the input register, empty between steps."""
        last = {wire: op for op in self.operations for wire in op.wires}
        return tuple(sorted(wire for wire, op in last.items() if isinstance(op, Reset)))

    @cached_property
    def memory_wires(self) -> tuple[int, ...]:
        """Wires that carry the state from step to step."""
        return tuple(wire for wire in range(self.wires) if wire not in self.reset_wires)

    @cached_property
    def read_index(self) -> int:
        """The position of `Read` among the operations, written or implied."""
        for index, operation in enumerate(self.operations):
            if isinstance(operation, Read):
                return index
        index = len(self.operations)
        while index and isinstance(self.operations[index - 1], (Reset, AbstractMarker)):
            index -= 1
        while index < len(self.operations) and isinstance(self.operations[index], AbstractMarker):
            index += 1
        return index

    def count(self) -> dict[str, int]:
        """How often each kind of operation occurs in one step.

        Returns:
            Class name -> count, most frequent first.

        Example:
            >>> import qrnn_jax as qj
            >>> qj.Circuit(2, (qj.H(0), qj.H(1), qj.CNOT(0, 1))).count()
            {'H': 2, 'CNOT': 1}
        """
        return dict(Counter(type(op).__name__ for op in self.operations).most_common())

    def matrix(self, weights: Any = (), data: Any = ()) -> np.ndarray:
        """The dense matrix of a unitary step.

        Arguments:
            weights: (Kw,), radians.
            data: (Kd,), one step's data, radians.

        Returns:
            (2**n, 2**n), complex128, indexed [out, in].

        Raises:
            ValueError: the step is not unitary, acts on modes, or has more than 12 wires.

        Example:
            >>> import numpy as np, qrnn_jax as qj
            >>> qj.Circuit(1, (qj.RX(0, qj.Weight(0)),)).matrix([np.pi]).round(6).tolist()
            [[0j, -1j], [-1j, 0j]]
        """
        if self.is_modes:
            raise ValueError(
                "A circuit must act on qubits to have a dense matrix here, but this one acts on "
                "modes; try `Gaussian()` or `Fock(cutoff)` as an engine."
            )
        if not self.is_unitary or self.wires > 12:
            raise ValueError(
                "A circuit must be unitary and have at most 12 wires to have a dense matrix here, "
                f"but this one has {self.wires} wires and is_unitary={self.is_unitary}; "
                "try `DensityMatrix()` as an engine."
            )
        with jax.enable_x64(True):
            return np.asarray(_dense_matrix(self, np.array(weights, float), np.array(data, float)))

    def draw(self, style: str = "text") -> "str | Figure":
        """Draw one step; long circuits go on in further rows.

        Arguments:
            style: "text" for a string of at most 100 columns, "mpl" for a matplotlib figure.

        Returns:
            The drawing. The figure is made without pyplot: save it with `figure.savefig(path)`.

        Raises:
            ValueError: unknown style.

        Example:
            >>> import qrnn_jax as qj
            >>> print(qj.Circuit(2, (qj.RX(1, qj.Weight(0)), qj.CNOT(1, 0))).draw())
            0: ────────╭⊕─┤Read├─
            1: ─RX(w0)─╰●─┤    ├─
        """
        if style == "text":
            return draw_text(self)
        if style == "mpl":
            return draw_matplotlib(self)
        raise ValueError(f'Argument `style` must be "text" or "mpl", but is {style!r}.')

    def gradient_slots(self, weights: bool, data: bool) -> np.ndarray:
        """Which tape columns (K,) can carry a derivative in weights and/or in data."""
        return np.array(
            [bool(weights and s.weights) or bool(data and s.data) for s in self.parameters], bool
        )

    def _check_operations(self) -> None:
        if isinstance(self.wires, bool) or not isinstance(self.wires, int) or self.wires < 1:
            raise ValueError(
                f"Argument `wires` must be an integer of 1 or more, but is {self.wires!r}."
            )
        for index, operation in enumerate(self.operations):
            if not isinstance(operation, AbstractOperation):
                raise TypeError(
                    f"Argument `operations` must hold operations, but entry {index} is "
                    f"{type(operation).__name__}; try a gate such as `qj.RX(0, qj.Weight(0))`."
                )
            for wire in operation.named_wires:
                if wire >= self.wires:
                    raise ValueError(
                        f"Operation {index}, {operation}, must act on wires below {self.wires}, "
                        f"but names wire {wire}; try `Circuit(wires={wire + 1}, ...)`."
                    )
        reads = [i for i, op in enumerate(self.operations) if isinstance(op, Read)]
        if len(reads) > 1:
            raise ValueError(
                f"A circuit must have at most one `Read()`, but has one at each of {reads}."
            )

    def _check_slots(self) -> None:
        for kind in ("weights", "data"):
            used = {index for slot in self.parameters for index in getattr(slot, kind)}
            missing = sorted(set(range(max(used, default=-1) + 1)) - used)
            if missing:
                name = "Weight" if kind == "weights" else "Data"
                raise ValueError(
                    f"Slots must be numbered without a gap, but {name}({missing[0]}) is never used "
                    f"while {name}({max(used)}) is; try renumbering from 0."
                )


@partial(jax.jit, static_argnums=0)
def _dense_matrix(circuit: Circuit, weights: Array, data: Array) -> Array:
    """Every block applied to every column of the identity."""
    blocks = lower(circuit, range(len(circuit.operations)), max_wires=4)
    matrices = block_matrices(blocks, spread(circuit, weights, data))
    return apply_blocks(blocks, matrices, jnp.eye(2**circuit.wires, dtype=complex), circuit.wires)
