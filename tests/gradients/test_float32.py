"""In JAX's default type the rules agree to single precision.

A Jacobian's entry is a sum of shifted outputs, each good to a few of complex64's rounding units
(6e-8). Measured: 4e-7 at T = 3, the bound leaves a factor of ten; 2.3e-6 on the cells at T = 20.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from tests.gradients.jacobians import distance, outputs_and_jacobians, size, some_models
from tests.helpers import quick_jit

MODELS = {name: some_models()[name] for name in ("noisy-100", "reset-104", "takaki", "emcz2")}


@pytest.mark.parametrize("model", MODELS)
def test_shift_rule_in_complex64(model):
    cell, params, xs = MODELS[model]
    with jax.enable_x64(False):
        params, xs = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf), float), (params, xs))

        @quick_jit
        def both(params, xs):
            rules = (qj.Backprop(), qj.ParameterShift())
            return [outputs_and_jacobians(cell, rule)(params, xs) for rule in rules]

        expected, found = both(params, xs)
    assert {leaf.dtype for leaf in jax.tree.leaves(found)} == {np.dtype(np.float32)}
    assert size(expected) > 0.1
    assert distance(found, expected) < 4e-6
