"""The Qiskit adapter on Aer, against exact probabilities: the traps, each with its test."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import qrnn_jax as qj
from qrnn_jax.hardware import LocalDevice, QiskitDevice, Queue
from qrnn_jax.hardware.jobs import seed_from
from tests.hardware import canary
from tests.helpers import cell_inputs

pytest.importorskip("qiskit_aer", reason="needs the extra `qiskit` (qiskit, qiskit-aer)")

from qiskit.primitives import BackendSamplerV2
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.transpiler import Target
from qiskit_aer import AerSimulator
from qiskit_aer.primitives import SamplerV2

CASES = {**canary.GATES, **canary.MEASURED}
MODELS = {
    "takaki": qj.cells.Takaki(inputs=2, memory=1, depth=1),
    "viqueira": qj.cells.Viqueira(exchange=1, memory=2, layers=1, uploads=1),
}


def aer() -> QiskitDevice:
    return QiskitDevice(lambda seed: SamplerV2(seed=seed))


def transpiled() -> QiskitDevice:
    """A backend of five qubits in a line, without noise, with gates of its own."""
    backend = GenericBackendV2(
        5,
        ["sx", "x", "rz", "cx", "reset"],
        coupling_map=[[0, 1], [1, 2], [2, 3], [3, 4]],
        noise_info=False,
        seed=1,
    )
    return QiskitDevice(
        lambda seed: BackendSamplerV2(backend=AerSimulator(), options={"seed_simulator": seed}),
        backend=backend,
    )


@pytest.mark.parametrize("name", CASES)
def test_every_gate_has_the_exact_probabilities(name: str) -> None:
    assert canary.p_value(aer(), name, CASES[name]) * len(CASES) > 1e-5


@pytest.mark.parametrize("name", ["CRX", "RYY", "Unitary", "If, U3", "Measure Y, kept"])
def test_transpiled_circuits_have_the_exact_probabilities(name: str) -> None:
    assert canary.p_value(transpiled(), name, CASES[name]) * 5 > 1e-5


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("device", [aer, transpiled])
def test_outputs_of_the_papers_cells_are_those_of_the_density_matrix(name: str, device) -> None:  # type: ignore[no-untyped-def]
    cell = MODELS[name]
    params, xs = cell_inputs(cell, 3, steps=5)
    engine = qj.Device(device(), shots=2048)
    found = qj.simulate(cell, params, xs, engine=engine, key=jax.random.key(5))
    scores = (found.outputs - qj.run(cell, params, xs, engine=qj.DensityMatrix())) / found.stderr
    assert scores.shape[0] == 5
    assert np.abs(scores).max() < 5
    assert (found.stderr < 0.03).all()


@pytest.mark.parametrize("device", [aer, transpiled])
def test_a_memory_is_read_by_circuits_of_their_own(device) -> None:  # type: ignore[no-untyped-def]
    """Two settings, prefixes of 1 to 3 steps, registers for the last step alone."""
    body = (qj.RY(0, qj.Data(0)), qj.RX(1, qj.Weight(0)), qj.CNOT(0, 1), qj.Reset(0))
    cell = qj.CircuitCell(qj.Circuit(2, body), (qj.Z(1) @ qj.Z(0), qj.Y(1)))
    weights, xs = jnp.array([0.7]), jnp.array([[0.3], [-0.9], [1.4]])
    engine, key = qj.Device(device(), shots=2000), jax.random.key(5)
    found = qj.simulate(cell, weights, xs, engine=engine, prefixes=True, key=key)
    exact = qj.run(cell, weights, xs)
    assert np.abs((found.outputs - exact) / found.stderr).max() < 4.5
    assert np.abs(exact).max() > 0.5


def test_adjacent_steps_keep_their_joint_law() -> None:
    """Counts of the bits of two steps, on Aer and on the local device: one distribution."""
    cell = MODELS["viqueira"]
    params, xs = cell_inputs(cell, 3, steps=3)
    (template,) = qj.hardware.templates(cell, steps=3)
    tape = _tape(cell, params, xs)
    counts = []
    for device in (aer(), LocalDevice()):
        bits = Queue(device).run(template, tape, 8000, key=(3,))[0].reshape(8000, -1)
        outcomes = bits @ (1 << np.arange(bits.shape[1]))
        counts.append(np.bincount(outcomes, minlength=2 ** bits.shape[1]))
    table = np.array(counts)[:, np.sum(counts, axis=0) > 10]
    assert table.shape[1] >= 6
    assert stats.chi2_contingency(table).pvalue > 1e-4


def _tape(cell: qj.AbstractCell, params: jax.Array, xs: jax.Array) -> np.ndarray:
    from qrnn_jax.circuit.spread import spread

    data = jax.vmap(lambda x: cell.data(params, x))(xs)
    return np.asarray(spread(cell.circuit, cell.weights(params), data)).reshape(1, -1)


def test_rows_and_jobs_share_no_shots() -> None:
    """One seed for all, or rows of too many shots, would correlate them (measured: up to 1)."""
    circuit = qj.Circuit(2, (qj.H(0), qj.CNOT(1, 0), qj.Read(), qj.Reset(0), qj.H(1)))
    (template,) = qj.hardware.templates(qj.CircuitCell(circuit, (qj.Z(0),)), steps=2)
    queue = Queue(aer())
    shots = 4096
    bits = queue.run(template, np.zeros((6, 0)), shots, key=(1,))[..., 0]  # (6, S, 2)
    other = queue.run(template, np.zeros((6, 0)), shots, key=(2,))[..., 0]
    assert queue.jobs == 4  # 2048 at a time
    parts = np.concatenate([bits, other]).transpose(0, 2, 1).reshape(-1, 2048) * 2.0 - 1
    for lag in range(3):
        correlation = parts @ np.roll(parts, lag, axis=1).T / 2048
        if not lag:
            correlation -= np.diag(np.diag(correlation))
        assert np.abs(correlation).max() < 6 / np.sqrt(2048)


def test_a_seeded_sampler_is_refused() -> None:
    with pytest.raises(ValueError, match="fresh shots in every job, but has the seed 7"):
        QiskitDevice(SamplerV2(seed=7))
    with pytest.raises(ValueError, match="has the seed 8"):
        QiskitDevice(SamplerV2(options={"run_options": {"seed_simulator": 8}}))
    with pytest.raises(ValueError, match="has the seed 5"):
        QiskitDevice(BackendSamplerV2(backend=AerSimulator(), options={"seed_simulator": 5}))
    with pytest.raises(ValueError, match="has the seed 6"):
        QiskitDevice(BackendSamplerV2(backend=AerSimulator(seed_simulator=6)))
    with pytest.raises(TypeError, match="must be a sampler of Qiskit or a function"):
        QiskitDevice("aer")
    circuit = qj.Circuit(1, (qj.H(0), qj.Reset(0)))
    (template,) = qj.hardware.templates(qj.CircuitCell(circuit, (qj.Z(0),)), steps=2)
    device = QiskitDevice(SamplerV2())
    one, two = (device.run(template, np.zeros((1, 0)), 500, seed=1) for _ in range(2))
    assert (one != two).any()


def test_only_a_simulator_made_for_a_seed_replays_for_free() -> None:
    backend = AerSimulator()
    for sampler, free in ((lambda seed: SamplerV2(seed=seed), True), (SamplerV2(), False)):
        device = QiskitDevice(sampler, backend=backend)
        assert (device.replays_free, device.pinned((0,)).replays_free) == (free, free)
    assert qj.hardware.LocalDevice().replays_free
    assert qj.hardware.BraketDevice().replays_free


def test_symbols_keep_their_names_and_circuits_are_transpiled_once() -> None:
    cell = MODELS["takaki"]
    (template,) = qj.hardware.templates(cell, steps=12)
    device = transpiled()
    circuit = device.circuit(template)
    assert device.circuit(template) is circuit
    names = [parameter.name for parameter in circuit.parameters]
    assert set(names) == set(template.symbols)
    assert set(circuit.count_ops()) <= {"sx", "x", "rz", "cx", "reset", "measure", "barrier"}
    assert [register.name for register in circuit.cregs] == [f"y{t}" for t in range(12)]


class _NoReset:
    """A backend whose target has lost its reset."""

    def __init__(self, backend) -> None:  # type: ignore[no-untyped-def]
        target = backend.target
        self.target = Target(num_qubits=target.num_qubits)
        for name in target.operation_names:
            if name not in ("reset", "delay"):
                self.target.add_instruction(target.operation_from_name(name), target[name])


def test_a_backend_without_reset_is_refused_by_name() -> None:
    backend = _NoReset(GenericBackendV2(3, ["sx", "x", "rz", "cx"], noise_info=False))
    device = QiskitDevice(lambda seed: SamplerV2(seed=seed), backend=backend)
    assert "reset" not in device.capabilities.basis
    with pytest.raises(qj.hardware.DeviceError, match=r"instructions \['reset'\]"):
        qj.run(
            MODELS["takaki"],
            MODELS["takaki"].init(jax.random.key(0)),
            jnp.zeros((2, 1)),
            engine=qj.Device(device, shots=10),
            key=jax.random.key(0),
        )


def test_noise_is_the_devices_own() -> None:
    cell = qj.CircuitCell(qj.Circuit(1, (qj.BitFlip(0, 0.1), qj.Reset(0))), qj.Z(0))
    engine = qj.Device(aer(), shots=10)
    with pytest.raises(qj.hardware.DeviceError, match=r"\['kraus'\]"):
        qj.run(cell, jnp.zeros(0), jnp.zeros((2, 0)), engine=engine, key=jax.random.key(0))


def test_gradients_from_counts_are_unbiased_and_the_joint_shift_is_not() -> None:
    """One weight in two steps: per occurrence right, the shared symbol moved by pi / 2 wrong."""
    circuit = qj.Circuit(
        2, (qj.RX(1, qj.Weight(0)), qj.CNOT(1, 0), qj.RY(1, qj.Weight(1)), qj.Reset(0))
    )
    cell = qj.CircuitCell(circuit, qj.Z(0))
    weights, xs = jnp.array([0.5, 0.9]), jnp.zeros((4, 0))
    exact = jax.grad(lambda w: jnp.sum(qj.run(cell, w, xs)))(weights)
    engine = qj.Device(aer(), shots=200)
    scores = []
    for seed in range(12):
        key = jax.random.fold_in(jax.random.key(3), seed)
        found = qj.estimate_gradient(jnp.sum, cell, weights, xs, engine=engine, key=key)
        scores.append((found.gradient - exact) / found.stderr)
    rms = np.sqrt(np.mean(np.square(scores)))
    assert 0.5 < rms < 1.5  # 24 entries: five standard errors are 0.7
    assert np.abs(np.mean(scores, axis=0)).max() * np.sqrt(12) < 4.5

    def total(w: jax.Array) -> jax.Array:
        return jnp.sum(qj.run(cell, w, xs))

    moves = jnp.pi / 2 * jnp.eye(2)
    joint = jnp.array([(total(weights + m) - total(weights - m)) / 2 for m in moves])
    assert np.abs(joint - exact).max() > 1


def test_seeds_up_to_the_largest_are_taken() -> None:
    circuit = qj.Circuit(1, (qj.H(0), qj.Reset(0)))
    (template,) = qj.hardware.templates(qj.CircuitCell(circuit, (qj.Z(0),)), steps=2)
    found = [aer().run(template, np.zeros((1, 0)), 200, seed) for seed in (2**63 - 1, 2**62, 5)]
    assert (found[0] != found[1]).any()
    assert (found[0] != found[2]).any()
    assert seed_from((1,)) > 2**32


def _two_wires() -> qj.hardware.Template:
    circuit = qj.Circuit(2, (qj.RX(0, qj.Weight(0)), qj.CNOT(0, 1), qj.Reset(0)))
    return qj.hardware.templates(qj.CircuitCell(circuit, (qj.Z(0),)), steps=2)[0]


@pytest.mark.parametrize("layout", [(0, 0), (0, 99), (0,)])
def test_a_layout_that_is_none_is_an_error_of_the_device(layout: tuple[int, ...]) -> None:
    device = transpiled().pinned(layout)
    with pytest.raises(qj.hardware.DeviceError, match=r"on the qubits .*transpiler refuses it"):
        device.prepare(_two_wires())


@pytest.mark.parametrize("level", [-1, 4, True, "2", None])
def test_optimization_levels_are_0_to_3(level: object) -> None:
    with pytest.raises(ValueError, match="`optimization_level` must be 0, 1, 2 or 3"):
        QiskitDevice(lambda seed: SamplerV2(seed=seed), optimization_level=level)  # type: ignore[arg-type]


@pytest.mark.parametrize("scheduled", [False, True])
def test_conditions_are_offered_where_they_can_be_scheduled(scheduled: bool) -> None:
    backend = GenericBackendV2(3, ["sx", "x", "rz", "cx", "reset"], control_flow=True, seed=1)
    device = QiskitDevice(lambda seed: SamplerV2(seed=seed), backend=backend, scheduled=scheduled)
    assert ("if" in device.capabilities.basis) is not scheduled
    circuit = qj.Circuit(2, (qj.RX(0, qj.Data(0)), qj.CNOT(0, 1), qj.Reset(0)))
    cell = qj.FeedbackCell(qj.CircuitCell(circuit, (qj.Z(0),)), qj.Perceptron(1, 1, 1), feed="bits")
    engine, key = qj.Device(device, shots=5), jax.random.key(0)
    params, xs = cell.init(key), jnp.zeros((2, 1))
    if not scheduled:
        assert qj.run(cell, params, xs, engine=engine, key=key).shape == (2, 1)
        return
    with pytest.raises(qj.hardware.DeviceError, match=r"must offer the instructions \['if'\]"):
        qj.run(cell, params, xs, engine=engine, key=key)
