"""Every cell x engine x rule works, or is refused by name."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from tests.helpers import (
    ALL_CELLS,
    ALL_ENGINES,
    ALL_RULES,
    REGISTRIES,
    cell_inputs,
    public_classes,
    quick_jit,
)


@pytest.mark.parametrize("base", REGISTRIES, ids=lambda base: base.__name__)
def test_registries_hold_everything_public(base: type) -> None:
    registered = {type(item) for item in REGISTRIES[base].values()}
    assert registered == public_classes(base), "add the new class to a registry in tests/helpers.py"


def refusal(cell: qj.AbstractCell, engine: str, rule: str) -> str | None:
    """Why a triple cannot run, in the library's own words."""
    circuit = cell.circuit
    return ALL_ENGINES[engine].refusal(circuit) or ALL_RULES[rule].refusal(circuit)


@pytest.mark.parametrize("name", ALL_CELLS)
def test_every_triple_works_or_is_refused_by_name(name: str) -> None:
    cell = ALL_CELLS[name]
    params, xs = cell_inputs(cell, 1, steps=3)
    targets = np.linspace(-0.5, 0.5, 3)[:, None]

    def loss(params: dict, **options: object) -> jax.Array:
        return jnp.mean((qj.run(cell, params, xs, **options) - targets) ** 2)

    triples = [(engine, rule) for engine in ALL_ENGINES for rule in ALL_RULES]
    allowed = [triple for triple in triples if refusal(cell, *triple) is None]
    assert allowed
    for engine, rule in set(triples) - set(allowed):
        options = {"engine": ALL_ENGINES[engine], "gradient": ALL_RULES[rule]}
        reason = refusal(cell, engine, rule)
        names = [type(option).__name__ for option in options.values()]
        assert any(name in reason for name in names)
        with pytest.raises(ValueError, match=re.escape(reason)):
            jax.grad(loss)(params, **options)

    @quick_jit
    def everything(params: dict) -> list:
        options = [{"engine": ALL_ENGINES[e], "gradient": ALL_RULES[r]} for e, r in allowed]
        return [jax.value_and_grad(loss)(params, **option) for option in [{}, *options]]

    automatic, *others = everything(params)
    assert max(np.abs(leaf).max() for leaf in jax.tree.leaves(automatic[1])) > 1e-3
    for triple, other in zip(allowed, others):
        errors = jax.tree.map(lambda a, b: np.abs(a - b).max(), automatic, other)
        assert max(jax.tree.leaves(errors)) < 1e-10, triple


def test_a_rule_that_cannot_serve_says_so() -> None:
    circuit = qj.Circuit(2, (qj.RX(0, qj.Data(0)), qj.CNOT(0, 1), qj.BitFlip(0, qj.Weight(0))))
    cell = qj.CircuitCell(circuit, (qj.Z(0),))
    rule = qj.ParameterShift()
    reason = rule.refusal(circuit)
    assert "ParameterShift" in reason

    def total(weights: jax.Array) -> jax.Array:
        return qj.run(cell, weights, jnp.ones((2, 1)), gradient=rule).sum()

    with pytest.raises(ValueError, match=re.escape(reason)):
        jax.grad(total)(jnp.array([0.2]))
