"""Native loops of real vectors: the same numbers as JAX for all wires, sizes and transforms."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from qrnn_jax_kernels import real_states

import qrnn_jax as qj
from qrnn_jax.circuit import AbstractOperation
from qrnn_jax.engines.native_choice import loop_refusal
from qrnn_jax.engines.native_real import RealLoop, real_refusal
from qrnn_jax.expectations import Expectations
from qrnn_jax.gradients.automatic import forecast
from qrnn_jax.setup import plan_for
from tests.helpers import quick_jit, some
from tests.kernels.loops import worst

NATIVE, EXACT = qj.Adjoint(kernel="native"), qj.Backprop()
pytestmark = pytest.mark.skipif(
    real_states.obstacle() is not None, reason=f"no native code: {real_states.obstacle()}"
)
BAUSCH = qj.cells.Bausch(lanes=2, workspace=3, stages=1, degree=2)


def random_cell(seed: int, wires: int, count: int = 9) -> qj.CircuitCell:
    """Turns with all kinds of sources, wires that are known, turned, picked and known again."""
    rng = np.random.default_rng([seed, wires, 31])
    weights = iter(range(1000))

    def w() -> qj.Slot:
        return qj.Weight(next(weights)) + float(rng.uniform(-1, 1))

    def some() -> list[AbstractOperation]:
        a, *others = (int(wire) for wire in rng.permutation(wires))
        sources = tuple(others[: int(rng.integers(0, min(3, wires - 1) + 1))])

        def angles() -> tuple[qj.Slot, ...]:
            return tuple(w() for _ in range(len(sources) + 1))

        makers: list = [
            lambda: [qj.RY(a, w())],
            lambda: [qj.Controlled(qj.RY(a, w()), sources) if sources else qj.RY(a, w())],
            *3 * [lambda: [qj.Neuron(sources, a, angles(), 1)]],
            *2 * [lambda: [qj.UnitaryNeuron(sources, a, angles())]],
            *2 * [lambda: [qj.Flip(a, qj.Data(int(rng.integers(2))))]],
            lambda: [qj.X(a)],
            # turned before, so that it is not hopeless
            lambda: [qj.RY(a, w()), qj.Postselect(a, int(rng.integers(2)))],
        ]
        return makers[rng.integers(len(makers))]()

    last = wires - 1
    ends = [wire for wire in range(wires) if rng.uniform() < 0.5]
    operations: list[AbstractOperation] = [qj.Flip(0, qj.Data(0)), qj.Flip(last, qj.Data(1))]
    for _ in range(count):
        operations += some()
    operations += [*turned_by(wires, w), qj.Read(), *some(), *turned_by(wires, w)]
    operations += [qj.Flip(wire, qj.Data(1)) for wire in ends]
    operations += [qj.Postselect(wire) for wire in ends]
    reads = (qj.Probabilities((last, 0)), qj.Z(0) @ qj.Z(last)) if wires > 1 else (qj.Z(0),)
    return qj.CircuitCell(qj.Circuit(wires, operations), reads)


def turned_by(wires: int, w: Any) -> list[AbstractOperation]:
    return [qj.RY(wire, w()) for wire in range(wires)]


def given(cell: qj.AbstractCell, steps: int, batch: int) -> tuple[Any, jax.Array, jax.Array]:
    rng = np.random.default_rng([steps, batch, 7])
    params = jnp.asarray(rng.uniform(-1, 1, cell.circuit.weight_count))
    bits = rng.integers(0, 2, (batch, steps, cell.features)).astype(float)
    return params, jnp.asarray(bits), jnp.asarray(rng.normal(size=(steps, 5)))


def outputs(cell: Any, rule: Any, params: Any, x: jax.Array) -> jax.Array:
    return qj.run(cell, params, x, engine=qj.RealVector(), gradient=rule)


def value_and_slope(cell: Any, rule: Any) -> Any:
    def total(params: Any, xs: jax.Array, mix: jax.Array) -> jax.Array:
        ys = jax.vmap(lambda x: outputs(cell, rule, params, x))(xs)
        return jnp.sum(ys * mix[:, : ys.shape[-1]])

    return quick_jit(jax.value_and_grad(total))


SIZES = [(1, 3, 2), (2, 1, 1), (3, 4, 5), (4, 2, 1), (5, 3, 17), (6, 2, 3), (7, 5, 2), (9, 1, 2)]


@pytest.mark.parametrize("seed", some(range(2), 2))
@pytest.mark.parametrize(("wires", "steps", "batch"), SIZES)
def test_random_steps(wires: int, steps: int, batch: int, seed: int) -> None:
    cell = random_cell(seed, wires)
    numbers = given(cell, steps, batch)
    expected = value_and_slope(cell, EXACT)(*numbers)
    assert np.isfinite(expected[0])
    assert np.abs(expected[1]).max() > 1e-3
    assert worst(value_and_slope(cell, NATIVE)(*numbers), expected) < 1e-10


def test_each_kind_of_instruction_was_played() -> None:
    found = set()
    for wires, *_ in SIZES:
        for seed in range(2):
            loop = RealLoop(plan_for(random_cell(seed, wires), qj.RealVector()))
            found |= {(item.action, item.words > 1) for item in loop.walk.program.instructions}
    kinds = real_states.Action
    assert {(kinds.TURN, True), (kinds.TURN, False)} <= found
    others = (kinds.GROW, kinds.PICK, kinds.EXCHANGE, kinds.SWAP)
    assert set(others) <= {action for action, _ in found}


@pytest.mark.parametrize("mode", ["postselect", "unitary"])
def test_the_published_cell_takes_it_unasked(mode: str) -> None:
    cell = qj.cells.Bausch(lanes=2, workspace=3, stages=1, degree=2, mode=mode)
    params, xs, mix = given(cell, 4, 6)
    step = jax.grad(lambda p: jnp.sum(jax.vmap(lambda x: qj.run(cell, p, x))(xs) * mix[:, :4]))
    text = jax.jit(step).lower(params).as_text()
    assert "qrnn_real_forward" in text
    assert "qrnn_real_backward" in text
    by_hand = value_and_slope(cell, EXACT)(params, xs, mix)[1]
    assert worst(quick_jit(step)(params), by_hand) < 1e-12


def test_every_transform() -> None:
    params, xs, mix = given(BAUSCH, 3, 4)
    many = jnp.stack([params, params + 0.1, params - 0.2])

    def found(rule: Any) -> list:
        def one(params: Any, x: jax.Array) -> jax.Array:
            return jnp.sum(outputs(BAUSCH, rule, params, x) * mix[:, :4])

        def whole(params: Any) -> jax.Array:
            return jnp.sum(jax.vmap(one, (None, 0))(params, xs))

        slope = jax.grad(one)
        both = jax.vmap(jax.vmap(slope, (None, 0)), (0, None))
        chained = jax.lax.scan(lambda p, x: (p - 0.1 * slope(p, x), one(p, x)), params, xs)
        summed = jax.grad(lambda many: jnp.sum(jax.vmap(whole)(many)))(many)
        rows = jax.jacrev(lambda p: outputs(BAUSCH, rule, p, xs[0]))(params)
        in_bits = jax.grad(one, argnums=1)(params, xs[0])  # bits have no slope
        return [slope(params, xs[0]), both(many, xs), chained, summed, rows, in_bits]

    expected = quick_jit(lambda: found(EXACT))()
    assert worst(quick_jit(lambda: found(NATIVE))(), expected) < 1e-11


def test_single_precision_over_a_long_sequence() -> None:
    params, xs, mix = given(BAUSCH, 300, 3)
    value, slope = value_and_slope(BAUSCH, EXACT)(params, xs, mix)
    with jax.enable_x64(False):
        single = [jnp.asarray(part, jnp.float32) for part in (params, xs, mix)]
        found, slopes = value_and_slope(BAUSCH, NATIVE)(*single)
    assert slopes.dtype == jnp.float32
    assert abs(found - value) < 1e-4 * np.abs(mix[:, :4]).sum()
    assert np.abs(slopes - slope).max() < 1e-3 * np.abs(slope).max()


def test_the_same_bits_from_run_to_run() -> None:
    numbers = given(BAUSCH, 6, 19)
    step = value_and_slope(BAUSCH, NATIVE)
    first, second = step(*numbers)[1], step(*numbers)[1]
    np.testing.assert_array_equal(first, second)


def test_a_sequence_in_two_pieces() -> None:
    params, xs, _ = given(BAUSCH, 5, 1)
    whole = qj.simulate(BAUSCH, params, xs[0], gradient=NATIVE)
    first = qj.simulate(BAUSCH, params, xs[0, :2], gradient=NATIVE)
    second = qj.simulate(BAUSCH, params, xs[0, 2:], carry=first.carry, gradient=NATIVE)
    np.testing.assert_allclose(second.outputs, whole.outputs[2:], atol=1e-13)
    np.testing.assert_allclose(second.carry, whole.carry, atol=1e-13)


def test_a_carry_has_a_slope() -> None:
    params, xs, mix = given(BAUSCH, 3, 1)
    carry = qj.simulate(BAUSCH, params, xs[0]).carry

    def slope(rule: Any) -> jax.Array:
        def total(carry: jax.Array) -> jax.Array:
            found = qj.simulate(
                BAUSCH, params, xs[0], carry=carry, engine=qj.RealVector(), gradient=rule
            )
            return jnp.sum(found.outputs * mix[:, :4]) + jnp.sum(found.carry[1:] ** 3)

        return jax.grad(total)(carry)

    expected = slope(EXACT)
    assert np.abs(expected).max() > 1e-2
    np.testing.assert_allclose(slope(NATIVE), expected, atol=1e-12)


def test_numbers_that_are_no_bits_give_nan() -> None:
    params, xs, mix = given(BAUSCH, 3, 2)
    bad = xs.at[0, 1, 0].set(0.5)
    found = quick_jit(jax.vmap(lambda x: outputs(BAUSCH, NATIVE, params, x)))(bad)
    assert np.isnan(found[0, 1:]).all()
    assert np.isfinite(found[1]).all()
    assert np.isnan(value_and_slope(BAUSCH, NATIVE)(params, bad, mix)[1]).any()


def test_forward_mode_is_refused() -> None:
    params, xs, _ = given(BAUSCH, 2, 1)
    with pytest.raises(TypeError, match="forward-mode"):
        jax.jvp(lambda p: outputs(BAUSCH, NATIVE, p, xs[0]), (params,), (params,))


def refusal(*operations: AbstractOperation, read: Any = None) -> str | None:
    cell = qj.CircuitCell(qj.Circuit(3, operations), qj.Z(0) if read is None else read)
    return real_refusal(plan_for(cell, qj.RealVector()))


def test_what_it_does_not_do_is_said() -> None:
    turn = qj.RY(0, 0.3)
    assert refusal(turn) is None
    for reason, found in {
        "turns and known bits": refusal(turn, qj.H(1)),
        "no turns by data": refusal(qj.RY(0, qj.Data(0))),
        "products of Z": refusal(turn, read=qj.X(0)),
    }.items():
        assert found is not None
        assert reason in found
    with pytest.raises(ValueError, match="turns and known bits"):
        qj.run(
            qj.CircuitCell(qj.Circuit(1, (turn, qj.H(0))), qj.Z(0)),
            np.zeros(0),
            np.zeros((2, 0)),
            engine=qj.RealVector(),
            gradient=NATIVE,
        )


def test_many_read_wires_are_refused_at_once() -> None:
    """Before any table of 2**16 outcomes is made."""
    turns = tuple(qj.RY(wire, 0.3) for wire in range(16))
    cell = qj.CircuitCell(qj.Circuit(16, turns), qj.Probabilities(tuple(range(16))))
    assert real_refusal(plan_for(cell, qj.RealVector())) == "native code reads at most 6 wires"


def test_wide_tables_are_taken_only_when_asked_for() -> None:
    turns = [qj.CRY(wire, (wire + 1) % 16, qj.Weight(wire)) for wire in range(16)]
    plan = plan_for(qj.CircuitCell(qj.Circuit(16, turns), qj.Z(0)), qj.RealVector())
    assert loop_refusal(plan) is None
    assert "cache" in (loop_refusal(plan, unasked=True) or "")
    assert loop_refusal(plan_for(BAUSCH, None), unasked=True) is None


def test_what_the_kernel_keeps_is_in_the_forecast() -> None:
    plan = plan_for(BAUSCH, None)
    short, long = (forecast(Expectations(plan), NATIVE, T, 4).peak_bytes for T in (10, 1010))
    kept = RealLoop(plan).kept_bytes(1010, 4) - RealLoop(plan).kept_bytes(10, 4)
    assert kept >= 1000 * 8 * real_states.padded(3)
    assert long - short >= kept


def test_second_derivatives_name_what_has_them() -> None:
    params, xs, mix = given(BAUSCH, 2, 1)

    def slope(params: Any) -> jax.Array:
        one = jax.grad(lambda p: jnp.sum(outputs(BAUSCH, NATIVE, p, xs[0]) * mix[:, :4]))
        return jnp.sum(one(params) ** 2)

    with pytest.raises(TypeError, match=r"differentiated twice; try `gradient=qj\.Backprop\(\)`"):
        jax.grad(slope)(params)


def test_estimates_take_it_too() -> None:
    """Without a run for the survival before: only replays need the scales of another run."""
    params, xs, mix = given(BAUSCH, 3, 1)

    def loss(ys: jax.Array) -> jax.Array:
        return jnp.sum(ys * mix[:, :4])

    def estimate(rule: Any) -> Any:
        return qj.estimate_gradient(loss, BAUSCH, params, xs[0], gradient=rule)

    found, expected = estimate(NATIVE), estimate(EXACT)
    assert worst(found[:2], expected[:2]) < 1e-12
    text = str(jax.make_jaxpr(lambda p: qj.estimate_gradient(loss, BAUSCH, p, xs[0]))(params))
    assert "qrnn_merged_loop" in text
