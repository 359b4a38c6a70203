"""A real program's instructions as the kernel takes them: places as bits, orders of wires."""

from contextlib import suppress

from qrnn_jax.engines.real_bits import AbstractInstruction, Bit, Exchange, Grow, Keep, Pick
from qrnn_jax.engines.real_turns import TurnLayer

with suppress(ImportError):  # the leaf package is optional
    from qrnn_jax_kernels.real_states import Action, Instruction, RealProgram, padded


class Walk:
    """Goes through a step's instructions and keeps track of where each wire is in the kernel."""

    def __init__(self, carried: tuple[int, ...], *, rescales: bool) -> None:
        self.order = carried  # first one most significant, in the kernel
        self.theirs = carried  # in the program, whose layers move wires to the end
        self.known: list[tuple[Bit, ...]] = []  # what the numbers of a step spell
        self.layers: list[tuple[TurnLayer, tuple[int, ...]]] = []
        self._rescales = rescales
        self._wires = len(carried)
        self._found: list[Instruction] = []
        self.size, self._read = 0, 0  # numbers in all tables; instructions before the read-out
        self._read_bits: tuple[int, ...] = ()

    @property
    def program(self) -> "RealProgram":
        """For the kernel."""
        found = tuple(self._found)
        return RealProgram(self._wires, self._read, self._rescales, found, self._read_bits)

    @property
    def wires_after(self) -> list[int]:
        """Of the vector: at the start, and after every instruction."""
        moves = {Action.GROW: 1, Action.PICK: -1}
        return [self._wires, *(item.wires + moves.get(item.action, 0) for item in self._found)]

    def set_read(self, wires: tuple[int, ...]) -> None:
        """The read-out is here."""
        self._read, self._read_bits = len(self._found), tuple(map(self._bit, wires))

    def add(self, step: AbstractInstruction) -> None:
        """One more instruction of the program."""
        if isinstance(step, TurnLayer):
            self._turns(step)
        elif isinstance(step, Grow):
            self._append(Action.GROW, 0, self._choice((step.bit,)))
            self.order, self.theirs = (step.wire, *self.order), (step.wire, *self.theirs)
        elif isinstance(step, Keep):
            self._append(Action.KEEP, 0, self._choice((step.bit,)))
        elif isinstance(step, Pick | Exchange):
            wire = self.theirs[step.position]
            action = Action.PICK if isinstance(step, Pick) else Action.EXCHANGE
            self._append(action, self._bit(wire), self._choice((step.bit,)))
            if isinstance(step, Pick):
                self.order, self.theirs = (
                    tuple(other for other in order if other != wire)
                    for order in (self.order, self.theirs)
                )

    def sort(self, wires: tuple[int, ...]) -> None:
        """Brings the vector into this order."""
        for place, wire in enumerate(wires):
            other = self.order[place]
            if wire == other:
                continue
            bit = self._bit(other)
            self._append(Action.SWAP, self._bit(wire), -1, bit)
            swapped = {wire: other, other: wire}
            self.order = tuple(swapped.get(own, own) for own in self.order)

    def _turns(self, layer: TurnLayer) -> None:
        words = tuple(bit for _, bit in layer.words)
        choice = self._choice(words) if words else -1
        for turn in layer.turns:
            self._append(Action.TURN, self._bit(turn.target), choice, 2 ** len(words), self.size)
            self.size += 2 ** len(words) * 2 * padded(len(self.order))
        self.layers.append((layer, self.order))
        self.theirs = layer.new_order

    def _append(
        self, action: "Action", bit: int, choice: int, words: int = 1, offset: int = 0
    ) -> None:
        wires = len(self.order)
        self._found.append(Instruction(action, bit, choice, words, wires, offset))

    def _choice(self, bits: tuple[Bit, ...]) -> int:
        if bits not in self.known:
            self.known.append(bits)
        return self.known.index(bits)

    def _bit(self, wire: int) -> int:
        return len(self.order) - 1 - self.order.index(wire)
