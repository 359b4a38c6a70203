"""`Adjoint` and the shift rule's `shared` route: exact, reverse mode, and what they keep."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import accepting_engines, quick_jit, random_cell, random_inputs
from qrnn_jax_kernels.pure_states import obstacle

import qrnn_jax as qj
from qrnn_jax.engines.state_vector import StateVectorPlan

RULES = {"adjoint": qj.Adjoint(), "shared": qj.ParameterShift(route="shared")}
KINDS = ("unitary", "encoder", "reset", "noisy")


def loss_of(cell: qj.AbstractCell, rule: qj.AbstractGradient, engine: object) -> Callable:
    def loss(weights: jax.Array, xs: jax.Array) -> jax.Array:
        outputs = qj.run(cell, weights, xs, gradient=rule, engine=engine)  # type: ignore[arg-type]
        return jnp.sum(jnp.sin(outputs * jnp.arange(1, outputs.size + 1).reshape(outputs.shape)))

    return loss


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_agree_with_backprop_on_every_plan(name: str, kind: str) -> None:
    cell = random_cell(3, kind=kind, gates=5)
    weights, xs = map(jnp.asarray, random_inputs(cell.circuit, 3))
    for plan, engine in accepting_engines(cell.circuit).items():
        if name == "shared" and plan is StateVectorPlan:
            continue  # refused, see below
        both = {
            rule: quick_jit(jax.grad(loss_of(cell, rule, engine), (0, 1)))(weights, xs)
            for rule in (qj.Backprop(), RULES[name])
        }
        for found, expected in zip(both[RULES[name]], both[qj.Backprop()]):
            np.testing.assert_allclose(found, expected, atol=1e-10)


@pytest.mark.parametrize("name", RULES)
def test_vmap_of_the_gradient_and_gradient_of_the_vmap(name: str) -> None:
    cell = random_cell(1, kind="encoder", gates=4)
    weights, xs = map(jnp.asarray, random_inputs(cell.circuit, 1))
    batch = jnp.stack([xs, 0.5 * xs, -xs])
    loss = loss_of(cell, RULES[name], None)
    apart = jax.vmap(jax.grad(loss), (None, 0))(weights, batch)
    whole = jax.grad(lambda w: jnp.sum(jax.vmap(loss, (None, 0))(w, batch)))(weights)
    np.testing.assert_allclose(apart.sum(axis=0), whole, atol=1e-10)
    exact = jax.grad(loss_of(cell, qj.Backprop(), None))
    np.testing.assert_allclose(apart[2], exact(weights, batch[2]), atol=1e-10)


@pytest.mark.parametrize("name", RULES)
def test_forward_mode_is_refused_with_the_error_that_the_docs_quote(name: str) -> None:
    cell = random_cell(1, kind="encoder", gates=4)
    weights, xs = map(jnp.asarray, random_inputs(cell.circuit, 1))
    with pytest.raises(TypeError, match=r"can't apply forward-mode .*\(jvp\) to a custom_vjp"):
        jax.jvp(lambda w: loss_of(cell, RULES[name], None)(w, xs), (weights,), (weights,))


def test_the_shared_route_applies_the_shift_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """Poison: with wrong shift terms the gradient must be wrong."""
    cell = random_cell(2, kind="encoder", gates=5)
    weights, xs = map(jnp.asarray, random_inputs(cell.circuit, 2))
    exact = jax.grad(loss_of(cell, qj.Backprop(), None))(weights, xs)
    terms = qj.AbstractGate.shift_terms

    def poisoned(self: qj.AbstractGate, parameter: int, observable_degree: int = 1) -> tuple:
        found = terms(self, parameter, observable_degree)
        return tuple(term._replace(coefficient=2 * term.coefficient) for term in found)

    monkeypatch.setattr(qj.AbstractGate, "shift_terms", poisoned)
    rule = qj.ParameterShift(route="shared", chunk=7)  # a setting that no other test has compiled
    doubled = jax.grad(loss_of(cell, rule, None))(weights, xs)
    np.testing.assert_allclose(doubled, 2 * exact, atol=1e-9)


def test_the_shared_route_refuses_state_vectors() -> None:
    cell = random_cell(1, kind="unitary", gates=4)
    weights, xs = map(jnp.asarray, random_inputs(cell.circuit, 1))
    with pytest.raises(ValueError, match=r'"replay" on a state vector.*DensityMatrix'):
        qj.run(cell, weights, xs, gradient=RULES["shared"])


def test_the_shared_route_refuses_what_the_replays_refuse() -> None:
    circuit = qj.Circuit(1, (qj.RX(0, qj.Weight(0)), qj.BitFlip(0, 0.1 * qj.Weight(1) + 0.2)))
    cell = qj.CircuitCell(circuit, (qj.Z(0),))
    loss = loss_of(cell, RULES["shared"], qj.DensityMatrix())
    with pytest.raises(ValueError, match="must not differentiate a noise strength"):
        jax.grad(loss)(jnp.array([0.3, 0.2]), jnp.zeros((2, 0)))
    with pytest.raises(ValueError, match="must be a rule that a device can follow"):
        qj.run(
            qj.CircuitCell(qj.Circuit(1, (qj.RX(0, qj.Weight(0)), qj.Reset(0))), (qj.Z(0),)),
            jnp.zeros(1),
            jnp.zeros((2, 0)),
            gradient=RULES["shared"],
            shots=5,
            key=jax.random.key(0),
        )


def test_a_step_can_be_undone() -> None:
    cell = random_cell(0, kind="unitary", gates=8)
    plan = qj.StateVector().plan(cell.circuit, cell.observables)
    assert isinstance(plan, StateVectorPlan)
    assert plan.is_reversible
    rng = np.random.default_rng(0)
    psi = jnp.asarray(rng.normal(size=8) + 1j * rng.normal(size=8))
    tape = jnp.asarray(rng.normal(size=len(cell.circuit.parameters)))
    prepared = plan.prepare(tape)
    encoded = plan.encode(prepared, tape)
    after, _ = plan.step(prepared, psi, encoded)
    np.testing.assert_allclose(plan.undo(prepared, after, encoded), psi, atol=1e-13)
    assert np.abs(after - psi).max() > 0.1


def temporaries(cell: qj.AbstractCell, rule: qj.AbstractGradient, steps: int) -> int:
    """Bytes that a gradient holds besides its inputs and its result."""
    weights, xs = jnp.zeros(cell.circuit.weight_count), jnp.zeros((steps, cell.features))
    lowered = jax.jit(jax.grad(lambda w: loss_of(cell, rule, None)(w, xs))).lower(weights)
    return int(lowered.compile().memory_analysis().temp_size_in_bytes)


def test_adjoint_keeps_no_states_of_unitary_steps() -> None:
    """Residuals of reverse mode: bytes that cross from the forward to the backward pass."""
    cell = random_cell(0, kind="unitary", gates=8)
    reference = qj.Adjoint(kernel="reference")
    growth = {
        rule: temporaries(cell, rule, 2000) - temporaries(cell, rule, 1000)
        for rule in (reference, qj.Backprop())
    }
    state = 8 * 16  # bytes
    assert growth[qj.Backprop()] > 1000 * 3 * state
    assert growth[reference] < growth[qj.Backprop()] / 3


@pytest.mark.skipif(obstacle() is not None, reason=f"no native code: {obstacle()}")
def test_native_code_keeps_the_matrices_that_move_and_no_states() -> None:
    steps = [qj.RY(0, qj.Data(0)), *(qj.RX(wire, qj.Weight(wire)) for wire in range(8))]
    cell = qj.CircuitCell(qj.Circuit(8, steps), qj.Z(0))
    rule = qj.Adjoint(kernel="native")
    growth = temporaries(cell, rule, 2000) - temporaries(cell, rule, 1000)
    state = 2**8 * 16  # bytes
    assert 0 < growth < 1000 * state / 8


def test_the_carry_is_differentiable_under_adjoint() -> None:
    cell = random_cell(2, kind="reset", gates=5)
    weights, xs = map(jnp.asarray, random_inputs(cell.circuit, 2))

    def last(weights: jax.Array, rule: qj.AbstractGradient) -> jax.Array:
        first = qj.simulate(cell, weights, xs[:2], gradient=rule)
        second = qj.simulate(cell, weights, xs[2:], carry=first.carry, gradient=rule)
        return second.outputs.sum()

    found, expected = (jax.grad(last)(weights, rule) for rule in (qj.Adjoint(), qj.Backprop()))
    np.testing.assert_allclose(found, expected, atol=1e-10)
