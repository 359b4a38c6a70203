"""Takaki's cell against the numbers of an independent NumPy program (T = 200, seed 0)."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj

GOLDEN_LOSS = 0.790900148776
GOLDEN_NORM = 1.594187413042
GOLDEN_OUTPUTS = [1.1355048618, 1.3868044966, 1.3341868496, 1.2338640547, 1.1871671116]
STEPS = 200


def published(cell: qj.cells.Takaki) -> dict[str, jax.Array]:
    """Angles in the order in which the golden numbers were drawn: after fields and couplings."""
    rng = np.random.default_rng(cell.seed)
    pairs = cell.wires * (cell.wires - 1) // 2
    rng.uniform(-1, 1, cell.wires + pairs)
    return {"angles": jnp.asarray(rng.uniform(0, 2 * np.pi, (cell.depth, cell.wires, 3)))}


def wave() -> np.ndarray:
    return 0.5 * np.cos(2 * np.pi * np.arange(STEPS + 1) / 50)


def loss(params: Any, cell: qj.cells.Takaki) -> tuple[jax.Array, jax.Array]:
    ys = qj.run(cell, params, wave()[:-1, None])[:, 0]
    return jnp.mean((ys - wave()[1:]) ** 2), ys


def test_golden_loss_gradient_and_outputs() -> None:
    cell = qj.cells.Takaki()
    (value, ys), gradient = jax.value_and_grad(loss, has_aux=True)(published(cell), cell)
    assert value == pytest.approx(GOLDEN_LOSS, abs=1e-9)
    assert jnp.linalg.norm(gradient["angles"]) == pytest.approx(GOLDEN_NORM, abs=1e-9)
    np.testing.assert_allclose(ys[:5], GOLDEN_OUTPUTS, atol=1e-9)


def test_the_task_is_the_golden_series() -> None:
    train = qj.tasks.cosine().train
    np.testing.assert_allclose(train.inputs[0, :, 0], wave()[:-1], atol=1e-15)
    np.testing.assert_allclose(train.targets[0, :, 0], wave()[1:], atol=1e-15)


def test_the_hamiltonian_is_drawn_in_the_documented_order() -> None:
    """a_0..a_5, then J_jk for j = 0..5 and k < j, from U(-1, 1)."""
    rng = np.random.default_rng(3)
    fields = rng.uniform(-1, 1, 4)
    couplings = {(k, j): rng.uniform(-1, 1) for j in range(4) for k in range(j)}
    hamiltonian = qj.cells.Takaki(inputs=2, memory=2, seed=3).hamiltonian
    terms = {word: coefficient for coefficient, word in hamiltonian.terms}
    assert len(terms) == 4 + 6
    for wire in range(4):
        assert terms[((wire, "X"),)] == fields[wire]
    for (k, j), value in couplings.items():
        assert terms[((k, "Z"), (j, "Z"))] == value


def test_memory_fades() -> None:
    """Started in |0..0> or fully mixed, outputs agree to 1e-3 at step 20 and 1e-6 at step 100."""
    cell = qj.cells.Takaki()
    params, xs = published(cell), wave()[:101, None]
    empty = qj.simulate(cell, params, xs)
    size = 2**cell.memory
    mixed = qj.simulate(cell, params, xs, carry=jnp.eye(size) / size)
    difference = np.abs(empty.outputs - mixed.outputs)[:, 0]
    assert difference[0] > 1e-2
    assert difference[20] < 1e-3
    assert difference[100] < 1e-6


@pytest.mark.parametrize(
    ("argument", "value"), [("inputs", 0), ("memory", -1), ("depth", 0)], ids=str
)
def test_sizes_out_of_range_are_named(argument: str, value: int) -> None:
    with pytest.raises(ValueError, match=rf"Argument `{argument}` must be .* but is {value}"):
        qj.cells.Takaki(**{argument: value})


def test_without_memory_the_past_does_not_matter() -> None:
    cell = qj.cells.Takaki(inputs=2, memory=0, depth=1)
    params = cell.init(jax.random.key(1))
    together = qj.run(cell, params, [[0.3], [-0.4], [0.3]])
    assert abs(float(together[0, 0] - together[2, 0])) < 1e-14
    assert abs(float(together[0, 0] - together[1, 0])) > 1e-3
