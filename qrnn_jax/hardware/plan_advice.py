"""Which rule to take: the smallest error at equal cost, or the least cost for an error."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from qrnn_jax.explanation import named
from qrnn_jax.gradients import AbstractEstimator
from qrnn_jax.hardware.plan_error import Error
from qrnn_jax.hardware.plan_result import PlannedRule

Planner = Callable[[AbstractEstimator, int, Error], PlannedRule]


class Advice(NamedTuple):
    """A sentence, and the rule that it is about with its numbers."""

    text: str
    rule: PlannedRule | None


def with_equal(rules: Sequence[PlannedRule]) -> tuple[PlannedRule, ...]:
    """The rules with their errors at the executions of the dearest one."""
    most = max(rule.executions for rule in rules)
    return tuple(rule._replace(equal=_error(rule).after(most / rule.executions)) for rule in rules)


def at_equal_cost(rules: Sequence[PlannedRule]) -> Advice:
    """The rule with the smallest error among those whose error is known."""
    known = [rule for rule in rules if rule.equal is not None]
    if not known:
        return Advice(_unknown(), None)
    best = min(known, key=lambda rule: rule.equal or 0.0)
    most = max(rule.executions for rule in rules)
    setting = _settings(*_scaled(best, most / best.executions))
    text = f"{setting}: error {best.equal:.2g}, the smallest at {most:,} executions"
    return Advice(text + _left_out(rules), best)


def for_error(rules: Sequence[PlannedRule], error: float, planner: Planner) -> Advice:
    """The rule that needs the fewest executions for an error, planned with as many shots."""
    needs = [(_error(rule).factor_for(error), rule) for rule in rules]
    able = [(factor * rule.executions, factor, rule) for factor, rule in needs if factor]
    if not able:
        hidden = any(rule.bias is None for rule in rules)
        why = _unknown() if hidden else f"no rule reaches an error of {error:g}: their bias is more"
        return Advice(why, None)
    _, factor, best = min(able, key=lambda item: item[0])
    setting, shots = _scaled(best, factor)
    grown = shots / best.shots * (setting.draws or 1) / (best.rule.draws or 1)
    found = planner(setting, shots, Error(best.stderr / math.sqrt(grown), best.bias))
    text = (
        f"{_settings(setting, shots)}: error {_error(found).after(1.0):.2g} for "
        f"{found.executions:,} executions in {found.jobs:,} jobs"
    )
    return Advice(text + _left_out(rules), found)


def _error(rule: PlannedRule) -> Error:
    return Error(rule.stderr, rule.bias)


def _scaled(planned: PlannedRule, factor: float) -> tuple[AbstractEstimator, int]:
    """More draws for a random rule, more shots for any other."""
    rule = planned.rule
    if rule.draws is None:
        return rule, max(1, math.ceil(planned.shots * factor))
    return rule.with_draws(max(1, math.ceil(rule.draws * factor))), planned.shots


def _settings(rule: AbstractEstimator, shots: int) -> str:
    return f"{named(rule)} with shots={shots}"


def _left_out(rules: Sequence[PlannedRule]) -> str:
    hidden = [named(rule.rule) for rule in rules if rule.bias is None]
    return f" (without parameters the bias of {', '.join(hidden)} is unknown)" if hidden else ""


def _unknown() -> str:
    return "none: without parameters the bias is unknown; try `params` and `xs`"
