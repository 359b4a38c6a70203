"""What `run` checks before it traces anything: shapes always, values where they are concrete."""

from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from qrnn_jax.cell import AbstractCell
from qrnn_jax.controller import FeedbackCell
from qrnn_jax.engines import AbstractPlan


def check_cell(cell: AbstractCell) -> None:
    """Refuse what is no cell, before one of its methods is missed."""
    if isinstance(cell, FeedbackCell):
        raise TypeError(
            "Argument `cell` must be a cell without a controller here, but is a FeedbackCell; try "
            "`cell.cell` for its circuit alone, or `run`, `simulate` and `estimate_gradient`, "
            "which close the loop."
        )
    if not isinstance(cell, AbstractCell):
        raise TypeError(
            f"Argument `cell` must be a cell, but is {type(cell).__name__}; "
            "try `qj.CircuitCell(circuit, observables)`."
        )


def check_prefixes(cell: FeedbackCell, prefixes: bool) -> None:
    """Refuse circuits of their own for outputs that share their bits."""
    if prefixes and cell.feed == "bits":
        raise ValueError(
            "Argument `prefixes` must be False where bits are fed back, but is True: bits act "
            "within a repetition, which gives all outputs at once; try leaving it out."
        )


def check_inputs(cell: AbstractCell | FeedbackCell, xs: ArrayLike) -> Array:
    """Shapes always; values where they are concrete."""
    array = xs if isinstance(xs, Array) else np.asarray(xs)
    if array.ndim != 2 or array.shape[1] != cell.features:
        raise ValueError(
            f"Argument `xs` must have shape (T, {cell.features}), but has shape {array.shape}; "
            "try `xs[:, None]` for one feature, and `jax.vmap` for batches."
        )
    if array.shape[0] == 0:
        raise ValueError("Argument `xs` must have at least one time step, but T = 0.")
    if np.iscomplexobj(array):
        raise ValueError("Argument `xs` must be real, but is complex.")
    if not isinstance(array, jax.core.Tracer):
        _check_values(np.asarray(array), cell.domain())
    return jnp.asarray(array, jnp.result_type(float))


def _check_values(values: np.ndarray, domain: tuple[float, float]) -> None:
    bad = ~np.isfinite(values)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise ValueError(
            f"Argument `xs` must be finite, but row {row}, column {column} is "
            f"{values[row, column]}; try a mask for missing values."
        )
    low, high = domain
    bad = (values < low) | (values > high)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise ValueError(
            f"Argument `xs` must be in [{low:g}, {high:g}], but row {row}, column {column} is "
            f"{values[row, column]:.6g}; try rescaling the series."
        )


@lru_cache(maxsize=256)
def _expected_params(cell: AbstractCell | FeedbackCell) -> tuple[Any, tuple[tuple[int, ...], ...]]:
    shapes = jax.eval_shape(lambda: cell.init(jax.random.key(0)))  # adds nothing to a trace
    return jax.tree.structure(shapes), tuple(leaf.shape for leaf in jax.tree.leaves(shapes))


def check_params(cell: AbstractCell | FeedbackCell, params: Any) -> None:
    structure, shapes = _expected_params(cell)
    if jax.tree.structure(params) != structure:
        raise ValueError(
            f"Argument `params` must have the structure {structure}, but has "
            f"{jax.tree.structure(params)}; try `cell.init(jax.random.key(0))`."
        )
    for leaf, shape in zip(jax.tree.leaves(params), shapes):
        if jnp.shape(leaf) != shape:
            raise ValueError(
                f"Argument `params` must have leaves of shapes {list(shapes)}, but one has shape "
                f"{jnp.shape(leaf)}; try `cell.init(jax.random.key(0))`, `jax.vmap` for batches."
            )
        if jnp.iscomplexobj(leaf):
            raise ValueError("Argument `params` must have real leaves, but one is complex.")


def check_carry(plan: AbstractPlan, carry: Any) -> Any:
    state = jax.tree.map(jnp.asarray, carry)
    expected, found = (
        [leaf.shape for leaf in jax.tree.leaves(tree)]
        for tree in (jax.eval_shape(plan.init), state)
    )
    if found != expected:
        raise ValueError(
            f"Argument `carry` must have shape {_shapes(expected)}, but has shape "
            f"{_shapes(found)}; try the `carry` of an earlier `simulate` with the same cell and "
            "engine."
        )
    return state


def _shapes(shapes: list[tuple[int, ...]]) -> str:
    """One shape, or all those of a tuple of arrays."""
    return str(shapes[0] if len(shapes) == 1 else shapes)


def check_key(key: Array | None, needed: bool) -> None:
    """A key where something is drawn; none is ever made up."""
    if key is None:
        if needed:
            raise ValueError(
                "Argument `key` must be a JAX key where something is drawn (shots, trajectories, a "
                "random gradient rule), but is None; try `key=jax.random.key(0)`."
            )
        return
    typed = isinstance(key, Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    if not typed or key.shape:
        raise ValueError(
            "Argument `key` must be one JAX key, but is "
            f"{f'an array of {key.shape} keys' if typed else repr(key)}; "
            "try `jax.random.key(0)`, and `jax.vmap` over split keys for batches."
        )


def check_survival(values: Array) -> None:
    """Refuse a post-selection that cannot succeed, where that is known: its ratio is no number.

    Arguments:
        values: (T, outputs), or one number made of them.
    """
    if isinstance(values, jax.core.Tracer):
        return
    lost = ~np.isfinite(np.asarray(values))
    if lost.any():
        where = f"at step {int(np.argmax(lost.any(axis=1)))}" if lost.ndim else "somewhere"
        raise ValueError(
            f"A post-selection must be able to succeed, but {where} nothing survives (or a "
            "parameter is no number); try other parameters, more shots, or a `Measure` that keeps "
            "both outcomes."
        )


def check_place(cell: AbstractCell, steps: int, step: int, read: int) -> None:
    """Refuse a step or a read that is not there: an array would return its last entry."""
    reads = sum(observable.outputs for observable in cell.observables)
    for name, value, low, high in (("step", step, -steps, steps), ("read", read, 0, reads)):
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value < high:
            raise ValueError(
                f"Argument `{name}` must be an integer from {low} to {high - 1}, but is {value!r}."
            )
