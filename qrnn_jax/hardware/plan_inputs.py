"""What `plan` is given: which rules, and parameters and sequences, made up where they are not."""

from collections.abc import Sequence
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from qrnn_jax.cell import AbstractCell
from qrnn_jax.checks import check_inputs, check_params
from qrnn_jax.explanation import Refused, named
from qrnn_jax.gradients import (
    SPSA,
    AbstractEstimator,
    AbstractGradient,
    FiniteDifference,
    ParameterShift,
    Riesz,
    SharedShift,
)
from qrnn_jax.gradients.estimator import Problem

CANDIDATES: tuple[AbstractEstimator, ...] = (
    ParameterShift(),
    ParameterShift(allocation="weighted"),
    SharedShift(),
    Riesz(),
    FiniteDifference(step=0.3),
    SPSA(step=0.2, directions=8),
)
"""The rules that are compared where none is named."""

Rules = AbstractGradient | Sequence[AbstractGradient] | None


def rules_of(
    cell: AbstractCell, steps: int, rule: Rules
) -> tuple[list[AbstractEstimator], tuple[Refused, ...]]:
    """The rules to plan, and those that cannot serve the circuit; a named one must."""
    if rule is not None:
        asked = [rule] if isinstance(rule, AbstractGradient) else list(rule)
        for one in asked:
            refusal = _refusal(cell, steps, one)
            if refusal:
                raise ValueError(refusal)
        if not asked:
            raise ValueError("Argument `rule` must name a rule, but is empty; try None for all.")
        return cast(list[AbstractEstimator], asked), ()  # else refused
    reasons = [(one, _refusal(cell, steps, one)) for one in CANDIDATES]
    fine = [one for one, reason in reasons if reason is None]
    if not fine:
        raise ValueError(reasons[0][1])
    return fine, tuple(Refused("rule", named(one), reason) for one, reason in reasons if reason)


def _refusal(cell: AbstractCell, steps: int, rule: object) -> str | None:
    """Why a device cannot follow a rule here, in a sentence; None if it can."""
    if not isinstance(rule, AbstractEstimator) or rule.needs_exact:
        return (
            f"Argument `rule` must be a rule that a device can follow, but is {rule!r}; "
            "try `qj.ParameterShift()`."
        )
    problem = Problem(cell.circuit, steps, True, False)
    refusal = rule.sampled_refusal() or rule.problem_refusal(problem)
    if refusal or rule.count(problem):
        return refusal
    return "Argument `cell` must have weights that set angles, but has none."


def inputs_of(
    cell: AbstractCell, steps: int, batch: int, params: Any, xs: ArrayLike | None
) -> tuple[Any, Array]:
    """params and xs (B, T, features); what is not given is made up."""
    if params is None:
        params = cell.init(jax.random.key(0))
    check_params(cell, params)
    low, high = np.clip(cell.domain(), -1, 1)
    made = np.random.default_rng(0).uniform(low, high, (batch, steps, cell.features))
    given = np.asarray(made if xs is None else xs)
    if given.ndim == 2:
        given = np.broadcast_to(given, (batch, *given.shape))
    wanted = (batch, steps, cell.features)
    if given.shape != wanted:
        raise ValueError(
            f"Argument `xs` must have shape {wanted} or {wanted[1:]}, but has shape "
            f"{np.shape(cast(Any, xs))}."
        )
    return params, jnp.stack([check_inputs(cell, x) for x in given])
