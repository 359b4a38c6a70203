"""What the shift rule really runs: every replayed tape is recorded, at run time, and looked at."""

import itertools
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import qrnn_jax as qj
from qrnn_jax.circuit.operation import AbstractGate
from qrnn_jax.circuit.spread import spread
from qrnn_jax.run import _simulate
from tests.gradients.jacobians import SOME_CELLS, STEPS, distance, scalar
from tests.helpers import quick_jit

W, D = qj.Weight, qj.Data
fresh_chunks = itertools.count(
    1000
)  # a rule of its own for each test: no compiled program is reused

CIRCUIT = qj.Circuit(
    3,
    (
        qj.RY(0, D(0)),  # column 0: data alone
        qj.CRX(0, 1, W(0)),  # 1: a weight alone, four terms
        qj.RZZ(1, 2, 0.3),  # 2: a constant
        qj.AmplitudeDamping(1, 0.2),  # 3: a constant strength
        qj.U3(2, W(1), 0.4 * D(1), W(0) * D(0)),  # 4, 5, 6: a weight, data, both
        qj.RX(1, W(0) - 0.2),  # 7: a weight again
        qj.Reset(0),
    ),
)
COLUMNS = {  # shift terms per column
    "weights": Counter({1: 4, 4: 2, 6: 2, 7: 2}),
    "data": Counter({0: 2, 5: 2, 6: 2}),
    "both": Counter({0: 2, 1: 4, 4: 2, 5: 2, 6: 2, 7: 2}),
}
ASKED = {"weights": (0,), "data": (1,), "both": (0, 1)}
CELL = qj.CircuitCell(CIRCUIT, (qj.Z(0) @ qj.X(2), qj.Y(1)))
WEIGHTS, XS = np.array([0.7, -1.1]), np.array([[0.4, 1.3], [-0.8, 0.5], [1.9, -0.6]])


def fresh_rule():
    return qj.ParameterShift(chunk=next(fresh_chunks))


def gradient_of(cell, rule, asked):
    def loss(params, xs):
        return scalar(qj.run(cell, params, xs, gradient=rule))

    return jax.grad(loss, argnums=ASKED[asked])


def shifted_columns(tapes, base):
    """How often each (step, column) was shifted; every replay must differ in one entry alone."""
    jax.effects_barrier()
    moved = [np.argwhere(np.abs(tape - base) > 1e-9) for tape in tapes]
    assert all(len(entries) == 1 for entries in moved)
    return Counter(tuple(entries[0].tolist()) for entries in moved)


def in_every_step(columns, times=1):
    return Counter({(t, k): times * n for k, n in columns.items() for t in range(STEPS)})


@pytest.mark.parametrize("asked", ASKED)
def test_only_what_is_differentiated_is_shifted(tapes, asked):
    """Each wanted occurrence, each term of its gate, once; nothing else."""
    rule = fresh_rule()
    quick_jit(gradient_of(CELL, rule, asked))(WEIGHTS, XS)
    found = shifted_columns(tapes, spread(CIRCUIT, WEIGHTS, XS))
    assert found == in_every_step(COLUMNS[asked])
    if asked != "data":
        assert len(tapes) == rule.evaluations(CIRCUIT, STEPS, data=asked == "both")


def test_the_shifts_are_those_of_each_gate(tapes):
    quick_jit(gradient_of(CELL, fresh_rule(), "weights"))(WEIGHTS, XS)
    jax.effects_barrier()
    base = spread(CIRCUIT, WEIGHTS, XS)
    moves = [(tape - base)[0] for tape in tapes if np.abs(tape - base)[0].max() > 1e-9]
    controlled = sorted(move[1] for move in moves if move[1])
    plain = sorted(move[7] for move in moves if move[7])
    np.testing.assert_allclose(controlled, np.pi * np.array([-1.5, -0.5, 0.5, 1.5]), atol=1e-12)
    np.testing.assert_allclose(plain, [-np.pi / 2, np.pi / 2], atol=1e-12)


@pytest.mark.parametrize("model", SOME_CELLS)
@pytest.mark.parametrize("asked", ASKED)
def test_published_cells_shift_no_data_unasked(tapes, model, asked):
    cell, rule = SOME_CELLS[model], fresh_rule()
    params, xs = cell.init(jax.random.key(3)), np.full((STEPS, cell.features), 0.4)
    quick_jit(gradient_of(cell, rule, asked))(params, xs)
    data = np.asarray(jax.vmap(lambda x: cell.data(params, x))(jnp.asarray(xs)))
    found = shifted_columns(tapes, spread(cell.circuit, cell.weights(params), data))
    slots = cell.circuit.parameters
    wanted = {
        "weights": {k for k, slot in enumerate(slots) if slot.weights},
        "data": {k for k, slot in enumerate(slots) if slot.data},
        "both": {k for k, slot in enumerate(slots) if slot.terms},
    }[asked]
    assert found == in_every_step(Counter(dict.fromkeys(wanted, 2)))
    if asked != "data":
        assert len(tapes) == rule.evaluations(cell.circuit, STEPS, data=asked == "both")


def eager(gradient):
    return gradient(WEIGHTS, XS)


def compiled(gradient):
    return quick_jit(gradient)(WEIGHTS, XS)


def over_sequences(gradient):
    return quick_jit(jax.vmap(gradient, (None, 0)))(WEIGHTS, jnp.stack([XS, XS + 0.1]))


def over_weights(gradient):
    return quick_jit(jax.vmap(gradient, (0, None)))(np.stack([WEIGHTS, WEIGHTS + 0.1]), XS)


def inside_scan(gradient):
    def update(weights, _):
        return weights - 0.1 * gradient(weights, XS)[0], None

    return quick_jit(lambda weights: lax.scan(update, weights, length=2))(WEIGHTS)


@pytest.mark.parametrize(
    ("transform", "times"),
    [(eager, 1), (compiled, 1), (over_sequences, 2), (over_weights, 2), (inside_scan, 2)],
)
def test_transforms_add_no_runs(tapes, transform, times):
    """Under jit, vmap and scan, too, data are not shifted and no run is made twice."""
    rule = fresh_rule()
    jax.block_until_ready(transform(gradient_of(CELL, rule, "weights")))
    jax.effects_barrier()
    assert len(tapes) == times * rule.evaluations(CIRCUIT, STEPS) == times * 3 * 10


def test_a_forward_run_shifts_nothing(tapes):
    qj.run(CELL, WEIGHTS, XS, gradient=fresh_rule())
    jax.effects_barrier()
    assert not tapes


def test_nothing_to_shift_gives_zero(tapes):
    """Circuits whose angles are all constant, or all data, have a gradient nevertheless."""
    cell = qj.CircuitCell(qj.Circuit(1, (qj.RX(0, D(0)),)), qj.Z(0))
    gradient = gradient_of(cell, fresh_rule(), "weights")(np.zeros(0), XS[:, :1])
    jax.effects_barrier()
    assert gradient[0].shape == (0,)
    assert not tapes


def test_poisoned_coefficients_poison_the_gradient(monkeypatch):
    """With coefficients 1.5 times too large the shift rule must be wrong, autodiff must not."""
    exact = compiled(gradient_of(CELL, qj.Backprop(), "both"))
    healthy = compiled(gradient_of(CELL, fresh_rule(), "both"))
    assert distance(healthy, exact) < 1e-10

    terms = AbstractGate.shift_terms

    def poisoned(self, *args):
        return tuple(
            term._replace(coefficient=1.5 * term.coefficient) for term in terms(self, *args)
        )

    monkeypatch.setattr(AbstractGate, "shift_terms", poisoned)
    _simulate.clear_cache()
    poisoned_shift = compiled(gradient_of(CELL, fresh_rule(), "both"))
    assert distance(poisoned_shift, jax.tree.map(lambda g: 1.5 * g, exact)) < 1e-10
    assert distance(compiled(gradient_of(CELL, qj.Backprop(), "both")), exact) < 1e-12


def test_chunks_bound_the_memory():
    """Four runs at a time need a small part of the memory of 128; the gradient is the same."""
    cell = qj.cells.Viqueira(exchange=1, memory=5, layers=1, uploads=0)
    params, xs = cell.init(jax.random.key(0)), np.full((6, 1), 0.3)

    def program(chunk):
        gradient = gradient_of(cell, qj.ParameterShift(chunk=chunk), "weights")
        return quick_jit(gradient).lower(params, xs).compile()

    few, many = program(4), program(None)
    assert qj.ParameterShift().evaluations(cell.circuit, 6) > 128
    assert distance(few(params, xs), many(params, xs)) < 1e-12
    few_bytes, many_bytes = (p.memory_analysis().temp_size_in_bytes for p in (few, many))
    assert many_bytes > 128 * 32 * 32 * 16  # 128 density matrices of five wires
    assert few_bytes < many_bytes / 8
