"""Pure states in native code: what a plan must say for the kernel to run its whole time loop."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from qrnn_jax.circuit import CNOT, Circuit, PauliSum, Probabilities
from qrnn_jax.circuit.lower import Block, Kind, lower_halves
from qrnn_jax.circuit.matrices import block_matrices
from qrnn_jax.circuit.observables import AbstractObservable, AbstractPauli
from qrnn_jax.engines.base import AbstractPlan, real_dtype
from qrnn_jax.engines.state_vector import StateVectorPlan

try:
    from qrnn_jax_kernels import cuda_pure_states, pure_states
    from qrnn_jax_kernels.loop import Family, pure_loop
except ImportError:  # the leaf package is optional
    FAMILIES: dict[str, "Family"] = {}
    is_there = False
else:
    FAMILIES = {"cpu": pure_states.FAMILY, "gpu": cuda_pure_states.FAMILY}  # by JAX's backend
    is_there = True

_MOST_WORDS = 64  # each read is a pass over the state


def native_by_default(plan: AbstractPlan) -> bool:
    """Whether a plan takes native code unasked: where it can, and was measured to be faster."""
    family = FAMILIES.get(jax.default_backend())
    return family is not None and family.by_default and native_refusal(plan) is None


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
        return "native code has pure states of unitary steps only"
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
    if len({word for terms in _all_terms(plan.observables) for word in terms}) > _MOST_WORDS:
        return f"native code reads at most {_MOST_WORDS} different Pauli words"
    limit = family.limit(NativeLoop(plan, family).program, real_dtype(plan.dtype))
    return limit or family.obstacle()


@final
@dataclass(frozen=True)
class NativeLoop:
    """The time loop of a plan that `refusal_of` lets pass."""

    plan: StateVectorPlan
    family: "Family"

    @staticmethod
    def here(plan: StateVectorPlan) -> "NativeLoop":
        """By the family of the default device."""
        return NativeLoop(plan, FAMILIES[jax.default_backend()])

    @property
    def circuit(self) -> Circuit:
        """The step."""
        return self.plan.circuit

    def __call__(self, row: Array, tape: Array, state: Array) -> tuple[Array, Array]:
        """All steps: (reads (T, M), state).

        Arguments:
            row: (K,), a tape row for all that does not vary.
            tape: (T, K).
            state: (2**n,), complex.
        """
        kind = real_dtype(self.plan.dtype)
        fixed = self._numbers(row, varying=False).astype(kind)
        varying = jax.vmap(lambda row: self._numbers(row, varying=True))(tape).astype(kind)
        start = jnp.stack([state.real, state.imag], axis=-1).astype(kind)
        words, last = pure_loop(self.family, self.program, fixed, varying, start)
        mixed = jnp.asarray(self._coefficients, kind)
        reads = jnp.dot(words, mixed, precision=jax.lax.Precision.HIGHEST)
        return reads, jax.lax.complex(last[:, 0], last[:, 1])

    @cached_property
    def _halves(self) -> tuple[tuple[Block, ...], tuple[Block, ...]]:
        return lower_halves(self.circuit, max_wires=1, diagonal_wires=2)

    @property
    def _blocks(self) -> tuple[Block, ...]:
        return self._halves[0] + self._halves[1]

    @cached_property
    def program(self) -> "pure_states.Program":
        """The step as the kernels take it."""
        gates, used = [], {False: 0, True: 0}
        for block in self._blocks:
            kind, varies = _kind(block), block.varies
            wires = block.wires[0], block.wires[-1]
            gates.append(pure_states.Gate(kind, *wires, used[varies], varies))
            used[varies] += kind.size
        words = tuple(_as_word(word, self.circuit.wires) for word in self._words)
        return pure_states.Program(self.circuit.wires, len(self._halves[0]), tuple(gates), words)

    def _numbers(self, row: Array, *, varying: bool) -> Array:
        """Re and im of all matrices, one after the other."""
        chosen = [block for block in self._blocks if block.varies == varying and _kind(block).size]
        flat = [matrix.reshape(-1) for matrix in block_matrices(chosen, row)]
        entries = jnp.concatenate(flat) if flat else jnp.zeros(0, self.plan.dtype)
        return jnp.stack([entries.real, entries.imag], axis=-1).reshape(-1)

    @cached_property
    def _words(self) -> list[tuple[tuple[int, str], ...]]:
        """The different Pauli words that are read."""
        return list(dict.fromkeys(w for terms in _all_terms(self.plan.observables) for w in terms))

    @cached_property
    def _coefficients(self) -> np.ndarray:
        """(words, reads)."""
        columns = _all_terms(self.plan.observables)
        return np.array([[terms.get(word, 0.0) for terms in columns] for word in self._words])


def _kind(block: Block) -> "pure_states.Kind":
    kinds = pure_states.Kind
    if len(block.wires) == 1:
        return kinds.ONE
    if block.kind is Kind.DIAGONAL:
        return kinds.DIAGONAL
    return kinds.CNOT if isinstance(block.members[0].operation, CNOT) else kinds.TWO


def _all_terms(observables: Sequence[AbstractObservable]) -> list[dict]:
    """Of every read, its Pauli words with their coefficients."""
    found: list[dict] = []
    for observable in observables:
        if isinstance(observable, AbstractPauli):
            found.append(_collected(observable.as_sum()))
        elif isinstance(observable, Probabilities):
            found += _outcomes(observable.wires)
    return found


def _collected(total: PauliSum) -> dict:
    terms: dict = {}
    for coefficient, word in total.terms:
        terms[word] = terms.get(word, 0.0) + coefficient
    return terms


def _outcomes(wires: tuple[int, ...]) -> list[dict]:
    """P(b) = 2^-k sum_S (-1)^(b . S) Z_S."""
    subsets = np.arange(2 ** len(wires))
    bits = subsets[:, None] >> np.arange(len(wires))[::-1] & 1
    words = [tuple(sorted((w, "Z") for w, bit in zip(wires, row) if bit)) for row in bits]
    signs = (-1.0) ** (bits @ bits.T) / len(subsets)
    return [dict(zip(words, row.tolist())) for row in signs]


def _as_word(word: tuple[tuple[int, str], ...], wires: int) -> "pure_states.Word":
    place = {wire: 1 << (wires - 1 - wire) for wire, _ in word}
    flips = sum(place[wire] for wire, letter in word if letter in "XY")
    signs = sum(place[wire] for wire, letter in word if letter in "ZY")
    return pure_states.Word(flips, signs, sum(letter == "Y" for _, letter in word) % 4)
