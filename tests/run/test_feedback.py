"""A classical controller in the loop: expectation values or recorded bits decide on the angles."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import qrnn_jax as qj
from tests import oracle
from tests.helpers import quick_jit

CIRCUIT = qj.Circuit(
    3,
    (
        qj.RY(0, qj.Data(0)),
        qj.RX(1, 0.8 * qj.Weight(0)),
        qj.CRX(0, 1, qj.Weight(1)),
        qj.RZ(1, 0.6 * qj.Data(1) + 0.2),
        qj.RYY(1, 2, qj.Weight(2)),
        qj.AmplitudeDamping(1, 0.1),
        qj.CNOT(2, 0),
        qj.RX(0, qj.Data(1)),
        qj.Reset(0),
    ),
)
TWO = qj.CircuitCell(CIRCUIT, (qj.Z(0), qj.X(1)))
ONE = qj.CircuitCell(CIRCUIT, (qj.Z(0),))
XS = jnp.array([[0.3], [-0.9], [1.4], [0.2], [-0.5]])


@dataclass(frozen=True)
class Gated(qj.AbstractController):
    """Two hidden numbers, nonlinear in the reads, in themselves and in their parameters."""

    features: int = 1
    reads: int = 1

    def init(self, key: jax.Array) -> dict[str, jax.Array]:
        keys = jax.random.split(key, 4)
        return {
            "start": jax.random.normal(keys[0], (2,)),
            "mix": jax.random.normal(keys[1], (2, 2)),
            "read": jax.random.normal(keys[2], (2, self.reads)),
            "input": jax.random.normal(keys[3], (2,)),
        }

    def start(self, params: Any) -> jax.Array:
        return params["start"]

    def angles(self, params: Any, h: jax.Array, x: jax.Array) -> jax.Array:
        return jnp.sin(params["mix"] @ h) * params["input"] + h**2 * x[0] + 0.4

    def update(self, params: Any, h: jax.Array, x: jax.Array, reads: jax.Array) -> jax.Array:
        return jnp.tanh(params["mix"].T @ h + jnp.exp(params["read"] @ reads / 2) - x[0] ** 2)


def exact_cell(controller: str) -> qj.FeedbackCell:
    chosen = {"gated": Gated(reads=2), "perceptron": qj.Perceptron(1, 2, 2)}[controller]
    return qj.FeedbackCell(TWO, chosen)


BITS = qj.FeedbackCell(ONE, Gated(), feed="bits")


def loss(outputs: jax.Array) -> jax.Array:
    weights = jnp.asarray(1 + 0.618034 * np.arange(outputs.size) % 1).reshape(outputs.shape)
    return jnp.sum(weights * (outputs - 0.3) ** 2)


def linear(outputs: jax.Array) -> jax.Array:
    return jnp.vdot(jnp.array([0.7, -1.2, 0.9])[: len(outputs)], outputs[:, 0])


# expectation values


@pytest.mark.parametrize("controller", ["gated", "perceptron"])
def test_the_loop_is_the_circuit_at_the_angles_that_its_reads_lead_to(controller: str) -> None:
    """Step by step with the oracle: angles from earlier reads, never from the present one."""
    cell = exact_cell(controller)
    params = cell.init(jax.random.key(1))
    own, weights = params["controller"], np.asarray(params["weights"])
    h, data, reads = cell.controller.start(own), [], []
    for x in XS:
        data.append(np.asarray(cell.controller.angles(own, h, x)))
        outputs, _ = oracle.run(CIRCUIT, TWO.observables, weights, np.stack(data))
        reads.append(outputs[-1])
        h = cell.controller.update(own, h, x, jnp.asarray(outputs[-1]))
    np.testing.assert_allclose(qj.run(cell, params, XS), np.stack(reads), atol=1e-12)


@pytest.mark.parametrize("controller", ["gated", "perceptron"])
def test_the_shift_rule_closes_the_loop_exactly(controller: str) -> None:
    cell = exact_cell(controller)
    params = cell.init(jax.random.key(1))

    def jacobian(rule: qj.AbstractGradient) -> jax.Array:
        def outputs(params: Any, xs: jax.Array) -> jax.Array:
            return qj.run(cell, params, xs, gradient=rule)

        found = quick_jit(jax.jacrev(outputs, argnums=(0, 1)))(params, XS)
        return jnp.concatenate([leaf.reshape(10, -1) for leaf in jax.tree.leaves(found)], axis=1)

    exact, shifted = jacobian(qj.Backprop()), jacobian(qj.ParameterShift())
    np.testing.assert_allclose(shifted, exact, atol=1e-10)
    assert np.abs(exact).max() > 0.1


def test_the_loop_composes_with_jit_vmap_and_grad() -> None:
    cell = exact_cell("perceptron")
    params = cell.init(jax.random.key(4))
    batch = jnp.stack([XS, XS[::-1]])

    def gradient(xs: jax.Array, key: jax.Array) -> Any:
        return jax.grad(lambda p: loss(qj.run(cell, p, xs, shots=20, key=key)))(params)

    keys = jax.random.split(jax.random.key(0), 2)
    together = quick_jit(jax.vmap(gradient))(batch, keys)
    alone = quick_jit(gradient)(batch[1], keys[1])
    for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(alone)):
        np.testing.assert_allclose(a[1], b, atol=1e-10)


def test_estimates_fed_back_have_their_own_noise_and_keys() -> None:
    cell = exact_cell("gated")
    params = cell.init(jax.random.key(1))
    first = qj.simulate(cell, params, XS, shots=4000, key=jax.random.key(0))
    exact = qj.run(cell, params, XS)
    # the first step is a plain estimate; later ones also inherit the noise of their angles
    assert np.all(np.abs(first.outputs - exact)[0] < 5 * first.stderr[0])
    assert np.all(np.abs(first.outputs - exact) < 0.2)
    again = qj.run(cell, params, XS, shots=4000, key=jax.random.key(1))
    assert np.all(np.abs(again - first.outputs).max(axis=0) > 0)


def test_errors_of_fed_back_estimates_are_not_made_up() -> None:
    cell = exact_cell("perceptron")

    def estimate(key: jax.Array) -> qj.GradientEstimate:
        params = cell.init(jax.random.key(1))
        return qj.estimate_gradient(loss, cell, params, XS, shots=100, key=key)

    found = quick_jit(estimate)(jax.random.key(2))
    assert all(np.isnan(leaf).all() for leaf in jax.tree.leaves(found.stderr))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found.gradient))


# recorded bits


def enumerate_bits(flat: np.ndarray, unravel: Any) -> float:
    """The exact mean of `linear`: NumPy density matrices, a sum over all histories of outcomes."""
    params = unravel(jnp.asarray(flat))
    own, weights = params["controller"], np.asarray(params["weights"])
    controller, total = BITS.controller, 0.0
    rho = np.zeros((8, 8), complex)
    rho[0, 0] = 1
    branches = [(rho, controller.start(own))]
    for x, factor in zip(XS[:3], (0.7, -1.2, 0.9)):
        after = []
        for rho, h in branches:
            data = np.asarray(_angles(own, h, x))
            for operation in CIRCUIT.operations[:-1]:
                kraus = oracle.kraus(operation, weights, data)
                full = [oracle.embed(k, operation.wires, 3) for k in kraus]
                rho = sum(k @ rho @ k.conj().T for k in full)
            for bit, sign in ((oracle.ZERO, 1.0), (oracle.ONE, -1.0)):
                seen = oracle.embed(bit, (0,), 3) @ rho @ oracle.embed(bit, (0,), 3)
                total += factor * sign * np.trace(seen).real
                resets = [oracle.embed(k, (0,), 3) for k in (oracle.ZERO, oracle.RAISE)]
                reset = sum(k @ seen @ k.conj().T for k in resets)
                after.append((reset, _update(own, h, x, jnp.array([sign]))))
        branches = after
    return total


_angles, _update = jax.jit(BITS.controller.angles), jax.jit(BITS.controller.update)


@pytest.fixture(scope="module")
def enumerated() -> tuple[Any, float, np.ndarray]:
    """params, the exact mean, and its gradient by central differences of the enumeration."""
    params = BITS.init(jax.random.key(5))
    flat, unravel = ravel_pytree(params)
    flat, step = np.asarray(flat), 1e-3
    slopes = []
    for unit in np.eye(len(flat)):
        ends = [enumerate_bits(flat + k * step * unit, unravel) for k in (1, -1)]
        slopes.append((ends[0] - ends[1]) / (2 * step))
    return params, enumerate_bits(flat, unravel), np.array(slopes)


def test_bits_fed_back_agree_with_the_sum_over_histories(enumerated: Any) -> None:
    params, mean, slopes = enumerated
    assert np.abs(slopes).min() > 1e-4  # each parameter matters

    def one(key: jax.Array) -> tuple[jax.Array, ...]:
        found = qj.estimate_gradient(linear, BITS, params, XS[:3], shots=200, key=key)
        return found.value, ravel_pytree(found.gradient)[0], ravel_pytree(found.stderr)[0]

    keys = jax.random.split(jax.random.key(6), 60)
    values, gradients, errors = map(np.asarray, quick_jit(lambda k: jax.lax.map(one, k))(keys))
    spread = values.std(ddof=1) / np.sqrt(len(values))
    assert abs(values.mean() - mean) < 4 * spread
    off = gradients.mean(axis=0) - slopes
    own = gradients.std(axis=0, ddof=1) / np.sqrt(len(keys))
    assert np.all(np.abs(off) < 4 * own)
    scores = (gradients - slopes) / errors
    assert 0.93 < np.sqrt(np.mean(scores**2)) < 1.07


def test_the_gradient_of_bits_is_that_of_the_estimate() -> None:
    params, keys = BITS.init(jax.random.key(5)), jax.random.split(jax.random.key(8), 2)

    def both(key: jax.Array) -> tuple[Any, Any]:
        def value(p: Any) -> jax.Array:
            return loss(qj.run(BITS, p, XS[:2], shots=40, key=key))

        found = qj.estimate_gradient(loss, BITS, params, XS[:2], shots=40, key=key)
        return jax.value_and_grad(value)(params), (found.value, found.gradient)

    plain, stated = quick_jit(jax.vmap(both))(keys)
    for a, b in zip(jax.tree.leaves(plain), jax.tree.leaves(stated)):
        np.testing.assert_allclose(a, b, atol=1e-10)
        assert np.all(a[0] != a[1])  # other keys, other numbers


# refusals


@pytest.mark.parametrize(
    ("cell", "options", "message"),
    [
        (BITS, {}, r"`shots` must be a number where bits are fed back.*shots=1000"),
        (BITS, {"shots": 9}, r"`key` must be a JAX key"),
        (BITS, {"shots": 9, "gradient": qj.Backprop()}, "the other rules do not close the loop"),
        (None, {"shots": 9, "gradient": qj.Backprop()}, "the other rules do not close the loop"),
        (None, {"gradient": qj.SPSA()}, "must be `ParameterShift.*but is SPSA"),
        (None, {"gradient": qj.ParameterShift(route="shared")}, "do not close the loop"),
        (None, {"gradient": qj.ParameterShift(horizon=2)}, "do not close the loop"),
        (None, {"shots": 0}, r"`shots` must be None \(exact\) or an integer"),
    ],
)
def test_refusals(cell: Any, options: dict[str, Any], message: str) -> None:
    cell = cell or exact_cell("gated")
    keys = {} if "`key`" in message else {"key": jax.random.key(0)}
    with pytest.raises(ValueError, match=message):
        qj.run(cell, cell.init(jax.random.key(0)), XS, **options, **keys)


def test_a_carry_is_refused() -> None:
    cell = exact_cell("gated")
    params = cell.init(jax.random.key(0))
    assert qj.simulate(cell, params, XS).carry is None
    carry = jnp.eye(4)
    with pytest.raises(ValueError, match=r"`carry` must be None for a controlled circuit"):
        qj.simulate(cell, params, XS, carry=carry)


def test_post_selection_and_several_settings_are_refused() -> None:
    kept = qj.Circuit(3, (*CIRCUIT.operations[:-1], qj.Postselect(0)))
    with pytest.raises(ValueError, match="must not post-select inside a feedback loop"):
        qj.FeedbackCell(qj.CircuitCell(kept, (qj.Z(0),)), Gated())
    several = qj.CircuitCell(CIRCUIT, (qj.Z(0), qj.X(0)))
    with pytest.raises(ValueError, match="observables that one setting measures"):
        qj.FeedbackCell(several, Gated(reads=2), feed="bits")
    with pytest.raises(ValueError, match="`feed` must be one of"):
        qj.FeedbackCell(ONE, Gated(), feed="amplitudes")


@pytest.mark.parametrize("feed", ["expectations", "bits"])
def test_second_derivatives_of_the_shifted_loop_are_refused(feed: str) -> None:
    cell = qj.FeedbackCell(ONE, Gated(), feed=feed)
    params = cell.init(jax.random.key(0))
    options: dict[str, Any] = {"gradient": qj.ParameterShift()}
    if feed == "bits":
        options |= {"shots": 4, "key": jax.random.key(0)}

    def total(weights: jax.Array) -> jax.Array:
        return qj.run(cell, params | {"weights": weights}, XS[:2], **options).sum()

    with pytest.raises(ValueError, match="must not be differentiated twice"):
        jax.jacrev(jax.grad(total))(params["weights"])


@pytest.mark.parametrize("feed", ["expectations", "bits"])
def test_the_loop_refuses_what_the_rule_refuses(feed: str) -> None:
    flipped = (*CIRCUIT.operations[:-1], qj.BitFlip(0, qj.Weight(0)), qj.Reset(0))
    noisy = qj.Circuit(CIRCUIT.wires, flipped)
    cell = qj.FeedbackCell(qj.CircuitCell(noisy, (qj.Z(0),)), Gated(), feed=feed)
    params = cell.init(jax.random.key(0))
    options: dict[str, Any] = {"gradient": qj.ParameterShift()}
    if feed == "bits":
        options |= {"shots": 4, "key": jax.random.key(0)}
    with pytest.raises(ValueError, match="must not differentiate a noise strength"):
        jax.grad(lambda p: qj.run(cell, p, XS[:2], **options).sum())(params)


def test_a_controller_with_another_number_of_angles_is_refused() -> None:
    cell = qj.FeedbackCell(ONE, qj.Perceptron(features=1, reads=1, angles=5))
    with pytest.raises(ValueError, match="2 data slots must be given 2 data, but is given 5"):
        qj.run(cell, cell.init(jax.random.key(0)), XS)


def test_engines_and_forecasts_that_do_not_fit_the_loop() -> None:
    params = BITS.init(jax.random.key(0))
    with pytest.raises(ValueError, match="must be None, `Trajectories` or a device where bits"):
        qj.run(BITS, params, XS, shots=4, engine=qj.DensityMatrix(), key=jax.random.key(0))
    cell = qj.FeedbackCell(ONE, Gated())
    with pytest.raises(ValueError, match="must be exact where expectation values are fed back"):
        qj.run(cell, params, XS, engine=qj.Trajectories(5))
    with pytest.raises(TypeError, match=r"without a controller here.*try `cell\.cell`"):
        qj.forecast(cell, params, XS, 3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"without a controller here.*try `cell\.cell`"):
        qj.explain(cell, T=3)  # type: ignore[arg-type]
    assert qj.explain(cell.cell, T=3).T == 3
    small = qj.run(cell, params, XS, engine=qj.DensityMatrix(dtype=np.complex64))
    assert small.dtype == np.float32
    np.testing.assert_allclose(small, qj.run(cell, params, XS), atol=1e-5)
