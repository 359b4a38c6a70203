"""`simulate` in pieces, and `forecast` on top of it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from tests.helpers import ALL_CELLS, ALL_ENGINES, cell_inputs, quick_jit

CELLS = {name: ALL_CELLS[name] for name in ("takaki", "viqueira-emcz2", "circuit-noisy")}
FORECASTERS = {
    "takaki": qj.cells.Takaki(inputs=2, memory=1, depth=1, scale=3.0),  # clips now and then
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
    def both(params: dict, xs: jax.Array) -> tuple[qj.Result, qj.Result, qj.Result]:
        whole = qj.simulate(cell, params, xs, gradient=gradient)
        first = qj.simulate(cell, params, xs[:2], gradient=gradient)
        return whole, first, qj.simulate(cell, params, xs[2:], carry=first.carry)

    whole, first, second = both(params, xs)
    assert np.abs(jnp.concatenate([first.outputs, second.outputs]) - whole.outputs).max() < 1e-13
    assert np.abs(second.carry - whole.carry).max() < 1e-13
    assert whole.stderr is None
    # without the carry the second half would be something else
    assert np.abs(qj.run(cell, params, xs[2:]) - second.outputs).max() > 1e-3


@pytest.mark.parametrize("engine", ALL_ENGINES)
def test_streaming_on_every_engine(engine: str) -> None:
    cell = ALL_CELLS["circuit-unitary"]
    params, xs = cell_inputs(cell, 2, steps=4)
    whole = qj.simulate(cell, params, xs, engine=ALL_ENGINES[engine])
    carry, outputs = None, []
    for x in xs:
        piece = qj.simulate(cell, params, x[None], carry=carry, engine=ALL_ENGINES[engine])
        assert piece.outputs.shape == (1, cell.outputs_count)
        carry, outputs = piece.carry, [*outputs, piece.outputs[0]]
    assert np.abs(jnp.stack(outputs) - whole.outputs).max() < 1e-13


@pytest.mark.parametrize("name", FORECASTERS)
def test_forecast_equals_a_hand_written_loop(name: str) -> None:
    cell, steps = FORECASTERS[name], 5
    params, xs = cell_inputs(cell, 4, steps=3)
    result = qj.simulate(cell, params, xs)
    y, expected = result.outputs[-1], []
    for _ in range(steps):
        expected.append(y)
        x = y if name == "unitary" else jnp.broadcast_to(y, (cell.features,))
        x = jnp.clip(x, -1, 1) if name == "takaki" else x
        result = qj.simulate(cell, params, x[None], carry=result.carry)
        y = result.outputs[0]
    got = qj.forecast(cell, params, xs, steps)
    assert got.shape == (steps, cell.outputs_count)
    assert np.abs(got - jnp.stack(expected)).max() < 1e-12
    assert np.abs(got[1:] - got[:-1]).max() > 1e-3


def test_takaki_clips_what_it_feeds_back() -> None:
    cell = FORECASTERS["takaki"]
    params, xs = cell_inputs(cell, 4, steps=3)
    predictions = qj.forecast(cell, params, xs, 12)
    assert np.abs(predictions).max() > 1
    assert np.isfinite(predictions).all()


def test_one_forecast_step_is_the_last_output() -> None:
    cell = FORECASTERS["viqueira"]
    params, xs = cell_inputs(cell, 4, steps=3)
    assert np.array_equal(qj.forecast(cell, params, xs, 1)[0], qj.run(cell, params, xs)[-1])


def test_forecast_composes_with_jit_vmap_and_grad() -> None:
    cell = FORECASTERS["viqueira"]
    params, xs = cell_inputs(cell, 4, steps=3)
    batch = jnp.stack([xs, 0.5 * xs])
    expected = jnp.stack([qj.forecast(cell, params, x, 4) for x in batch])
    mapped = jax.jit(jax.vmap(lambda x: qj.forecast(cell, params, x, 4)))(batch)
    assert np.abs(mapped - expected).max() < 1e-12

    def last(bias: jax.Array) -> jax.Array:
        return qj.forecast(cell, params.at[0].set(bias), xs, 4)[-1, 0]

    step = 1e-5
    slope = (last(params[0] + step) - last(params[0] - step)) / (2 * step)
    assert abs(jax.grad(last)(params[0]) - slope) < 1e-8


def test_gradients_flow_through_the_carry() -> None:
    """Two halves joined by the carry have the gradient of the whole; a detached carry has not."""
    cell = ALL_CELLS["viqueira-emcz2"]
    params, xs = cell_inputs(cell, 6, steps=4)

    def joined(params: jax.Array, cut: bool) -> jax.Array:
        first = qj.simulate(cell, params, xs[:2])
        carry = jax.lax.stop_gradient(first.carry) if cut else first.carry
        return jnp.sum(qj.simulate(cell, params, xs[2:], carry=carry).outputs ** 2)

    whole = jax.grad(lambda p: jnp.sum(qj.run(cell, p, xs)[2:] ** 2))(params)
    gradient = jax.grad(joined)
    assert np.abs(gradient(params, False) - whole).max() < 1e-12
    assert np.abs(gradient(params, True) - whole).max() > 1e-3
