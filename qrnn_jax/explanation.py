"""What `explain` returns: the plan of a run as fields, as a table, and for JSON."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import groupby
from typing import Any, NamedTuple, final

from qrnn_jax.engines import AbstractEngine
from qrnn_jax.gradients import AbstractGradient
from qrnn_jax.gradients.byte_sizes import readable


class Part(NamedTuple):
    """Gates or a channel that a step applies at once: the shape of its numbers, wires, members."""

    shape: tuple[int, ...]
    wires: tuple[int, ...]
    what: str
    from_data: bool


class Refused(NamedTuple):
    """What was not taken: an engine, a plan or a rule, its name, and why, in a sentence."""

    kind: str
    name: str
    reason: str


@final
@dataclass(frozen=True)
class Explanation:
    """What `explain` returns; `str` is a table, `as_dict` holds texts and numbers only.

    Arguments:
        model: the cell's class and its wires.
        T: steps.
        batch: sequences side by side.
        engine: as `run` takes it, and `engine_why`.
        plan: the class of the engine's plan, and `plan_why`.
        rule: as `run` takes it, and `rule_why`.
        native: whether the time loop runs in native code, and `native_why`.
        blocks: what a step applies, in order; empty where it is no list of gates.
        once: arrays made once per call, outside the loop.
        ahead: arrays made for every step, outside the loop, too.
        flops_per_step: of one sequence, forward.
        flops_per_gradient: of value and gradient in the weights, the whole batch.
        state_bytes: of one sequence.
        peak_bytes: forecast of the temporary bytes of that gradient; None for rules of a device.
        refused: what was not taken, and why.

    Example:
        >>> import qrnn_jax as qj
        >>> found = qj.explain(qj.cells.Takaki(), T=20)
        >>> found.plan, found.rule
        ('TransferPlan', Backprop())
    """

    model: str
    T: int
    batch: int
    engine: AbstractEngine
    engine_why: str
    plan: str
    plan_why: str
    rule: AbstractGradient
    rule_why: str
    native: bool
    native_why: str
    blocks: tuple[Part, ...]
    once: tuple[str, ...]
    ahead: tuple[str, ...]
    flops_per_step: int
    flops_per_gradient: int | None
    state_bytes: int
    peak_bytes: int | None
    refused: tuple[Refused, ...]

    def as_dict(self) -> dict[str, Any]:
        """Texts, numbers, lists and dictionaries only, for JSON."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        found |= {"engine": named(self.engine), "rule": named(self.rule)}
        found |= {key: list(found[key]) for key in ("once", "ahead")}
        blocks = [
            item._asdict() | {"shape": list(item.shape), "wires": list(item.wires)}
            for item in self.blocks
        ]
        return found | {"blocks": blocks, "refused": [item._asdict() for item in self.refused]}

    def __str__(self) -> str:
        forward, both = self.flops_per_step, self.flops_per_gradient
        arithmetic = f"{forward:,} operations per step"
        rows = [
            ("model", f"{self.model}, T = {self.T}, batch = {self.batch}"),
            ("engine", f"{named(self.engine)}: {self.engine_why}"),
            ("plan", f"{self.plan}: {self.plan_why}"),
            ("rule", f"{named(self.rule)}: {self.rule_why}"),
            ("native code", f"{'yes' if self.native else 'no'}: {self.native_why}"),
            *_listed("a step", _grouped(self.blocks) or ["a map of the arrays below"]),
            *_listed("once per call", self.once or ["nothing"]),
            *_listed("ahead, per step", self.ahead or ["nothing"]),
            ("state", f"{readable(self.state_bytes)} per sequence"),
            ("arithmetic", arithmetic + (f", {both:.2e} per gradient" if both else "")),
            ("forecast", "none" if self.peak_bytes is None else readable(self.peak_bytes)),
            *((f"not {item.name}", item.reason) for item in self.refused),
        ]
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"{name:<{width}}  {text}" for name, text in rows)


def _grouped(blocks: Sequence[Part]) -> list[str]:
    """One line for neighbours that differ in their wires only."""
    lines = []
    for (shape, what, from_data), group in groupby(blocks, key=lambda b: (b.shape, b.what, b[3])):
        wires = "; ".join(", ".join(map(str, block.wires)) for block in group)
        size = " x ".join(map(str, shape))
        lines.append(f"{size} on {wires}: {what}, {'from data' if from_data else 'fixed'}")
    return lines


def _listed(name: str, items: Sequence[str]) -> list[tuple[str, str]]:
    return [("" if index else name, item) for index, item in enumerate(items)]


def named(setting: Any) -> str:
    """An engine or a rule as one types it, without what is a default."""
    changed = [
        f"{field.name}={getattr(setting, field.name)!r}"
        for field in fields(setting)
        if getattr(setting, field.name) != field.default
    ]
    return f"{type(setting).__name__}({', '.join(changed)})"
