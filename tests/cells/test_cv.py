"""The continuous-variable network: layout, affinity, and the statistics of its measurements."""

from itertools import count

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.cells.cv import interferometer
from qrnn_jax.circuit.mode_lower import fuse, members, stages
from qrnn_jax.circuit.spread import weight_row
from tests.engines.test_fock import TRAINED
from tests.helpers import quick_jit


def at_random(cell: qj.cells.CVQRNN, seed: int = 0) -> np.ndarray:
    """Parameters of a size that training reaches, far from where they start."""
    weights = np.random.default_rng(seed).normal(size=cell.circuit.weight_count) * 0.4
    return np.append(weights, 0.9)


@pytest.mark.parametrize(("modes", "weights"), [(1, 5), (2, 12), (3, 25), (4, 42), (5, 63)])
def test_the_published_numbers_of_weights(modes: int, weights: int) -> None:
    cell = qj.cells.CVQRNN(io=1, hidden=modes - 1)
    assert cell.circuit.weight_count == weights
    assert cell.init(jax.random.key(0)).shape == (weights + 1,)
    kerr = qj.cells.CVQRNN(io=1, hidden=modes - 1, kerr=True)
    assert kerr.circuit.weight_count == weights + modes
    twice = qj.cells.CVQRNN(io=1, hidden=modes - 1, layers=2, repetitions=3)
    assert twice.circuit.weight_count == 2 * weights
    assert twice.circuit.count()["Squeezing"] == 6 * modes


def test_the_layout_is_the_one_of_the_notes() -> None:
    mesh = interferometer(3, count())
    w = qj.Weight
    assert mesh == [
        qj.Beamsplitter(0, 1, w(0), w(3)),
        qj.Beamsplitter(1, 2, w(1), w(4)),
        qj.Beamsplitter(0, 1, w(2), w(5)),
        qj.Rotation(0, w(6)),
        qj.Rotation(1, w(7)),
    ]
    assert interferometer(1, count()) == [qj.Rotation(0, w(0))]
    cell = qj.cells.CVQRNN(io=1, hidden=1, kerr=True, transmissivity=0.9, homodyne="sampled")
    kinds = [type(operation).__name__ for operation in cell.circuit.operations]
    mesh_of_two = ["Beamsplitter", "Rotation"]
    assert kinds == [
        *["Homodyne", "Displacement", *mesh_of_two, "Squeezing", "Squeezing", *mesh_of_two],
        *["Displacement", "Kerr", "Displacement", "Kerr", "Loss", "Loss"],
    ]
    assert cell.circuit.operations[0] == qj.Homodyne(0, draw=qj.Data(1))
    assert cell.circuit.operations[8:12] == (
        qj.Displacement(0, w(8), w(10)),
        qj.Kerr(0, w(12)),
        qj.Displacement(1, w(9), w(11)),
        qj.Kerr(1, w(13)),
    )


@pytest.mark.parametrize("modes", [1, 2, 3, 4])
def test_the_step_is_symplectic(modes: int) -> None:
    cell = qj.cells.CVQRNN(io=1, hidden=modes - 1)
    operations = range(1, len(cell.circuit.operations))  # without the measurement
    fixed = stages(members(cell.circuit, operations))[-1]
    row = weight_row(cell.circuit, jnp.asarray(at_random(cell)[:-1]))
    matrix = np.asarray(quick_jit(lambda tape: fuse(fixed, tape, modes).matrix)(row))
    one, zero = np.eye(modes), np.zeros((modes, modes))
    form = np.block([[zero, one], [-one, zero]])
    assert np.abs(matrix @ form @ matrix.T - form).max() < 1e-12
    assert np.abs(matrix @ matrix.T - np.eye(2 * modes)).max() > 0.05  # it does squeeze


def test_it_starts_close_to_a_passive_network() -> None:
    """Standard deviations: 0.1 for angles, 0.01 for what adds photons; scale 1."""
    cell = qj.cells.CVQRNN(io=2, hidden=4, kerr=True)
    draws = np.asarray(jax.vmap(cell.init)(jax.random.split(jax.random.key(1), 400)))
    deviation = draws.std(axis=0)
    angles = 35
    active = [*range(angles, angles + 6), *range(2 * angles + 6, 2 * angles + 12)]
    active += range(2 * angles + 18, 2 * angles + 24)
    passive = sorted(set(range(len(deviation) - 1)) - set(active))
    np.testing.assert_allclose(deviation[active], 0.01, rtol=0.15)
    np.testing.assert_allclose(deviation[passive], 0.1, rtol=0.15)
    assert (draws[:, -1] == 1).all()


def gaps(cell: qj.cells.CVQRNN, many: np.ndarray, engine: qj.AbstractEngine) -> np.ndarray:
    """|y(u) + y(v) - y(u + v) - y(0)| for two random windows, for each of many parameters."""
    u, v = np.random.default_rng(0).uniform(0, 0.6, (2, 4, 1))
    last = jax.vmap(lambda p, x: qj.run(cell, p, x, engine=engine)[-1, 0], in_axes=(None, 0))
    ys = quick_jit(jax.vmap(last, in_axes=(0, None)))(many, np.stack([u, v, u + v, 0 * u]))
    a, b, both, nothing = np.asarray(ys).T
    assert np.abs(both - nothing).min() > 0.1
    return np.abs(a + b - both - nothing)


def test_the_output_is_affine_in_the_input_unless_there_is_kerr() -> None:
    """At cutoff 6 nearly: 4e-5 is seen; a Kerr gate of 0 is none."""
    cell = qj.cells.CVQRNN()
    assert gaps(cell, at_random(cell)[None], qj.Gaussian()) < 1e-12
    many = np.stack([np.insert(TRAINED, 25, [k, k, k]) for k in (0.0, 0.3)])
    without, with_kerr = gaps(qj.cells.CVQRNN(kerr=True), many, qj.Fock(6))
    assert 1e-12 < without < 2e-2
    assert with_kerr > 1e-2


def sampled(cell: qj.cells.CVQRNN, params: np.ndarray, inputs: np.ndarray, number: int) -> object:
    draws = jax.random.normal(jax.random.key(5), (number, len(inputs), cell.io))

    def one(z: jax.Array) -> jax.Array:
        return qj.run(cell, params, jnp.concatenate([jnp.asarray(inputs), z], axis=1))[-1, 0]

    return np.asarray(quick_jit(jax.vmap(one))(draws))


INPUTS = np.array([[0.3], [0.8], [0.1], [0.6]])


@pytest.mark.parametrize(
    ("seed", "options"),
    [(1, {}), (3, {"io": 2, "hidden": 1, "transmissivity": 0.8})],
    ids=["published", "two inputs"],
)
def test_sampled_outputs_have_the_moments_of_the_closed_form(seed: int, options: dict) -> None:
    number = 100_000
    cell = qj.cells.CVQRNN(**options, homodyne="sampled")
    params = at_random(cell, seed)
    ys = sampled(cell, params, INPUTS, number)
    averaged = qj.cells.CVQRNN(**options)

    @quick_jit
    def closed(target: jax.Array) -> tuple:
        loss = qj.cells.expected_loss(averaged, params, INPUTS[None], target)
        variance = qj.cells.output_variance(averaged, params, 4)[-1]
        return qj.run(averaged, params, INPUTS)[-1, 0], variance, loss

    target = np.array([0.7])
    mean, variance, loss = (float(number) for number in closed(target))
    assert variance > 1e-4
    assert abs(ys.mean() - mean) < 4 * np.sqrt(variance / number)
    assert ys.var() == pytest.approx(variance, rel=0.03)
    assert loss == pytest.approx(np.mean((ys - target) ** 2), rel=0.03)
    assert loss == pytest.approx((mean - target[0]) ** 2 + variance, rel=1e-9)


def test_without_squeezing_a_measurement_does_nothing() -> None:
    cell = qj.cells.CVQRNN(homodyne="sampled")
    params = at_random(cell, 1)
    params[8:11] = 0
    assert np.ptp(sampled(cell, params, INPUTS, 100)) < 1e-12


def test_the_memory_can_be_read() -> None:
    """readout="hidden" is the mean of <x> over the hidden modes."""
    cell, both = (qj.cells.CVQRNN(readout=kind) for kind in ("hidden", "io"))
    params = at_random(cell)
    seen = qj.CircuitCell(both.circuit, (qj.QuadX(1), qj.QuadX(2)))
    expected = params[-1] * np.mean(qj.run(seen, params[:-1], INPUTS), axis=1)
    np.testing.assert_allclose(qj.run(cell, params, INPUTS)[:, 0], expected, atol=1e-14)


def test_a_forecast_feeds_the_mean_back() -> None:
    cell = qj.cells.CVQRNN()
    params = at_random(cell)
    ys = qj.forecast(cell, params, INPUTS, 3)
    longer = qj.run(cell, params, np.concatenate([INPUTS, ys[:2]]))
    np.testing.assert_allclose(ys[1:], longer[4:], rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match=r'try `homodyne="averaged"`'):
        qj.forecast(qj.cells.CVQRNN(homodyne="sampled"), params, np.ones((4, 2)), 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"io": 0}, "`io` must be 1 or more, but is 0"),
        ({"hidden": -1}, "`hidden` must be 0 or more"),
        ({"layers": 0}, "`layers` must be 1 or more"),
        ({"repetitions": 0}, "`repetitions` must be 1 or more"),
        ({"transmissivity": 1.5}, r"`transmissivity` must be in \[0, 1\], but is 1.5"),
        ({"homodyne": "none"}, "`homodyne` must be one of .* but is 'none'"),
        ({"readout": "all"}, "`readout` must be one of .* but is 'all'"),
        ({"hidden": 0, "readout": "hidden"}, '`readout` must be "io" without hidden modes'),
    ],
)
def test_settings_out_of_range_are_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        qj.cells.CVQRNN(**options)


def test_the_closed_form_needs_gaussian_states() -> None:
    cell = qj.cells.CVQRNN(kerr=True)
    with pytest.raises(ValueError, match="must be Gaussian, but has `kerr=True`"):
        qj.cells.output_variance(cell, cell.init(jax.random.key(0)), 4)
