"""`explain`: what `run` would do with a cell, and why."""

from collections.abc import Iterator
from typing import Any

import jax

from qrnn_jax.cell import AbstractCell
from qrnn_jax.checks import check_cell
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
from qrnn_jax.engines.dense import DensePlan
from qrnn_jax.engines.kraus import KrausPlan, kraus_refusal
from qrnn_jax.engines.native_choice import loop_refusal, native_loop
from qrnn_jax.engines.transfer import TransferPlan, transfer_refusal
from qrnn_jax.expectations import Expectations
from qrnn_jax.explanation import Explanation, Refused, named
from qrnn_jax.gradients import AbstractGradient, AbstractSimulatorGradient, Adjoint, Automatic
from qrnn_jax.gradients.automatic import Choice, forecast
from qrnn_jax.setup import engine_for, plan_for, rule_for
from qrnn_jax.step_size import step_of

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
    refusal = _native_refusal(choice.rule, plan)
    step = step_of(plan, native=refusal is None)
    peak, flops = _gradient(expectations, choice.rule, T, batch)
    if flops is not None:
        passes = 0 if refusal else native_loop(plan).passes
        flops += int(passes * batch * T * step.flops_per_step)
    return Explanation(
        f"{type(cell).__name__} of {cell.circuit.wires} wires",
        T,
        batch,
        engine=chosen,
        engine_why=_ENGINES[type(chosen)][0] if engine is None else _NAMED,
        plan=type(plan).__name__,
        plan_why=_PLANS.get(type(plan), ("the engine has no other",))[0],
        rule=choice.rule,
        rule_why=choice.why,
        native=refusal is None,
        native_why=refusal or "the loop and its reverse are compiled",
        **step._asdict(),
        flops_per_gradient=flops,
        state_bytes=_state_bytes(plan),
        peak_bytes=peak,
        refused=tuple(_refused(chosen if engine is None else None, cell, plan, choice)),
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
    rule = rule_for(expectations, steps, gradient)
    refusal = rule.refusal(expectations.circuit)
    if refusal:
        raise ValueError(refusal)
    return Choice(rule, _NAMED, ())


def _native_refusal(rule: AbstractGradient, plan: AbstractPlan) -> str | None:
    """Why no native code runs; None if it does."""
    if isinstance(rule, Adjoint):
        return rule.native_refusal(plan)
    return loop_refusal(plan) or f"{named(rule)} does not use it"


def _gradient(
    expectations: Expectations, rule: AbstractGradient, steps: int, batch: int
) -> tuple[int | None, int | None]:
    """Peak bytes and arithmetic of what JAX runs; unknown for the rules of a device."""
    if not isinstance(rule, AbstractSimulatorGradient):
        return None, None
    return forecast(expectations, rule, steps, batch)


def _state_bytes(plan: AbstractPlan) -> int:
    state = jax.tree.leaves(jax.eval_shape(plan.init))
    return sum(leaf.size * leaf.dtype.itemsize for leaf in state)


def _refused(
    chosen: AbstractEngine | None, cell: AbstractCell, plan: AbstractPlan, choice: Choice
) -> Iterator[Refused]:
    """All that was not taken; of engines only where the choice was ours."""
    if chosen is not None:
        yield from _other_engines(chosen, cell)
    yield from _other_plans(plan)
    yield from (Refused("rule", named(rule), reason) for rule, reason in choice.refused)


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
