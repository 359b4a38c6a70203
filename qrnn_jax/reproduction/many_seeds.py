"""Training from many seeds at once: one compiled loop, the seeds side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from qrnn_jax.validation.experiment import Progress

CHUNKS = 20  # progress is told between them


def train_many(
    gradient: Callable[[Any, Any], Any],
    look: Callable[[Any], Any],
    starts: Any,
    batches: Any,
    optimizer: optax.GradientTransformation,
    progress: Progress,
) -> Any:
    """Gradient descent of L runs, one update per batch, with a look at each after every U updates.

    Equation: params <- params + optimizer(gradient(params, batch)).

    Arguments:
        gradient: (params, batch) -> a tree like params; one run, traceable.
        look: params -> a tree of arrays, what is to be known of them; one run, traceable.
        starts: where training starts, leaves (L, ...).
        batches: a tree that `gradient` understands, leaves (C, U, L, ...): C looks, U updates each.
        optimizer: of optax.
        progress: is told the fraction done, and may raise to stop.

    Returns:
        The looks, leaves (C, L, ...).

    Example:
        >>> import jax.numpy as jnp, optax
        >>> from qrnn_jax.reproduction.many_seeds import train_many
        >>> looks = train_many(lambda w, x: 2 * (w - x), lambda w: w, jnp.zeros(3),
        ...                    jnp.ones((2, 5, 3)), optax.sgd(0.5), lambda fraction, text: None)
        >>> looks.tolist()
        [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    """

    def update(carry: tuple[Any, Any], batch: Any) -> tuple[tuple[Any, Any], None]:
        params, state = carry
        updates, state = optimizer.update(gradient(params, batch), state, params)
        return (optax.apply_updates(params, updates), state), None

    def until_look(carry: tuple[Any, Any], part: Any) -> tuple[tuple[Any, Any], Any]:
        carry, _ = jax.lax.scan(update, carry, part)
        return carry, look(carry[0])

    @jax.jit
    def play(carry: tuple[Any, Any], part: Any) -> tuple[tuple[Any, Any], Any]:
        one_run = jax.vmap(lambda c, p: jax.lax.scan(until_look, c, p), (0, 2), (0, 1))
        return one_run(carry, part)

    carry = (starts, jax.vmap(optimizer.init)(starts))
    count = len(jax.tree.leaves(batches)[0])
    found = []
    for first in range(0, count, size := -(-count // CHUNKS)):
        progress(first / count, f"update group {first} of {count}")
        part = jax.tree.map(lambda leaf: leaf[first : first + size], batches)  # noqa: B023
        carry, looks = play(carry, part)
        found.append(jax.block_until_ready(looks))
    return jax.tree.map(lambda *parts: jnp.concatenate(parts), *found)
