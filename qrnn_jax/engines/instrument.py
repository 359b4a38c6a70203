"""Sampling by instruments: for a small memory, one real matrix per outcome and step.

A step whose read-out is recorded maps the memory's state to one unnormalised state per outcome b:

    rho_B -> I_b[rho_B],      P(b | past) = Tr(read part of I_b[rho_B]),     sum_b I_b = the step

Only what a device records is drawn; resets, noise and unrecorded measurements are averaged exactly.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
from jax import Array, lax

from qrnn_jax.circuit.groups import Group
from qrnn_jax.circuit.matrices import block_matrices
from qrnn_jax.engines.dense import DensePlan
from qrnn_jax.engines.sampler import CHUNK, AbstractSampler, choose, pick
from qrnn_jax.ops import hermitian_to_real, real_to_hermitian

_MAX_ENTRIES = 2**16  # of one step's instrument; beyond it pure-state trajectories are cheaper
_MAX_WORK = 2**20  # complex numbers while one is made
_IN_FLIGHT = 2**20  # complex numbers while several are made side by side


class Instrument(NamedTuple):
    """One step's instrument in real coordinates (D = 4**nB of the memory).

    Arguments:
        maps: (O, D, D), indexed [outcome, out, in].
        reads: (O, D), P(outcome) as a linear function of the memory's coordinates.
    """

    maps: Array
    reads: Array


@final
@dataclass(frozen=True)
class InstrumentSampler(AbstractSampler):
    """Carry the memory's state given everything recorded so far.

    Arguments:
        plan: the step as a full density matrix.
        group: what is measured.

    Where the circuit post-selects, the last read is 1 while the repetition survives, and all values
    are 0 once it is discarded.
    """

    plan: DensePlan
    group: Group

    @property
    def selects(self) -> bool:
        """Whether the circuit post-selects."""
        return self.plan.circuit.is_postselected

    @property
    def uniforms(self) -> int:
        return 1 + self.selects + (self.group.flips is not None)

    @property
    def reads(self) -> int:
        return self.group.values.shape[1] + self.selects

    @property
    def width(self) -> int:
        return CHUNK

    @property
    def numbers(self) -> int:
        return instrument_entries(self.plan, self.group)

    def prepare(self, tape: Array) -> Instrument:
        side_by_side = max(1, _IN_FLIGHT // instrument_work(self.plan, self.group))
        return lax.map(self.instrument, tape, batch_size=min(len(tape), side_by_side))

    def instrument(self, tape_t: Array) -> Instrument:
        """One step's instrument, from its action on the coordinate basis."""
        matrices = list(block_matrices(self.plan.blocks, tape_t))
        size = 4 ** len(self.plan.circuit.memory_wires)
        basis = jax.vmap(real_to_hermitian)(jnp.eye(size, dtype=tape_t.dtype))

        def act(memory: Array) -> tuple[Array, Array]:
            branches, reads = self.plan.branches(
                matrices, memory.astype(self.plan.dtype), self.group
            )
            return jax.vmap(hermitian_to_real)(branches), reads

        maps, reads = jax.vmap(act)(basis)  # (in, O, out), (in, O)
        return Instrument(jnp.transpose(maps, (1, 2, 0)), reads.T)

    def init(self) -> Any:
        return hermitian_to_real(self.plan.init()), jnp.ones((), bool)

    def step(self, carry: Any, prepared_t: Instrument, uniforms: Array) -> tuple[Any, Array]:
        memory, alive = carry
        chances = jnp.maximum(prepared_t.reads @ memory, 0)
        drawn, alive = self._draw(chances, alive, uniforms[0])
        chance = jnp.maximum(chances[drawn], jnp.finfo(chances.dtype).tiny)
        memory = (prepared_t.maps @ memory)[drawn] / chance
        recorded = drawn
        if self.group.flips is not None:
            recorded = choose(jnp.asarray(self.group.flips.value.real)[:, drawn], uniforms[-1])
        values = jnp.asarray(self.group.values, memory.dtype)[recorded]
        if not self.selects:
            return (memory, alive), values
        values = jnp.where(alive, jnp.append(values, 1), 0)
        kept = jnp.trace(real_to_hermitian(memory)).real  # success after the read-out
        alive &= uniforms[1] < kept
        return (memory / jnp.maximum(kept, jnp.finfo(kept.dtype).tiny), alive), values

    def _draw(self, chances: Array, alive: Array, uniform: Array) -> tuple[Array, Array]:
        """The outcome; a repetition that fails a post-selection before the read-out dies."""
        if not self.selects:
            return choose(chances, uniform), alive
        drawn = pick(chances, uniform)
        return jnp.minimum(drawn, len(chances) - 1), alive & (drawn < len(chances))


def prefers_instrument(plan: DensePlan, group: Group) -> bool:
    """Whether the memory and the step are small enough."""
    small = instrument_entries(plan, group) <= _MAX_ENTRIES
    return small and instrument_work(plan, group) <= _MAX_WORK


def instrument_entries(plan: DensePlan, group: Group) -> int:
    """How many numbers one step's instrument has."""
    return int(group.outcomes.outputs * 16 ** len(plan.circuit.memory_wires))


def instrument_work(plan: DensePlan, group: Group) -> int:
    """How many complex numbers making it takes: all outcomes of all basis states, all wires."""
    memory, wires = len(plan.circuit.memory_wires), plan.circuit.wires
    return int(group.outcomes.outputs * 4 ** (memory + wires))
