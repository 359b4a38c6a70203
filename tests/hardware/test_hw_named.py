"""Devices by name."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj


def test_the_local_device_needs_nothing() -> None:
    assert qj.hardware.named("local") == qj.hardware.LocalDevice()


@pytest.mark.parametrize(
    ("name", "noise", "word"),
    [
        ("nowhere", None, "name"),
        ("local", "fake_manila", "noise"),
        ("braket", "fake_manila", "noise"),
    ],
)
def test_refuses_what_it_does_not_know(name: str, noise: str | None, word: str) -> None:
    with pytest.raises(ValueError, match=f"Argument `{word}` must be"):
        qj.hardware.named(name, noise)


def test_unknown_snapshots_are_listed() -> None:
    pytest.importorskip("qiskit_ibm_runtime", reason="needs the extra `qiskit`")
    with pytest.raises(ValueError, match="fake_manila"):
        qj.hardware.named("aer", "fake_nowhere")


@pytest.mark.parametrize("noise", [None, "fake_manila"])
def test_aer_plays_a_cell_and_noise_is_felt(noise: str | None) -> None:
    """Three flips, one a step: without noise every outcome is certain."""
    pytest.importorskip("qiskit_ibm_runtime", reason="needs the extra `qiskit`")
    pytest.importorskip("qiskit_aer", reason="needs the extra `qiskit`")
    circuit = qj.Circuit(1, (qj.RX(0, qj.Weight(0)), qj.Reset(0)))
    cell = qj.CircuitCell(circuit, (qj.Z(0),))
    engine = qj.Device(qj.hardware.named("aer", noise), shots=2000)
    found = qj.run(
        cell, jnp.array([jnp.pi]), jnp.zeros((3, 0)), engine=engine, key=jax.random.key(0)
    )
    if noise is None:
        np.testing.assert_array_equal(found, -1)
    else:
        assert np.all((found > -0.995) & (found < -0.8))
