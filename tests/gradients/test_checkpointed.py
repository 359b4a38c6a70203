"""Recomputing states changes no number, however T is cut."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from qrnn_jax_kernels.pure_states import obstacle

import qrnn_jax as qj
from qrnn_jax.setup import expectations_for, rule_for
from tests.gradients.jacobians import SOME_CELLS, distance, outputs_and_jacobians
from tests.helpers import quick_jit, random_cell

STEPS = 5  # prime: only chunks of 1 and 5 divide it
NOISY = random_cell(100, kind="noisy", gates=4)
CASES = {"emcz2": (SOME_CELLS["emcz2"], (1, 3, 9)), "noisy": (NOISY, (None,))}


@pytest.mark.parametrize("case", CASES)
def test_checkpointed_equals_backprop(case):
    cell, chunks = CASES[case]
    xs = np.random.default_rng(1).uniform(-2, 2, (STEPS, cell.features))
    rules = [qj.Backprop(), *(qj.Checkpointed(every=every) for every in chunks)]
    jacobians = [outputs_and_jacobians(cell, rule) for rule in rules]

    @quick_jit
    def all_rules(params, xs):
        return [both(params, xs) for both in jacobians]

    expected, *found = all_rules(cell.init(jax.random.key(2)), xs)
    for result in found:
        assert distance(result, expected) < 1e-12


def test_it_stores_less_than_backprop():
    """The point of the rule: on a long sequence, reverse mode keeps far less."""
    cell = qj.cells.Viqueira(exchange=1, memory=5, layers=1, uploads=0)
    params, xs = cell.init(jax.random.key(0)), jnp.full((256, 1), 0.3)

    def stored(rule):
        def loss(params):
            return qj.run(cell, params, xs, gradient=rule).sum()

        compiled = quick_jit(jax.grad(loss)).lower(params).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    # measured 0.028; one level of checkpoints alone gives 0.08 or 0.11
    assert stored(qj.Checkpointed()) < 0.05 * stored(qj.Backprop())


@pytest.mark.parametrize(
    ("wires", "steps", "rule"),
    [
        (2, 50, qj.Backprop()),
        (8, 1000, qj.Checkpointed(every=1)),
        (8, 10**5, qj.Checkpointed()),
    ],
)
def test_the_automatic_rule_goes_by_what_it_would_keep(wires, steps, rule):
    operations = [qj.RX(wire, qj.Weight(wire)) for wire in range(wires)]
    operations += [qj.CNOT(wire, wire + 1) for wire in range(wires - 1)]
    resets = [qj.Reset(wire) for wire in range(wires // 2)]
    cell = qj.CircuitCell(qj.Circuit(wires, (*4 * operations, *resets)), qj.Z(0))
    expectations = expectations_for(cell, None, None, False, steps)
    assert rule_for(expectations, steps, None) == rule


@pytest.mark.skipif(obstacle() is not None, reason=f"no native code: {obstacle()}")
def test_the_automatic_rule_takes_native_code():
    cell = qj.CircuitCell(qj.Circuit(1, (qj.RX(0, qj.Weight(0)),)), qj.Z(0))
    assert rule_for(expectations_for(cell, None, None, False, 5), 5, None) == qj.Adjoint()


@pytest.mark.parametrize("every", [0, -3, True])
def test_every_must_be_positive(every):
    with pytest.raises(ValueError, match=r"`every` must be an integer of 1 or more, but is"):
        qj.Checkpointed(every=every)
