"""The noisy twin of a cell: the same classical maps around the noisy circuit."""

import jax
import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.circuit import observed
from tests import oracle
from tests.helpers import quick_jit

PROFILE = qj.NoiseProfile(
    gate1=0.02, gate2=0.05, damping=0.1, dephasing=0.06, idle=0.08, reset=0.1, readout=0.05
)


def test_the_twin_runs_the_noisy_circuit_between_the_same_maps():
    cell = qj.cells.Viqueira(exchange=1, memory=1, layers=1, uploads=0)
    noisy = qj.cells.Noisy(cell, PROFILE)
    assert noisy.circuit == PROFILE.noisy(cell.circuit)
    assert noisy.observables == cell.observables
    params = noisy.init(jax.random.key(1)).at[0].set(0.25)  # the bias
    np.testing.assert_array_equal(params[1:], cell.init(jax.random.key(1))[1:])
    xs = np.array([[0.3], [-0.9], [1.4]])
    reads, _ = oracle.run(noisy.circuit, noisy.observables, np.asarray(params[1:]), xs)
    seen = qj.CircuitCell(*observed(noisy.circuit, noisy.observables))
    ys = quick_jit(lambda w: qj.run(seen, w, xs))(params[1:])
    np.testing.assert_allclose(ys, reads, atol=1e-13)
    np.testing.assert_allclose(noisy.outputs(params, reads[0]), 0.25 + reads[0], atol=1e-14)
    ideal, _ = oracle.run(cell.circuit, cell.observables, np.asarray(params[1:]), xs)
    assert np.abs(reads - ideal).max() > 0.05


def test_the_maps_are_the_cells():
    cell = qj.cells.Takaki(inputs=2, memory=1, depth=1)
    noisy, params = qj.cells.Noisy(cell, PROFILE), cell.init(jax.random.key(0))
    x = np.array([0.3])
    assert (noisy.features, noisy.outputs_count) == (cell.features, cell.outputs_count)
    assert noisy.domain() == (-1.0, 1.0)
    np.testing.assert_array_equal(noisy.data(params, x), cell.data(params, x))
    np.testing.assert_array_equal(noisy.weights(params), cell.weights(params))
    np.testing.assert_array_equal(noisy.feedback(np.array([1.7])), [1.0])
    np.testing.assert_array_equal(noisy.outputs(params, x), 2 * x)


def test_twins_are_values():
    cell = qj.cells.Takaki()
    assert qj.cells.Noisy(cell, PROFILE) == qj.cells.Noisy(qj.cells.Takaki(), PROFILE.scaled(1))
    assert qj.cells.Noisy(cell, PROFILE) != qj.cells.Noisy(cell, PROFILE.scaled(0.5))


def test_what_is_no_cell_or_no_profile_is_refused():
    with pytest.raises(TypeError, match="Argument `cell` must be a cell, but is Circuit; try"):
        qj.cells.Noisy(qj.Circuit(1, ()), PROFILE)
    with pytest.raises(
        TypeError, match="Argument `profile` must be a `NoiseProfile`, but is float"
    ):
        qj.cells.Noisy(qj.cells.Takaki(), 0.1)
