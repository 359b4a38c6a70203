"""A pure state divided over four devices is the state of one, and no device holds all of it."""

from typing import Any

import pytest

from tests.devices.child import answers, start

STATE = 2**12


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return answers(start("states", 4))[0]


@pytest.mark.parametrize(
    "case", ["backprop on 4", "adjoint on 4", "parameter-shift on 4", "backprop on 2"]
)
def test_outputs_states_and_gradients_agree(found: dict[str, Any], case: str) -> None:
    assert found["agreement"][case] < 1e-12


def test_a_divided_state_agrees_in_float32(found: dict[str, Any]) -> None:
    assert found["in_float32"] < 1e-6


def test_batches_of_divided_states_agree(found: dict[str, Any]) -> None:
    assert found["batches"] < 1e-12


def test_devices_exchange_halves_and_never_gather(found: dict[str, Any]) -> None:
    program = found["program"]
    assert program["talk"] == ["all-reduce", "collective-permute"]
    assert program["moved"] == [STATE // 4 // 2]


def test_a_device_holds_its_share_only(found: dict[str, Any]) -> None:
    """The largest array is what reverse mode stores of 16 steps: 16 parts of a state."""
    program = found["program"]
    assert program["largest"] == 16 * STATE // 4
    one, four = program["memory"]
    assert four < 0.3 * one


def test_the_carry_stays_divided(found: dict[str, Any]) -> None:
    assert found["carry"]["parts"] == 4 * [STATE // 4]
    assert found["carry"]["drift"] < 1e-12


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("three", "Argument `devices` must be a power of two on a state vector, but is 3"),
        ("zero", "Argument `devices` must be an integer of 1 or more, but is 0"),
        ("many", "Argument `devices` must leave each device the wires of one operation"),
        ("gate", "Argument `devices` must leave each device the wires of one operation"),
        ("observable", "Argument `devices` must leave each device the wires of one operation"),
        ("native", "Argument `kernel` must be possible here"),
    ],
)
def test_what_cannot_be_divided_is_refused(found: dict[str, Any], case: str, words: str) -> None:
    assert found["refusals"][case].startswith(words)
