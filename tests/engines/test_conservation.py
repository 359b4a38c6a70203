"""What every step must keep: trace, Hermiticity, positivity, norm; and the reported drift."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.setup import plan_for
from tests.helpers import DENSITY_PLANS, Forced, cell_inputs, quick_jit, random_cell

STEPS = 200
CELLS = {
    "takaki": qj.cells.Takaki(inputs=2, memory=2, depth=2),
    "emcz2": qj.cells.Viqueira(exchange=2, memory=2, layers=2, uploads=1),
    "emcz3": qj.cells.Viqueira(exchange=1, memory=2, layers=1, uploads=1, ansatz="EMCZ3"),
    "reset": random_cell(4, kind="reset"),
    "noisy": random_cell(10, kind="noisy"),
}


def carries(cell: qj.AbstractCell, seed: int) -> tuple[jax.Array, qj.Result]:
    """The carried state after each of 200 steps, and one run over all of them."""
    params, xs = cell_inputs(cell, seed, steps=STEPS)

    def one(carry: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        new = qj.simulate(cell, params, x[None], carry=carry).carry
        return new, new

    @quick_jit
    def both(xs: jax.Array) -> tuple[jax.Array, qj.Result]:
        whole = qj.simulate(cell, params, xs)
        start = jnp.zeros_like(whole.carry).at[0, 0].set(1)
        return jax.lax.scan(one, start, xs)[1], whole

    return both(xs)


@pytest.mark.parametrize("name", CELLS)
def test_memory_stays_a_state_over_200_steps(name: str) -> None:
    rho, whole = carries(CELLS[name], seed=5)
    assert len(rho) == STEPS
    assert np.abs(np.trace(rho, axis1=1, axis2=2) - 1).max() < 1e-12
    assert np.abs(rho - rho.conj().swapaxes(1, 2)).max() < 1e-12
    assert np.linalg.eigvalsh(rho).min() > -1e-12
    assert np.abs(rho[1:] - rho[:-1]).max() > 1e-3  # something happens
    assert np.abs(rho[-1] - whole.carry).max() < 1e-12
    assert abs(whole.drift - abs(np.trace(whole.carry) - 1)) < 1e-15


def test_the_cells_take_all_density_plans() -> None:
    assert {type(plan_for(cell, None)) for cell in CELLS.values()} == set(DENSITY_PLANS)


def test_norm_stays_one_over_200_steps() -> None:
    cell = random_cell(3, kind="unitary")
    params, xs = cell_inputs(cell, 1, steps=STEPS)
    result = quick_jit(partial(qj.simulate, cell))(params, xs)
    assert result.carry.shape == (8,)
    assert result.drift < 1e-12
    assert abs(result.drift - abs(np.linalg.norm(result.carry) ** 2 - 1)) < 1e-15


@pytest.mark.parametrize("plan", DENSITY_PLANS)
def test_each_step_keeps_the_trace_of_every_matrix(plan: type) -> None:
    """Tr E(A) = Tr A for a Hermitian basis A: the same as sum_k K_k^dagger K_k = 1."""
    cell = random_cell(6, kind="encoder")
    params, xs = cell_inputs(cell, 2, steps=1)
    size = 2 ** len(cell.circuit.memory_wires)
    assert size > 2
    basis = hermitian_basis(size)

    def traces(carry: jax.Array) -> jax.Array:
        return jnp.trace(qj.simulate(cell, params, xs, carry=carry, engine=Forced(plan)).carry)

    assert np.linalg.matrix_rank(basis.reshape(size**2, -1)) == size**2
    expected = np.trace(basis, axis1=1, axis2=2)
    assert np.abs(quick_jit(jax.vmap(traces))(basis) - expected).max() < 1e-12


def hermitian_basis(size: int) -> np.ndarray:
    """size**2 linearly independent Hermitian matrices."""
    units = np.eye(size**2).reshape(size**2, size, size)
    transposed = units.swapaxes(1, 2)
    upper = [np.argmax(unit) // size <= np.argmax(unit) % size for unit in units]
    return np.where(np.reshape(upper, (-1, 1, 1)), units + transposed, 1j * (units - transposed))


@pytest.mark.parametrize("kind", ["unitary", "encoder", "noisy"])
def test_drift_is_the_distance_from_a_state(kind: str) -> None:
    cell = random_cell(4, kind=kind)
    params, xs = cell_inputs(cell, 3)

    @quick_jit
    def both(xs: jax.Array) -> tuple[qj.Result, qj.Result]:
        good = qj.simulate(cell, params, xs)
        return good, qj.simulate(cell, params, xs, carry=1.5 * good.carry)

    good, stretched = both(xs)
    assert good.drift < 1e-14
    assert stretched.drift == pytest.approx(1.25 if kind == "unitary" else 0.5)


def test_drift_in_float32_is_seen_and_bounded() -> None:
    """At most one rounding per operation and step."""
    cell = CELLS["takaki"]
    params, xs = cell_inputs(cell, 3, steps=STEPS)
    engine = qj.DensityMatrix(dtype=jnp.complex64)
    result = quick_jit(partial(qj.simulate, cell, engine=engine))(params, xs)
    assert result.drift.dtype == np.float32
    roundings = STEPS * len(cell.circuit.operations)
    assert 0 < result.drift < roundings * np.finfo(np.float32).eps / 2
