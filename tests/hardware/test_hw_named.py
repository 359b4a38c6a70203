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


@pytest.mark.parametrize(
    ("noise", "few"), [("fake_manila", True), ("fake_perth", False), (None, False)]
)
def test_noise_on_few_qubits_is_played_as_a_density_matrix(
    monkeypatch: pytest.MonkeyPatch, noise: str | None, few: bool
) -> None:
    """Of five qubits; seven would make a large one."""
    pytest.importorskip("qiskit_ibm_runtime", reason="needs the extra `qiskit`")
    simulator, jobs = pytest.importorskip("qiskit_aer").AerSimulator, []
    run = simulator.run

    def watched(*given: object, **named: object) -> object:
        jobs.append(run(*given, **named))
        return jobs[-1]

    monkeypatch.setattr(simulator, "run", watched)
    gates = (qj.RX(0, qj.Weight(0)), qj.RY(0, 0.3), qj.CNOT(0, 1), qj.Reset(0))
    (template,) = qj.hardware.templates(qj.CircuitCell(qj.Circuit(2, gates), qj.Z(0)), 2)
    rows = np.full((1, len(template.symbols)), 0.4)
    qj.hardware.named("aer", noise).run(template, rows, shots=10, seed=5)
    (job,) = jobs
    (made,) = job.result().results
    assert (made.metadata["method"] == "density_matrix") is few
    assert made.metadata["fusion"].get("applied", False) is few
