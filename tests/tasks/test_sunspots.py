"""The shipped sunspot numbers: their values, their checksum, and a split that leaks nothing."""

import importlib

import numpy as np
import pytest

from qrnn_jax import tasks

module = importlib.import_module("qrnn_jax.tasks.sunspots")  # the name `tasks.sunspots` is the task


@pytest.fixture
def altered(monkeypatch):
    """A way to make the loader see other numbers."""

    def alter(change):
        years, numbers = tasks.sunspot_numbers()
        numbers = change(years, numbers.copy())
        monkeypatch.setattr(module, "sunspot_numbers", lambda: (years, numbers))

    return alter


def test_numbers_are_those_of_the_record():
    years, numbers = tasks.sunspot_numbers()
    np.testing.assert_array_equal(years, np.arange(1700, 2009))
    record = dict(zip(years.tolist(), numbers.tolist(), strict=True))
    known = {1700: 5.0, 1712: 0.0, 1778: 154.4, 1810: 0.0, 1957: 190.2, 2000: 119.6, 2008: 2.9}
    assert {year: record[year] for year in known} == known
    assert numbers.sum() == pytest.approx(15373.4)


def test_one_changed_digit_is_refused():
    content = module.resources.files(module.__package__).joinpath(module.FILE).read_bytes()
    assert module._verified(content) == content
    assert module._verified(content.replace(b"\n", b"\r\n")) == content
    with pytest.raises(ValueError, match=r"must have the SHA-256 9d5660b3.* try installing"):
        module._verified(content.replace(b"1957,190.2", b"1957,190.3"))


def test_the_loader_checks_the_file(monkeypatch):
    monkeypatch.setattr(module, "SHA256", "0" * 64)
    with pytest.raises(ValueError, match=r"`data/sunspots.csv` must have the SHA-256 0000"):
        tasks.sunspots()


def test_readme_states_the_checksum():
    readme = module.resources.files(module.__package__).joinpath("data/README.md").read_text()
    assert module.SHA256 in readme


def test_windows_hold_the_years_they_claim():
    task = tasks.sunspots()
    numbers = task.series[:, 0]
    assert (len(task.train), len(task.validation), len(task.test)) == (205, 35, 53)
    for windows, first in ((task.train, 1716), (task.validation, 1921), (task.test, 1956)):
        for n in (0, len(windows) - 1):
            end = first + n - 1700  # index of the year that window n predicts
            inputs = task.scale.original(windows.inputs[n, :, 0])
            np.testing.assert_allclose(inputs, numbers[end - 16 : end], rtol=0, atol=1e-12)
            targets = task.scale.original(windows.targets[n, :, 0])
            np.testing.assert_allclose(targets, numbers[end - 15 : end + 1], rtol=0, atol=1e-12)
            assert windows.mask[n].tolist() == [False] * 15 + [True]


def test_test_span_leaks_into_nothing(altered):
    before = tasks.sunspots()
    altered(lambda years, numbers: np.where(years > 1955, 7 * numbers + 1000, numbers))
    after = tasks.sunspots()
    assert after.scale == before.scale
    for ours, theirs in ((before.train, after.train), (before.validation, after.validation)):
        np.testing.assert_array_equal(ours.inputs, theirs.inputs)
        np.testing.assert_array_equal(ours.targets, theirs.targets)
    assert np.abs(before.test.targets - after.test.targets).max() > 1


def test_validation_span_leaks_neither_into_training_nor_into_the_scale(altered):
    before = tasks.sunspots()
    altered(lambda years, numbers: np.where(years > 1920, -5 * numbers - 1, numbers))
    after = tasks.sunspots()
    assert after.scale == before.scale
    np.testing.assert_array_equal(before.train.inputs, after.train.inputs)
    np.testing.assert_array_equal(before.train.targets, after.train.targets)


def test_head_room_and_clipping():
    task = tasks.sunspots()
    assert task.scale.clip_count(task.series) == 0
    assert task.test.inputs.max() == pytest.approx(0.878238, abs=1e-6)
    assert np.abs(task.train.inputs).max() == pytest.approx(0.6, abs=1e-15)
    tight = tasks.sunspots(limit=0.9)
    assert tight.scale.clip_count(tight.series) == 2
    assert tight.test.inputs.max() == 1.0
    assert tight.test.targets.max() == pytest.approx(0.9 * (2 * 190.2 / 154.4 - 1))


def test_wash_out_touches_training_only():
    task = tasks.sunspots(length=5, wash_out=2)
    assert task.train.mask[0].tolist() == [False, False, True, True, True]
    assert task.validation.mask[0].tolist() == [False] * 4 + [True]
    assert task.test.mask[0].tolist() == [False] * 4 + [True]


def test_validation_may_be_left_out():
    task = tasks.sunspots(train_until=1955, validate_until=1955)
    assert task.validation is None
    assert len(task.train) == 240
    assert len(task.test) == 53


@pytest.mark.parametrize(
    "years",
    [
        {"train_until": 1956},
        {"train_until": 1715},
        {"validate_until": 2008},
        {"length": 221},
    ],
)
def test_impossible_splits_are_refused(years):
    with pytest.raises(ValueError, match=r"must obey \d+ <= train_until <= validate_until < 2008"):
        tasks.sunspots(**years)


def test_other_arguments_are_checked():
    with pytest.raises(ValueError, match=r"`length` must be a whole number of at least 1"):
        tasks.sunspots(length=0)
    with pytest.raises(ValueError, match=r"`limit` must lie in \(0, 1\], but it is 1.1"):
        tasks.sunspots(limit=1.1)
    with pytest.raises(ValueError, match=r"`steps` must be below the window length 16, but it is"):
        tasks.sunspots(wash_out=16)
