"""Words drawn from Bausch's network, and what their projection would cost a device."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from qrnn_jax.cells.bausch import Bausch
from qrnn_jax.checks import check_params
from qrnn_jax.circuit.spread import spread, weight_row
from qrnn_jax.engines import RealVector
from qrnn_jax.engines.base import real_dtype, rescaled


class Sample(NamedTuple):
    """What `sample` returns.

    Arguments:
        words: (T,), the words that the lanes were projected on, as numbers.
        probabilities: (T, 2^I), the distributions that they were drawn from.

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> cell = qj.cells.Bausch(lanes=1, workspace=1, stages=0, degree=1)
        >>> key = jax.random.key(0)
        >>> qj.cells.sample(cell, cell.init(key), jnp.zeros((3, 1)), key).probabilities.shape
        (3, 2)
    """

    words: Array
    probabilities: Array


def sample(
    cell: Bausch,
    params: Array,
    inputs: ArrayLike,
    key: Array,
    *,
    forced: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> Sample:
    """Run with words drawn from the outputs and projected on: the evaluation of the paper.

    Equation: w_t ~ p_t where `mask` is True, w_t = forced_t elsewhere; the lanes are projected on
    w_t before step t + 1.

    Arguments:
        cell: the model.
        params: its vector.
        inputs: (T, I), the bits of the input words.
        key: a JAX key; under `vmap`, split one per sequence.
        forced: (T, I), the words projected on where none is drawn; needed with `mask`.
        mask: (T,) booleans, where a word is drawn; None draws everywhere.

    Returns:
        `Sample(words, probabilities)`.

    Raises:
        ValueError: wrong shapes, or only one of `forced` and `mask`.

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> cell = qj.cells.Bausch(lanes=1, workspace=2, stages=1, degree=1)
        >>> key = jax.random.key(0)
        >>> qj.cells.sample(cell, cell.init(key), jnp.zeros((5, 1)), key).words.shape
        (5,)

    Source: Bausch, arXiv 2006.14619, section 3.
    """
    check_params(cell, params)
    inputs = _checked("inputs", inputs, (None, cell.lanes))
    steps = len(inputs)
    if (forced is None) != (mask is None):
        raise ValueError(
            "Arguments `forced` and `mask` must be given together, but only one is; "
            "try neither, to draw every word."
        )
    forced = inputs if forced is None else _checked("forced", forced, (steps, cell.lanes))
    mask = np.ones(steps, bool) if mask is None else _checked("mask", mask, (steps,))
    return _sample(cell, params, inputs, key, forced, mask)


@partial(jax.jit, static_argnums=0)
def _sample(
    cell: Bausch, params: Array, inputs: Array, key: Array, forced: Array, mask: Array
) -> Sample:
    plan = RealVector().plan(cell.circuit, cell.observables)
    dtype = real_dtype(plan.dtype)
    weights = cell.weights(jnp.asarray(params, dtype))
    prepared = plan.prepare(weight_row(cell.circuit, weights))
    bits = jnp.arange(cell.outputs_count)[:, None] >> jnp.arange(cell.lanes)[::-1] & 1

    def encoded(word: Array, target: Array) -> list:
        x = jnp.concatenate([word, target]).astype(dtype)
        return plan.encode(prepared, spread(cell.circuit, weights, x))

    def step(carry: Array, given: tuple) -> tuple[Array, Sample]:
        word, own, forced_word, drawn = given
        psi, reads = plan.to_read(prepared, carry, encoded(word, jnp.zeros_like(word)))
        choice = jax.random.categorical(own, jnp.log(reads))
        target = jnp.where(drawn, bits[choice], forced_word)
        carry = plan.from_read(prepared, psi, encoded(word, target))
        number = jnp.sum(target * (1 << jnp.arange(cell.lanes)[::-1])).astype(int)
        return rescaled(plan, carry, plan.norm(carry)), Sample(number, reads / jnp.sum(reads))

    keys = jax.random.split(key, len(inputs))
    return lax.scan(step, plan.init(), (inputs, keys, forced, mask))[1]


def overhead(outputs: ArrayLike, words: ArrayLike) -> Array:
    """How often a device would repeat, with amplification, to project on the given words.

    Equation: 1 / sqrt(min_t p_t[word_t]), the smallest over all steps and sequences: the figure
    that the paper plots. The survival of the neurons is not in it: see `log_success`.

    Arguments:
        outputs: p, (..., 2^I), from `run`.
        words: whole numbers below 2^I, (...), the words projected on.

    Returns:
        A scalar, 1 or more.

    Raises:
        ValueError: the shapes do not fit.

    Example:
        >>> import jax.numpy as jnp, qrnn_jax as qj
        >>> outputs = jnp.array([[0.25, 0.75], [0.5, 0.5]])
        >>> float(qj.cells.overhead(outputs, jnp.array([0, 1])))
        2.0

    Source: Bausch, arXiv 2006.14619, appendix.
    """
    outputs, words = jnp.asarray(outputs), jnp.asarray(words)
    if words.shape != outputs.shape[:-1]:
        raise ValueError(
            f"Argument `words` must have shape {outputs.shape[:-1]}, but has {words.shape}; "
            "try the words as numbers, one per step."
        )
    chances = jnp.take_along_axis(outputs, words[..., None], axis=-1)
    return 1 / jnp.sqrt(jnp.min(chances))


def _checked(name: str, values: ArrayLike, shape: tuple) -> Array:
    array = jnp.asarray(values)
    wanted = tuple(found if size is None else size for size, found in zip(shape, array.shape))
    if array.ndim != len(shape) or array.shape != wanted:
        text = ", ".join("T" if size is None else str(size) for size in shape)
        raise ValueError(
            f"Argument `{name}` must have shape ({text}), but has shape {array.shape}; "
            "try one sequence at a time, and `jax.vmap` for batches."
        )
    return array
