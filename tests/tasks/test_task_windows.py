"""Windows, masks, padding, the standardiser, and what they refuse."""

import numpy as np
import pytest

from qrnn_jax import tasks

GRID = np.arange(24.0).reshape(2, 4, 3)  # (N, T, F)
ALL = np.ones((2, 4), dtype=bool)


def test_sliding_windows_against_a_loop():
    series = np.random.default_rng(0).normal(size=(23, 2))
    windows = tasks.sliding_windows(series, 5, horizon=3, stride=4)
    starts = [n for n in range(0, 23, 4) if n + 5 + 3 <= 23]
    assert len(windows) == len(starts) == 4
    for n, start in enumerate(starts):
        for t in range(5):
            np.testing.assert_array_equal(windows.inputs[n, t], series[start + t])
            np.testing.assert_array_equal(windows.targets[n, t], series[start + t + 3])
    assert windows.mask.all()


def test_shortest_possible_series_gives_one_window():
    windows = tasks.sliding_windows([1, 2, 3], 2)
    assert windows.inputs.tolist() == [[[1.0], [2.0]]]
    assert windows.targets.tolist() == [[[2.0], [3.0]]]
    with pytest.raises(
        ValueError, match=r"`series` must have at least length \+ horizon = 3 rows, "
    ):
        tasks.sliding_windows([1, 2], 2)


@pytest.mark.parametrize("name", ["length", "horizon", "stride"])
@pytest.mark.parametrize("value", [0, -1, 2.0, True, None])
def test_sliding_windows_refuses_other_counts(name, value):
    options = {"length": 2, name: value}
    with pytest.raises(ValueError, match=rf"`{name}` must be a whole number of at least 1, but it"):
        tasks.sliding_windows(np.arange(9), **options)


def test_washout_leaves_the_rest_and_the_original_alone():
    mask = np.array([[True, True, True], [True, True, False]])
    out = tasks.washout(mask, 1)
    assert out.tolist() == [[False, True, True], [False, True, False]]
    assert mask[0, 0]
    np.testing.assert_array_equal(tasks.washout(mask, 0), mask)
    with pytest.raises(
        ValueError, match=r"`steps` must be below the window length 3, but it is 3; "
    ):
        tasks.washout(mask, 3)
    with pytest.raises(ValueError, match=r"`steps` must be a whole number of at least 0"):
        tasks.washout(mask, -1)


def test_pad_keeps_every_row_in_its_place():
    xs = [np.full((length, 2), n + 1.0) for n, length in enumerate((2, 4, 1))]
    ys = [10 * x[:, :1] + np.arange(len(x))[:, None] for x in xs]
    windows = tasks.pad(xs, ys)
    assert windows.inputs.shape == (3, 4, 2)
    assert windows.mask.tolist() == [[1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]]
    for n, (x, y) in enumerate(zip(xs, ys, strict=True)):
        np.testing.assert_array_equal(windows.inputs[n, : len(x)], x)
        np.testing.assert_array_equal(windows.targets[n, : len(y)], y)
        assert not windows.inputs[n, len(x) :].any()


@pytest.mark.parametrize(
    ("inputs", "targets", "message"),
    [
        ([], [], r"must hold the same number of sequences, at least one, but they hold 0 and 0"),
        ([[1]], [[1], [2]], r"but they hold 1 and 2"),
        ([[1, 2]], [[1]], r"`targets\[0\]` must have the 2 rows of `inputs\[0\]`, but it has 1"),
        ([[1], []], [[1], []], r"`inputs\[1\]` must have at least one row, but its shape"),
        ([[[1]], [[1, 2]]], [[1], [2]], r"`inputs\[0\]` has 1 and `inputs\[1\]` has 2"),
        ([[1]], [[np.inf]], r"`targets\[0\]` must be finite, but row 0, column 0 is inf"),
        ([[[1, 2], [3]]], [[1, 2]], r"`inputs\[0\]` must be a rectangular array of real numbers"),
    ],
)
def test_pad_refuses_by_name(inputs, targets, message):
    with pytest.raises(ValueError, match=message):
        tasks.pad(inputs, targets)


@pytest.mark.parametrize(
    ("series", "message"),
    [
        ([], r"`series` must have at least one row, but its shape is \(0, 1\)"),
        (np.zeros((3, 0)), r"`series` must have at least one column"),
        (
            [[0, 1], [2, np.nan]],
            r"`series` must be finite, but row 1, column 1 is nan; try dropping",
        ),
        ([0, -np.inf, 0], r"row 1, column 0 is -inf"),
        ([[0], [1, 2]], r"must be a rectangular array of real numbers"),
        (["a", "b"], r"must be a rectangular array of real numbers"),
        ([1j, 2j], r"must be a rectangular array of real numbers.*complex"),
        (np.zeros((2, 2, 2)), r"must have the axes \(row, column\), but its shape is \(2, 2, 2\)"),
    ],
)
def test_bad_series_are_refused_by_name(series, message):
    with pytest.raises(ValueError, match=message):
        tasks.sliding_windows(series, 1)


def test_windows_select_and_count():
    windows = tasks.Windows(GRID, GRID[:, :, :1], ALL)
    assert len(windows) == 2
    assert windows.scored == 8
    chosen = windows[[1]]
    np.testing.assert_array_equal(chosen.inputs, GRID[1:])
    np.testing.assert_array_equal(chosen.targets, GRID[1:, :, :1])
    assert len(windows[:1]) == 1


@pytest.mark.parametrize(
    ("inputs", "targets", "mask", "message"),
    [
        (GRID[0], GRID, ALL, r"`inputs` must have the axes \(window, row, column\), but its shape"),
        (
            GRID[:, :0],
            GRID,
            ALL,
            r"`inputs` must have at least one row, but its shape is \(2, 0, 3",
        ),
        (GRID, GRID[:, :3], ALL, r"`targets` must have the \(N, T\) of `inputs`, \(2, 4\), but it"),
        (
            GRID,
            GRID,
            ALL[:1],
            r"`mask` must be bool of shape \(2, 4\), but it is bool of shape \(1",
        ),
        (GRID, GRID, ALL.astype(int), r"`mask` must be bool of shape \(2, 4\), but it is int64"),
        (GRID, GRID, ~ALL, r"`mask` must let at least one step count, but it is False everywhere"),
    ],
)
def test_windows_refuse_by_name(inputs, targets, mask, message):
    with pytest.raises(ValueError, match=message):
        tasks.Windows(inputs, targets, mask)


def test_windows_name_the_place_of_a_nan():
    broken = GRID.copy()
    broken[1, 2, 0] = np.nan
    with pytest.raises(ValueError, match=r"`targets` .* window 1, row 2, column 0 is nan"):
        tasks.Windows(GRID, broken, ALL)


def test_task_refuses_splits_of_unequal_features():
    task = tasks.cosine(steps=4)
    wide = tasks.Windows(GRID, GRID, ALL)
    with pytest.raises(ValueError, match=r"`test` must have .* of `train`, \(1, 1\), but it has"):
        tasks.Task(**{**vars(task), "test": wide})
    with pytest.raises(ValueError, match=r"`validation` must have"):
        tasks.Task(**{**vars(task), "validation": wide})


def test_standardiser_maps_the_extremes_and_inverts():
    values = np.random.default_rng(1).normal(3.0, 20.0, size=50)
    scale = tasks.Standardiser.fit(values)
    scaled = scale.scaled(values)
    assert scaled.min() == pytest.approx(-0.9, abs=1e-15)
    assert scaled.max() == pytest.approx(0.9, abs=1e-15)
    np.testing.assert_allclose(scale.original(scaled), values, rtol=0, atol=1e-13)
    np.testing.assert_array_equal(scale.clipped(values), scaled)


def test_standardiser_clips_inputs_and_counts_them():
    scale = tasks.Standardiser(low=0.0, high=10.0, limit=0.5)
    values = [-6.0, -5.0, 5.0, 15.0, 15.1]
    np.testing.assert_allclose(scale.scaled(values), [-1.1, -1.0, 0.0, 1.0, 1.01], atol=1e-15)
    np.testing.assert_allclose(scale.clipped(values), [-1.0, -1.0, 0.0, 1.0, 1.0], atol=1e-15)
    assert scale.clip_count(values) == 2


def test_identity_changes_no_bit():
    values = np.random.default_rng(2).uniform(-1, 1, size=100)
    scale = tasks.Standardiser.identity()
    np.testing.assert_array_equal(scale.scaled(values), values)
    np.testing.assert_array_equal(scale.original(values), values)


def test_standardiser_refuses_by_name():
    with pytest.raises(
        ValueError, match=r"`high` must be above `low`, .* they are 2.0 and 2.0; a "
    ):
        tasks.Standardiser.fit([2.0, 2.0])
    with pytest.raises(ValueError, match=r"`high` must be above `low`, both finite"):
        tasks.Standardiser.fit([2.0, np.nan])
    with pytest.raises(ValueError, match=r"`limit` must lie in \(0, 1\], but it is 0"):
        tasks.Standardiser.fit([1.0, 2.0], limit=0)
    with pytest.raises(ValueError, match=r"`values` must not be empty"):
        tasks.Standardiser.fit([])
