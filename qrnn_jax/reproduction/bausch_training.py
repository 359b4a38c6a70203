"""Words learnt by Bausch's network and by its controls alike: many seeds at once, fresh batches."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax

import qrnn_jax as qj
from qrnn_jax.validation.experiment import Progress

from .bausch_models import Batch, Model, scored_mean

CLIP = 0.5  # greatest norm of a gradient, as in the published program
EVERY = 10  # steps between two looks: published counts are multiples of 10

Draw = Callable[[int, int], "qj.tasks.Symbols"]  # (sequences, seed) -> sequences


class Plan(NamedTuple):
    """How long and how often something is trained.

    Arguments:
        seeds: runs per learning rate, from seed 0 on.
        steps: at most, a multiple of ten times `looks`.
        batch: sequences of a step.
        rates: learning rates of Adam.
        threshold: training ends once every run's validation loss has been below; None never ends.
        looks: validations per compiled call.
        validation: sequences of a look; None takes `batch`.
        fall: the step from which on learning rates are a fifth; None keeps them.
    """

    seeds: int
    steps: int
    batch: int
    rates: tuple[float, ...]
    threshold: float | None = None
    looks: int = 5
    validation: int | None = None
    fall: int | None = None


class Course(NamedTuple):
    """What became of L = rates x seeds runs, the seeds of the first rate first.

    Arguments:
        params: at the look with the least validation loss, leaves (L, ...).
        validation: (C, L), the paper's loss after every 10 steps, on fresh sequences.
        errors: (C, L), the fraction of scored words that were answered wrongly there.
        overheads: (C, L), the largest of each ten training steps.
        rates: (L,).
        seconds: processor time of a step of all runs together.
    """

    params: Any
    validation: np.ndarray
    errors: np.ndarray
    overheads: np.ndarray
    rates: np.ndarray
    seconds: float

    @property
    def places(self) -> np.ndarray:
        """(C,), the steps done at each look."""
        return EVERY * np.arange(1, len(self.validation) + 1)

    def steps_to(self, threshold: float, cap: int) -> np.ndarray:
        """(L,), steps until a validation loss is below the threshold; `cap` where none is."""
        below = self.validation < threshold
        return np.where(below.any(axis=0), self.places[below.argmax(axis=0)], cap)

    def of_rate(self, rate: float) -> Course:
        """The runs of one learning rate."""
        kept = np.flatnonzero(self.rates == rate)
        params = jax.tree.map(lambda leaf: leaf[kept], self.params)
        return Course(
            params,
            self.validation[:, kept],
            self.errors[:, kept],
            self.overheads[:, kept],
            self.rates[kept],
            self.seconds,
        )


def train(
    model: Model,
    draw: Draw,
    plan: Plan,
    progress: Progress,
    *,
    held_out: Draw | None = None,
    saved: Path | None = None,
) -> Course:
    """Adam with clipped gradients; every step and every look has sequences of its own.

    Parameters, gradients and rates are float32; states are float64 where x64 is on, as in the
    laboratory.

    Equation: params <- params - rate Adam(min(1, 0.5 / |g|) g), g the gradient of a batch's loss.

    Arguments:
        model: what is trained.
        draw: (count, seed) -> sequences to train on.
        plan: see `Plan`.
        progress: is told the fraction done, and may raise to stop.
        held_out: like `draw`, for the looks; None takes `draw`.
        saved: a file in which the state is kept after each call, and taken up from; the caller
            answers for its being of the same plan.

    Example:
        >>> import qrnn_jax as qj
        >>> from qrnn_jax.reproduction.bausch_models import Quantum
        >>> from qrnn_jax.reproduction.bausch_training import Plan, train
        >>> cell = qj.cells.Bausch(lanes=2, workspace=1, stages=0, degree=1)
        >>> course = train(Quantum(cell), lambda count, seed: qj.tasks.xor(count, seed=seed),
        ...                Plan(2, 10, 2, (0.01,), looks=1), lambda fraction, text: None)
        >>> course.validation.shape
        (1, 2)
    """
    rates = np.repeat(plan.rates, plan.seeds)
    play, carry = _compiled(model), _start(model, plan)
    done, records, used = _load(saved, carry)
    carry = carry if done is None else done
    chunk = plan.looks * EVERY
    for first in range(len(records) * chunk, plan.steps, chunk):
        if _finished(records, plan.threshold):
            break
        progress(first / plan.steps, f"step {first} of {plan.steps}")
        parts = _chunk(draw, held_out or draw, plan, first // chunk)
        steps = np.arange(first, first + chunk).reshape(plan.looks, EVERY, 1)
        now = rates * np.where(steps < (plan.fall or np.inf), 1.0, 0.2)  # (C, 10, L)
        begun = time.process_time()
        carry, found = jax.block_until_ready(play(carry, *parts, now.astype(np.float32)))
        used.append(time.process_time() - begun)
        records.append(jax.tree.map(np.asarray, found))
        _save(saved, carry, records, used)
    validation, errors, overheads = (np.concatenate(part) for part in zip(*records))
    seconds = float(np.median(used[1:] or used)) / chunk  # the first call compiles
    return Course(carry[3], validation, errors, overheads, rates, seconds)


def _start(model: Model, plan: Plan) -> tuple:
    """Parameters, Adam's state, keys of the looks, best parameters and loss; for every run.

    Every rate has the same seeds."""
    seeds = list(range(plan.seeds)) * len(plan.rates)
    starts = [model.init(jax.random.key(seed)) for seed in seeds]
    params = jax.tree.map(lambda *leaves: jnp.stack(leaves).astype(jnp.float32), *starts)
    keys = jax.random.key_data(jax.vmap(jax.random.key)(jnp.array(seeds)))
    never = jnp.full(len(seeds), jnp.inf, jnp.float32)
    return params, jax.vmap(_adam().init)(params), keys, params, never


def _adam() -> optax.GradientTransformation:
    return optax.chain(optax.clip_by_global_norm(CLIP), optax.scale_by_adam())


def _compiled(model: Model) -> Callable[..., Any]:
    """(carry, training batches, looks' batches, rates) -> (carry, curves of a chunk)."""

    def update(carry: tuple, inputs: tuple) -> tuple[tuple, Array]:
        (params, state), (batch, rate) = carry, inputs
        gradient, overhead = jax.grad(model.loss, has_aux=True)(params, batch)
        change, state = _adam().update(gradient, state)
        return (jax.tree.map(lambda p, c: p - rate * c, params, change), state), overhead

    def one_run(carry: tuple, inputs: tuple) -> tuple[tuple, tuple]:
        (params, state, bits, best, least), (batches, look, rates) = carry, inputs
        (params, state), overheads = lax.scan(update, (params, state), (batches, rates))
        key, own = jax.random.split(jax.random.wrap_key_data(bits))
        chances, words = model.evaluate(params, look, own)
        wrong = scored_mean(words != look.words, look)
        loss = qj.losses.probability_cross_entropy(chances, look.words, mask=look.mask)
        loss = loss.astype(least.dtype)
        best = jax.tree.map(lambda new, old: jnp.where(loss < least, new, old), params, best)
        bits, least = jax.random.key_data(key), jnp.minimum(loss, least)
        return (params, state, bits, best, least), (loss, wrong, jnp.max(overheads))

    @jax.jit
    def play(carry: tuple, training: Batch, looks: Batch, rates: Array) -> tuple[tuple, tuple]:
        many = jax.vmap(one_run, in_axes=(0, (1, 0, 1)))
        return lax.scan(many, carry, (training, looks, rates))

    return play


def _chunk(draw: Draw, held_out: Draw, plan: Plan, number: int) -> tuple[Batch, Batch]:
    """Training batches (C, 10, L, N, ...) and looks' batches (C, L, N, ...)."""
    lanes = plan.seeds * len(plan.rates)
    training = (plan.looks, EVERY, lanes, plan.batch)
    looks = (plan.looks, lanes, plan.validation or plan.batch)
    return (
        Batch.of(draw(int(np.prod(training)), 2 * number), training),
        Batch.of(held_out(int(np.prod(looks)), 2 * number + 1), looks),
    )


def _finished(records: list, threshold: float | None) -> bool:
    if threshold is None or not records:
        return False
    validation = np.concatenate([record[0] for record in records])
    return bool((validation < threshold).any(axis=0).all())


def _save(path: Path | None, carry: Any, records: list, used: list[float]) -> None:
    if path is None:
        return
    kept: dict[str, Any] = {"used": np.array(used)}
    kept |= {f"leaf{place}": leaf for place, leaf in enumerate(jax.tree.leaves(carry))}
    kept |= {f"curve{place}": np.stack(part) for place, part in enumerate(zip(*records))}
    draft = path.with_suffix(".part.npz")
    np.savez(draft, **kept)
    draft.replace(path)


def _load(path: Path | None, carry: Any) -> tuple[Any, list, list[float]]:
    if path is None or not path.exists():
        return None, [], []
    with np.load(path) as kept:
        leaves, tree = jax.tree.flatten(carry)
        state = [jnp.asarray(kept[f"leaf{place}"]) for place in range(len(leaves))]
        records = list(zip(*(kept[f"curve{place}"] for place in range(3))))
        return jax.tree.unflatten(tree, state), records, kept["used"].tolist()
