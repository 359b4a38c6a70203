"""From a cell and the caller's wishes to what will run: engine, plan, settings, rule."""

from functools import lru_cache

from qrnn_jax.cell import AbstractCell
from qrnn_jax.circuit import Circuit, Measure, PauliSum, Reset
from qrnn_jax.circuit.groups import Group, measurement_groups
from qrnn_jax.circuit.observed import observed
from qrnn_jax.controller import FeedbackCell
from qrnn_jax.engines import (
    AbstractEngine,
    AbstractExactEngine,
    AbstractPlan,
    DensityMatrix,
    Gaussian,
    RealVector,
    StateVector,
    Trajectories,
)
from qrnn_jax.engines.real_vector import prefers_real
from qrnn_jax.expectations import Expectations, Quantum, SampledExpectations, Setting
from qrnn_jax.gradients import AbstractEstimator, AbstractGradient, Automatic

_SURVIVAL = PauliSum(((1.0, ()),))  # the identity: what is left of the trace


def engine_for(cell: AbstractCell, engine: AbstractEngine | None) -> AbstractEngine:
    """The given engine, or the fastest exact one."""
    if engine is None:
        circuit, _ = observed(cell.circuit, cell.observables)
        if circuit.is_modes:
            return _engine_for_modes(circuit)
        if prefers_real(circuit):
            return RealVector()
        return StateVector() if circuit.is_unitary else DensityMatrix()
    if not isinstance(engine, AbstractEngine):
        raise TypeError(
            f"Argument `engine` must be an engine, but is {engine!r}; try `qj.DensityMatrix()`."
        )
    return engine


def _engine_for_modes(circuit: Circuit) -> AbstractEngine:
    """`Gaussian`; a cutoff is never guessed."""
    refusal = Gaussian().refusal(circuit)
    if refusal:
        raise ValueError(f"Argument `engine` must be given here, but is None: {refusal}")
    return Gaussian()


def plan_for(cell: AbstractCell, engine: AbstractEngine | None) -> AbstractPlan:
    """The plan that an exact `run` would use."""
    engine = engine_for(cell, engine)
    if not isinstance(engine, AbstractExactEngine):
        raise ValueError(
            f"Argument `engine` must be exact here, but is {engine}; try `qj.DensityMatrix()`."
        )
    circuit, observables = observed(cell.circuit, cell.observables)
    survival = (_SURVIVAL,) if circuit.is_postselected else ()
    return engine.plan(circuit, observables + survival)


def expectations_for(
    cell: AbstractCell,
    engine: AbstractEngine | None,
    shots: int | None,
    prefixes: bool,
    steps: int,
) -> Quantum:
    """The quantum part as `run` would play it."""
    check_shots(shots)
    engine = engine_for(cell, engine)
    shots = shots_for(engine, shots)
    refusal = engine.refusal(cell.circuit) if cell.circuit.is_modes else None
    if refusal:
        raise ValueError(refusal)
    if cell.circuit.is_modes and shots is not None:
        raise ValueError(
            f"Argument `shots` must be None on modes, but is {shots}: outcomes of modes are not "
            "drawn; try `Homodyne(mode, draw=...)` for measurements between the steps."
        )
    if isinstance(engine, Trajectories) and shots is None:
        return _branches(cell, engine)
    if shots is None:
        return Expectations(plan_for(cell, engine))
    return _sampled(cell, engine, shots, prefixes or steps == 1, prefixes)


def rule_for(
    expectations: Quantum, steps: int, gradient: AbstractGradient | None
) -> AbstractGradient:
    """The given rule, or the fastest exact one that fits; under shots the shift rule."""
    gradient = Automatic() if gradient is None else gradient
    if isinstance(gradient, Automatic):
        return gradient.choose(expectations, steps).rule
    if not isinstance(gradient, AbstractGradient):
        raise TypeError(
            f"Argument `gradient` must be a gradient rule, but is {gradient!r}; "
            "try `qj.Backprop()` or `qj.ParameterShift()`."
        )
    if gradient.needs_exact and expectations.shots is not None:
        raise ValueError(
            "Argument `gradient` must be a rule that a device can follow where outcomes are "
            f"drawn, but is {gradient}: a derivative along sampled branches misses how their "
            "probabilities change (the score term), so it is biased; try `qj.ParameterShift()`, "
            "or an exact engine with `shots=None`."
        )
    if isinstance(gradient, AbstractEstimator) and expectations.shots is not None:
        refusal = gradient.sampled_refusal()
        if refusal:
            raise ValueError(refusal)
    return gradient


def shots_for(engine: AbstractEngine | None, shots: int | None) -> int | None:
    """The caller's shots, or those that the engine brings along."""
    own = None if engine is None else engine.own_shots
    if shots is not None and own is not None and shots != own:
        raise ValueError(
            f"Argument `shots` must not contradict the engine, but is {shots} while {engine} says "
            f"{own}; try leaving one of them out."
        )
    return own if shots is None else shots


def check_shots(shots: int | None) -> None:
    """Refuse what is neither None nor a positive integer."""
    if shots is None:
        return
    if isinstance(shots, bool) or not isinstance(shots, int) or shots < 1:
        raise ValueError(
            f"Argument `shots` must be None (exact) or an integer of 1 or more, but is {shots!r}."
        )


@lru_cache(maxsize=256)
def _branches(cell: AbstractCell, engine: Trajectories) -> SampledExpectations:
    """The mean of branch expectations."""
    circuit, observables = observed(cell.circuit, cell.observables)
    setting = Setting(None, engine.sampler(circuit, observables, None))
    return SampledExpectations(circuit, (setting,), engine.branches)


@lru_cache(maxsize=256)
def _sampled(
    cell: AbstractCell, engine: AbstractEngine, shots: int, marginal: bool, prefixes: bool
) -> SampledExpectations:
    """One setting per group of observables that commute wire by wire."""
    circuit, observables = observed(cell.circuit, cell.observables)
    groups = measurement_groups(cell.observables, dict(cell.circuit.readout_errors))
    exact = isinstance(engine, AbstractExactEngine)
    apart = [None if exact else engine.prefix_source(circuit, group) for group in groups]
    if not prefixes:
        check_measurable(circuit, groups, may_prefix=exact or None not in apart)
    elif not exact and None in apart:
        raise ValueError(
            f"Argument `prefixes` must be False with {engine}, but is True: separate circuits per "
            "output need exact outcome probabilities, or a device; try `StateVector()` or "
            "`DensityMatrix()`."
        )
    if marginal and isinstance(engine, AbstractExactEngine):
        settings = [Setting(group, engine.plan(circuit, (group.outcomes,))) for group in groups]
    elif prefixes:
        settings = [Setting(group, source) for group, source in zip(groups, apart) if source]
    else:
        settings = [Setting(group, engine.sampler(circuit, observables, group)) for group in groups]
    return SampledExpectations(circuit, tuple(settings), shots)


def measurement_settings(cell: AbstractCell | FeedbackCell) -> tuple[Circuit, tuple[Group, ...]]:
    """What a device plays for a cell: one step, in every measurement setting.

    Equation: reads = sum over settings of the values of their outcomes; a setting measures every
    wire in one Pauli basis.

    Arguments:
        cell: the model.

    Returns:
        The step, with a measuring read-out as operations of its own and without read-out errors
        (the settings have them), and one group of observables per setting. A group has `outcomes`
        (the wires and letters), `values` (2**k, M) and `flips`.

    Raises:
        ValueError: an observable on a wire that is neither reset nor measured right after `Read`.

    Example:
        >>> import qrnn_jax as qj
        >>> from qrnn_jax.setup import measurement_settings
        >>> cell = qj.CircuitCell(qj.Circuit(1, (qj.H(0), qj.Reset(0))), (qj.X(0), qj.Z(0)))
        >>> [group.outcomes.word for group in measurement_settings(cell)[1]]
        [((0, 'X'),), ((0, 'Z'),)]

    Source: Verteletskyi, Yen and Izmaylov, J. Chem. Phys. 152, 124114 (2020), for such groups.
    """
    circuit, _ = observed(cell.circuit, cell.observables)
    groups = measurement_groups(cell.observables, dict(cell.circuit.readout_errors))
    check_measurable(circuit, groups)
    return circuit, groups


def check_measurable(
    circuit: Circuit, groups: tuple[Group, ...], *, may_prefix: bool = False
) -> None:
    """Refuse read-outs that all T outputs of one repetition cannot share on a device."""
    other = ", or `prefixes=True` (separate circuits for each of the T outputs)"
    for group in groups:
        for wire, letter in group.outcomes.word:
            is_bit = wire in circuit.bit_wires and letter == "Z"
            if is_bit or _ends_at_read(circuit, wire, letter):
                continue
            raise ValueError(
                f"Under `shots` a wire that is read must be reset or measured right after `Read`, "
                f"but wire {wire}, read as {letter}, is not: measuring it would change the memory; "
                "try `Read(measure=True)` in the circuit (the back-action becomes part of the "
                f"model){other if may_prefix else ''}."
            )


def _ends_at_read(circuit: Circuit, wire: int, letter: str) -> bool:
    """Whether the next operation on a wire after the read-out makes its measurement harmless."""
    for operation in circuit.operations[circuit.read_index :]:
        if wire in operation.wires:
            if isinstance(operation, Measure):
                return operation.wire == wire and operation.basis == letter
            return isinstance(operation, Reset)
    return False
