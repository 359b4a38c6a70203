"""E6: the parts of the experiment against closed forms, at tiny sizes."""

import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax import validation
from qrnn_jax.validation import device_noise


def test_one_gate_has_the_bias_that_the_notes_say() -> None:
    rows = device_noise._gates()
    assert [row["relative"] for row in rows] == pytest.approx([-0.017, -0.082, -0.153], abs=5e-4)
    assert max(row["closed"] for row in rows) < 1e-12


def test_over_rotation_scales_the_gradient() -> None:
    row = device_noise._turned(0.05, validation.Settings())
    assert row["relative"] == pytest.approx(np.sin(1.05 * np.pi / 2) / 1.05 - 1, abs=1e-12)
    assert row["direction"] < 1e-12


def test_every_kind_of_channel_is_in_the_cell() -> None:
    kinds = {type(op).__name__ for op in device_noise.every_channel_cell().circuit.operations}
    channels = {"Depolarizing", "AmplitudeDamping", "PhaseDamping", "BitFlip", "Kraus", "Measure"}
    assert kinds >= channels | {"ReadoutError", "Reset"}


def test_the_shift_rule_is_exact_with_every_channel_and_not_with_angle_noise() -> None:
    weights, xs = np.array([0.3, 1.2, -0.7]), np.array([[0.4], [-0.8]])
    cell = device_noise.every_channel_cell()
    rules = qj.ParameterShift(), qj.Backprop()
    shifted, exact = (device_noise._jacobians(cell, rule, weights, xs) for rule in rules)
    for a, b in zip(shifted, exact):
        np.testing.assert_allclose(a, b, atol=1e-10)
    pilot = device_noise.angle_noise_cell(0.1)
    places = jnp.linspace(0.2, 1.4, 7), jnp.full((1, 1), 0.5)
    biased, true = device_noise._gradients(pilot, *map(np.asarray, places))
    assert np.abs(biased - true).max() > 1e-3
