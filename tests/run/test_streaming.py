"""`simulate` in pieces, and `forecast` on top of it."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from tests.helpers import ALL_CELLS, ALL_ENGINES, cell_inputs, quick_jit

CELLS = {name: ALL_CELLS[name] for name in ("takaki", "viqueira-emcz2", "circuit-noisy")}
FORECASTERS = {
    "takaki": qj.cells.Takaki(inputs=2, memory=1, depth=1, scale=4.0),
    "viqueira": qj.cells.Viqueira(exchange=2, memory=1, layers=1, uploads=1),
    "unitary": qj.CircuitCell(
        qj.Circuit(2, (qj.RY(0, qj.Data(0)), qj.CRX(0, 1, qj.Weight(0)), qj.RX(1, 0.3))),
        observables=(0.7 * qj.Z(1),),
    ),
}


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("gradient", [None, qj.ParameterShift()], ids=["automatic", "shift"])
def test_two_halves_equal_one_run(name: str, gradient: qj.AbstractGradient | None) -> None:
    cell = CELLS[name]
    params, xs = cell_inputs(cell, 1, steps=6)

    @quick_jit
    def both(params: dict, xs: jax.Array) -> tuple:
        whole = qj.simulate(cell, params, xs, gradient=gradient)
        first = qj.simulate(cell, params, xs[:2], gradient=gradient)
        second = qj.simulate(cell, params, xs[2:], carry=first.carry, gradient=gradient)
        return whole, first, second, qj.run(cell, params, xs[2:])

    whole, first, second, alone = both(params, xs)
    assert np.abs(jnp.concatenate([first.outputs, second.outputs]) - whole.outputs).max() < 1e-13
    assert np.abs(second.carry - whole.carry).max() < 1e-13
    assert whole.stderr is None
    # without the carry the second half would be something else
    assert np.abs(alone - second.outputs).max() > 1e-3


UNITARY = ALL_CELLS["circuit-unitary"]


@pytest.mark.parametrize(
    "engine", [name for name, one in ALL_ENGINES.items() if one.refusal(UNITARY.circuit) is None]
)
def test_streaming_step_by_step_on_every_engine(engine: str) -> None:
    cell = UNITARY
    params, xs = cell_inputs(cell, 2)
    simulate = quick_jit(partial(qj.simulate, cell, engine=ALL_ENGINES[engine]))
    whole = simulate(params, xs)
    carry = jnp.zeros_like(whole.carry).at[(0,) * whole.carry.ndim].set(1)
    outputs = []
    for x in xs:
        piece = simulate(params, x[None], carry=carry)
        assert piece.outputs.shape == (1, cell.outputs_count)
        carry, outputs = piece.carry, [*outputs, piece.outputs[0]]
    assert np.abs(np.stack(outputs) - whole.outputs).max() < 1e-13


@pytest.mark.parametrize("name", FORECASTERS)
def test_forecast_equals_a_hand_written_loop(name: str) -> None:
    cell, steps = FORECASTERS[name], 5
    params, xs = cell_inputs(cell, 4, steps=3)
    simulate = quick_jit(partial(qj.simulate, cell))
    result = simulate(params, xs)
    y, expected = result.outputs[-1], []
    for _ in range(steps):
        expected.append(y)
        x = np.array([y[0]] * cell.features)
        x = np.clip(x, -1, 1) if name == "takaki" else x
        result = simulate(params, x[None], carry=result.carry)
        y = result.outputs[0]
    got = quick_jit(lambda p, x: qj.forecast(cell, p, x, steps))(params, xs)
    assert got.shape == (steps, cell.outputs_count)
    assert np.abs(got - np.stack(expected)).max() < 1e-12
    assert np.abs(got[1:] - got[:-1]).max() > 1e-3
    if name == "takaki":
        assert np.abs(expected[:-1]).max() > 1  # something was clipped


def test_one_forecast_step_is_the_last_output() -> None:
    cell = FORECASTERS["unitary"]
    params, xs = cell_inputs(cell, 4, steps=3)
    assert np.array_equal(qj.forecast(cell, params, xs, 1)[0], qj.run(cell, params, xs)[-1])


def test_forecast_composes_with_vmap_and_grad() -> None:
    cell = FORECASTERS["viqueira"]
    params, xs = cell_inputs(cell, 4, steps=3)

    def last(params: jax.Array, xs: jax.Array) -> jax.Array:
        return qj.forecast(cell, params, xs, 4)[-1, 0]

    batch = jnp.stack([xs, 0.5 * xs, -0.2 * xs])
    one = quick_jit(last)
    mapped = quick_jit(jax.vmap(last, (None, 0)))(params, batch)
    assert np.abs(mapped - np.array([one(params, x) for x in batch])).max() < 1e-12
    step = 1e-5
    moved = [one(params.at[2].add(sign * step), xs) for sign in (1, -1)]
    slope = (moved[0] - moved[1]) / (2 * step)
    assert abs(slope) > 1e-3
    assert abs(quick_jit(jax.grad(last))(params, xs)[2] - slope) < 1e-8


def test_gradients_flow_through_the_carry() -> None:
    """Two halves joined by the carry have the gradient of the whole; a detached carry has not."""
    cell = ALL_CELLS["viqueira-emcz2"]
    params, xs = cell_inputs(cell, 6)

    def joined(params: jax.Array, cut: bool) -> jax.Array:
        first = qj.simulate(cell, params, xs[:2])
        carry = jax.lax.stop_gradient(first.carry) if cut else first.carry
        return jnp.sum(qj.simulate(cell, params, xs[2:], carry=carry).outputs ** 2)

    @quick_jit
    def gradients(params: jax.Array) -> tuple:
        whole = jax.grad(lambda p: jnp.sum(qj.run(cell, p, xs)[2:] ** 2))
        return whole(params), jax.grad(joined)(params, False), jax.grad(joined)(params, True)

    whole, through, cut = gradients(params)
    assert np.abs(through - whole).max() < 1e-12
    assert np.abs(cut - whole).max() > 1e-3
