"""Recorded bits steer later angles within a run of a device: a turn for every outcome."""

from functools import partial
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import qrnn_jax as qj
from qrnn_jax.hardware import LocalDevice, Queue
from tests import oracle
from tests.hardware.spy import Spy

KEY = jax.random.key(4)
CIRCUIT = qj.Circuit(
    3,
    (
        qj.RY(0, qj.Data(0)),
        qj.RX(1, qj.Weight(0)),
        qj.CNOT(0, 1),
        qj.CRY(1, 2, 0.7 * qj.Data(1) + 0.2),
        qj.RXX(1, 2, qj.Weight(1) * qj.Data(0)),
        qj.Read(),
        qj.RZ(1, qj.Data(1)),
        qj.Reset(0),
        qj.Reset(2),
    ),
)
CELL = qj.FeedbackCell(
    qj.CircuitCell(CIRCUIT, (qj.Z(0), qj.Z(0) @ qj.X(2))), qj.Perceptron(1, 2, 2), feed="bits"
)
PARAMS = jax.tree.map(lambda leaf: 0.5 * leaf, CELL.init(jax.random.key(3)))
XS = jnp.array([[0.3], [-0.9], [0.4]])
LOSS = jnp.array([[1.0, -0.5], [0.4, 0.8], [-0.9, 1.2]])


def square(ys: jax.Array) -> jax.Array:
    return jnp.sum(LOSS[: len(ys)] * (ys - 0.2) ** 2)


def exact(flat: np.ndarray, steps: int) -> np.ndarray:
    """The mean reads (T, M): dense matrices, a sum over all histories of outcomes."""
    params = UNRAVEL(jnp.asarray(flat))
    own, weights, found = params["controller"], np.asarray(params["weights"]), np.zeros((steps, 2))
    rho = np.zeros((8, 8), complex)
    rho[0, 0] = 1
    branches = [(rho, np.zeros(2))]
    for step, x in enumerate(XS[:steps]):
        after = []
        for rho, h in branches:
            data = np.asarray(ANGLES(own, h, x))
            rho = played(CIRCUIT.operations[:5], rho, weights, data)
            for bits in product((0, 1), repeat=2):
                z, x_sign = 1.0 - 2 * np.array(bits)
                read = np.array([z, z * x_sign])
                seen = sandwich(oracle.embed((np.eye(2) + z * oracle.Z) / 2, (0,), 3), rho)
                seen = sandwich(oracle.embed((np.eye(2) + x_sign * oracle.X) / 2, (2,), 3), seen)
                found[step] += np.trace(seen).real * read
                after.append((played(CIRCUIT.operations[6:], seen, weights, data), read))
        branches = after
    return found


def sandwich(matrix: np.ndarray, rho: np.ndarray) -> np.ndarray:
    return matrix @ rho @ matrix.conj().T


def played(operations: Any, rho: np.ndarray, weights: np.ndarray, data: np.ndarray) -> np.ndarray:
    for operation in operations:
        kraus = oracle.kraus(operation, weights, data)
        rho = sum(sandwich(oracle.embed(k, operation.wires, 3), rho) for k in kraus)
    return rho


FLAT, UNRAVEL = ravel_pytree(PARAMS)
ANGLES = jax.jit(CELL.controller.angles)


@pytest.fixture(scope="module")
def slopes() -> np.ndarray:
    """The gradient of `square` of the exact means of two steps, by central differences."""
    flat, step = np.asarray(FLAT), 1e-3
    moves = step * np.eye(len(flat))
    ends = [[square(exact(flat + k * move, steps=2)) for k in (1, -1)] for move in moves]
    return np.array([(up - down) / (2 * step) for up, down in ends])


def test_outputs_are_the_sum_over_histories() -> None:
    queue = Queue(LocalDevice(), budget=4000)
    found = qj.simulate(CELL, PARAMS, XS, engine=qj.Device(queue, shots=4000), key=KEY)
    assert (queue.jobs, queue.left) == (1, 0)  # bits are fed back within one circuit
    wanted = exact(np.asarray(FLAT), steps=3)
    scores = (found.outputs - wanted) / found.stderr
    assert np.abs(scores).max() < 4.5
    assert (found.stderr < 0.02).all()
    averaged = qj.FeedbackCell(CELL.cell, CELL.controller)  # means fed back: another model
    others = (qj.run(averaged, PARAMS, XS) - wanted) / found.stderr
    assert np.abs(others).max() > 10


def test_per_shot_weights_give_an_unbiased_gradient_and_know_its_error(slopes: np.ndarray) -> None:
    engine = qj.Device(LocalDevice(), shots=60)

    def one(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        found = qj.estimate_gradient(square, CELL, PARAMS, XS[:2], engine=engine, key=key)
        return ravel_pytree(found.gradient)[0], ravel_pytree(found.stderr)[0]

    gradients, errors = map(np.asarray, jax.vmap(one)(jax.random.split(KEY, 60)))
    own = gradients.std(axis=0, ddof=1) / np.sqrt(len(gradients))
    assert np.abs(slopes).min() > 0.005  # each parameter matters
    assert np.abs((gradients.mean(axis=0) - slopes) / own).max() < 4.5
    scores = (gradients - slopes) / errors
    assert scores.size == 600
    assert 0.9 < np.sqrt(np.mean(scores**2)) < 1.1


def test_a_value_and_its_gradient_are_one_job_of_all_shifts() -> None:
    spy = Spy()
    queue = Queue(spy)
    engine = qj.Device(queue, shots=20)

    def value(params: Any) -> jax.Array:
        return square(qj.run(CELL, params, XS, engine=engine, key=KEY))

    found, gradient = jax.value_and_grad(value)(PARAMS)
    terms = sum(len(op.shift_terms(0, 1)) for op in CIRCUIT.operations if op.parameters)
    (call,) = spy.calls
    assert len(call.rows) == 1 + 3 * terms  # 2 K T and the unperturbed one, for any controller
    stated = qj.estimate_gradient(square, CELL, PARAMS, XS, engine=engine, key=KEY)
    assert queue.jobs == 1
    np.testing.assert_allclose(found, stated.value, rtol=1e-9)
    for one, other in zip(jax.tree.leaves(gradient), jax.tree.leaves(stated.gradient)):
        np.testing.assert_allclose(one, other, atol=1e-9)
    angles = call.rows.reshape(-1, 3, 4, 5)  # rows, steps, branches, columns
    moved = np.abs(angles[1:] - angles[0]) > 0.1
    assert (moved.any(axis=2).sum(axis=(1, 2)) == 1).all()  # one occurrence, in all branches
    assert moved.all(axis=2).any(axis=(1, 2)).all()


def test_the_gradient_in_the_data_follows_too() -> None:
    engine = qj.Device(LocalDevice(), shots=2000)
    play = lambda xs, **options: qj.run(CELL, PARAMS, xs, key=KEY, **options)[:, 0].sum()  # noqa: E731
    device = jax.grad(play)(XS, engine=engine)
    simulated = jax.grad(play)(XS, shots=2000)
    assert np.abs(device).max() > 0.3
    assert np.abs(device - simulated).max() < 0.25


def test_conditions_as_text() -> None:
    circuit = qj.Circuit(
        2, (qj.RX(0, qj.Data(0)), qj.RZ(1, qj.Weight(0)), qj.Reset(0), qj.Reset(1))
    )
    cell = qj.FeedbackCell(
        qj.CircuitCell(circuit, (qj.Z(0), qj.Z(1))), qj.Perceptron(1, 2, 1), feed="bits"
    )
    lines = qj.hardware.to_openqasm3(cell, steps=2).splitlines()
    assert "rx(a_0_0) q[0];" in lines  # nothing was read before the first step
    assert [line for line in lines if line.startswith("if")] == [
        "if (y_0 == 0) { rx(a_1_0) q[0]; }",
        "if (y_0 == 2) { rx(a_1_2) q[0]; }",  # wire 1 read 1: bit 1 of the register
        "if (y_0 == 1) { rx(a_1_4) q[0]; }",
        "if (y_0 == 3) { rx(a_1_6) q[0]; }",
    ]
    assert sum(line.startswith("rz") for line in lines) == 2  # no data: no condition


@pytest.mark.parametrize("transpiled", [False, True])
def test_aer_plays_the_conditions(transpiled: bool) -> None:
    pytest.importorskip("qiskit_ibm_runtime", reason="needs the extra `qiskit`")
    primitives = pytest.importorskip("qiskit_aer.primitives", reason="needs the extra `qiskit`")
    backend = qj.hardware.snapshot("fake_manila") if transpiled else None  # its gates, no noise
    device = qj.hardware.QiskitDevice(lambda seed: primitives.SamplerV2(seed=seed), backend=backend)
    found = qj.simulate(CELL, PARAMS, XS, engine=qj.Device(device, shots=2000), key=KEY)
    assert np.abs((found.outputs - exact(np.asarray(FLAT), steps=3)) / found.stderr).max() < 4.5
    assert (found.stderr < 0.03).all()


def test_refusals() -> None:
    class Plain(qj.hardware.AbstractDevice):
        capabilities = qj.hardware.Capabilities(LocalDevice().capabilities.basis - {"if"})

        def run(self, template, rows, shots, seed):  # type: ignore[no-untyped-def]
            raise AssertionError

    with pytest.raises(qj.hardware.DeviceError, match=r"must offer the instructions \['if'\]"):
        qj.run(CELL, PARAMS, XS, engine=qj.Device(Plain(), shots=5), key=KEY)
    engine = qj.Device(LocalDevice(), shots=5)
    for play in (qj.run, qj.simulate, partial(qj.estimate_gradient, square)):
        with pytest.raises(ValueError, match="`prefixes` must be False where bits are fed back"):
            play(CELL, PARAMS, XS, engine=engine, key=KEY, prefixes=True)
    long = qj.FeedbackCell(CELL.cell, Remembering(), feed="bits")
    with pytest.raises(ValueError, match=r"recalls the last reads only.*Trajectories"):
        qj.run(long, long.init(KEY), XS, engine=engine, key=KEY)
    wide = qj.Circuit(5, (*(qj.RY(w, qj.Data(0)) for w in range(5)), *map(qj.Reset, range(5))))
    many = qj.CircuitCell(wide, tuple(qj.Z(wire) for wire in range(5)))
    cell = qj.FeedbackCell(many, qj.Perceptron(1, 5, 1), feed="bits")
    with pytest.raises(ValueError, match=r"at most 16 outcomes a step.*but reads 32"):
        qj.run(cell, cell.init(KEY), XS, engine=engine, key=KEY)
    with pytest.raises(ValueError, match="other rules do not close the loop"):
        qj.estimate_gradient(
            square, CELL, PARAMS, XS, engine=engine, key=KEY, gradient=qj.SPSA(step=0.1)
        )
    total = lambda w: qj.run(CELL, PARAMS | {"weights": w}, XS, engine=engine, key=KEY).sum()  # noqa: E731
    with pytest.raises(ValueError, match="must not be differentiated twice"):
        jax.jacrev(jax.grad(total))(PARAMS["weights"])


class Remembering(qj.AbstractController):
    """Adds up all reads."""

    features = 1

    def init(self, key: jax.Array) -> Any:
        return {}

    def start(self, params: Any) -> jax.Array:
        return jnp.zeros(2)

    def angles(self, params: Any, h: jax.Array, x: jax.Array) -> jax.Array:
        return h

    def update(self, params: Any, h: jax.Array, x: jax.Array, reads: jax.Array) -> jax.Array:
        return h + reads


def test_second_derivatives_are_refused_and_not_zero() -> None:
    """The angles are affine in the weights: what bits do to the slope, JAX does not see."""
    gates = (qj.RY(0, qj.Data(0)), qj.RX(0, qj.Weight(0)), qj.RZ(1, qj.Data(1)), qj.Reset(0))
    inner = qj.CircuitCell(qj.Circuit(2, gates), (qj.Z(0),))
    cell = qj.FeedbackCell(inner, qj.Perceptron(1, 1, 2), feed="bits")
    params, engine = cell.init(KEY), qj.Device(LocalDevice(), shots=4)

    def total(weights: jax.Array) -> jax.Array:
        return qj.run(cell, params | {"weights": weights}, XS[:2], engine=engine, key=KEY).sum()

    with pytest.raises(ValueError, match="must not be differentiated twice"):
        jax.jacrev(jax.grad(total))(params["weights"])
