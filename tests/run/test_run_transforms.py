"""`run` under vmap, jit and scan; and edge sizes: one step, one wire, no data, no memory."""

from functools import partial
from itertools import combinations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.setup import plan_for
from tests import oracle
from tests.helpers import ALL_CELLS, STEPS, accepting_engines, cell_inputs, quick_jit

NAMES = ("takaki", "viqueira-emcz3", "circuit-unitary", "circuit-noisy")


@pytest.mark.parametrize("name", NAMES)
def test_vmap_jit_and_scan_agree_with_plain_calls(name: str) -> None:
    cell = ALL_CELLS[name]
    inputs = [cell_inputs(cell, seed) for seed in (0, 1, 2)]
    params = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(p for p, _ in inputs))
    xs = jnp.stack([x for _, x in inputs])
    one = quick_jit(partial(qj.run, cell))
    plain = np.stack([one(p, x) for p, x in inputs])

    def call(params: dict, xs: jax.Array) -> jax.Array:
        return qj.run(cell, params, xs)

    @quick_jit
    def transformed(params: dict, xs: jax.Array) -> dict[str, jax.Array]:
        def body(count: int, pair: tuple) -> tuple[int, jax.Array]:
            return count + 1, call(*pair)

        one = jax.tree.map(lambda leaf: leaf[1], params)
        return {
            "vmap over both": jax.vmap(call)(params, xs),
            "vmap over xs": jax.vmap(call, (None, 0))(one, xs),
            "vmap over params": jax.vmap(call, (0, None))(params, xs[1]),
            "scan": jax.lax.scan(body, 0, (params, xs))[1],
        }

    got = transformed(params, xs)
    assert plain.shape == (3, STEPS, cell.outputs_count)
    assert np.abs(got["vmap over both"] - plain).max() < 1e-13
    assert np.abs(got["scan"] - plain).max() < 1e-13
    assert np.abs(got["vmap over xs"][1] - plain[1]).max() < 1e-13
    assert np.abs(got["vmap over params"][1] - plain[1]).max() < 1e-13
    assert np.abs(got["vmap over xs"][0] - plain[1]).max() > 1e-3
    assert np.abs(got["vmap over params"][0] - plain[1]).max() > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_gradient_through_a_scan_of_streams(name: str) -> None:
    """Streaming inside `lax.scan`: the carry of one chunk starts the next."""
    cell = ALL_CELLS[name]
    params, xs = cell_inputs(cell, 3)

    def streamed(params: dict) -> jax.Array:
        start = plan_for(cell, None).init()

        def chunk(carry: jax.Array, part: jax.Array) -> tuple[jax.Array, jax.Array]:
            result = qj.simulate(cell, params, part, carry=carry)
            return result.carry, result.outputs

        ys = jax.lax.scan(chunk, start, xs.reshape(2, STEPS // 2, -1))[1]
        return jnp.sum(ys**2)

    @quick_jit
    def both(params: dict) -> tuple:
        whole = jax.value_and_grad(lambda p: jnp.sum(qj.run(cell, p, xs) ** 2))
        return jax.value_and_grad(streamed)(params), whole(params)

    got, expected = both(params)
    errors = jax.tree.map(lambda a, b: np.abs(a - b).max(), got, expected)
    assert max(jax.tree.leaves(errors)) < 1e-12


@pytest.mark.parametrize("name", ALL_CELLS)
def test_one_step_is_the_first_of_many(name: str) -> None:
    cell = ALL_CELLS[name]
    params, xs = cell_inputs(cell, 5)
    one, many = quick_jit(lambda p, x: (qj.run(cell, p, x[:1]), qj.run(cell, p, x)))(params, xs)
    assert one.shape == (1, cell.outputs_count)
    assert np.abs(one[0] - many[0]).max() < 1e-13


EDGES = {
    "one wire": (1, (qj.RX(0, qj.Weight(0)), qj.RY(0, qj.Data(0)), qj.T(0))),
    "one wire, reset": (1, (qj.RX(0, qj.Weight(0) * qj.Data(0)), qj.Reset(0))),
    "no data": (2, (qj.RX(0, qj.Weight(0)), qj.CRY(0, 1, 0.7), qj.H(1))),
    "no data, reset": (2, (qj.RX(0, qj.Weight(0)), qj.CRY(0, 1, 0.7), qj.RX(1, 0.4), qj.Reset(0))),
    "no weights": (2, (qj.RX(0, qj.Data(0)), qj.CRY(0, 1, 0.7), qj.Reset(0))),
    "no parameters": (2, (qj.H(0), qj.CNOT(0, 1), qj.T(1), qj.Read(), qj.Reset(1), qj.H(1))),
    "read first": (2, (qj.Read(), qj.RX(0, qj.Data(0)), qj.CRY(0, 1, qj.Weight(0)))),
    "all reset, twice": (
        2,
        (qj.RX(0, qj.Data(0)), qj.Reset(0), qj.RY(1, qj.Weight(0)), *map(qj.Reset, (0, 1, 0))),
    ),
    "reset before the read-out": (
        2,
        (qj.RX(0, qj.Data(0)), qj.CRX(0, 1, qj.Weight(0)), qj.Reset(0), qj.Read(), qj.RY(1, 0.3)),
    ),
}


@pytest.mark.parametrize("name", EDGES)
def test_edge_circuits_agree_with_the_oracle(name: str) -> None:
    wires, operations = EDGES[name]
    cell = qj.CircuitCell(
        qj.Circuit(wires, operations), (qj.Z(0), qj.Y(wires - 1), qj.Probabilities((wires - 1,)))
    )
    params, xs = cell_inputs(cell, 7, steps=3)
    engines = {kind.__name__: e for kind, e in accepting_engines(cell.circuit).items()}

    @quick_jit
    def all_plans(params: jax.Array, xs: jax.Array) -> dict:
        return {name: qj.run(cell, params, xs, engine=e) for name, e in engines.items()}

    expected, _ = oracle.run(cell.circuit, cell.observables, params, xs)
    assert expected.shape == (3, 4)
    for plan, got in all_plans(params, xs).items():
        assert np.abs(got - expected).max() < 1e-12, plan


def test_takaki_without_memory_forgets_everything() -> None:
    cell = qj.cells.Takaki(inputs=2, memory=0, depth=1)
    params, xs = cell_inputs(cell, 1)
    run = quick_jit(partial(qj.run, cell))
    alone = np.concatenate([run(params, x[None]) for x in xs])
    assert np.abs(run(params, xs) - alone).max() < 1e-13


def test_cells_that_differ_in_little_are_different_programs() -> None:
    """A wire, a constant, a gate or an observable: eager calls must not find each other's."""
    first, last = qj.RY(0, qj.Data(0)), qj.Reset(0)
    gates = (qj.CRX(0, 1, 0.7), qj.CRX(0, 1, 0.8), qj.CRX(1, 0, 0.7), qj.CRY(0, 1, 0.7))
    circuits = [qj.Circuit(2, (first, gate, last)) for gate in gates]
    cells = [qj.CircuitCell(circuit, qj.Z(0) + 2 * qj.Z(1)) for circuit in circuits[:3]]
    cells += [qj.CircuitCell(circuits[3], observable) for observable in (qj.X(1), qj.Z(1))]
    xs = jnp.array([[0.4], [1.1], [0.9]])
    values = [np.asarray(qj.run(cell, jnp.zeros(0), xs)) for cell in cells]
    differences = [np.abs(a - b).max() for a, b in combinations(values, 2)]
    assert min(differences) > 1e-3
