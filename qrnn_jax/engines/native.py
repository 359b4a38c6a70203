"""Pure states in native code: what a plan must say for the kernel to run its whole time loop."""

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from qrnn_jax.circuit import Circuit, Probabilities
from qrnn_jax.circuit.joined import joined_rotations
from qrnn_jax.circuit.lower import Block, Kind, Placed, lower_halves
from qrnn_jax.circuit.matrices import block_matrices, class_matrices
from qrnn_jax.circuit.observables import AbstractPauli
from qrnn_jax.engines.base import AbstractPlan, real_dtype
from qrnn_jax.engines.native_order import is_cnot, is_real_turn, is_turn, pass_wires, passes
from qrnn_jax.engines.native_words import PauliWord, all_terms, as_word
from qrnn_jax.engines.state_vector import StateVectorPlan

try:
    from qrnn_jax_kernels import cuda_pure_states, pure_states
    from qrnn_jax_kernels.loop import Family, pure_loop
    from qrnn_jax_kernels.program import Gate, Program
    from qrnn_jax_kernels.program import Kind as KernelKind
except ImportError:  # the leaf package is optional
    FAMILIES: dict[str, "Family"] = {}
    is_there = False
else:
    FAMILIES = {"cpu": pure_states.FAMILY, "gpu": cuda_pure_states.FAMILY}  # by JAX's backend
    is_there = True

_MOST_WORDS = 64  # each read is a pass over the state


def unasked_refusal(plan: AbstractPlan) -> str | None:
    """Why a plan does not take native code unasked, in a sentence; None if it does."""
    family = FAMILIES.get(jax.default_backend())
    if family is not None and not family.by_default:
        return f"{family.name} has not been measured yet"
    return native_refusal(plan)


def native_refusal(plan: AbstractPlan) -> str | None:
    """Why a plan has no native loop on the default device, in a sentence; None if it has."""
    if not is_there:
        return "the package `qrnn_jax_kernels` is not there"
    family = FAMILIES.get(jax.default_backend())
    if family is None:
        return f"native code runs on {' and '.join(FAMILIES)}, not on {jax.default_backend()}"
    return refusal_of(family, plan)


@lru_cache(maxsize=256)
def refusal_of(family: "Family", plan: AbstractPlan) -> str | None:
    """Why a family of kernels has no loop for a plan, in a sentence; None if it has."""
    if not isinstance(plan, StateVectorPlan):
        return "native code has pure states of unitary steps, and real vectors"
    if plan.devices > 1:
        return "native code has states on one device only"
    for index, operation in enumerate(plan.circuit.operations):
        if len(operation.wires) > 2:
            return (
                f"native code has gates on one or two wires, but operation {index} is {operation}"
            )
    for observable in plan.observables:
        if not isinstance(observable, AbstractPauli | Probabilities):
            return f"native code reads Pauli sums and probabilities, but not {observable}"
        if isinstance(observable, Probabilities) and observable.outputs > _MOST_WORDS:
            return f"native code reads at most {_MOST_WORDS} outcomes, but not {observable}"
    if len({word for terms in all_terms(plan.observables) for word in terms}) > _MOST_WORDS:
        return f"native code reads at most {_MOST_WORDS} different Pauli words"
    return family.limit(NativeLoop.of(plan, family).program) or family.obstacle()


@final
@dataclass(frozen=True)
class NativeLoop:
    """The time loop of a plan that `refusal_of` lets pass."""

    plan: StateVectorPlan
    family: "Family"

    passes = 4.0  # over each gate: forward, undone, the adjoint, the derivative

    @staticmethod
    def of(plan: StateVectorPlan, family: "Family") -> "NativeLoop":
        """Of the step with fewer gates."""
        return NativeLoop(replace(plan, circuit=joined_rotations(plan.circuit)), family)

    @staticmethod
    def here(plan: StateVectorPlan) -> "NativeLoop":
        """By the family of the default device."""
        return NativeLoop.of(plan, FAMILIES[jax.default_backend()])

    @property
    def circuit(self) -> Circuit:
        """The step."""
        return self.plan.circuit

    def __call__(self, row: Array, moving: Array, state: Array) -> tuple[Array, Array]:
        """All steps: (reads (T, M), state).

        Arguments:
            row: (K,), a tape row for all that does not vary.
            moving: (T, len(self.columns)), the columns of the tape that do.
            state: (2**n,), complex.
        """
        kind = real_dtype(self.plan.dtype)
        fixed = self._fixed_numbers(row).astype(kind)
        varying = jax.vmap(self._moving_numbers)(moving).astype(kind)
        start = jnp.stack([state.real, state.imag], axis=-1).astype(kind)
        words, last = pure_loop(self.family, self.program, fixed, varying, start)
        mixed = jnp.asarray(self._coefficients, kind)
        reads = jnp.dot(words, mixed, precision=jax.lax.Precision.HIGHEST)
        return reads, jax.lax.complex(last[:, 0], last[:, 1])

    def kept_bytes(self, steps: int, batch: int) -> int:
        """What the kernel's gradient holds for itself: too little to count."""
        del steps, batch
        return 0

    @cached_property
    def _halves(self) -> tuple[tuple[Block, ...], tuple[Block, ...]]:
        before, after = lower_halves(self.circuit, max_wires=1, diagonal_wires=2)
        if not self._shares:
            return before, after
        most = pass_wires(self.circuit.wires, self.family.pass_wires)
        return passes(before, most), passes(after, most)

    @property
    def _shares(self) -> bool:
        """Whether gates share passes, and real ones are told apart."""
        return self.family.pass_wires > 2

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The gates that native code applies one after the other."""
        return self._halves[0] + self._halves[1]

    @property
    def columns(self) -> tuple[int, ...]:
        """The columns of the tape that gates with data look at, in the order of `_moving`."""
        members = [item for group in self._moving for block in group for item in block.members]
        return tuple(column for item in members for column in item.columns)

    @cached_property
    def _still(self) -> list[Block]:
        """What depends on weights alone and has numbers."""
        return [block for block in self.blocks if not block.varies and not is_cnot(block)]

    @cached_property
    def _moving(self) -> list[list[Block]]:
        """Gates with data, each a block of its own, in groups of a class."""
        groups: dict = {}
        for block in self.blocks:
            if block.varies:
                (item,) = block.members
                key = self._kind(block), type(item.operation), item.operation.static
                groups.setdefault(key, []).append(block)
        return list(groups.values())

    @cached_property
    def program(self) -> "Program":
        """The step as the kernels take it."""
        offsets: dict[int, int] = {}
        for blocks in (self._still, [block for group in self._moving for block in group]):
            used = 0
            for block in blocks:
                offsets[id(block)] = used
                used += Gate(self._kind(block), block.wires, 0, False).size
        gates = tuple(
            Gate(self._kind(block), block.wires, offsets.get(id(block), 0), block.varies)
            for block in self.blocks
        )
        words = tuple(as_word(word, self.circuit.wires) for word in self._words)
        return Program(self.circuit.wires, len(self._halves[0]), gates, words)

    def _fixed_numbers(self, row: Array) -> Array:
        """Of all steps, from a tape row (K,)."""
        matrices = block_matrices(self._still, row)
        flat = [self._flat(b, matrix[None]) for b, matrix in zip(self._still, matrices)]
        return jnp.concatenate(flat) if flat else jnp.zeros(0, row.dtype)

    def _moving_numbers(self, row: Array) -> Array:
        """Of one step, from a row of `columns`."""
        flat, used = [], 0
        for group in self._moving:
            members = []
            for block in group:
                members.append(replace(block.members[0], offset=used))
                used += len(members[-1].columns)
            flat.append(self._class_numbers(group[0], members, row))
        return jnp.concatenate(flat) if flat else jnp.zeros(0, row.dtype)

    def _class_numbers(self, block: Block, members: list[Placed], row: Array) -> Array:
        """Of gates with data of one class, to which the block belongs."""
        if self._kind(block) is KernelKind.TURN:  # no matrix, which would be kept for every step
            half = row[members[0].offset : members[-1].offset + 1] / 2
            return jnp.stack([jnp.cos(half), jnp.sin(half)], axis=-1).reshape(-1)
        matrices = class_matrices(members, row)
        if block.kind is Kind.DIAGONAL:
            matrices = jnp.diagonal(matrices, axis1=1, axis2=2)
        return self._flat(block, matrices)

    @cached_property
    def _words(self) -> list[PauliWord]:
        """The different Pauli words that are read."""
        return list(dict.fromkeys(w for terms in all_terms(self.plan.observables) for w in terms))

    @cached_property
    def _coefficients(self) -> np.ndarray:
        """(words, reads)."""
        columns = all_terms(self.plan.observables)
        rows = [[terms.get(word, 0.0) for terms in columns] for word in self._words]
        return np.array(rows, float).reshape(len(self._words), len(columns))

    def _flat(self, block: Block, matrices: Array) -> Array:
        """The numbers of a class (m, ...): re and im; of real ones re, of turns a column."""
        kind, entries = self._kind(block), matrices.reshape(-1)
        if kind is KernelKind.TURN:
            return matrices[:, :, 0].real.reshape(-1)
        if kind is KernelKind.REAL:
            return entries.real
        return jnp.stack([entries.real, entries.imag], axis=-1).reshape(-1)

    def _kind(self, block: Block) -> "KernelKind":
        if block.kind is Kind.DIAGONAL:
            return KernelKind.DIAGONAL
        if self._shares and is_real_turn(block):
            return KernelKind.TURN if is_turn(block) else KernelKind.REAL
        return KernelKind.CNOT if is_cnot(block) else KernelKind.COMPLEX
