"""Batches, seeds and shifted runs give on four devices what they give on one."""

from typing import Any

import pytest

from tests.devices.child import answers, start
from tests.helpers import ALL_RULES, INEXACT_RULES


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return answers(start("batches", 4))[0]


@pytest.mark.parametrize("rule", ALL_RULES)
def test_gradients_of_a_batch_agree(found: dict[str, Any], rule: str) -> None:
    assert found["every_rule"][rule] < 1e-12


@pytest.mark.parametrize("rule", INEXACT_RULES)
def test_differences_of_a_batch_agree(found: dict[str, Any], rule: str) -> None:
    """Rounding is divided by the step, of about 1e-5."""
    assert found["every_rule"][rule] < 1e-10


def test_a_batch_agrees_in_float32(found: dict[str, Any]) -> None:
    assert found["in_float32"] < 1e-6


@pytest.mark.parametrize("devices", ["1", "2"])
def test_any_number_of_devices_agrees(found: dict[str, Any], devices: str) -> None:
    assert found["mesh_sizes"][devices] < 1e-12


def test_training_agrees(found: dict[str, Any]) -> None:
    assert found["training"] < 1e-12


def test_axes_are_those_of_vmap(found: dict[str, Any]) -> None:
    assert found["axes"] < 1e-12


@pytest.mark.parametrize("kind", ["Explicit", "Auto"])
def test_a_batch_may_lie_on_another_mesh(found: dict[str, Any], kind: str) -> None:
    assert found["placed"][kind] < 1e-12


def test_native_code_runs_on_each_device_on_its_own_share(found: dict[str, Any]) -> None:
    """Two of eight sequences; only the sums of gradients are exchanged."""
    shares = {"qrnn_pure_forward": 2, "qrnn_pure_backward": 2}
    assert found["native"] == {"calls": shares, "talk": ["all-reduce"]}


def test_each_device_plays_its_share_of_the_shifted_runs(found: dict[str, Any]) -> None:
    """Of 8 runs and of 10, which are padded to 12."""
    assert found["shifted_runs"]["parts"] == [2, 3]


@pytest.mark.parametrize("runs", ["exact", "sampled"])
def test_shifted_runs_agree(found: dict[str, Any], runs: str) -> None:
    """Sampled ones draw the same outcomes."""
    assert found["shifted_runs"][runs] < 1e-12


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("batch", "The batch must be a multiple of 4, the number of devices, but is 6"),
        ("devices", "Argument `devices` must be at most 4"),
        ("inside", "Argument `devices` must be 1 inside"),
    ],
)
def test_what_cannot_be_divided_is_refused(found: dict[str, Any], case: str, words: str) -> None:
    assert found["refusals"][case].startswith(words)
