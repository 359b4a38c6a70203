"""The photon-number basis: against Gaussian states, against itself as a density matrix."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from tests.helpers import quick_jit

W, D = qj.Weight, qj.Data

# what 50 epochs of training on the sine series made of one seed, rounded
TRAINED = np.array(
    [
        *[0.117, 0.083, 0.252, 0.034, -0.304, 0.156, -0.17, 0.211],  # the first interferometer
        *[0.094, -0.006, -0.065],  # squeezing
        *[0.035, -0.035, -0.099, 0.199, 0.23, -0.172, -0.176, -0.02],  # the second interferometer
        *[-0.018, -0.014, 0.1, 0.463, 0.101, -0.029],  # displacements: r, phi
        0.897,  # scale
    ]
)


def windows(count: int) -> np.ndarray:
    """Windows of the paper's sine in [0, 1], and numbers to draw outcomes with: (count, 4, 2)."""
    series = (np.sin(np.linspace(0, 22, 200)) + 1) / 2
    draws = np.random.default_rng(0).normal(size=(count, 4))
    inputs = np.stack([series[20 * i : 20 * i + 4] for i in range(count)])
    return np.stack([inputs, draws], axis=2)


def last(cell: qj.AbstractCell, engine: qj.AbstractEngine) -> object:
    return quick_jit(
        jax.vmap(lambda p, x: qj.run(cell, p, x, engine=engine)[-1, 0], in_axes=(None, 0))
    )


def test_it_converges_to_gaussian_states():
    """The same draws: outcomes from the cut state's own distribution come closer, too."""
    cell, xs = qj.cells.CVQRNN(homodyne="sampled"), windows(6)
    exact = last(cell, qj.Gaussian())(TRAINED, xs)
    bounds = {6: 3e-3, 8: 4e-4, 10: 6e-5}
    errors = [
        float(np.sqrt(np.mean((last(cell, qj.Fock(cutoff))(TRAINED, xs) - exact) ** 2)))
        for cutoff in bounds
    ]
    assert all(error < bound for error, bound in zip(errors, bounds.values())), errors
    assert errors[0] > 4 * errors[1] > 16 * errors[2] > 0


OPERATIONS = (
    qj.Homodyne(0, draw=D(1)),
    qj.Displacement(0, D(0), 0.3),
    qj.Squeezing(1, W(0), 0.5),
    qj.Beamsplitter(1, 0, W(1), 0.7),
    qj.Kerr(1, W(2)),
    qj.Read(),
    qj.Rotation(0, W(1)),
)
READS = (qj.QuadX(0), qj.QuadP(1), qj.QuadXX(0, 1), qj.Number(1))
WEIGHTS = np.array([0.2, 0.6, 0.3])
XS = np.random.default_rng(2).normal(size=(3, 2)) * [0.3, 1.0]


def test_a_density_matrix_gives_the_same_as_amplitudes():
    """A loss of nothing makes the state a density matrix; gates, reads and draws agree."""
    pure = qj.CircuitCell(qj.Circuit(2, OPERATIONS), READS)
    mixed = qj.CircuitCell(qj.Circuit(2, (*OPERATIONS, qj.Loss(1, 1.0))), READS)
    engine = qj.Fock(5)
    first, second = (
        quick_jit(lambda x, cell=cell: qj.simulate(cell, WEIGHTS, x, engine=engine))(XS)
        for cell in (pure, mixed)
    )
    np.testing.assert_allclose(first.outputs, second.outputs, rtol=0, atol=1e-12)
    assert np.ptp(np.asarray(first.outputs)) > 0.1
    assert first.carry.shape == (5, 5)
    assert second.carry.shape == (5, 5, 5, 5)
    vector = np.asarray(first.carry).reshape(-1)
    np.testing.assert_allclose(
        np.asarray(second.carry).reshape(25, 25), np.outer(vector, vector.conj()), atol=1e-12
    )
    assert float(first.drift) == pytest.approx(float(second.drift), abs=1e-12)
    assert 1e-7 < first.drift < 1e-2  # what left the cutoff since the last outcome


def test_an_averaged_outcome_is_the_mean_over_drawn_ones():
    """Gauss-Hermite quadrature over the draws of two steps, against tracing out."""

    def cell(draw: qj.Slot | None) -> qj.CircuitCell:
        entangle = (qj.Squeezing(0, 0.3), qj.Beamsplitter(0, 1, 0.6, 0.2), qj.Displacement(1, 0.1))
        return qj.CircuitCell(
            qj.Circuit(2, (qj.Homodyne(0, draw=draw), *entangle)), (qj.QuadX(1), qj.Number(1))
        )

    nodes, weights = np.polynomial.hermite_e.hermegauss(16)
    draws = np.zeros((16, 2, 1))
    draws[:, 1, 0] = nodes  # the measurement before the first step finds the vacuum
    engine = qj.Fock(12)
    sampled = quick_jit(jax.vmap(lambda z: qj.run(cell(D(0)), jnp.zeros(0), z, engine=engine)[-1]))(
        draws
    )
    averaged = quick_jit(lambda: qj.run(cell(None), jnp.zeros(0), jnp.zeros((2, 0)), engine=engine))
    mean = weights @ sampled / weights.sum()
    np.testing.assert_allclose(mean, averaged()[-1], rtol=0, atol=2e-5)
    assert np.ptp(np.asarray(sampled)[:, 0]) > 0.3


def test_derivatives_follow_the_outcome():
    """The outcome depends on the state: the gradient is that of the sampled function itself."""
    cell = qj.CircuitCell(qj.Circuit(2, OPERATIONS), READS)

    def total(w: jax.Array) -> jax.Array:
        return qj.run(cell, w, XS, engine=qj.Fock(5))[-1].sum()

    @quick_jit
    def derivative(w: jax.Array, direction: jax.Array) -> tuple:
        return jax.jvp(total, (w,), (direction,))

    step = 1e-6
    for direction in np.eye(3):
        ends = [derivative(WEIGHTS + h * direction, direction)[0] for h in (step, -step)]
        exact = derivative(WEIGHTS, direction)[1]
        assert abs(exact - (ends[0] - ends[1]) / (2 * step)) < 1e-6
        assert abs(exact) > 1e-2


def test_cutoffs_out_of_range_are_named():
    for cutoff in (1, True, 2.5):
        with pytest.raises(ValueError, match="`cutoff` must be an integer of 2 or more, but is"):
            qj.Fock(cutoff)
    with pytest.raises(ValueError, match="a state of 3 modes with cutoff 100000 needs"):
        qj.run(qj.cells.CVQRNN(), TRAINED, np.zeros((1, 1)), engine=qj.Fock(100000))
