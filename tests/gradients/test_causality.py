"""The future never acts on the past: not by a small number, but by none."""

import numpy as np
import pytest

import qrnn_jax as qj
from tests.gradients.jacobians import outputs_and_jacobians
from tests.helpers import quick_jit, random_cell, random_inputs

STEPS = 5
RULES = {
    "Backprop": qj.Backprop(),
    "Checkpointed": qj.Checkpointed(every=2),
    "ParameterShift": qj.ParameterShift(),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("kind", "seed"), [("noisy", 100), ("unitary", 105)])
def test_derivatives_by_later_inputs_are_exactly_zero(rule, kind, seed):
    cell = random_cell(seed, kind=kind, gates=4)
    weights, data = random_inputs(cell.circuit, seed, steps=STEPS)
    both = outputs_and_jacobians(cell, RULES[rule])
    _, (_, jacobian) = quick_jit(both)(weights, data)
    sizes = np.abs(jacobian).max(axis=(1, 3))  # (T of outputs, T of data)
    later = np.triu_indices(STEPS, k=1)
    assert (sizes[later] == 0).all()
    assert (sizes[np.tril_indices(STEPS)] > 1e-6).all()  # while every earlier input does act
