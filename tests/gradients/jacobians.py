"""What the gradient tests share: circuits to differentiate, and their full Jacobians."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import qrnn_jax as qj
from tests.helpers import random_cell, random_inputs

STEPS = 3
SOME_CIRCUITS = [("noisy", seed) for seed in range(100, 104)] + [("reset", 104), ("unitary", 105)]
SOME_CELLS = {
    "takaki": qj.cells.Takaki(inputs=2, memory=1, depth=1),
    "emcz2": qj.cells.Viqueira(exchange=1, memory=2, layers=1, uploads=1),
    "emcz3": qj.cells.Viqueira(exchange=2, memory=1, layers=1, uploads=0, ansatz="EMCZ3"),
}


def some_models() -> dict[str, tuple[qj.AbstractCell, Any, np.ndarray]]:
    """Six random circuits and the published cells, each with (params, xs) for `STEPS` steps."""
    models: dict = {}
    for kind, seed in SOME_CIRCUITS:
        cell = random_cell(seed, kind=kind, gates=4)
        models[f"{kind}-{seed}"] = (cell, *random_inputs(cell.circuit, seed, steps=STEPS))
    for name, cell in SOME_CELLS.items():
        xs = np.random.default_rng(7).uniform(-0.9, 0.9, (STEPS, cell.features))
        models[name] = (cell, cell.init(jax.random.key(3)), xs)
    return models


def outputs_and_jacobians(
    cell: qj.AbstractCell, rule: qj.AbstractGradient, mode: Callable = jax.jacrev
) -> Callable:
    """(params, xs) -> (outputs, (d outputs / d params, d outputs / d xs))."""

    def twice(params: Any, xs: jax.Array) -> tuple[jax.Array, jax.Array]:
        outputs = qj.run(cell, params, xs, gradient=rule)
        return outputs, outputs

    def both(params: Any, xs: jax.Array) -> tuple:
        jacobians, outputs = mode(twice, argnums=(0, 1), has_aux=True)(params, xs)
        return outputs, jacobians

    return both


def scalar(outputs: jax.Array) -> jax.Array:
    """A loss that is not linear in the outputs and in which nothing cancels."""
    weights = jnp.asarray(1 + 0.618034 * np.arange(outputs.size) % 1)
    return jnp.vdot(weights, jnp.sin(outputs.reshape(-1) + 0.3))


def distance(tree: Any, reference: Any) -> float:
    """The largest absolute difference between the numbers of two trees; NaN counts."""
    assert jax.tree.structure(tree) == jax.tree.structure(reference)
    pairs = zip(jax.tree.leaves(tree), jax.tree.leaves(reference), strict=True)
    errors = [np.max(np.abs(np.asarray(a) - np.asarray(b)), initial=0) for a, b in pairs]
    return float(np.max(errors))


def size(tree: Any) -> float:
    """The largest absolute number of a tree."""
    return float(max(np.max(np.abs(leaf), initial=0) for leaf in jax.tree.leaves(tree)))
