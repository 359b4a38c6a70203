"""Training under shots, many runs side by side: one compiled loop for all rules of a family.

A *lane* is one training run: a rule, a task, a seed, a learning rate. Per update it sees one window
(as Viqueira et al. train), estimates the outputs with shots of their own, and the gradient of the
squared error with the rule. The shots of an update grow geometrically, the same for all rules, so
that one run covers all budgets. No shot is drawn: see `gaussian_outputs`. Below 100 shots a circuit
the first two moments stay exact, and sums over many circuits are near a Gaussian anyway.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

import qrnn_jax as qj

from .gaussian_outputs import Moments, OutcomeModel

PILOT_STEP, PILOT_SHOTS = 1.0, 100  # of the pilot that measures f''', per circuit
LONGEST = 1.0  # radians, of a finite difference
ALL, FEW, SINGLE, EXACT = range(4)  # which of the shifted circuits run


class Rule(NamedTuple):
    """A rule as numbers, so that rules of one family share a compiled program.

    Arguments:
        name: in words.
        family: "occurrence": one occurrence is shifted; "whole": weights are moved.
        unbiased: whether its mean is the gradient.
        mode: ALL circuits, a FEW at random, SINGLE shots of random ones, or EXACT.
        horizon: outcomes that count behind a shift.
        step: of a difference; 0 for the optimal law with a measured f'''.
        together: 1 for random directions of all weights (SPSA), 0 for one weight at a time.
    """

    name: str
    family: str
    unbiased: bool
    mode: int = ALL
    horizon: int = 10**6
    step: float = 0.3
    together: int = 0


def rules(steps: int) -> tuple[Rule, ...]:
    """The rules that are compared, at T steps.

    Example:
        >>> from qrnn_jax.validation.shot_training import rules
        >>> [rule.name for rule in rules(16)][:2]
        ['shift', 'truncated shift']
    """
    return (
        Rule("shift", "occurrence", True),
        Rule("truncated shift", "occurrence", False, horizon=max(2, steps // 4)),
        Rule("random shifts, few circuits", "occurrence", True, mode=FEW),
        Rule("random shifts, single shots", "occurrence", True, mode=SINGLE),
        Rule("exact gradient", "occurrence", True, mode=EXACT),
        Rule("central, h = 0.3", "whole", False),
        Rule("central, h by the law", "whole", False, step=0.0),
        Rule("central, h = 1e-7", "whole", False, step=1e-7),
        Rule("SPSA, c = 0.2", "whole", False, step=0.2, together=1),
    )


class Lanes(NamedTuple):
    """L training runs.

    Arguments:
        mode, horizon, step, together: (L,), see `Rule`.
        task: (L,), an index into the data.
        params: (L, P), where training starts.
        rate: (L,), the learning rate.
        key: (L,).
    """

    mode: Array
    horizon: Array
    step: Array
    together: Array
    task: Array
    params: Array
    rate: Array
    key: Array


class Data(NamedTuple):
    """Windows of several tasks: `inputs` (tasks, 2, N, T), `targets` (tasks, 2, N, W)."""

    inputs: Array
    targets: Array


class Course(NamedTuple):
    """What training did: at C + 1 points, the first before training, (C + 1, L) each.

    Arguments:
        loss: exact, on the test windows, over the variance of their targets.
        shots: spent so far.
        circuits: distinct ones run so far; they are new in every update.
    """

    loss: Any
    shots: Any
    circuits: Any


def lanes_of(chosen: list[tuple[Rule, int, int, float]], size: int) -> Lanes:
    """Lanes from (rule, task, seed, rate); a seed fixes the start, whatever the rule.

    Arguments:
        chosen: one tuple per lane.
        size: K, the number of weights.

    Example:
        >>> from qrnn_jax.validation.shot_training import lanes_of, rules
        >>> lanes_of([(rules(4)[0], 0, 7, 0.1)], size=3).params.shape
        (1, 4)
    """
    found, tasks, seeds, rates = zip(*chosen)
    starts = [
        np.append(0.0, np.random.default_rng([seed, task]).uniform(0, 2 * np.pi, size))
        for seed, task in zip(seeds, tasks)
    ]
    column = {name: [getattr(rule, name) for rule in found] for name in Rule._fields}
    return Lanes(
        mode=jnp.asarray(column["mode"]),
        horizon=jnp.asarray(column["horizon"]),
        step=jnp.asarray(column["step"], jnp.float32),
        together=jnp.asarray(column["together"]),
        task=jnp.asarray(tasks),
        params=jnp.asarray(starts, jnp.float32),
        rate=jnp.asarray(rates, jnp.float32),
        key=jax.random.split(jax.random.key(sum(seeds)), len(chosen)),
    )


def shot_schedule(first: float, total: float, updates: int) -> np.ndarray:
    """Shots per update, geometric, from `first` on, with a given sum.

    Example:
        >>> from qrnn_jax.validation.shot_training import shot_schedule
        >>> shot_schedule(1.0, 15.0, 4).round(4).tolist()
        [1.0, 2.0, 4.0, 8.0]
    """
    place = np.arange(updates)
    low, high = 1.0, (total / first) ** (1 / (updates - 1))
    for _ in range(60):
        middle = (low + high) / 2
        below = np.sum(first * middle**place) < total
        low, high = (middle, high) if below else (low, middle)
    return first * low**place


def train(model: OutcomeModel, family: str, data: Data, shots: Array, lanes: Lanes) -> Course:
    """Adam with each lane's rule; compile it with model and family fixed.

    Arguments:
        model: of the cell.
        family: see `Rule`; of all lanes.
        data: windows.
        shots: (C, n), per update; the loss is taken after every n updates.
        lanes: the runs.

    Returns:
        A `Course`.
    """
    adam = optax.scale_by_adam()
    occurrence = family == "occurrence"

    def one(lane: Lanes) -> Course:
        xs, ys = data.inputs[lane.task], data.targets[lane.task]
        key, pilot_key = jax.random.split(lane.key)
        curve = jnp.ones(()) if occurrence else _pilot(model, lane.params, xs[0, 0], pilot_key)
        law = jnp.where(lane.step == 0, 1.0, 0.0)  # only this rule pays for the pilot

        def update(carry: Any, budget: Array) -> tuple[Any, None]:
            params, state, used, circuits, key = carry
            key, pick, own = jax.random.split(key, 3)
            row = jax.random.randint(pick, (), 0, xs.shape[1])
            window = xs[0, row], ys[0, row]
            if occurrence:
                slope, cost = _shifted(model, lane, params, window, budget, own)
            else:
                slope, cost = _moved(model, lane, curve, params, window, budget, own)
            change, state = adam.update(slope, state)
            params = params - lane.rate * change
            return (params, state, used + cost[0], circuits + cost[1], key), None

        def checkpoint(carry: Any, budgets: Array) -> tuple[Any, Any]:
            carry, _ = jax.lax.scan(update, carry, budgets)
            return carry, (carry[0], carry[2], carry[3])

        runs = law * 4.0 * model.size
        begin = (lane.params, adam.init(lane.params), runs * PILOT_SHOTS, runs, key)
        _, found = jax.lax.scan(checkpoint, begin, shots)
        first = (begin[0], begin[2], begin[3])
        params, used, circuits = (
            jnp.concatenate([jnp.asarray(a)[None], b]) for a, b in zip(first, found)
        )
        loss = jax.lax.map(lambda place: test_loss(model, place, xs[1], ys[1]), params)
        return Course(loss, used, circuits)

    return Course(*(jnp.moveaxis(part, 0, -1) for part in jax.vmap(one)(lanes)))


def test_loss(model: OutcomeModel, params: Array, xs: Array, ys: Array) -> Array:
    """The exact mean squared error on windows xs (N, T), ys (N, W), over the variance of ys."""
    nodes = model.nodes(params[1:])
    means = jax.vmap(lambda x: model.moments(model.steps(nodes, x)).mean)(xs)
    return jnp.mean((params[0] + means - ys) ** 2) / jnp.var(ys)


def _slopes(found: Moments, shots: Any, params: Array, target: Array, key: Array) -> Array:
    """The derivative of the squared error at estimated outputs, (W,)."""
    return 2 * (params[0] + found.draw(shots, key) - target) / len(target)


def _shifted(
    model: OutcomeModel, lane: Lanes, params: Array, window: Any, budget: Array, key: Array
) -> tuple[Array, tuple[Array, Array]]:
    """The gradient (P,) by shifted occurrences, and (shots, circuits) spent."""
    size, steps = model.size, len(window[0])
    primal_key, noise_key, draw_key = jax.random.split(key, 3)
    signs = jnp.concatenate([jnp.ones(size), -jnp.ones(size)]).astype(params.dtype)
    angles = params[1:] + jnp.pi / 2 * signs[:, None] * jnp.tile(jnp.eye(size), (2, 1))
    nodes = jax.vmap(model.nodes)(jnp.concatenate([params[1:][None], angles.astype(params.dtype)]))
    maps = jax.vmap(model.steps, (0, None))(nodes, window[0])
    total = 2 * size * steps
    reach = jnp.minimum(steps, model.scored + lane.horizon - 1)
    runs = jnp.where(lane.mode == FEW, 2 * size, 2 * size * reach)
    each = jnp.maximum(1, budget // (jnp.where(lane.mode == SINGLE, 2 * size, runs) + 1))
    singles = 2.0 * size * each
    found = model.moments(maps[0])
    exact = lane.mode == EXACT
    slopes = _slopes(found, jnp.where(exact, 1e30, each), params, window[1], primal_key)
    padded = jnp.concatenate([jnp.zeros(steps - model.scored, slopes.dtype), slopes])
    mean, variance = model.shifted(maps[0], maps[1:], padded, lane.horizon)  # (2K, T)
    noise = jax.random.normal(noise_key, mean.shape, mean.dtype)
    index = jax.random.randint(draw_key, (2 * size,), 0, total)
    drawn = jnp.stack(
        [
            _all(mean + jnp.sqrt(variance / each) * noise),
            _few(mean, variance / each, noise, index),
            _single(mean, variance, noise, singles),
            _all(mean),
        ]
    )[lane.mode]
    distinct = jnp.where(lane.mode == SINGLE, total * (1 - jnp.exp(-singles / total)), runs)
    spent = jnp.where(lane.mode == SINGLE, singles + each, each * (runs + 1))
    return jnp.append(jnp.sum(slopes), drawn), (spent, distinct + 1)


def _all(values: Array) -> Array:
    """The shift rule (K,) from all runs (2K, T): half of plus minus minus, summed over steps."""
    plus, minus = jnp.split(values, 2)
    return jnp.sum(plus - minus, axis=1) / 2


def _few(mean: Array, variance: Array, noise: Array, index: Array) -> Array:
    """The same sum (K,) from 2K runs drawn with replacement, each with shots of its own."""
    (double, steps), count = mean.shape, len(index)
    size, row = double // 2, index // steps
    values = mean.ravel()[index] + jnp.sqrt(variance.ravel()[index]) * noise.ravel()[:count]
    signed = jnp.where(row < size, values, -values) / 2
    return jnp.zeros(size, mean.dtype).at[row % size].add(signed) * (mean.size / count)


def _single(mean: Array, variance: Array, noise: Array, shots: Any) -> Array:
    """The same sum (K,) from single shots of random runs: E[g g^T] of one shot is diagonal."""
    gradient, size = _all(mean), len(mean) // 2
    plus, minus = jnp.split(mean**2 + variance, 2)
    second = mean.size / 4 * jnp.sum(plus + minus, axis=1)
    ridge = 1e-6 * jnp.max(second) * jnp.eye(size, dtype=mean.dtype)
    root = jnp.linalg.cholesky(jnp.diag(second) - jnp.outer(gradient, gradient) + ridge)
    return gradient + root @ noise[:size, 0] / jnp.sqrt(shots)


def _moved(
    model: OutcomeModel,
    lane: Lanes,
    curve: Array,
    params: Array,
    window: Any,
    budget: Array,
    key: Array,
) -> tuple[Array, tuple[Array, Array]]:
    """The gradient (P,) by moved weights, K directions both ways, and (shots, circuits) spent."""
    size, dtype = model.size, params.dtype
    primal_key, noise_key, draw_key = jax.random.split(key, 3)
    runs = 2 * size
    each = jnp.maximum(1, budget // (runs + 1))
    law = (18 / (2 * each * curve**2)) ** (1 / 6)
    step = jnp.where(lane.step == 0, jnp.minimum(law, LONGEST), lane.step).astype(dtype)
    apart = qj.FiniteDifference(step=1.0).offsets(size, dtype, None)
    together = qj.SPSA(step=1.0, directions=size).offsets(size, dtype, draw_key)
    offsets, table = (jnp.where(lane.together == 1, b, a) for a, b in zip(apart, together))
    angles = params[1:] + step * jnp.concatenate([jnp.zeros((1, size), dtype), offsets])
    maps = jax.vmap(lambda a: model.steps(model.nodes(a), window[0]))(angles)
    found = jax.vmap(model.moments)(maps)
    primal = Moments(found.mean[0], found.covariance[0])
    slopes = _slopes(primal, each, params, window[1], primal_key)
    variance = jnp.einsum("s,rst,t->r", slopes, found.covariance[1:], slopes)
    noise = jax.random.normal(noise_key, (runs,), dtype)
    values = found.mean[1:] @ slopes + jnp.sqrt(jnp.maximum(variance, 0) / each) * noise
    return jnp.append(jnp.sum(slopes), table @ values / step), (
        each * (runs + 1.0),
        jnp.asarray(runs + 1.0),
    )


def _pilot(model: OutcomeModel, params: Array, xs: Array, key: Array) -> Array:
    """f''' of the last output, r.m.s. over the weights, from 4 K circuits; at least 0.1."""
    multiples, weights = np.array([2, 1, -1, -2]), np.array([1, -2, 2, -1]) / 2
    eye = jnp.eye(model.size, dtype=params.dtype)
    moves = PILOT_STEP * jnp.asarray(multiples, params.dtype)[:, None, None] * eye

    def last(move: Array) -> tuple[Array, Array]:
        found = model.moments(model.steps(model.nodes(params[1:] + move), xs))
        return found.mean[-1], found.covariance[-1, -1]

    mean, variance = jax.vmap(jax.vmap(last))(moves)  # (4, K)
    noise = jax.random.normal(key, mean.shape, mean.dtype)
    values = mean + jnp.sqrt(variance / PILOT_SHOTS) * noise
    third = jnp.asarray(weights, mean.dtype) @ values / PILOT_STEP**3
    return jnp.maximum(jnp.sqrt(jnp.mean(third**2)), 0.1)
