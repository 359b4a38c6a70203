"""What every time loop of pure states must do, native or not, asked in the same words."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import qrnn_jax as qj
from qrnn_jax.circuit.operation import AbstractOperation
from tests.helpers import quick_jit

Outputs = Callable[[qj.CircuitCell, jax.Array, jax.Array], jax.Array]


def everywhere(wires: int, seed: int = 0) -> qj.CircuitCell:
    """Every kind of gate on every wire and every ordered pair; fixed and moving; read halfway."""
    rng = np.random.default_rng([wires, seed])
    weights = iter(range(10**4))

    def w() -> qj.Slot:
        return qj.Weight(next(weights)) + float(rng.uniform(-1, 1))

    def datum() -> qj.Slot:
        return qj.Data(int(rng.integers(2))) * float(rng.uniform(0.5, 1)) + float(rng.uniform())

    operations: list[AbstractOperation] = []
    for wire in range(wires):
        operations += [qj.RY(wire, datum()), qj.RX(wire, w()), qj.RZ(wire, w()), qj.H(wire)]
    pairs = [(a, b) for a in range(wires) for b in range(wires) if a != b]
    makers = (
        lambda a, b: qj.CNOT(a, b),
        lambda a, b: qj.RZZ(a, b, w()),
        lambda a, b: qj.RXX(a, b, w()),
        lambda a, b: qj.CRX(a, b, datum()),
        lambda a, b: qj.RZZ(a, b, datum()),
        lambda a, b: qj.CRY(a, b, w()),
    )
    for index, (a, b) in enumerate(pairs):
        operations += [makers[index % len(makers)](a, b), qj.CNOT(a, b), qj.RX(b, w())]
    operations.insert(len(operations) // 2, qj.Read())
    last = wires - 1
    words = [qj.Z(0), 0.3 * qj.Y(last) - 0.5 * qj.X(0) + qj.Z(last)]
    if wires > 1:
        words += [qj.Y(0) @ qj.X(last) + 0.2 * qj.Z(0) @ qj.Z(last), qj.Y(0) @ qj.Y(last)]
    reads = (*words, qj.Probabilities((last, 0)) if wires > 1 else qj.Probabilities((0,)))
    return qj.CircuitCell(qj.Circuit(wires, operations), reads)


def layered(wires: int, layers: int) -> qj.CircuitCell:
    """Turns and phases on all wires, then a ring of CNOTs: gates that share passes."""
    operations: list[AbstractOperation] = [qj.RY(0, qj.Data(0)), qj.RZ(wires - 1, qj.Data(1))]
    weights = iter(range(10**4))
    for _ in range(layers):
        for wire in range(wires):
            operations += [qj.RY(wire, qj.Weight(next(weights))), qj.H(wire)]
            operations += [qj.RZ(wire, qj.Weight(next(weights))), qj.S(wire)]
        operations += [
            qj.RZZ(wire, wire + 1, qj.Weight(next(weights))) for wire in range(wires - 1)
        ]
        operations += [qj.CNOT(wire, (wire + 1) % wires) for wire in range(wires)]
    return qj.CircuitCell(qj.Circuit(wires, operations), (qj.Z(0), qj.X(wires - 1)))


def numbers(cell: qj.CircuitCell, steps: int, batch: int) -> tuple:
    rng = np.random.default_rng([steps, batch])
    return (
        jnp.asarray(rng.uniform(-1, 1, cell.circuit.weight_count)),
        jnp.asarray(rng.uniform(-1, 1, (batch, steps, cell.features))),
        jnp.asarray(rng.uniform(-1, 1, (steps, cell.outputs_count))),
    )


def value_and_gradients(cell: qj.CircuitCell, rule: qj.AbstractGradient):
    """A batch by `vmap`, the gradient of its sum in the weights and of each in its inputs."""

    def loss(weights: jax.Array, xs: jax.Array, mix: jax.Array) -> jax.Array:
        def one(x: jax.Array) -> jax.Array:
            found = qj.simulate(cell, weights, x, gradient=rule)
            return jnp.sum(jnp.sin(found.outputs) * mix) + jnp.sum(found.carry.real * 0.3)

        return jnp.sum(jax.vmap(one)(xs))

    return quick_jit(jax.value_and_grad(loss, argnums=(0, 1)))


def worst(found: object, expected: object) -> float:
    errors = jax.tree.map(lambda a, b: float(np.abs(a - b).max()), found, expected)
    return float(np.max(jax.tree.leaves(errors)))  # what is no number stays none


def outputs_by(
    rule: qj.AbstractGradient, cell: qj.CircuitCell, weights: jax.Array, x: jax.Array
) -> jax.Array:
    """The outputs of a sequence, differentiated by one rule."""
    return qj.run(cell, weights, x, gradient=rule)


def check_transforms(cell: qj.CircuitCell, outputs: Outputs, tolerance: float) -> None:
    """The same as `Backprop` under grad, vmap and both, in scan, summed over batches, by rows."""
    weights, xs, mix = numbers(cell, 2, 4)
    many = jnp.stack([weights, weights + 0.1, weights - 0.2])

    def found(outputs: Outputs) -> list:
        def one(weights: jax.Array, x: jax.Array) -> jax.Array:
            return jnp.sum(outputs(cell, weights, x) * mix)

        def whole(weights: jax.Array) -> jax.Array:
            return jnp.sum(jax.vmap(one, (None, 0))(weights, xs))

        gradient = jax.grad(one, argnums=(0, 1))
        both = jax.vmap(jax.vmap(gradient, (None, 0)), (0, None))
        chained = jax.lax.scan(lambda w, x: (w - 0.1 * gradient(w, x)[0], one(w, x)), weights, xs)
        summed = jax.grad(lambda many: jnp.sum(jax.vmap(whole)(many)))(many)
        rows = jax.jacrev(lambda w: outputs(cell, w, xs[0]))(weights)
        alone = one(weights, xs[0]), gradient(weights, xs[0])
        return [alone, both(many, xs), chained, summed, rows]

    def exact(cell: qj.CircuitCell, weights: jax.Array, x: jax.Array) -> jax.Array:
        return outputs_by(qj.Backprop(), cell, weights, x)

    expected = quick_jit(lambda: found(exact))()
    assert worst(quick_jit(lambda: found(outputs))(), expected) < tolerance


def check_a_batch_of_weights(rule: qj.AbstractGradient) -> None:
    """For a circuit without data, and at an angle where the slope is zero."""
    cell = qj.CircuitCell(qj.Circuit(1, (qj.RX(0, qj.Weight(0)),)), qj.Z(0))
    angles, xs = np.linspace(0, 1, 5), jnp.zeros((3, 0))

    def run(weights: jax.Array) -> jax.Array:
        return qj.run(cell, weights, xs, gradient=rule)[:, 0]

    expected = np.cos(np.outer(angles, [1, 2, 3]))
    np.testing.assert_allclose(jax.vmap(run)(jnp.asarray(angles)[:, None]), expected, atol=1e-14)
    np.testing.assert_allclose(jax.jacrev(run)(jnp.zeros(1)), np.zeros((3, 1)), atol=1e-14)


def check_single_precision(
    compute: Callable[..., Any], given: tuple, expected: Any, value: float, gradient: float
) -> None:
    """What `value_and_gradients` made, in float32 against float64, relative to the largest."""
    with jax.enable_x64(False):
        found, slopes = compute(*[jnp.asarray(part, jnp.float32) for part in given])
    assert slopes[0].dtype == jnp.float32
    assert abs(found - expected[0]) < value * abs(expected[0])
    for slope, exact in zip(slopes, expected[1]):
        assert np.abs(slope - exact).max() < gradient * np.abs(exact).max()


def check_cuts(cell: qj.CircuitCell, rule: qj.AbstractGradient) -> None:
    """A sequence in two pieces, the second one from the carry of the first."""
    weights, xs, _ = numbers(cell, 5, 1)
    whole = qj.simulate(cell, weights, xs[0], gradient=rule)
    first = qj.simulate(cell, weights, xs[0, :2], gradient=rule)
    second = qj.simulate(cell, weights, xs[0, 2:], carry=first.carry, gradient=rule)
    np.testing.assert_allclose(second.outputs, whole.outputs[2:], atol=1e-13)
    np.testing.assert_allclose(second.carry, whole.carry, atol=1e-13)
