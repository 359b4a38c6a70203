"""The windows of the decaying triangle, against the published numbers of Viqueira et al.

A dense NumPy simulation of their circuit, written for this test alone, turns the data into the
numbers that were published before training; a wrong sample, window, target or mask changes them.
"""

from dataclasses import replace

import numpy as np
import pytest

from qrnn_jax import tasks

INPUTS, MEMORY, LAYERS, UPLOADS = 1, 2, 3, 3


def rotation(pauli, angle):
    return np.cos(angle / 2) * np.eye(2) - 1j * np.sin(angle / 2) * pauli


X = np.array([[0, 1], [1, 0]])
Y = np.array([[0, -1j], [1j, 0]])
Z = np.diag([1, -1])


def outputs(angles, xs):
    """<Z> of the exchange qubit after each step; memory carried as a 4 x 4 density matrix."""
    encoder, rest = np.split(angles, [2 * UPLOADS])
    layers, final = rest[:-1].reshape(LAYERS, 3, 2), rest[-1]
    evolution = np.eye(8)
    for layer in layers:
        singles = [rotation(Z, b) @ rotation(X, a) for a, b in layer]
        evolution = np.kron(np.kron(singles[0], singles[1]), singles[2]) @ evolution
        evolution = np.diag([1, 1, 1, -1, 1, 1, -1, 1]) @ evolution  # CZ(0,1) CZ(1,2)
    evolution = np.kron(rotation(X, final), np.eye(4)) @ evolution
    memory, reads = np.diag([1, 0, 0, 0]).astype(complex), []
    for x in xs:
        state = rotation(Y, x)[:, 0]
        for a, b in encoder.reshape(UPLOADS, 2):
            state = rotation(Y, x) @ rotation(Z, b) @ rotation(X, a) @ state
        rho = evolution @ np.kron(np.outer(state, state.conj()), memory) @ evolution.conj().T
        blocks = rho.reshape(2, 4, 2, 4)
        up, down = blocks[0, :, 0], blocks[1, :, 1]
        reads.append(np.trace(up - down).real)
        memory = up + down
    return np.array(reads)


@pytest.fixture(scope="module")
def angles():
    return 2 * np.pi * np.random.RandomState(13192).random_sample(25)


@pytest.fixture(scope="module")
def task():
    return tasks.decreasing_triangle()


def test_first_window_gives_the_published_outputs(task, angles):
    window = outputs(angles, task.train.inputs[0, :, 0])
    first = [0.1795168904, -0.1575758139, 0.0756648102, 0.0426269798, -0.0555986777]
    last = [0.0511127470, 0.0707611205, 0.0813962512, 0.0967151850, 0.1069427408]
    np.testing.assert_allclose(window[:5], first, rtol=0, atol=1e-9)
    np.testing.assert_allclose(window[-5:], last, rtol=0, atol=1e-9)


def test_first_window_gives_the_published_loss(task, angles):
    """The notes on the paper print 0.0111660659758, two digits exchanged: the RMSE over all windows
    below, good to 1e-12, and the published bias gradient here leave room for this value only."""
    window = outputs(angles, task.train.inputs[0, :, 0])
    errors = (window - task.train.targets[0, :, 0])[task.train.mask[0]]
    assert np.mean(errors**2) == pytest.approx(0.0111666059758, abs=1e-12)
    assert 2 * np.mean(errors) == pytest.approx(0.1279646287, abs=1e-10)


@pytest.mark.parametrize(
    ("split", "expected"),
    [("train", 0.226252721199), ("validation", 0.262155180986), ("test", 0.069638291848)],
)
def test_splits_give_the_published_rmse_before_training(task, angles, split, expected):
    windows = getattr(task, split)
    guesses = np.stack([outputs(angles, xs[:, 0]) for xs in windows.inputs])
    errors = (guesses - windows.targets[:, :, 0])[windows.mask]
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("seed", "expected"),
    [
        (2, (3, 5, 10, 13, 16, 19, 23, 38)),
        (1, (4, 7, 8, 16, 28, 30, 31, 36)),
        (0, (2, 16, 19, 24, 25, 26, 31, 32)),
    ],
)
def test_validation_windows_are_the_published_ones(seed, expected):
    assert tasks.validation_windows(seed) == expected


def test_splits_hold_the_windows_they_claim(task):
    series = task.series[:, 0]
    cut = series[:1000].reshape(50, 20)
    chosen = list(tasks.validation_windows(2))
    np.testing.assert_array_equal(task.validation.inputs[:, :, 0], cut[chosen])
    np.testing.assert_array_equal(task.train.inputs[:, :, 0], np.delete(cut[:40], chosen, axis=0))
    np.testing.assert_array_equal(task.test.inputs[:, :, 0], cut[40:])
    np.testing.assert_array_equal(task.test.targets[:, :, 0], series[120:].reshape(50, 20)[40:])
    assert task.train.mask.sum(axis=1).tolist() == [5] * 32
    assert task.train.mask[:, -5:].all()


def test_series_is_the_formula(task):
    time = np.linspace(0, 112, 1120)
    rising = time % 5 < 2.5
    triangle = np.where(rising, -1 + 4 * (time % 5) / 5, 3 - 4 * (time % 5) / 5)
    expected = np.exp(-0.02 * time) * 0.75 * triangle
    np.testing.assert_allclose(task.series[:, 0], expected, rtol=0, atol=2e-15)
    assert task.series[0, 0] == -0.75


def test_a_linear_model_reaches_its_documented_errors(task):
    """Ridge 1e-6 on 8 lags: 0.0002, 0.0004, 0.0003 (train, validation, test), to four digits."""
    splits = (task.train, task.validation, task.test)
    errors = [
        tasks.linear_autoregression(replace(task, test=windows), order=8, ridge=1e-6).scaled ** 0.5
        for windows in splits
    ]
    assert [round(error, 4) for error in errors] == [0.0002, 0.0004, 0.0003]


def test_seed_and_delay_are_checked():
    with pytest.raises(ValueError, match=r"`seed` must be a whole number of at least 0, but it is"):
        tasks.decreasing_triangle(seed=-1)
    with pytest.raises(ValueError, match=r"`delay` must be a whole number of at least 1"):
        tasks.decreasing_triangle(delay=0.5)


def test_shorter_windows_end_where_the_long_ones_do(task):
    short = tasks.decreasing_triangle(length=7)
    for name in ("train", "validation", "test"):
        long, cut = getattr(task, name), getattr(short, name)
        assert cut.inputs.shape == (len(long), 7, 1)
        np.testing.assert_array_equal(cut.inputs, long.inputs[:, 13:])
        np.testing.assert_array_equal(cut.targets[cut.mask], long.targets[long.mask])
    for length in (4, 21):
        with pytest.raises(ValueError, match="`length` must be"):
            tasks.decreasing_triangle(length=length)
