"""`explain`: what `run` would do with a cell, and why."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import jax
import numpy as np

from qrnn_jax.cell import AbstractCell
from qrnn_jax.checks import check_cell
from qrnn_jax.circuit import CNOT
from qrnn_jax.circuit.lower import Block, Kind
from qrnn_jax.circuit.observed import observed
from qrnn_jax.engines import (
    AbstractEngine,
    AbstractPlan,
    DensityMatrix,
    Fock,
    Gaussian,
    RealVector,
    StateVector,
)
from qrnn_jax.engines.base import real_dtype
from qrnn_jax.engines.dense import DensePlan
from qrnn_jax.engines.kraus import KrausPlan, kraus_refusal
from qrnn_jax.engines.native import NativeLoop, native_refusal
from qrnn_jax.engines.native_order import is_real_turn
from qrnn_jax.engines.transfer import TransferPlan, transfer_refusal
from qrnn_jax.expectations import Expectations
from qrnn_jax.explanation import Explanation, Part, Refused, named
from qrnn_jax.gradients import AbstractGradient, AbstractSimulatorGradient, Adjoint, Automatic
from qrnn_jax.gradients.automatic import Choice, forecast
from qrnn_jax.gradients.footprint import footprint
from qrnn_jax.setup import engine_for, plan_for, rule_for

_PASSES = 4  # of native code over each gate: forward, undone, the adjoint, the derivative
_NAMED = "the caller named it"
_ENGINES: dict[type[AbstractEngine], tuple[str, str]] = {  # why it is taken; why it is not
    StateVector: ("every step is unitary", "its numbers are complex, where real ones do"),
    RealVector: ("the step is real and has neurons", "it is for steps with neurons"),
    DensityMatrix: ("it runs any step", "it carries 4**n numbers, where 2**n do"),
    Gaussian: ("every step is Gaussian", "the step is not Gaussian"),
}
_PLANS: dict[type[AbstractPlan], tuple[str, str]] = {
    TransferPlan: ("one real matrix product per step, as the memory is small", ""),
    KrausPlan: (
        "Kraus blocks on the memory, as the step is gates, a read-out and resets",
        "more products per step",
    ),
    DensePlan: ("the full matrix, as the step has channels", "it acts on all wires"),
}


def explain(
    cell: AbstractCell,
    *,
    T: int,
    batch: int | None = None,
    engine: AbstractEngine | None = None,
    gradient: AbstractGradient | None = None,
) -> Explanation:
    """Explain what an exact `run` would do: engine, plan and rule, what they take, and why.

    Nothing is compiled or run: the bytes and the arithmetic are read off the traced programs (a
    product and a sum of real numbers count 1 each), those of native code off its list of gates.

    Arguments:
        cell: the model.
        T: steps of a sequence, 1 or more.
        batch: sequences that `jax.vmap` runs side by side; None takes that of an `Automatic`, or 1.
        engine: as in `run`.
        gradient: as in `run`.

    Returns:
        `Explanation`: `print` it, or take its fields.

    Raises:
        ValueError: as `run`; T or batch is no positive integer; an engine that draws outcomes.

    Example:
        >>> import qrnn_jax as qj
        >>> cell = qj.cells.Takaki(inputs=1, memory=1, depth=1)
        >>> found = qj.explain(cell, T=20, batch=32)
        >>> print(str(found).splitlines()[0])
        model            Takaki of 2 wires, T = 20, batch = 32
        >>> found.state_bytes, [item.name for item in found.refused if item.kind == "engine"]
        (32, ['StateVector', 'RealVector'])

    Source: the cost model is in docs/performance.md.
    """
    check_cell(cell)
    _check_count("T", T)
    gradient = Automatic(batch=batch or 1) if gradient is None else gradient
    batch = _batch(batch, gradient)
    chosen, plan = engine_for(cell, engine), plan_for(cell, engine)
    expectations = Expectations(plan)
    choice = _choice(expectations, T, gradient)
    native_why = _native_refusal(choice.rule, plan)
    gates = None if native_why else NativeLoop(plan).blocks  # type: ignore[arg-type]
    once, ahead, forward = _step(plan) if gates is None else _native_step(plan, gates)
    peak = both = None
    if isinstance(choice.rule, AbstractSimulatorGradient):
        peak, both = forecast(expectations, choice.rule, T, batch)
        both += 0 if gates is None else _PASSES * batch * T * forward
    return Explanation(
        model=f"{type(cell).__name__} of {cell.circuit.wires} wires",
        T=T,
        batch=batch,
        engine=chosen,
        engine_why=_ENGINES[type(chosen)][0] if engine is None else _NAMED,
        plan=type(plan).__name__,
        plan_why=_PLANS.get(type(plan), ("the engine has no other",))[0],
        rule=choice.rule,
        rule_why=choice.why,
        native=native_why is None,
        native_why=native_why or "the loop and its reverse are compiled C++",
        blocks=tuple(map(_described, plan.blocks if gates is None else gates)),
        once=once,
        ahead=ahead,
        flops_per_step=forward,
        flops_per_gradient=both,
        state_bytes=sum(map(_bytes, jax.tree.leaves(jax.eval_shape(plan.init)))),
        peak_bytes=peak,
        refused=(
            *(() if engine is not None else _other_engines(chosen, cell)),
            *_other_plans(plan),
            *(Refused("rule", named(rule), reason) for rule, reason in choice.refused),
        ),
    )


def _check_count(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"Argument `{name}` must be an integer of 1 or more, but is {value!r}.")


def _batch(batch: int | None, gradient: AbstractGradient) -> int:
    """The batch, if it is the one that the choice is made for."""
    own = gradient.batch if isinstance(gradient, Automatic) else None
    if batch is None:
        return own or 1
    _check_count("batch", batch)
    if own not in (None, batch):
        raise ValueError(
            f"Argument `batch` must be that of the gradient rule, {own}, but is {batch}; try "
            "`batch=None`."
        )
    return batch


def _choice(expectations: Expectations, steps: int, gradient: AbstractGradient) -> Choice:
    if isinstance(gradient, Automatic):
        return gradient.choose(expectations, steps)
    return Choice(rule_for(expectations, steps, gradient), _NAMED, ())


def _native_refusal(rule: AbstractGradient, plan: AbstractPlan) -> str | None:
    """Why no native code runs; None if it does."""
    if not isinstance(rule, Adjoint) or rule.kernel == "reference":
        return native_refusal(plan) or f"{named(rule)} does not use it"
    return native_refusal(plan)


def _step(plan: AbstractPlan) -> tuple[tuple[str, ...], tuple[str, ...], int]:
    """The arrays made once, those made for every step, and the arithmetic of the step itself."""
    row = jax.ShapeDtypeStruct((len(plan.circuit.parameters),), real_dtype(plan.dtype))
    prepared = jax.eval_shape(plan.prepare, row)
    encoded = jax.eval_shape(plan.encode, prepared, row)
    carry = jax.eval_shape(lambda: plan.open(plan.init()))
    arithmetic = footprint(plan.step, prepared, carry, encoded).flops
    return _shapes(jax.tree.leaves(prepared)), _shapes(jax.tree.leaves(encoded)), arithmetic


def _native_step(
    plan: AbstractPlan, gates: tuple[Block, ...]
) -> tuple[tuple[str, ...], tuple[str, ...], int]:
    """The same of native code, counted gate by gate; a CNOT moves numbers and has none."""
    kept = [gate for gate in gates if not isinstance(gate.members[0].operation, CNOT)]
    arrays = [(gate.varies, jax.ShapeDtypeStruct(_shape(gate), plan.dtype)) for gate in kept]
    once, ahead = (_shapes(a for varies, a in arrays if varies == kind) for kind in (False, True))
    return once, ahead, sum(map(_products, kept)) * 2**plan.circuit.wires


def _products(gate: Block) -> int:
    """Real operations per amplitude: complex products count 6, sums 2."""
    if gate.kind is Kind.DIAGONAL or (len(gate.wires) == 1 and is_real_turn(gate)):
        return 6  # a phase, or two products with real numbers and their sum
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


def _bytes(array: Any) -> int:
    return math.prod(array.shape) * np.dtype(array.dtype).itemsize


def _other_engines(chosen: AbstractEngine, cell: AbstractCell) -> Iterator[Refused]:
    circuit, _ = observed(cell.circuit, cell.observables)
    if circuit.is_modes:
        reason = "it cuts the photon numbers off, and a cutoff is never guessed"
        yield Refused("engine", Fock.__name__, reason)
        return
    for kind in (StateVector, RealVector, DensityMatrix):
        if not isinstance(chosen, kind):
            reason = kind().refusal(circuit) or _ENGINES[kind][1]
            yield Refused("engine", kind.__name__, _short(reason))


def _short(reason: str) -> str:
    """Without the advice."""
    return reason.split("; try")[0].rstrip(".")


def _other_plans(plan: AbstractPlan) -> Iterator[Refused]:
    """Of a density matrix, which has three."""
    if type(plan) not in _PLANS:
        return
    blocked = kraus_refusal(plan.circuit)
    for kind in _PLANS:
        if not isinstance(plan, kind):
            reason = blocked or _PLANS[kind][1]
            if kind is TransferPlan and isinstance(plan, KrausPlan):
                reason = transfer_refusal(plan) or reason
            yield Refused("plan", kind.__name__, reason)
