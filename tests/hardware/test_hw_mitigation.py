"""Read-out mitigation: unbiased means and gradients, honest errors, calibration, the hook."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.hardware import (
    AbstractDevice,
    Calibration,
    Capabilities,
    DeviceError,
    LinearMitigation,
    LocalDevice,
    Queue,
    Template,
    calibrated,
)
from qrnn_jax.hardware.calibration import Qubit
from qrnn_jax.hardware.mitigation import places_of
from qrnn_jax.hardware.transpiled import Played

KEY = jax.random.key(8)
FLIPS = {0: (0.12, 0.25), 2: (0.05, 0.3)}  # far from symmetric, another one on each wire
# wires 0 and 2 are read and reset; wire 1 is the memory; two measurement settings
BODY = (
    qj.RY(0, qj.Data(0)),
    qj.RX(1, qj.Weight(0)),
    qj.CRX(0, 1, qj.Weight(1)),
    qj.RZZ(1, 2, qj.Weight(2)),
    qj.RX(2, 0.7 * qj.Weight(0)),
    qj.CNOT(1, 2),
    qj.Read(),
    qj.Reset(0),
    qj.Reset(2),
)
ERRORS = tuple(qj.ReadoutError(wire, *flips) for wire, flips in FLIPS.items())
OBSERVABLES = (qj.Z(0) @ qj.Z(2), 0.5 * qj.X(2) + qj.Z(2), qj.Probabilities((0, 2)))
TRUE = qj.CircuitCell(qj.Circuit(3, BODY), OBSERVABLES)
NOISY = qj.CircuitCell(qj.Circuit(3, (*ERRORS, *BODY)), OBSERVABLES)
WEIGHTS = jnp.array([0.4, 1.3, -0.8])
XS = jnp.array([[0.3], [-0.9], [1.4]])
KNOWN = LinearMitigation(tuple((wire, *flips) for wire, flips in FLIPS.items()))


def device(mitigation: qj.hardware.Mitigation | None, shots: int) -> qj.Device:
    return qj.Device(LocalDevice(), shots=shots, mitigation=mitigation)


def test_outputs_are_those_without_read_out_errors() -> None:
    exact = qj.run(TRUE, WEIGHTS, XS)
    plain = qj.simulate(NOISY, WEIGHTS, XS, engine=device(None, 4000), key=KEY)
    better = qj.simulate(NOISY, WEIGHTS, XS, engine=device(KNOWN, 4000), key=KEY)
    assert np.abs((plain.outputs - exact) / plain.stderr).max() > 10
    assert np.abs((better.outputs - exact) / better.stderr).max() < 5
    assert np.mean(np.abs((plain.outputs - exact) / plain.stderr) > 5) > 0.5
    assert np.all(better.stderr[:, :2] > 1.2 * plain.stderr[:, :2])
    assert np.all(better.stderr < 4 * plain.stderr)


def test_the_means_over_all_shots_are_the_inverse_of_the_confusion() -> None:
    """By hand: one wire, Z: (<read> - (p10 - p01)) / (1 - p01 - p10), its error over the same."""
    p01, p10 = 0.1, 0.3
    circuit = qj.Circuit(
        1, (qj.ReadoutError(0, p01, p10), qj.RX(0, qj.Weight(0)), qj.Read(), qj.Reset(0))
    )
    cell = qj.CircuitCell(circuit, qj.Z(0))
    weights, xs = jnp.array([0.9]), jnp.zeros((2, 0))
    plain = qj.simulate(cell, weights, xs, engine=device(None, 300), key=KEY)
    mitigation = LinearMitigation(((0, p01, p10),))
    better = qj.simulate(cell, weights, xs, engine=device(mitigation, 300), key=KEY)  # same shots
    scale = 1 - p01 - p10
    np.testing.assert_allclose(better.outputs, (plain.outputs - p10 + p01) / scale, rtol=1e-9)
    np.testing.assert_allclose(better.stderr, plain.stderr / scale, rtol=1e-9)


def _total(ys: jax.Array) -> jax.Array:
    return jnp.sum(ys[:, :2] * jnp.array([1.0, -0.7]))


def test_gradients_are_those_without_read_out_errors() -> None:
    exact = jax.grad(lambda w: _total(qj.run(TRUE, w, XS)))(WEIGHTS)
    scores = {}
    for name, mitigation in {"plain": None, "better": KNOWN}.items():
        _, gradient, stderr = qj.estimate_gradient(
            _total, NOISY, WEIGHTS, XS, engine=device(mitigation, 6000), key=KEY
        )
        scores[name] = np.abs((gradient - exact) / stderr).max()
    assert scores["plain"] > 10
    assert scores["better"] < 5


@pytest.mark.slow
def test_stated_errors_are_those_of_many_seeds() -> None:
    exact = qj.run(TRUE, WEIGHTS, XS)
    slope = jax.grad(lambda w: _total(qj.run(TRUE, w, XS)))(WEIGHTS)
    outputs, gradients = [], []
    for key in jax.random.split(jax.random.key(21), 60):
        engine = device(KNOWN, 400)
        found = qj.simulate(NOISY, WEIGHTS, XS, engine=engine, key=key)
        outputs.append(((found.outputs - exact) / found.stderr).ravel())
        _, gradient, stderr = qj.estimate_gradient(
            _total, NOISY, WEIGHTS, XS, engine=engine, key=jax.random.fold_in(key, 1)
        )
        gradients.append((gradient - slope) / stderr)
    for name, scores in {"outputs": np.array(outputs), "gradients": np.array(gradients)}.items():
        print(name, scores.size, f"r.m.s. {np.sqrt(np.mean(scores**2)):.4f}")
        assert np.abs(scores.mean(axis=0)).max() * np.sqrt(len(scores)) < 4
    assert np.array(outputs).size >= 500
    assert 0.9 < np.sqrt(np.mean(np.square(outputs))) < 1.1
    assert 0.8 < np.sqrt(np.mean(np.square(gradients))) < 1.2  # 180 entries


def test_errors_are_measured_on_the_device() -> None:
    queue = Queue(LocalDevice(), budget=50_000)
    found = calibrated(queue, NOISY, steps=3, shots=20_000, key=4)
    assert queue.spent == 40_000  # two circuits; both settings read the same wires
    assert [place for place, _, _ in found.flips] == [0, 2]
    for place, p01, p10 in found.flips:
        spread = np.sqrt(np.array(FLIPS[place]) * (1 - np.array(FLIPS[place])) / 20_000)
        assert np.abs((np.array([p01, p10]) - FLIPS[place]) / spread).max() < 5
    with pytest.raises(qj.hardware.BudgetError):
        calibrated(queue, NOISY, steps=3, shots=20_000, key=5)
    again = calibrated(LocalDevice(), NOISY, steps=3, shots=20_000, key=4)
    assert again.flips == found.flips


def test_a_hook_takes_correlated_errors_out() -> None:
    """A matrix that no product of qubits makes, inverted by whoever knows it."""
    circuit = qj.Circuit(
        2, (qj.RX(0, 0.8), qj.CNOT(0, 1), qj.RY(1, 0.5), qj.Read(), qj.Reset(0), qj.Reset(1))
    )
    cell = qj.CircuitCell(circuit, qj.Probabilities((0, 1)))
    joint = 0.8 * np.eye(4) + 0.2 * np.eye(4)[[3, 2, 0, 1]]  # columns: true
    seen = []

    def undo(template: qj.hardware.Template, values: np.ndarray) -> np.ndarray:
        seen.append(template.measured)
        return np.linalg.inv(joint).T @ values

    found = qj.run(cell, jnp.zeros(0), jnp.zeros((2, 0)), engine=device(undo, 500), key=KEY)
    plain = qj.run(cell, jnp.zeros(0), jnp.zeros((2, 0)), engine=device(None, 500), key=KEY)
    np.testing.assert_allclose(found, plain @ np.linalg.inv(joint).T, atol=1e-9)
    assert seen[0] == ((0, "Z"), (1, "Z"))


def test_a_hook_may_tell_steps_apart() -> None:
    cell = qj.CircuitCell(qj.Circuit(1, (qj.X(0), qj.Reset(0))), qj.Z(0))

    def steps(template: qj.hardware.Template, values: np.ndarray) -> np.ndarray:
        return np.stack([values * (1 + t) for t in range(template.steps)])

    found = qj.run(cell, jnp.zeros(0), jnp.zeros((3, 0)), engine=device(steps, 10), key=KEY)
    np.testing.assert_array_equal(found[:, 0], [-1, -2, -3])


@pytest.mark.parametrize(
    ("hook", "message"),
    [
        (lambda template, values: values[:1], "must return values of shape"),
        (lambda template, values: values * np.nan, "must return finite values"),
        (LinearMitigation(((0, 0.1, 0.1),)), r"lacks \[2\]; try `calibrated"),
    ],
)
def test_what_a_hook_returns_is_checked(hook, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        qj.run(NOISY, WEIGHTS, XS, engine=device(hook, 10), key=KEY)


def test_errors_that_cannot_be_undone_are_refused() -> None:
    with pytest.raises(ValueError, match="must have p01 \\+ p10 below 1, but place 3 has 1"):
        LinearMitigation(((3, 0.4, 0.6),))
    with pytest.raises(ValueError, match="`p10 of place 0` must be in"):
        LinearMitigation(((0, 0.4, -0.1),))
    with pytest.raises(TypeError, match="`mitigation` must be a function"):
        device("linear", 10)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="must be a device with a backend"):
        LinearMitigation.of_backend(LocalDevice())


@dataclass(frozen=True)
class Chip(AbstractDevice):
    """A device of a user: four qubits with read-out errors, wires on them as it was pinned."""

    qubits: tuple[int, ...] = (3, 0)

    @property
    def capabilities(self) -> Capabilities:
        return LocalDevice().capabilities

    @property
    def calibration(self) -> Calibration:
        errors = ((0.0, 0.1), (0.02, 0.05), (0.0, 0.0), (0.3, 0.2))
        return Calibration((), tuple(Qubit(1.0, 1.0, flips, 0.0) for flips in errors))

    def pinned(self, qubits: tuple[int, ...]) -> "Chip":
        return Chip(qubits)

    def played(self, template: Template) -> tuple[Played, ...]:
        return tuple(
            Played("measure", (self.qubits[i.wires[0]],), target=(step, i.bit))
            for step, i in template.instructions()
            if i.name == "measure" and i.bit is not None
        )

    def run(self, template: Template, rows: np.ndarray, shots: int, seed: int) -> np.ndarray:
        bits, rng = LocalDevice().run(template, rows, shots, seed), np.random.default_rng(seed)
        for read in self.played(template):
            step, bit = read.target
            p01, p10 = self.calibration.qubits[read.qubits[0]].flips
            found = bits[:, :, step, bit]
            bits[:, :, step, bit] = found ^ (rng.random(found.shape) < np.where(found, p10, p01))
        return bits


def test_any_device_with_a_calibration_is_asked_where_it_reads() -> None:
    chip = Chip()
    operations = (qj.RX(0, qj.Weight(0)), qj.CNOT(0, 1), qj.Reset(0), qj.Reset(1))
    cell = qj.CircuitCell(qj.Circuit(2, operations), (qj.Z(1), qj.Z(0)))
    (template,) = qj.hardware.templates(cell, steps=2)
    order = [wire for wire, _ in template.measured]
    assert places_of(chip, template).tolist() == [[chip.qubits[wire] for wire in order]] * 2
    stated, found = LinearMitigation.of_backend(chip), calibrated(chip, cell, 2, shots=40_000)
    assert stated.device == found.device == chip
    assert stated.flips == ((0, 0.0, 0.1), (1, 0.02, 0.05), (2, 0.0, 0.0), (3, 0.3, 0.2))
    np.testing.assert_allclose(found.flips, [stated.flips[0], stated.flips[3]], atol=0.015)
    with pytest.raises(DeviceError, match="must have qubits of its own, but LocalDevice"):
        LocalDevice().played(template)


def test_flips_may_be_lists_and_devices_queued() -> None:
    from_lists = LinearMitigation([[place, *flips] for place, flips in FLIPS.items()])  # type: ignore[arg-type]
    assert from_lists == KNOWN
    engine = device(from_lists, 10)  # hashable: it is part of the engine
    assert qj.run(NOISY, WEIGHTS, XS, engine=engine, key=KEY).shape == (3, 6)
    local = LocalDevice()
    assert LinearMitigation(KNOWN.flips, Queue(local)).device is local
    (template, *_) = qj.hardware.templates(NOISY, 3)
    assert places_of(Queue(local), template).tolist() == places_of(None, template).tolist()
    for wrong in (7, "aer"):
        with pytest.raises(TypeError, match="`device` must be a device or None"):
            LinearMitigation(KNOWN.flips, wrong)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="`device` must be a device or None"):
            places_of(wrong, template)  # type: ignore[arg-type]


@pytest.mark.parametrize("shots", [0, -5, 2.5])
def test_a_calibration_has_shots(shots: float) -> None:
    with pytest.raises(ValueError, match="Argument `shots` must be an integer of 1 or more"):
        calibrated(LocalDevice(), NOISY, steps=3, shots=shots)  # type: ignore[arg-type]
