"""The equidistant rule on shared weights: exact where it serves, closed forms, costs, refusals."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.circuit.spread import spread
from qrnn_jax.gradients.shared_shift import _rule
from tests.gradients.jacobians import SOME_CELLS, STEPS, distance, size
from tests.helpers import quick_jit, random_cell, random_inputs

W, D = qj.Weight, qj.Data

SCALED = qj.Circuit(  # frequencies 1/2, 1, 3/2: spacings 1/4, 1/2 and 1
    3,
    (
        qj.RY(0, D(0)),
        qj.CRX(0, 1, 0.5 * W(0)),
        qj.RZZ(1, 2, W(1) - 0.2),
        qj.U3(2, W(0) + 0.5 * W(0), -W(2), 0.7),
        qj.AmplitudeDamping(1, 0.2),
        qj.RX(1, W(1)),
        qj.Reset(0),
    ),
)
FED_FORWARD = qj.Circuit(
    3,
    (
        qj.RY(0, D(0)),
        qj.CRX(0, 1, W(0)),
        qj.Measure(0, to=2),
        qj.If(2, qj.RX(1, 1.5 * W(1))),
        qj.Reset(0),
    ),
)
POSTSELECTED = qj.Circuit(
    3,
    (
        qj.RY(0, D(0) + W(0)),
        qj.RXX(0, 1, W(0)),
        qj.CRY(1, 2, W(1)),
        qj.Postselect(0),
    ),
)
EVOLVED = qj.Circuit(  # gaps of the evolution: multiples of 0.4
    3,
    (
        qj.Evolution(0.2 * qj.X(0) + 0.4 * (qj.Z(1) @ qj.Y(2)), W(0)),
        qj.RX(1, 0.4 * W(0) + D(0)),
        qj.RZ(0, 2.2 * W(1)),
        qj.RY(0, D(0)),
    ),
)
WRITTEN = {"scaled": SCALED, "fed": FED_FORWARD, "postselected": POSTSELECTED, "evolved": EVOLVED}
OBSERVABLES = {
    "fed": (qj.X(1), qj.Y(1)),
    "postselected": (qj.Z(1), qj.Z(1) @ qj.Z(2)),
    "evolved": (qj.Z(0), qj.Y(1), qj.X(2)),
}
SEEDS = {"reset": (53,), "noisy": (55,), "unitary": (32,)}  # few have a spacing


def models():
    found = {}
    for name, circuit in WRITTEN.items():
        cell = qj.CircuitCell(circuit, OBSERVABLES.get(name, (qj.Z(1) @ qj.Y(2), qj.X(1))))
        found[name] = (cell, *random_inputs(circuit, 3, steps=STEPS))
    for kind, seeds in SEEDS.items():
        for seed in seeds:
            cell = random_cell(seed, kind=kind, gates=5)
            found[f"{kind}-{seed}"] = (cell, *random_inputs(cell.circuit, seed, steps=STEPS))
    for name in ("takaki", "emcz2"):
        cell = SOME_CELLS[name]
        xs = np.random.default_rng(7).uniform(-0.9, 0.9, (STEPS, cell.features))
        found[name] = (cell, cell.init(jax.random.key(3)), xs)
    return found


MODELS = models()


def outputs(cell, rule):
    return lambda params, xs: qj.run(cell, params, xs, gradient=rule)


@pytest.mark.parametrize("name", MODELS)
def test_shared_shift_equals_backprop(name):
    """All outputs of all steps; a chunk that leaves a remainder; both modes."""
    cell, params, xs = MODELS[name]
    rule = qj.SharedShift(chunk=7)
    assert rule.refusal(cell.circuit) is None
    mode = jax.jacfwd if len(name) % 2 else jax.jacrev

    @quick_jit
    def both(params, xs):
        return jax.jacrev(outputs(cell, qj.Backprop()))(params, xs), mode(outputs(cell, rule))(
            params, xs
        )

    expected, found = both(params, xs)
    assert size(expected) > 0.01
    assert distance(found, expected) < 1e-10


@pytest.mark.parametrize("count", [1, 2, 5, 20])
def test_closed_forms_of_the_coefficients(count):
    """sum |y| = W and sum y^2 = D^2 (2 R^2 + 1) / 6, for a spacing D that is not 1."""
    shifts, coefficients = _rule(count, 0.7)
    assert len(shifts) == 2 * count
    np.testing.assert_allclose(np.abs(coefficients).sum(), 0.7 * count, rtol=1e-12)
    np.testing.assert_allclose((coefficients**2).sum(), 0.49 * (2 * count**2 + 1) / 6, rtol=1e-12)
    assert np.abs(shifts).max() < np.pi / 0.7  # no shift is longer than half a period


@pytest.mark.parametrize("steps", [1, 2, 5, 20])
def test_equal_shots_cost_what_the_formula_says_and_weighted_ones_nothing(steps):
    circuit = qj.Circuit(2, (qj.RX(0, W(0)), qj.CNOT(0, 1)))
    data, shots = np.zeros((steps, 0)), 10_000_000

    def error(rule):
        assert rule.evaluations(circuit, steps) == 2 * steps
        return rule.predicted_stderr(circuit, data, shots)[0]

    per_occurrence = error(qj.ParameterShift())
    np.testing.assert_allclose(per_occurrence, steps / np.sqrt(2 * steps * shots), rtol=1e-6)
    penalty = error(qj.SharedShift(allocation="uniform")) / per_occurrence
    np.testing.assert_allclose(penalty, np.sqrt((2 * steps**2 + 1) / (3 * steps)), rtol=1e-6)
    np.testing.assert_allclose(error(qj.SharedShift()) / per_occurrence, 1, rtol=1e-4)


def test_the_runs_are_those_that_were_counted(tapes):
    """Two runs per multiple of the spacing; each moves all occurrences of one weight alike."""
    rule = qj.SharedShift(chunk=1001)
    cell, weights, xs = MODELS["scaled"]
    quick_jit(jax.grad(lambda w: outputs(cell, rule)(w, xs).sum()))(weights)
    jax.effects_barrier()
    # W / D in one step: (0.5 + 1.5) / 0.25, (1 + 1) / 1, 1 / 1
    assert len(tapes) == rule.evaluations(SCALED, STEPS) == 2 * STEPS * (8 + 2 + 1)
    base = spread(SCALED, jnp.asarray(weights), jnp.asarray(xs))
    columns = {0: [1, 3], 1: [2, 7], 2: [4]}
    moves = [np.asarray(tape - base) for tape in tapes]
    for move in moves:
        np.testing.assert_allclose(move - move[0], 0, atol=1e-12)
        assert np.flatnonzero(np.abs(move[0]) > 1e-9).tolist() in columns.values()
    scaled = [move[0] for move in moves if abs(move[0, 1]) > 1e-9]
    np.testing.assert_allclose([row[3] for row in scaled], [3 * row[1] for row in scaled])


def test_weights_without_frequencies_cost_nothing():
    circuit = qj.Circuit(1, (qj.Evolution(0.0 * qj.Z(0), W(0)), qj.RX(0, W(1) - W(1) + D(0))))
    cell, rule = qj.CircuitCell(circuit, qj.Z(0)), qj.SharedShift()
    assert rule.evaluations(circuit, 4) == 0
    gradient = jax.grad(lambda w: outputs(cell, rule)(w, jnp.ones((2, 1))).sum())(jnp.ones(2))
    assert gradient.tolist() == [0, 0]


def gradient_of(circuit, argnums=0):
    cell = qj.CircuitCell(circuit, qj.Z(0))
    weights, xs = random_inputs(circuit, 5, steps=2)
    return jax.grad(lambda w, x: outputs(cell, qj.SharedShift())(w, x).sum(), argnums)(weights, xs)


REFUSED = {
    "data": (
        qj.RX(0, W(0) * D(0)),
        r"multiplied by data, but RX\(.*\) holds w0\*x0.*try `Riesz\(\)`, or `ParameterShift\(\)`",
    ),
    "spacing": (
        qj.RZ(0, np.sqrt(2) * W(0)),
        r"multiples of one spacing, but those of Weight\(0\), 1, 1.41421, are not \(up to 512",
    ),
    "parts": (qj.RZ(0, 0.8003 * W(0)), r"0.8003, 1, are not .*try `Riesz\(\)`"),
    "strength": (
        qj.BitFlip(0, 0.1 * W(0) + 0.4),
        r"`SharedShift` must not differentiate a noise strength, but BitFlip.* `Backprop\(\)`",
    ),
    "angle": (
        qj.AngleNoise(qj.RY(0, W(0)), 0.1),
        r"noise that depends on a weight, but AngleNoise.* does; try .*`FiniteDifference\(\)`",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_by_name(name):
    operation, text = REFUSED[name]
    circuit = qj.Circuit(1, (qj.RX(0, W(0)), operation))
    assert re.search(text, qj.SharedShift().refusal(circuit))
    with pytest.raises(ValueError, match=text):
        gradient_of(circuit)


def test_data_and_second_derivatives_are_refused():
    circuit = qj.Circuit(1, (qj.RX(0, W(0)), qj.RY(0, D(0))))
    with pytest.raises(ValueError, match=r"must not differentiate data, .* `ParameterShift\(\)`"):
        gradient_of(circuit, argnums=1)
    cell = qj.CircuitCell(circuit, qj.Z(0))
    total = lambda w: outputs(cell, qj.SharedShift())(w, jnp.ones((2, 1))).sum()  # noqa: E731
    for hessian in (jax.hessian, lambda f: jax.jacfwd(jax.jacfwd(f))):
        with pytest.raises(ValueError, match=r"`SharedShift` must not be differentiated twice"):
            hessian(total)(jnp.ones(1))


def test_settings_are_checked():
    with pytest.raises(ValueError, match=r"`allocation` must be one of \('uniform', 'weighted'\)"):
        qj.SharedShift(allocation="equal")
    with pytest.raises(ValueError, match=r"`chunk` must be an integer of 1 or more, but is 0"):
        qj.SharedShift(chunk=0)


def test_a_batch_of_gradients_under_shots():
    """vmap over keys, shots split by weight: the mean is the gradient, the spread as predicted."""
    circuit = qj.Circuit(2, (qj.RX(0, W(0)), qj.CRY(0, 1, 2 * W(1)), qj.Reset(0)))
    cell, repeats, shots = qj.CircuitCell(circuit, qj.Z(1)), 400, 50
    weights, xs, rule = jnp.array([0.9, 0.4]), jnp.zeros((2, 0)), qj.SharedShift()

    def last(weights, rule, **options):
        return qj.run(cell, weights, xs, gradient=rule, **options)[-1, 0]

    @quick_jit
    def many(keys):
        options = {"shots": shots, "prefixes": True}
        return jax.vmap(lambda k: jax.grad(last)(weights, rule, key=k, **options))(keys)

    found = np.asarray(many(jax.random.split(jax.random.key(2), repeats)))
    exact = quick_jit(jax.grad(lambda w: last(w, qj.Backprop())))(weights)
    stderr = found.std(axis=0, ddof=1)
    assert np.all(np.abs(found.mean(axis=0) - exact) < 4 * stderr / np.sqrt(repeats))
    assert np.all(stderr < 1.1 * rule.predicted_stderr(circuit, xs, shots))
