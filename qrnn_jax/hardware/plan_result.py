"""What `plan` returns: the cost of a gradient by every rule, as fields, a table, and for JSON."""

import json
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, final

from qrnn_jax.explanation import Refused, named
from qrnn_jax.gradients import AbstractEstimator


class PlannedCircuit(NamedTuple):
    """One measurement setting, after the device's own lowering.

    Arguments:
        measured: what every step measures, as in "Z0 X2".
        instructions: gates, measurements and resets of the whole run.
        two_qubit: gates on two wires or more.
        depth: the longest chain of instructions.
    """

    measured: str
    instructions: int
    two_qubit: int
    depth: int


class PlannedRule(NamedTuple):
    """What value and gradient of one batch cost by one rule.

    Arguments:
        rule: as `run` takes it.
        shots: repetitions per circuit; rules that split unequally keep the total.
        circuits: perturbed runs of one sequence, in every setting.
        rows: rows of angles in all requests, the unperturbed runs and all settings included.
        requests: calls of the queue.
        jobs: calls of the device.
        largest_job: rows x shots of the largest one.
        executions: rows x shots, all together: what a `Queue` counts as spent.
        seconds: on the device, one job after the other; None where nobody knows.
        stderr: standard error of one gradient entry of one sequence, r.m.s., see `Plan.errors`.
        bias: what shots do not remove, r.m.s.; None where it is not known.
        equal: the error, bias included, if this rule got the executions of the dearest one.
    """

    rule: AbstractEstimator
    shots: int
    circuits: int
    rows: int
    requests: int
    jobs: int
    largest_job: int
    executions: int
    seconds: float | None
    stderr: float
    bias: float | None
    equal: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Texts and numbers only."""
        return self._asdict() | {"rule": named(self.rule)}


@final
@dataclass(frozen=True)
class Plan:
    """What `plan` returns; `str` is a table, `as_dict` holds texts and numbers only.

    Arguments:
        model: the cell's class and its wires.
        T: steps.
        batch: sequences side by side.
        device: what would play.
        shots: repetitions per circuit.
        circuits: one per measurement setting.
        rules: cost and error, one entry per rule.
        errors: how the errors were found, in a sentence.
        clock: where the seconds come from, in a sentence.
        pilot_shots: what a pilot has played.
        target: the error asked for, or None.
        advice: the rule to take, and why, in a sentence.
        recommended: the same with its numbers; None where there is nothing to recommend.
        left: shots that the budget of the queue still allows; None without one.
        refused: rules that cannot serve the circuit, and why.

    Example:
        >>> import qrnn_jax as qj
        >>> circuit = qj.Circuit(1, (qj.RX(0, qj.Weight(0)), qj.Reset(0)))
        >>> cell = qj.CircuitCell(circuit, (qj.Z(0),))
        >>> found = qj.plan(cell, 3, shots=100, rule=qj.ParameterShift())
        >>> found.rules[0].as_dict()["rule"], found.as_dict()["T"]
        ('ParameterShift()', 3)
    """

    model: str
    T: int
    batch: int
    device: str
    shots: int
    circuits: tuple[PlannedCircuit, ...]
    rules: tuple[PlannedRule, ...]
    errors: str
    clock: str
    pilot_shots: int
    target: float | None
    advice: str
    recommended: PlannedRule | None
    left: int | None
    refused: tuple[Refused, ...]

    def as_dict(self) -> dict[str, Any]:
        """Texts, numbers, lists and dictionaries only, for JSON."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        best = self.recommended
        return found | {
            "circuits": [circuit._asdict() for circuit in self.circuits],
            "rules": [rule.as_dict() for rule in self.rules],
            "recommended": best and best.as_dict(),
            "refused": [item._asdict() for item in self.refused],
        }

    def to_json(self) -> str:
        """`as_dict` as a text."""
        return json.dumps(self.as_dict(), indent=2, allow_nan=False)

    def __str__(self) -> str:
        head = [
            ("model", f"{self.model}, T = {self.T}, batch = {self.batch}"),
            ("device", f"{self.device}, {self.shots:,} shots per circuit"),
            *((f"setting {i}", _setting(circuit)) for i, circuit in enumerate(self.circuits)),
        ]
        tail = [
            *((f"not {item.name}", item.reason) for item in self.refused),
            ("errors", self.errors),
            ("time", self.clock),
            *([] if self.left is None else [("budget", self._budget())]),
            ("advice", self.advice),
        ]
        width = max(len(name) for name, _ in head + tail)
        above, below = (
            [f"{name:<{width}}  {text}" for name, text in part] for part in (head, tail)
        )
        return "\n".join([*above, "", *_table(self.rules), "", *below])

    def _budget(self) -> str:
        over = [named(rule.rule) for rule in self.rules if rule.executions > (self.left or 0)]
        return f"{self.left:,} shots left" + (f"; too few for {', '.join(over)}" if over else "")


HEADERS = ("rule", "circuits", "rows", "jobs", "executions", "time", "error", "at equal cost")


def cells_of(rule: PlannedRule) -> tuple[str, ...]:
    """One line of the table, under `HEADERS`."""
    whole = (rule.circuits, rule.rows, rule.jobs, rule.executions)
    error = f"{rule.stderr:.2g}"
    if rule.bias != 0:
        error += " + bias" if rule.bias is None else f" + bias {rule.bias:.2g}"
    equal = "unknown" if rule.equal is None else f"{rule.equal:.2g}"
    return (named(rule.rule), *(f"{n:,}" for n in whole), duration(rule.seconds), error, equal)


def duration(seconds: float | None) -> str:
    """A forecast, to two digits: "0.012 s", "95 s", "12 min", "3.1 h"."""
    if seconds is None:
        return "unknown"
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{_two(seconds / size)} {unit}"
    return f"{_two(seconds)} s"


def _two(number: float) -> str:
    """Two digits, never in powers of ten."""
    return f"{number:.2g}" if number < 10 else f"{number:,.0f}"


def _setting(circuit: PlannedCircuit) -> str:
    return (
        f"measures {circuit.measured}; {circuit.instructions:,} instructions, "
        f"{circuit.two_qubit:,} of them two-qubit gates, depth {circuit.depth:,}"
    )


def _table(rules: tuple[PlannedRule, ...]) -> list[str]:
    lines = [HEADERS, *map(cells_of, rules)]
    widths = [max(map(len, column)) for column in zip(*lines)]
    return [
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths))
        )
        for line in lines
    ]
