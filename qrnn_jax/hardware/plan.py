"""`plan`: what a gradient costs on a device, before anything is submitted."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jax import Array
from jax.typing import ArrayLike

from qrnn_jax.cell import AbstractCell
from qrnn_jax.checks import check_cell
from qrnn_jax.explanation import named
from qrnn_jax.gradients import AbstractEstimator
from qrnn_jax.gradients.settings import check_count, check_positive
from qrnn_jax.hardware.build import templates
from qrnn_jax.hardware.engine import Device
from qrnn_jax.hardware.errors import DeviceError
from qrnn_jax.hardware.local import LocalDevice
from qrnn_jax.hardware.plan_advice import Advice, at_equal_cost, for_error, with_equal
from qrnn_jax.hardware.plan_count import jobs_of, requests_of
from qrnn_jax.hardware.plan_error import Error, bound_of_error, exact_error, is_affordable
from qrnn_jax.hardware.plan_inputs import Rules, inputs_of, rules_of
from qrnn_jax.hardware.plan_result import Plan, PlannedCircuit, PlannedRule
from qrnn_jax.hardware.plan_time import Clock, clock_of
from qrnn_jax.hardware.protocol import AbstractDevice
from qrnn_jax.hardware.queue import Queue
from qrnn_jax.hardware.template import Template


class _Task(NamedTuple):
    """What is planned, but for the rule."""

    cell: AbstractCell
    queue: Queue
    clock: Clock
    params: Any
    xs: Array  # (B, T, features)
    exact: bool
    progress: Callable[[str], None] | None

    def of(self, rule: AbstractEstimator, shots: int, error: Error | None = None) -> PlannedRule:
        """Cost and error of one rule; the error where it is not known yet."""
        if self.progress is not None:
            self.progress(f"planning {named(rule)}")
        device = self.queue.device
        found = requests_of(self.cell, rule, device, shots, self.params, self.xs)
        jobs = [job for request in found for job in jobs_of(request, device)]
        if error is None:
            find = exact_error if self.exact else bound_of_error
            error = find(self.cell, rule, shots, self.params, self.xs[0])
        return PlannedRule(
            rule,
            shots,
            circuits=rule.evaluations(self.cell.circuit, self.xs.shape[1]),
            rows=sum(request.rows for request in found),
            requests=len(found),
            jobs=len(jobs),
            largest_job=max((job.last - job.first) * job.shots for job in jobs),
            executions=sum(request.executions for request in found),
            seconds=self.clock.seconds_of(found, device),
            stderr=error.stderr,
            bias=error.bias,
        )


def plan(
    cell: AbstractCell,
    T: int,
    *,
    shots: int,
    device: AbstractDevice | Queue | None = None,
    batch: int = 1,
    rule: Rules = None,
    params: Any = None,
    xs: ArrayLike | None = None,
    error: float | None = None,
    exact: bool | None = None,
    pilot: bool | None = None,
    progress: Callable[[str], None] | None = None,
) -> Plan:
    """Plan a gradient on a device: circuits, jobs, shots, time and error, before paying.

    Equation: executions = sum over jobs of rows x shots. What is planned is value and gradient of a
    loss of a batch, `jax.vmap(jax.value_and_grad(loss of run))` with the engine `Device`. It is
    counted by running it with nobody playing, so rows, jobs and shots are those of the real run.

    The error is that of dy_T/dw, the reads of the last step of one sequence in every weight, r.m.s.
    over all: from the exact variances of the ideal circuit where `params` and `xs` are given, else
    its largest value for circuits of this form. Noise of a device is not in it.

    Arguments:
        cell: the model.
        T: steps of a sequence.
        shots: repetitions per circuit.
        device: what would play, or a `Queue` around it; None for a `LocalDevice`.
        batch: sequences that `jax.vmap` runs side by side.
        rule: one or several; None compares all that a device can follow.
        params: pytree of real arrays; None makes some up. Where rules split shots by the slopes of
            the angles, numbers of shots depend on it.
        xs: (T, features) or (batch, T, features); None makes some up.
        error: find the cheapest rule with this error; None compares at equal executions.
        exact: whether the error is exact; None where parameters are given and it takes about a
            minute at most.
        pilot: time the device with a few rows, which costs shots; False takes the speed that it
            states of itself. None takes that, too; where there is none, it times a simulator on
            this machine (`replays_free`), which costs nothing but a few seconds.
        progress: told what is being planned, for commands that take long.

    Returns:
        `Plan`: `print` it, or take its fields.

    Raises:
        ValueError: an argument out of range; a rule that cannot serve the circuit; as `templates`.
        DeviceError: the device does not offer what the circuit needs. Nothing is submitted.
        BudgetError: the pilot does not fit into the budget of the queue.

    Example:
        >>> import qrnn_jax as qj
        >>> cell = qj.cells.Takaki(inputs=1, memory=1, depth=1)
        >>> found = qj.plan(cell, 2, batch=3, shots=100, rule=qj.ParameterShift())
        >>> found.rules[0].rows, found.rules[0].executions  # 1 + 2 x 6 weights x 2 steps, 3 times
        (75, 7500)

    Source: Sweke et al., Quantum 4, 314 (2020), for shots as the cost of a gradient.
    """
    _check_numbers(cell, T, batch, shots, error)
    queue = Device(LocalDevice() if device is None else device).queue
    made = _circuits(cell, T, queue.device)
    rules, refused = rules_of(cell, T, rule)
    given = params is not None and xs is not None
    params, xs = inputs_of(cell, T, batch, params, xs)
    exact = given and is_affordable(cell, rules, T) if exact is None else exact
    clock = clock_of(queue, made, shots, pilot, progress)
    task = _Task(cell, queue, clock, params, xs, exact, progress)
    planned, advice = _compared(task, rules, shots, error)
    return Plan(
        *(f"{type(cell).__name__} of {cell.circuit.wires} wires", T, batch),
        device=_name(queue.device),
        shots=shots,
        circuits=tuple(_circuit(queue.device, template) for template in made),
        rules=planned,
        errors=_errors(exact, given),
        clock=clock.source,
        pilot_shots=clock.shots,
        target=error,
        advice=advice.text,
        recommended=advice.rule,
        left=queue.left,
        refused=refused,
    )


def _check_numbers(cell: AbstractCell, T: int, batch: int, shots: int, error: float | None) -> None:
    check_cell(cell)
    for name, value in (("T", T), ("batch", batch), ("shots", shots)):
        if value is None:
            raise ValueError(f"Argument `{name}` must be an integer of 1 or more, but is None.")
        check_count(name, value)
    check_positive("error", error)


def _compared(
    task: _Task, rules: Any, shots: int, error: float | None
) -> tuple[tuple[PlannedRule, ...], Advice]:
    """All rules side by side, and which one to take."""
    planned = with_equal([task.of(one, shots) for one in rules])
    return planned, for_error(planned, error, task.of) if error else at_equal_cost(planned)


def _circuits(cell: AbstractCell, steps: int, device: AbstractDevice) -> tuple[Template, ...]:
    """What is played; refused where the device cannot, its wires before any matrix is made."""
    _check(device, Template(cell.circuit.wires, steps, 0, (), (), ()))
    made = templates(cell, steps)
    for template in made:
        _check(device, template)
        device.prepare(template)
    return made


def _check(device: AbstractDevice, template: Template) -> None:
    refusal = device.capabilities.refusal(template)
    if refusal:
        raise DeviceError(refusal)


def _circuit(device: AbstractDevice, template: Template) -> PlannedCircuit:
    words = " ".join(f"{letter}{wire}" for wire, letter in template.measured)
    return PlannedCircuit(words or "nothing", *device.size(template))


def _name(device: AbstractDevice) -> str:
    text = repr(device)
    return type(device).__name__ if text.startswith("<") else text


def _errors(exact: bool, given: bool) -> str:
    what = "of dy_T/dw, one sequence, r.m.s. over weights and reads"
    if exact:
        return f"{what}: exact variances of the ideal circuit" + (
            "" if given else ", made-up inputs"
        )
    return f"{what}: the largest that circuits of this form can have"
