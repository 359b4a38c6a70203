"""Every engine and every density plan against a dense NumPy oracle, on random circuits."""

from collections import Counter

import jax
import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.engines.base import AbstractPlan
from qrnn_jax.engines.state_vector import StateVectorPlan
from qrnn_jax.expectations import Expectations
from qrnn_jax.gradients.base import Start
from qrnn_jax.setup import plan_for
from tests import oracle
from tests.helpers import (
    DENSITY_PLANS,
    KINDS,
    STRENGTHS,
    accepting_engines,
    quick_jit,
    random_cell,
    random_inputs,
    some,
)

SEEDS = range(13)
CASES = [(kind, seed) for kind in KINDS for seed in SEEDS]
FLOAT64, FLOAT32 = 1e-12, 2e-6


def cell_of(kind: str, seed: int) -> qj.CircuitCell:
    """One of the 52 random circuits: every fourth has four wires; noisy ones have any strengths."""
    wires = 4 if seed % 4 == 0 else 3
    strength = STRENGTHS[seed % 3]
    return random_cell(seed, wires=wires, kind=kind, gates=6, strength=strength)


def expected(kind: str, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Weights, data (T = 3..5), and the oracle's outputs and memory state."""
    cell = cell_of(kind, seed)
    weights, data = random_inputs(cell.circuit, seed, steps=3 + seed % 3)
    ys, rho = oracle.run(cell.circuit, cell.observables, weights, data)
    wires = cell.circuit.memory_wires
    return weights, data, ys, oracle.memory(rho, wires, cell.circuit.wires)


def state_error(plan: AbstractPlan, carry: jax.Array, memory: np.ndarray) -> float:
    """How far a carried state is from the oracle's."""
    rho = np.outer(carry, np.conj(carry)) if isinstance(plan, StateVectorPlan) else carry
    return float(np.abs(rho - memory).max())


@pytest.mark.parametrize(("kind", "seed"), some(CASES, 3))
def test_every_plan_agrees(kind: str, seed: int) -> None:
    cell = cell_of(kind, seed)
    weights, data, ys, memory = expected(kind, seed)
    engines = accepting_engines(cell.circuit)
    plans = {name: plan_for(cell, engine) for name, engine in engines.items()}
    short = list(engines)[seed % len(engines)]  # each circuit also runs one plan in complex64
    in_float32 = accepting_engines(cell.circuit, np.complex64)[short]

    @quick_jit
    def all_plans(weights: jax.Array, data: jax.Array) -> tuple[dict, jax.Array]:
        results = {
            n.__name__: qj.simulate(cell, weights, data, engine=e) for n, e in engines.items()
        }
        return results, qj.run(cell, weights, data, engine=in_float32)

    results, rounded = all_plans(weights, data)
    assert rounded.dtype == np.float32
    assert np.abs(rounded - ys).max() < FLOAT32, short
    for name, plan in plans.items():
        assert type(plan) is name
        result = results[name.__name__]
        assert result.outputs.dtype == np.float64
        assert np.abs(result.outputs - ys).max() < FLOAT64, name
        assert state_error(plan, result.carry, memory) < FLOAT64, name


@pytest.mark.parametrize(("kind", "seed"), CASES[::7])
def test_the_default_engine_agrees_without_x64(kind: str, seed: int) -> None:
    cell = cell_of(kind, seed)
    weights, data, ys, _ = expected(kind, seed)
    with jax.enable_x64(False):
        got = quick_jit(lambda w, x: qj.run(cell, w, x))(weights, data)
    assert got.dtype == np.float32
    assert np.abs(got - ys).max() < FLOAT32


@pytest.mark.parametrize(("kind", "seed"), CASES[::5])
def test_replays_agree(kind: str, seed: int) -> None:
    """One angle per occurrence: the tape that the oracle's own slot evaluation gives."""
    cell = cell_of(kind, seed)
    weights, data, ys, memory = expected(kind, seed)
    tape = np.array([[oracle.value(s, weights, x) for s in cell.circuit.parameters] for x in data])
    plans = {
        name: plan_for(cell, engine) for name, engine in accepting_engines(cell.circuit).items()
    }

    @quick_jit
    def replays(tape: jax.Array) -> dict:
        return {n.__name__: Expectations(p).replay(tape, Start(p.init())) for n, p in plans.items()}

    results = replays(tape)
    for name, plan in plans.items():
        reads, carry = results[name.__name__]
        assert np.abs(reads - ys).max() < FLOAT64, name
        assert state_error(plan, carry, memory) < FLOAT64, name


def test_every_plan_serves_more_than_ten_circuits() -> None:
    forced = Counter(kind for case in CASES for kind in accepting_engines(cell_of(*case).circuit))
    chosen = Counter(type(plan_for(cell_of(*case), None)) for case in CASES)
    everything = {StateVectorPlan, *DENSITY_PLANS}
    assert len({cell_of(*case) for case in CASES}) >= 50
    assert {kind for kind, count in forced.items() if count > 10} == everything
    assert set(chosen) == everything


@pytest.mark.parametrize("plan_type", [StateVectorPlan, *DENSITY_PLANS])
def test_a_poisoned_plan_shows(plan_type: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan that an engine names is the plan that runs."""
    kind = "unitary" if plan_type is StateVectorPlan else "encoder"
    cell = random_cell(77, kind=kind, gates=2)
    weights, data = random_inputs(cell.circuit, 77)
    true_step = plan_type.step

    def poisoned(self: AbstractPlan, *args: object) -> tuple:
        carry, reads = true_step(self, *args)
        return carry, reads + 100

    monkeypatch.setattr(plan_type, "step", poisoned)
    engine = accepting_engines(cell.circuit)[plan_type]
    options = {"engine": engine, "gradient": qj.Backprop()}  # no native loop in the plan's place
    poisoned_run = quick_jit(lambda w, x: qj.simulate(cell, w, x, **options).outputs)
    try:
        assert np.all(poisoned_run(weights, data) > 50)
    finally:
        jax.clear_caches()  # the poisoned program must not be found again
