"""Shift rules on modes: exact where they hold, wrong where they should be, refused by name."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.circuit.mode_shifts import Entries, mode_shift_terms
from qrnn_jax.circuit.spectrum import ShiftTerm
from qrnn_jax.circuit.spread import spread
from tests.cells.test_cv import INPUTS, at_random
from tests.helpers import quick_jit

CELL = qj.cells.CVQRNN()
FIRST, SECOND = (qj.QuadX(0), qj.QuadP(2)), (qj.Number(0), qj.QuadXX(1, 2))
SHIFT, EXACT = qj.ParameterShift(chunk=64), qj.Backprop()


def jacobian(cell, weights, xs, rule, engine=None):
    """d (last outputs) / d (weights, xs)."""
    function = jax.jacfwd if isinstance(rule, qj.ParameterShift) else jax.jacrev
    last = lambda w, x: qj.run(cell, w, x, engine=engine, gradient=rule)[-1]  # noqa: E731
    return quick_jit(function(last, argnums=(0, 1)))(weights, xs)


@pytest.mark.parametrize(("reads", "bound"), [(FIRST, 1e-10), (SECOND, 1e-9)], ids=["1", "2"])
def test_all_weights_and_inputs_of_the_network(reads, bound):
    cell, weights = qj.CircuitCell(CELL.circuit, reads), at_random(CELL)[:-1]
    shifted, exact = (jacobian(cell, weights, INPUTS, rule) for rule in (SHIFT, EXACT))
    for mine, other in zip(shifted, exact):
        assert np.abs(mine - other).max() < bound
        assert np.abs(other).max() > 0.05
    assert (np.abs(exact[0]).max(axis=0) > 1e-4).sum() > 15


def test_two_hundred_evaluations():
    """Two per weight and step, at T = 4."""
    assert SHIFT.evaluations(CELL.circuit, 4) == 200


def shifted_by_hand(cell, weights):
    """The error of the rules of degree 1 and 2 for every occurrence, (2, T, K); kinds (K,)."""
    plan = qj.Gaussian().plan(cell.circuit, cell.observables)
    tape = spread(cell.circuit, jnp.asarray(weights), jnp.asarray(INPUTS))

    def last(tape):
        return jax.lax.scan(lambda s, row: plan.step_at(row, s), plan.init(), tape)[1][-1, 0]

    gates = [op for op in cell.circuit.operations if isinstance(op, qj.AbstractModeGate)]
    kinds = [kind for gate in gates for kind in gate.entries]
    pieces = [
        (degree - 1, k, c, s)
        for degree in (1, 2)
        for k, kind in enumerate(kinds)
        for c, s in mode_shift_terms(kind, degree)
    ]
    rules, columns, factors, shifts = (np.array(part) for part in zip(*pieces))
    moves = np.zeros((4, len(pieces), *tape.shape))
    for step in range(4):
        moves[step, np.arange(len(pieces)), step, columns] = shifts
    values = quick_jit(jax.vmap(jax.vmap(last)))(tape + moves)  # (4, pieces)
    found = np.zeros((2, *tape.shape))
    np.add.at(found.transpose(0, 2, 1), (rules, columns), (values * factors).T)
    return np.abs(found - quick_jit(jax.grad(last))(tape)), np.array(kinds)


def test_two_terms_are_wrong_for_photon_numbers_but_for_displacements():
    """Four are right; of the two-term rule only that of magnitudes of displacements survives."""
    cell, weights = qj.CircuitCell(CELL.circuit, (qj.Number(0),)), at_random(CELL)[:-1]
    (wrong, right), kinds = shifted_by_hand(cell, weights)
    assert right.max() < 1e-9
    assert wrong[:, kinds == Entries.LINEAR].max() < 1e-9
    assert wrong[:, kinds == Entries.HYPERBOLIC].max() > 1e-3
    assert wrong[:, kinds == Entries.ANGLE].max() > 1e-2


def test_the_rules_of_the_literature():
    half = np.pi / 2
    assert qj.Rotation(0, 0.1).shift_terms(0) == (ShiftTerm(0.5, half), ShiftTerm(-0.5, -half))
    assert qj.Displacement(0, 0.1).shift_terms(0, 2) == (ShiftTerm(0.5, 1), ShiftTerm(-0.5, -1))
    (first, _) = qj.Squeezing(0, 0.1).shift_terms(0)
    assert first.coefficient == pytest.approx(1 / (2 * np.sinh(1)))
    offsets = sorted(shift % (2 * np.pi) for _, shift in qj.Rotation(0, 0.1).shift_terms(0, 2))
    np.testing.assert_allclose(offsets, np.array([1, 3, 5, 7]) * np.pi / 4)
    for kind, one, two in (
        (Entries.ANGLE, np.sin, [1, 2]),
        (Entries.HYPERBOLIC, np.sinh, [1, 2]),
    ):
        terms = mode_shift_terms(kind, 2)
        slopes = [sum(c * one(k * s) for c, s in terms) for k in two]
        np.testing.assert_allclose(slopes, two, atol=1e-12)


def test_the_gradient_of_a_loss_through_the_rule():
    params, targets = at_random(CELL), np.array([0.1, 0.4, -0.2, 0.3])

    def loss(params, rule):
        return jnp.mean((qj.run(CELL, params, INPUTS, gradient=rule)[:, 0] - targets) ** 2)

    slope = jax.grad(loss)
    shifted, exact = (quick_jit(lambda p, r=r: slope(p, r))(params) for r in (SHIFT, EXACT))
    assert np.abs(shifted - exact).max() < 1e-9
    assert np.abs(exact).max() > 0.1


def test_shifts_of_all_occurrences_together_are_no_rule():
    """What a shared weight obeys is not what one occurrence obeys."""
    cell, weights = qj.CircuitCell(CELL.circuit, (qj.QuadX(0),)), at_random(CELL)[:-1]
    last = quick_jit(jax.vmap(lambda w: qj.run(cell, w, INPUTS)[-1, 0]))
    theta = np.eye(25)[0] * np.pi / 2
    plus, minus = last(np.stack([weights + theta, weights - theta]))
    exact = jacobian(cell, weights, INPUTS, EXACT)[0][0, 0]
    assert abs((plus - minus) / 2 - exact) > 1e-2


VALUES = np.array([0.7, 0.6, -0.4, 0.9])
PAIR = qj.Circuit(
    2,
    (
        qj.Displacement(0, 0.8),
        qj.Displacement(1, 0.5),
        qj.Beamsplitter(0, 1, qj.Weight(0), qj.Weight(1)),
        qj.Rotation(0, qj.Weight(2)),
        qj.Squeezing(1, 0.1),
        qj.Beamsplitter(0, 1, qj.Weight(3), 0.3),
    ),
)


def test_in_a_cut_space_the_rule_holds_up_to_the_cut():
    cell, weights = qj.CircuitCell(PAIR, (qj.QuadX(0),)), VALUES
    exact = jacobian(cell, weights, np.zeros((1, 0)), EXACT)[0][0]
    unit = np.eye(4)[:, None] * np.array([[1], [-1]]) * np.pi / 2  # (4, 2, 4): angles only

    def error(cutoff):
        last = lambda w: qj.run(cell, w, np.zeros((1, 0)), engine=qj.Fock(cutoff))[-1, 0]  # noqa: E731
        plus, minus = quick_jit(jax.vmap(jax.vmap(last)))(weights + unit).T
        return float(np.abs((plus - minus) / 2 - exact).max())

    bounds = {6: 6e-2, 8: 1.5e-2, 10: 3e-3, 14: 1e-4}
    errors = [error(cutoff) for cutoff in bounds]
    assert all(error < bound for error, bound in zip(errors, bounds.values())), errors
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 1e-4


def gradient(circuit, rule, width=0, **options):
    cell = qj.CircuitCell(circuit, (qj.QuadX(0),))
    xs, weights = jnp.zeros((2, width)), jnp.full(circuit.weight_count, 0.2)
    return jax.grad(lambda w: qj.run(cell, w, xs, gradient=rule, **options).sum())(weights)


def test_what_has_no_rule_is_refused_by_name():
    turn, rule = qj.Rotation(0, qj.Weight(0)), qj.ParameterShift()
    kerr = qj.Circuit(1, (turn, qj.Kerr(0, 0.1)))
    with pytest.raises(ValueError, match=r"`ParameterShift` must not meet Kerr.*not Gaussian"):
        gradient(kerr, rule, engine=qj.Fock(4))
    drawn = qj.Circuit(2, (turn, qj.Homodyne(1, draw=qj.Data(0))))
    with pytest.raises(ValueError, match=r"must not meet Homodyne.*normalised.*`Homodyne\(mode\)`"):
        gradient(drawn, rule, width=1)
    assert np.isfinite(gradient(drawn, qj.Backprop(), width=1)).all()
    loss = qj.Circuit(1, (turn, qj.Loss(0, 0.5 + 0.1 * qj.Weight(1))))
    with pytest.raises(ValueError, match="must not differentiate a noise strength, but Loss"):
        gradient(loss, rule)
    for other in (qj.SharedShift(), qj.Riesz()):
        name = type(other).__name__
        with pytest.raises(ValueError, match=rf"`{name}` must have gates with finitely many fr"):
            gradient(qj.Circuit(1, (turn,)), other)


def test_the_shared_route_needs_reads_that_are_affine_in_the_state():
    rule = qj.ParameterShift(route="shared")
    weights = at_random(CELL)[:-1]
    linear = qj.CircuitCell(CELL.circuit, FIRST)

    def total(cell, rule):
        return quick_jit(jax.grad(lambda w: qj.run(cell, w, INPUTS, gradient=rule)[-1].sum()))

    swept, exact = (total(linear, r)(weights) for r in (rule, EXACT))
    assert np.abs(swept - exact).max() < 1e-10
    with pytest.raises(ValueError, match='`route` must be "replay" where reads are not affine'):
        total(qj.CircuitCell(CELL.circuit, SECOND), rule)(weights)


def test_no_rule_for_what_is_not_there():
    with pytest.raises(ValueError, match="degree 1 or 2, but this one has degree 3"):
        qj.Rotation(0, 0.1).shift_terms(0, 3)
    with pytest.raises(ValueError, match="must have a Gaussian gate, but Kerr"):
        qj.Kerr(0, 0.1).shift_terms(0)
    with pytest.raises(ValueError, match="strength must not be shifted, but Loss"):
        qj.Loss(0, 0.1).shift_terms(0)
