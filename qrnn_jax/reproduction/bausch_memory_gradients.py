"""The norm of the gradient of Bausch's network against length: the paper did not measure it."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

import qrnn_jax as qj


class Norms(NamedTuple):
    """Euclidean norms of the gradient of the answer's probability, medians over sequences.

    Arguments:
        whole: in all occurrences of the weights.
        early: in those of the first half of the sequence, where the marked base stands: what
            reaches them does so through the memory.
    """

    whole: float
    early: float


def gradient_norms(cell: qj.cells.Bausch, params: Array, symbols: qj.tasks.Symbols) -> Norms:
    """How strongly the last answer depends on the weights, and on their early occurrences.

    Equation: |d p_T / d w| and |sum_{t <= T/2} d p_T / d w_t|, p_T the probability of the last
    target, w_t the weights as they occur in step t.

    Arguments:
        cell, params: the network; its state is float64 where x64 is on.
        symbols: sequences; every step is projected on its target.

    Example:
        >>> import jax, qrnn_jax as qj
        >>> from qrnn_jax.reproduction.bausch_memory_gradients import gradient_norms
        >>> cell = qj.cells.Bausch(lanes=3, workspace=2, stages=0, degree=1)
        >>> symbols = qj.tasks.marked_base(2, seed=0, length=4)
        >>> norms = gradient_norms(cell, cell.init(jax.random.key(0)), symbols)
        >>> 0 < norms.early, 0 < norms.whole
        (True, True)
    """
    xs, words = jnp.asarray(symbols.xs, jnp.float32), jnp.asarray(symbols.words[:, -1])
    whole, early = _norms(cell, params, xs, words)
    return Norms(float(np.median(whole)), float(np.median(early)))


@partial(jax.jit, static_argnums=0)
def _norms(cell: qj.cells.Bausch, params: Array, xs: Array, words: Array) -> tuple[Array, Array]:
    half = xs.shape[1] // 2

    def answer(early: Array, late: Array, x: Array, word: Array) -> Array:
        carry = qj.simulate(cell, early, x[:half]).carry
        return qj.simulate(cell, late, x[half:], carry=carry).outputs[-1, word]

    def one(inputs: tuple[Array, Array]) -> tuple[Array, Array]:
        early, late = jax.grad(answer, argnums=(0, 1))(params, params, *inputs)
        return jnp.linalg.norm(early + late), jnp.linalg.norm(early)

    return lax.map(one, (xs, words), batch_size=16)
