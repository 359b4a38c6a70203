"""What one step of a plan applies, what is made for it outside the loop, and its arithmetic."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import jax

from qrnn_jax.circuit.lower import Block, Kind
from qrnn_jax.engines import AbstractPlan
from qrnn_jax.engines.base import real_dtype
from qrnn_jax.engines.native import NativeLoop
from qrnn_jax.engines.native_order import is_cnot, is_real_turn, is_turn
from qrnn_jax.engines.native_real import real_loop
from qrnn_jax.engines.real_vector import RealVectorPlan
from qrnn_jax.engines.state_vector import StateVectorPlan
from qrnn_jax.explanation import Part
from qrnn_jax.gradients.footprint import footprint


class Step(NamedTuple):
    """One step.

    Arguments:
        blocks: what it applies, in order; empty where it is no list of gates.
        once: arrays made from the weights, once per call.
        ahead: arrays made from the data, for every step.
        flops_per_step: real operations, forward, of one sequence.
    """

    blocks: tuple[Part, ...]
    once: tuple[str, ...]
    ahead: tuple[str, ...]
    flops_per_step: int


def step_of(plan: AbstractPlan, *, native: bool) -> Step:
    """The step, read off its traced program; off its list of gates where native code runs it."""
    if native:
        if isinstance(plan, RealVectorPlan):
            return _real_step(plan)
        assert isinstance(plan, StateVectorPlan)
        return _native_step(plan)
    row = jax.ShapeDtypeStruct((len(plan.circuit.parameters),), real_dtype(plan.dtype))
    prepared = jax.eval_shape(plan.prepare, row)
    encoded = jax.eval_shape(plan.encode, prepared, row)
    carry = jax.eval_shape(lambda: plan.open(plan.init()))
    once, ahead = (_shapes(jax.tree.leaves(arrays)) for arrays in (prepared, encoded))
    arithmetic = footprint(plan.step, prepared, carry, encoded).flops
    return Step(tuple(map(_described, plan.blocks)), once, ahead, arithmetic)


def _native_step(plan: StateVectorPlan) -> Step:
    """A CNOT moves numbers and has none."""
    gates = NativeLoop.here(plan).blocks
    kept = [gate for gate in gates if not is_cnot(gate)]
    arrays = [(gate.varies, jax.ShapeDtypeStruct(_shape(gate), plan.dtype)) for gate in kept]
    once, ahead = (_shapes(a for varies, a in arrays if varies == kind) for kind in (False, True))
    flops = sum(map(_operations, kept)) * 2**plan.circuit.wires
    return Step(tuple(map(_described, gates)), once, ahead, flops)


def _real_step(plan: RealVectorPlan) -> Step:
    """Two products and a sum for every amplitude of a turn; known bits move numbers."""
    kind, loop = real_dtype(plan.dtype), real_loop(plan)
    arrays = [jax.ShapeDtypeStruct((n,), kind) for n in (loop.table_size, loop.choice_count)]
    once, ahead = (_shapes([array]) for array in arrays)
    return Step((), once, ahead, 3 * sum(2**wires for wires in loop.turned_wires))


def _operations(gate: Block) -> int:
    """Real operations per amplitude: a complex product is 6, a sum 2."""
    if is_turn(gate):
        return 4  # by its tangent: phases multiply by the cosine
    if gate.kind is Kind.DIAGONAL or is_real_turn(gate):
        return 6  # a phase; or two products with real numbers, and their sum
    return 8 * 2 ** len(gate.wires) - 2


def _shape(block: Block) -> tuple[int, ...]:
    """The shape of a block's numbers."""
    size = 2 ** len(block.wires)
    return {Kind.DENSE: (size, size), Kind.DIAGONAL: (size,), Kind.CHANNEL: (size**2, size**2)}[
        block.kind
    ]


def _described(block: Block) -> Part:
    first, count = type(block.members[0].operation).__name__, len(block.members)
    what = first if count == 1 else f"{count} operations"
    return Part(_shape(block), block.wires, what, block.varies)


def _shapes(arrays: Iterable[Any]) -> tuple[str, ...]:
    """ "3 of 4 x 4 complex64", each shape once."""
    counts = Counter((array.shape, str(array.dtype)) for array in arrays if array.size)
    return tuple(
        f"{count} of {' x '.join(map(str, shape)) or 'one number'} {kind}"
        for (shape, kind), count in counts.items()
    )
