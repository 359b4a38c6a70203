"""A device as the engine of `run`: outputs, every rule that hardware can follow, and refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.hardware import LocalDevice, Queue
from tests.helpers import cell_inputs

KEY = jax.random.key(5)
MODELS = {
    "takaki": qj.cells.Takaki(inputs=2, memory=1, depth=1),
    "viqueira": qj.cells.Viqueira(exchange=1, memory=2, layers=1, uploads=1),
}
# wires 0 and 2 are read and reset; wire 1 is the memory; two measurement settings
BODY = (
    qj.RY(0, qj.Data(0)),
    qj.RX(1, qj.Weight(0)),
    qj.CRX(0, 1, qj.Weight(1)),
    qj.RZZ(1, 2, qj.Weight(2)),
    qj.RX(2, 0.7 * qj.Weight(0)),
    qj.CNOT(1, 2),
)
CELL = qj.CircuitCell(
    qj.Circuit(3, (*BODY, qj.Reset(0), qj.Reset(2))), (qj.Z(0) @ qj.Z(2), 0.5 * qj.X(2) + qj.Z(2))
)
WEIGHTS = jnp.array([0.4, 1.3, -0.8])
XS = jnp.array([[0.3], [-0.9], [1.4]])


def loss(weights: jax.Array, **options: object) -> jax.Array:
    ys = qj.run(CELL, weights, XS, **options)  # type: ignore[arg-type]
    return jnp.sum(ys * jnp.array([1.0, -0.7]))


@pytest.mark.parametrize("name", MODELS)
def test_outputs_of_the_papers_cells_are_those_of_the_density_matrix(name: str) -> None:
    cell = MODELS[name]
    params, xs = cell_inputs(cell, 3, steps=5)
    engine = qj.Device(LocalDevice(), shots=4000)
    found = qj.simulate(cell, params, xs, engine=engine, key=KEY)
    scores = (found.outputs - qj.run(cell, params, xs, engine=qj.DensityMatrix())) / found.stderr
    assert scores.shape[0] == 5
    assert np.abs(scores).max() < 5
    assert (found.stderr > 0.001).all()  # the test can fail
    assert (found.stderr < 0.02).all()


def test_standard_errors_are_those_of_the_shots() -> None:
    """Of outcomes +1 and -1: (1 - mean^2) / (S - 1). Settings are independent: variances add."""
    words = qj.CircuitCell(CELL.circuit, (qj.Z(0) @ qj.Z(2), qj.X(2), qj.Z(2)))
    engine = qj.Device(LocalDevice(), shots=300)
    apart = qj.simulate(words, WEIGHTS, XS, engine=engine, key=KEY)
    expected = np.sqrt((1 - apart.outputs**2) / 299)
    np.testing.assert_allclose(apart.stderr, expected, rtol=1e-9)
    joint = qj.simulate(CELL, WEIGHTS, XS, engine=engine, key=KEY)  # the same two circuits
    np.testing.assert_allclose(joint.outputs[:, 1], apart.outputs @ np.array([0, 0.5, 1]))
    variance = 0.25 * expected[:, 1] ** 2 + expected[:, 2] ** 2
    np.testing.assert_allclose(joint.stderr[:, 1], np.sqrt(variance), rtol=1e-9)


RULES = {
    "parameter-shift": (qj.ParameterShift(), 0),
    "samples": (qj.ParameterShift(samples=40), 0),
    "horizon": (qj.ParameterShift(horizon=3), 0),
    "allocation": (qj.ParameterShift(allocation="weighted"), 0),
    "shared": (qj.SharedShift(allocation="uniform"), 0),
    "difference": (qj.FiniteDifference(step=0.05), 2e-3),
    "spsa": (qj.SPSA(step=0.05, directions=12), 2e-3),
}


@pytest.mark.parametrize("name", RULES)
def test_every_rule_of_hardware_follows_a_device(name: str) -> None:
    rule, bias = RULES[name]
    queue = Queue(LocalDevice())
    options = {"engine": qj.Device(queue, shots=500), "gradient": rule, "key": KEY}
    value, gradient, stderr = qj.estimate_gradient(_total, CELL, WEIGHTS, XS, **options)
    exact = jax.grad(loss)(WEIGHTS)
    assert np.abs((gradient - exact) / (stderr + bias)).max() < 5
    spent = queue.spent
    again = jax.grad(loss)(WEIGHTS, **options)
    np.testing.assert_allclose(gradient, again, rtol=1e-6)  # the same shots
    assert queue.spent == spent  # and none of them paid twice
    circuits = rule.evaluations(CELL.circuit, steps=len(XS)) + 1
    if name != "allocation":
        assert spent == 500 * 2 * circuits  # two measurement settings
    assert np.isfinite(value)


def _total(ys: jax.Array) -> jax.Array:
    return jnp.sum(ys * jnp.array([1.0, -0.7]))


@pytest.mark.parametrize(
    "rule", [qj.Backprop(), qj.Adjoint(), qj.Checkpointed(), qj.ParameterShift(route="shared")]
)
def test_exact_rules_are_refused_by_name(rule: qj.AbstractGradient) -> None:
    with pytest.raises(ValueError, match=f"device can follow.*{type(rule).__name__}"):
        loss(WEIGHTS, engine=qj.Device(LocalDevice(), shots=10), gradient=rule, key=KEY)


def test_steps_must_be_given() -> None:
    engine = qj.Device(LocalDevice(), shots=10)
    with pytest.raises(ValueError, match="`step` of `FiniteDifference` must be given"):
        loss(WEIGHTS, engine=engine, gradient=qj.FiniteDifference(), key=KEY)


def test_a_memory_wire_is_read_only_where_the_model_says_so() -> None:
    engine = qj.Device(LocalDevice(), shots=20_000)
    kept = qj.CircuitCell(qj.Circuit(3, BODY), (qj.X(1),))
    with pytest.raises(ValueError, match=r"Read\(measure=True\)"):
        qj.run(kept, WEIGHTS, XS, engine=engine, key=KEY)
    cell = qj.CircuitCell(qj.Circuit(3, (*BODY, qj.Read(measure=True), qj.RZ(1, 0.4))), (qj.X(1),))
    found = qj.simulate(cell, WEIGHTS, XS, engine=engine, key=KEY)
    exact = qj.run(cell, WEIGHTS, XS)
    assert np.abs((found.outputs - exact) / found.stderr).max() < 5
    untouched = qj.CircuitCell(qj.Circuit(3, (*BODY, qj.Read(), qj.RZ(1, 0.4))), (qj.X(1),))
    assert np.abs(exact - qj.run(untouched, WEIGHTS, XS)).max() > 0.1  # the back-action is there


def test_transforms_give_one_request_each() -> None:
    queue = Queue(LocalDevice())
    engine = qj.Device(queue, shots=10)
    circuit = qj.Circuit(2, (qj.RX(0, qj.Weight(0)), qj.CNOT(0, 1), qj.Reset(0)))
    one = qj.CircuitCell(circuit, qj.Z(0))
    xs, keys = jnp.zeros((4, 2, 0)), jax.random.split(KEY, 4)
    ys = jax.vmap(lambda x, k: qj.run(one, WEIGHTS[:1], x, engine=engine, key=k))(xs, keys)
    assert ys.shape == (4, 2, 1)
    assert (queue.jobs, queue.spent) == (1, 40)

    def slope(w: jax.Array, x: jax.Array, k: jax.Array) -> jax.Array:
        return jax.grad(lambda w: jnp.sum(qj.run(one, w, x, engine=engine, key=k)))(w)

    batch = jax.jit(jax.vmap(slope, (None, 0, 0)))(WEIGHTS[:1], xs, keys)
    assert batch.shape == (4, 1)
    assert queue.spent == 40 + 4 * (1 + 4) * 10  # the plain and 4 shifted circuits a sequence
    assert queue.jobs == 2
    assert len(set(np.asarray(batch[:, 0]).tolist())) > 1  # shots of their own


def test_every_key_of_a_batch_counts() -> None:
    """Batches that differ in the key of one sequence are different requests."""
    queue = Queue(LocalDevice())
    engine = qj.Device(queue, shots=50)
    play = jax.vmap(lambda key: qj.run(CELL, WEIGHTS, XS, engine=engine, key=key))
    one, two, three = jax.random.split(KEY, 3)
    first, second = play(jnp.stack([one, two])), play(jnp.stack([one, three]))
    assert np.abs(first[1] - second[1]).max() > 0
    assert queue.spent == 2 * 2 * 2 * 50  # batches, sequences, settings


def test_primal_plus_and_minus_share_no_shots() -> None:
    """At angle 0 all plus and minus runs have the same law: their errors must not cancel."""
    cell = qj.CircuitCell(qj.Circuit(1, (qj.RZ(0, qj.Weight(0)), qj.H(0), qj.Reset(0))), qj.Z(0))
    engine = qj.Device(LocalDevice(), shots=100)
    slope = jax.jit(jax.grad(lambda w, k: qj.run(cell, w, XS[:1, :0], engine=engine, key=k)[0, 0]))
    found = [float(slope(jnp.zeros(1), key)[0]) for key in jax.random.split(KEY, 200)]
    assert abs(np.std(found) * np.sqrt(200) - 1) < 0.25  # sigma / sqrt(2 S)


def test_numbers_follow_the_engines_precision() -> None:
    with jax.enable_x64(False):
        engine = qj.Device(LocalDevice(), shots=10)
        ys = qj.run(CELL, jnp.zeros(3), jnp.zeros((2, 1)), engine=engine, key=jax.random.key(0))
        assert ys.dtype == np.float32


def test_one_shot_has_no_standard_error() -> None:
    engine = qj.Device(LocalDevice(), shots=1)
    found = qj.simulate(CELL, WEIGHTS, XS, engine=engine, key=KEY)
    assert np.isnan(found.stderr).all()
    assert np.isfinite(found.outputs).all()


def test_errors_of_a_device_reach_the_caller() -> None:
    queue = Queue(LocalDevice(), budget=100)
    with pytest.raises(jax.errors.JaxRuntimeError, match="must allow 200 more shots, but of 100"):
        jax.block_until_ready(loss(WEIGHTS, engine=qj.Device(queue, shots=200), key=KEY))
    bad = jax.jit(lambda w: loss(w, engine=qj.Device(queue, shots=5), key=KEY))
    with pytest.raises(jax.errors.JaxRuntimeError, match="must be finite"):
        jax.block_until_ready(bad(WEIGHTS.at[1].set(jnp.nan)))
    assert queue.spent == 0


def test_shots_are_said_once() -> None:
    engine = qj.Device(LocalDevice(), shots=10)
    with pytest.raises(ValueError, match="must not contradict the engine"):
        loss(WEIGHTS, engine=engine, shots=20, key=KEY)
    free = qj.Device(LocalDevice())
    assert free == qj.Device(LocalDevice())
    np.testing.assert_array_equal(
        loss(WEIGHTS, engine=free, shots=10, key=KEY), loss(WEIGHTS, engine=engine, key=KEY)
    )
    with pytest.raises(ValueError, match="must be exact"):
        loss(WEIGHTS, engine=free, key=KEY)
    with pytest.raises(ValueError, match="`key` must be"):
        loss(WEIGHTS, engine=engine)
    with pytest.raises(ValueError, match="`shots`"):
        qj.Device(LocalDevice(), shots=0)
    with pytest.raises(TypeError, match="must be a device"):
        qj.Device("aer")  # type: ignore[arg-type]


def z_scores(seeds: int, shots: int) -> np.ndarray:
    """Gradient entries against the exact ones, in standard errors, (seeds, Kw * outputs...)."""
    cell = MODELS["viqueira"]
    params, xs = cell_inputs(cell, 3, steps=3)
    exact = jax.grad(lambda p: jnp.sum(qj.run(cell, p, xs)))(params)
    engine = qj.Device(LocalDevice(), shots=shots)
    seen = []
    for seed in range(seeds):
        key = jax.random.fold_in(jax.random.key(77), seed)
        found = qj.estimate_gradient(jnp.sum, cell, params, xs, engine=engine, key=key)
        moved = np.asarray(found.stderr) > 1e-9
        seen.append(((found.gradient - exact) / found.stderr)[moved])
    return np.array(seen)


def test_gradients_from_counts_are_unbiased_and_know_their_errors() -> None:
    scores = z_scores(seeds=10, shots=200)
    assert scores.size >= 90
    assert 0.8 < np.sqrt(np.mean(scores**2)) < 1.25
    assert np.abs(scores.mean(axis=0)).max() * np.sqrt(len(scores)) < 4.5


def test_a_joint_shift_of_a_shared_weight_is_wrong_on_a_device() -> None:
    """The rule for one gate on a weight of four: off by more than 1, far outside its error."""
    operations = (qj.RX(1, qj.Weight(0)), qj.CNOT(1, 0), qj.RY(1, qj.Weight(1)), qj.Reset(0))
    cell, weights = qj.CircuitCell(qj.Circuit(2, operations), qj.Z(0)), jnp.array([0.5, 0.9])
    xs, engine = jnp.zeros((4, 0)), qj.Device(LocalDevice(), shots=1000)
    exact = jax.grad(lambda w: jnp.sum(qj.run(cell, w, xs)))(weights)
    right = qj.estimate_gradient(jnp.sum, cell, weights, xs, engine=engine, key=KEY)
    assert np.abs((right.gradient - exact) / right.stderr).max() < 4.5
    play = lambda w, k: jnp.sum(qj.run(cell, w, xs, engine=engine, key=k))  # noqa: E731
    moves = jnp.pi / 2 * jnp.concatenate([jnp.eye(2), -jnp.eye(2)])
    ends = jax.vmap(play)(weights + moves, jax.random.split(KEY, 4))
    joint = (ends[:2] - ends[2:]) / 2
    assert np.abs(joint - exact).max() > 1
    assert np.abs((joint - exact) / right.stderr).max() > 10


@pytest.mark.slow
def test_gradients_from_counts_over_many_seeds() -> None:
    scores = z_scores(seeds=60, shots=1000)
    assert scores.size >= 500
    print(f"entries {scores.size}, r.m.s. {np.sqrt(np.mean(scores**2)):.4f}")
    assert 0.9 < np.sqrt(np.mean(scores**2)) < 1.1
    assert np.abs(scores.mean(axis=0)).max() * np.sqrt(len(scores)) < 4


def test_a_circuit_without_parameters_runs() -> None:
    cell = qj.CircuitCell(qj.Circuit(1, (qj.X(0), qj.Reset(0))), qj.Z(0))
    engine = qj.Device(qj.hardware.LocalDevice(), shots=20)
    run = lambda key: qj.run(cell, jnp.zeros(0), jnp.zeros((3, 0)), engine=engine, key=key)  # noqa: E731
    np.testing.assert_array_equal(run(jax.random.key(0)), -np.ones((3, 1)))
    many = jax.vmap(run)(jax.random.split(jax.random.key(1), 4))
    np.testing.assert_array_equal(many, -np.ones((4, 3, 1)))
