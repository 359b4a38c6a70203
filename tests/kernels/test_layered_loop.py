"""Loops of layers: the same numbers as `Backprop` for all wires, sizes and transforms."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.engines.density_matrix import DensityMatrix
from qrnn_jax.engines.layered import layered_refusal
from qrnn_jax.engines.window import Window
from qrnn_jax.expectations import Expectations
from qrnn_jax.setup import plan_for
from tests.helpers import quick_jit
from tests.kernels.loops import (
    check_a_batch_of_weights,
    check_cuts,
    check_single_precision,
    check_transforms,
    everywhere,
    numbers,
    outputs_by,
    value_and_gradients,
    worst,
)

LAYERS = qj.Adjoint(kernel="layers")


def wide(wires: int) -> qj.CircuitCell:
    """Gates of every form, over several windows; read halfway."""
    weight = iter(range(10**4))
    operations = [qj.RY(wire, qj.Data(wire % 2)) for wire in range(2)]
    for wire in range(wires):
        operations += [qj.RY(wire, qj.Weight(next(weight))), qj.RZ(wire, qj.Weight(next(weight)))]
    operations += [qj.CNOT(wire, (wire + 1) % wires) for wire in range(wires)]
    operations += [qj.Read(), qj.RX(wires // 2, qj.Weight(next(weight))), qj.X(0), qj.H(wires - 1)]
    operations += [qj.SWAP(0, wires - 1), qj.RZZ(0, wires - 1, qj.Weight(next(weight)))]
    operations += [
        qj.RX(wires - 1, qj.Weight(next(weight)) * qj.Data(1)),
        qj.CRX(wires - 1, 0, qj.Weight(next(weight))),
    ]
    reads = (qj.Z(0), qj.X(1) @ qj.Y(wires - 1) + 0.5 * qj.Z(1), qj.Probabilities((2, 0)))
    return qj.CircuitCell(qj.Circuit(wires, operations), reads)


@pytest.mark.parametrize(("wires", "steps", "batch"), [(1, 3, 5), (2, 1, 1), (3, 2, 4)])
def test_every_gate_on_every_wire(wires: int, steps: int, batch: int) -> None:
    cell = everywhere(wires)
    given = numbers(cell, steps, batch)
    expected = value_and_gradients(cell, qj.Backprop())(*given)
    assert min(np.abs(part).max() for part in expected[1]) > 1e-2
    assert worst(value_and_gradients(cell, LAYERS)(*given), expected) < 1e-12


@pytest.mark.parametrize(("wires", "steps", "batch"), [(4, 3, 1), (5, 2, 3), (7, 1, 2)])
def test_several_windows(wires: int, steps: int, batch: int) -> None:
    """Batches of 1 and of more take different products in the last window."""
    cell = wide(wires)
    given = numbers(cell, steps, batch)
    expected = value_and_gradients(cell, qj.Backprop())(*given)
    assert worst(value_and_gradients(cell, LAYERS)(*given), expected) < 1e-12


def test_every_transform() -> None:
    check_transforms(wide(3), partial(outputs_by, LAYERS), 1e-11)


def test_a_batch_of_weights_for_a_circuit_without_data() -> None:
    check_a_batch_of_weights(LAYERS)


def test_batches_of_batches_keep_their_order() -> None:
    circuit = qj.Circuit(1, (qj.RX(0, qj.Weight(0)), qj.RY(0, qj.Data(0))))
    cell, weights = qj.CircuitCell(circuit, qj.Z(0)), jnp.array([0.4])
    xs = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (2, 3, 4, 1)))

    def run(x: jax.Array) -> jax.Array:
        return qj.run(cell, weights, x, gradient=LAYERS)

    apart = [[run(x) for x in row] for row in xs]
    np.testing.assert_allclose(jax.vmap(jax.vmap(run))(xs), np.array(apart), atol=1e-14)
    swapped = jax.vmap(jax.vmap(run), in_axes=1, out_axes=1)(xs)
    np.testing.assert_allclose(swapped, np.array(apart), atol=1e-14)


def batch_loss(cell: qj.CircuitCell, xs: jax.Array, mix: jax.Array, rule: qj.AbstractGradient):
    return lambda w: jnp.sum(jax.vmap(lambda x: qj.run(cell, w, x, gradient=rule))(xs) * mix)


def test_the_loop_sees_the_whole_batch_and_is_repeatable() -> None:
    """The gradient's program has the loop over B sequences at once, and does not grow with T."""
    cell = wide(4)
    lengths = []
    for steps in (3, 9):
        weights, xs, mix = numbers(cell, steps, 6)
        gradient = jax.grad(batch_loss(cell, xs, mix, LAYERS))
        program = str(jax.make_jaxpr(gradient)(weights))
        assert "qrnn_merged_loop" in program
        assert "f64[16,2,6]" in program
        lengths.append(program.count("\n"))
    assert lengths[0] == lengths[1]
    compiled = quick_jit(gradient)
    assert len({np.asarray(compiled(weights)).tobytes() for _ in range(3)}) == 1


def test_the_layers_are_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Poison: with twice a window's contribution, its angles have twice the slope."""
    cell = qj.CircuitCell(qj.Circuit(2, [qj.RY(w, qj.Weight(w)) for w in range(2)]), (qj.Z(1),))
    weights, xs = jnp.array([0.3, 0.8]), jnp.zeros((2, 0))
    exact = jax.grad(lambda w: qj.run(cell, w, xs, gradient=qj.Backprop()).sum())(weights)
    total = Window.total
    monkeypatch.setattr(
        Window, "total", lambda *given: jax.tree.map(lambda part: 2 * part, total(*given))
    )
    found = jax.grad(lambda w: qj.run(cell, w, xs, gradient=LAYERS).sum())(weights)
    np.testing.assert_allclose(found, 2 * exact, atol=1e-13)


def test_memory_does_not_grow_with_the_steps() -> None:
    cell = wide(5)
    state = 2**5 * 16 * 3  # bytes of a batch

    def temporaries(steps: int) -> int:
        weights, xs, mix = numbers(cell, steps, 3)
        gradient = jax.grad(batch_loss(cell, xs, mix, LAYERS))
        found = jax.jit(gradient).lower(weights).compile().memory_analysis()
        return int(found.temp_size_in_bytes)

    assert temporaries(200) - temporaries(100) < 100 * state / 4


def test_single_precision_over_a_long_sequence() -> None:
    cell = wide(4)
    given = numbers(cell, 300, 2)
    expected = value_and_gradients(cell, qj.Backprop())(*given)
    check_single_precision(value_and_gradients(cell, LAYERS), given, expected, 1e-4, 2e-4)


def test_a_sequence_may_be_cut_anywhere() -> None:
    check_cuts(wide(4), LAYERS)


def test_gradients_are_exact_where_angles_are_degenerate() -> None:
    operations = [g for w in range(3) for g in (qj.RX(w, qj.Weight(w)), qj.RZ(w, qj.Weight(w)))]
    cell = qj.CircuitCell(qj.Circuit(3, [*operations, qj.CNOT(0, 2)]), (qj.Z(0) @ qj.Y(2),))

    def gradient(rule: qj.AbstractGradient, weights: jax.Array) -> jax.Array:
        return jax.grad(lambda w: qj.run(cell, w, jnp.zeros((2, 0)), gradient=rule).sum())(weights)

    for angle in (0.0, np.pi / 2, np.pi):
        weights = jnp.full(3, angle)
        found, expected = gradient(LAYERS, weights), gradient(qj.Backprop(), weights)
        np.testing.assert_allclose(found, expected, atol=1e-13)


def test_forward_mode_is_refused_and_second_order_is_two_reverse_runs() -> None:
    operations = [qj.RX(0, qj.Weight(0)), qj.RZ(0, qj.Weight(1)), qj.RY(1, 0.4), qj.CNOT(1, 0)]
    cell = qj.CircuitCell(qj.Circuit(2, operations), qj.Z(0) @ qj.X(1))
    weights = jnp.array([0.3, 0.5])

    def f(w: jax.Array, rule: qj.AbstractGradient) -> jax.Array:
        return jnp.sin(qj.run(cell, w, jnp.zeros((3, 0)), gradient=rule)).sum()

    for transform in (jax.jacfwd, jax.hessian):
        with pytest.raises(TypeError, match=r"forward-mode differentiation \(jvp\).*Backprop"):
            transform(f)(weights, LAYERS)
    found = jax.jacrev(jax.grad(f))(weights, LAYERS)
    np.testing.assert_allclose(found, jax.hessian(f)(weights, qj.Backprop()), atol=1e-12)


def test_mixed_states_are_refused() -> None:
    cell = qj.CircuitCell(qj.Circuit(1, (qj.RX(0, 0.3), qj.Reset(0))), qj.Z(0))
    assert "pure states" in layered_refusal(plan_for(cell, DensityMatrix()))
    with pytest.raises(ValueError, match=r"`kernel` must be possible here.*'layers'.*pure states"):
        qj.run(cell, jnp.zeros(0), jnp.zeros((2, 0)), gradient=LAYERS)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="measured on a CPU only")
def test_the_automatic_rule_without_native_code(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "qrnn_jax.gradients.automatic.loop_refusal"
    monkeypatch.setattr(name, lambda plan, unasked: "none here")
    expectations = Expectations(plan_for(wide(4), None))
    chosen = [qj.Automatic(batch=7).choose(expectations, steps).rule for steps in (5, 10**5)]
    assert chosen == [qj.Backprop(), LAYERS]
