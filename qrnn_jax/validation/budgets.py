"""Root mean squared errors of gradient rules as functions of the shots for the whole gradient.

A rule with fixed settings has MSE(N) = B + V / N: what does not shrink with the shots, and what
does. An *oracle* picks the best settings for each N, knowing the answer; an *honest* user picks
them beforehand, or from shots that are charged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

import qrnn_jax as qj

from .response import Moments, Response

CIRCUITS = "one per shot"  # where every shot may be another circuit
STEPS = np.geomspace(0.03, 1.6, 60)  # of finite differences, radians
TEST_STEP = 0.7  # radians, at 1e4 shots: where the third derivative is tried out
TEST_SHARE = 0.1  # of the shots, for that
CURVES = (0.1, 3.0)  # the third derivatives that an honest user believes in
LONGEST = 1.2  # radians
DRAWS = 64
HONEST = ("shift", "truncated, 4 steps", "central, law", "SPSA, c = 0.3")


@final
@dataclass(frozen=True)
class Rule:
    """A way to spend N shots on the derivatives of one output.

    Arguments:
        name: with the settings.
        circuits: distinct circuits for all weights together, or `CIRCUITS`.
        rmse: (N,) shots -> (N,) errors, r.m.s. over weights and places.

    Example:
        >>> from qrnn_jax.validation.budgets import Rule
        >>> Rule("a rule", 14, lambda shots: 1 / shots**0.5).rmse(100.0)
        0.1
    """

    name: str
    circuits: int | str
    rmse: Callable[[np.ndarray], np.ndarray]


Of = Callable[[Response, float], Moments]  # (a place, shots) -> moments


def all_rules(responses: Sequence[Response], length: int, sizes: Sequence[float]) -> list[Rule]:
    """Every rule of the comparison, for the derivatives of output `length`.

    Arguments:
        responses: places of one cell.
        length: T.
        sizes: SPSA's c that its oracle may choose among; 0.1 and 0.3 are among them.
    """
    last, weights = length - 1, len(responses[0].weights)

    def rule(name: str, circuits: int | str, of: Of) -> Rule:
        return Rule(name, circuits, _fixed(responses, of))

    def best(name: str, circuits: int | str, choices: Sequence[Of]) -> Rule:
        curves = [_fixed(responses, of) for of in choices]
        return Rule(
            name, circuits, lambda shots: np.min([curve(shots) for curve in curves], axis=0)
        )

    horizons = [_truncated(last, horizon) for horizon in range(1, length + 1)]
    central = [_difference(last, step, "central") for step in STEPS]
    five = [_difference(last, step, "five-point") for step in STEPS]
    return [
        rule("shift", 2 * weights * length, lambda r, n: r.shift(last, n)),
        best("truncated, oracle", f"{2 * weights} per step kept", horizons),
        rule("truncated, 2 steps", 2 * weights * min(2, length), _truncated(last, 2)),
        rule("truncated, 4 steps", 2 * weights * min(4, length), _truncated(last, 4)),
        rule("random occurrence", CIRCUITS, lambda r, n: r.random_occurrence(last, n)),
        rule("Riesz, random node", CIRCUITS, lambda r, n: r.riesz(last, n)),
        best("central, oracle", 2 * weights, central),
        rule("central, h = 0.1", 2 * weights, _difference(last, 0.1, "central")),
        rule("central, h = 0.3", 2 * weights, _difference(last, 0.3, "central")),
        Rule("central, law", 6 * weights, _by_law(responses, last)),
        best("five-point, oracle", 4 * weights, five),
        best("SPSA, oracle", CIRCUITS, [_spsa(last, size) for size in sizes]),
        rule("SPSA, c = 0.1", CIRCUITS, _spsa(last, 0.1)),
        rule("SPSA, c = 0.3", CIRCUITS, _spsa(last, 0.3)),
        rule(f"SPSA, c = 0.3, {weights} directions", 2 * weights, _spsa(last, 0.3, weights)),
    ]


def crossover(shift: Rule, others: Sequence[Rule], shots: np.ndarray) -> float:
    """The least of the shots from which on `shift` is the best of all; infinite if none is."""
    rival = np.min([other.rmse(shots) for other in others], axis=0)
    lost = np.flatnonzero(
        shift.rmse(shots) > rival * (1 + 1e-9)
    )  # not where they are the same rule
    if not lost.size:
        return float(shots[0])
    return float(shots[lost[-1] + 1]) if lost[-1] + 1 < len(shots) else np.inf


def _fixed(responses: Sequence[Response], of: Of) -> Callable[[np.ndarray], np.ndarray]:
    """sqrt(B + V / N)."""
    rest = float(np.mean([of(response, 1e24).mean_square for response in responses]))
    whole = float(np.mean([of(response, 1.0).mean_square for response in responses]))
    return lambda shots: np.sqrt(rest + (whole - rest) / np.asarray(shots))


def _truncated(last: int, horizon: int) -> Of:
    return lambda response, shots: response.shift(last, shots, horizon)


def _difference(last: int, step: float, scheme: str) -> Of:
    return lambda response, shots: response.difference(last, shots, step, scheme)


def _spsa(last: int, size: float, directions: int | None = None) -> Of:
    return lambda response, shots: response.spsa(last, shots, size, directions)


def _by_law(responses: Sequence[Response], last: int) -> Callable[[np.ndarray], np.ndarray]:
    """Central differences with the closed-form step, f''' estimated from a share of the shots."""
    tables = []
    for response in responses:
        found = [[response.difference(last, n, h) for h in STEPS] for n in (1e24, 1.0)]
        rest, whole = np.array([[moments.mean_square for moments in row] for row in found])
        tables.append((response, rest, whole - rest))

    def rmse(shots: np.ndarray) -> np.ndarray:
        squares = [
            np.mean([_law_square(*table, last, float(total)) for table in tables])
            for total in np.atleast_1d(shots)
        ]
        return np.sqrt(np.reshape(squares, np.shape(shots)))

    return rmse


def _law_square(
    response: Response, rest: np.ndarray, shrinking: np.ndarray, last: int, shots: float
) -> float:
    """The mean squared error over draws of the estimated third derivatives."""
    weights, main = len(response.weights), (1 - TEST_SHARE) * shots
    test = TEST_STEP * (shots / 1e4) ** -0.1  # its noise, in test^-3, as small as its bias
    multiples, factors = np.array([2, 1, -1, -2]), np.array([0.5, -1, 1, -0.5]) / test**3
    values = response.along(multiples * test)[:, last]
    noise = factors**2 * 4 * weights / (TEST_SHARE * shots)  # of a weight, at sigma = 1
    spread = np.sqrt((1 - values**2) @ noise)
    rng = np.random.default_rng(0)
    drawn = values @ factors + spread * rng.standard_normal((DRAWS, weights))
    curves = np.sqrt(np.maximum(np.mean(drawn**2, axis=1) - np.sum(noise), CURVES[0] ** 2))
    law = qj.FiniteDifference.optimal_step
    each = max(1, round(main / weights))
    steps = [min(LONGEST, law("central", each, min(c, CURVES[1]))) for c in curves]
    place = np.log(steps), np.log(STEPS)
    squared = np.interp(*place, rest) + np.interp(*place, shrinking) / main
    return float(np.mean(squared))
