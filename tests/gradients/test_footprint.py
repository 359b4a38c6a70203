"""The forecast of memory beside what XLA reserves, and its few rules on programs done by hand."""

import json
import os
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from jax import lax
from qrnn_jax_kernels.pure_states import obstacle

import benchmarks
import qrnn_jax as qj
from benchmarks.ours import cell as benchmark_cell
from benchmarks.workloads import WORKLOADS
from qrnn_jax.engines.dense import DensePlan
from qrnn_jax.engines.kraus import KrausPlan
from qrnn_jax.expectations import Expectations
from qrnn_jax.gradients.automatic import forecast
from qrnn_jax.gradients.footprint import footprint
from qrnn_jax.setup import plan_for
from tests.helpers import ALL_CELLS, Forced

# what users compile with; the other tests compile quickly
USUAL = {"xla_backend_optimization_level": 3, "xla_cpu_use_fusion_emitters": True}
OPTIONS = USUAL if "fusion_emitters" in os.environ.get("XLA_FLAGS", "") else {}
RESULTS = Path(benchmarks.__file__).parent / "results"
NATIVE = pytest.mark.skipif(obstacle() is not None, reason=f"no native code: {obstacle()}")
REFERENCE, LAYERS = qj.Adjoint(kernel="reference"), qj.Adjoint(kernel="layers")


def like_w1() -> qj.CircuitCell:
    """Two wires that are reset, two that remember."""
    operations = [qj.RY(0, qj.Data(0)), qj.RY(1, qj.Data(0))]
    for wire in range(4):
        operations += [qj.RX(wire, qj.Weight(2 * wire)), qj.RZ(wire, qj.Weight(2 * wire + 1))]
    operations += [qj.RZZ(a, b, qj.Weight(a + b)) for a in range(4) for b in range(a)]
    return qj.CircuitCell(qj.Circuit(4, (*operations, qj.Reset(0), qj.Reset(1))), qj.Z(0))


def like_w3() -> qj.CircuitCell:
    """A pure state of six wires."""
    operations = [qj.RY(0, qj.Data(0)), qj.RY(1, qj.Data(0))]
    for layer in range(2):
        for wire in range(6):
            first = 2 * (6 * layer + wire)
            operations += [qj.RY(wire, qj.Weight(first)), qj.RZ(wire, qj.Weight(first + 1))]
        operations += [qj.CNOT(wire, (wire + 1) % 6) for wire in range(6)]
    return qj.CircuitCell(qj.Circuit(6, operations), qj.Z(0))


W1, W3 = like_w1(), like_w3()
CASES = {
    "transfer, backprop": (W1, None, qj.Backprop(), 200, 8),
    "Kraus, some steps": (W1, Forced(KrausPlan), qj.Checkpointed(), 200, 8),
    "dense, each step": (W1, Forced(DensePlan), qj.Checkpointed(every=1), 100, 1),
    "pure, backprop": (W3, None, qj.Backprop(), 200, 8),
    "pure, each step": (W3, None, qj.Checkpointed(every=1), 200, 8),
    "pure, some steps": (W3, None, qj.Checkpointed(), 784, 4),
    "pure, undone": (W3, None, REFERENCE, 20, 8),
    "pure, layers": (W3, None, LAYERS, 200, 8),
    "real, backprop": (ALL_CELLS["bausch"], None, qj.Backprop(), 100, 8),
    "modes, backprop": (ALL_CELLS["cv"], None, qj.Backprop(), 100, 8),
}


def reserved(cell, engine, rule, steps, batch):
    """XLA's own figure for value and gradient of a mean square, in bytes."""
    params = jax.eval_shape(lambda: cell.init(jax.random.key(0)))
    xs = jax.ShapeDtypeStruct((batch, steps, cell.features), jnp.float32)

    def loss(params, xs):
        ys = jax.vmap(lambda one: qj.run(cell, params, one, engine=engine, gradient=rule))(xs)
        return jnp.mean(ys**2)

    compiled = jax.jit(jax.value_and_grad(loss)).lower(params, xs).compile(OPTIONS)
    return compiled.memory_analysis().temp_size_in_bytes


def check(cell, engine, rule, steps, batch):
    with jax.enable_x64(False):
        expected = reserved(cell, engine, rule, steps, batch)
        expectations = Expectations(plan_for(cell, engine))
        found = forecast(expectations, rule, steps, batch).peak_bytes
    assert found == pytest.approx(expected, rel=0.25)


@pytest.mark.parametrize("case", CASES)
def test_the_forecast_is_what_xla_reserves(case):
    check(*CASES[case])


@NATIVE
def test_the_forecast_of_native_code_is_what_xla_reserves():
    check(W3, None, qj.Adjoint(kernel="native"), 200, 8)


BY_LAYERS = "ours, Adjoint by layers, pure JAX"
COMMITTED = [
    ("W1", "ours", None, qj.Backprop()),
    ("W1", "ours, Checkpointed", None, qj.Checkpointed()),
    ("W1", "ours, Kraus blocks", Forced(KrausPlan), qj.Backprop()),
    ("W2", "ours, Backprop", None, qj.Backprop()),
    ("W3", "ours, Checkpointed", None, qj.Checkpointed()),
    ("W2", BY_LAYERS, None, LAYERS),
    ("W3", BY_LAYERS, None, LAYERS),
    ("W4", BY_LAYERS, None, LAYERS),
    pytest.param("W3", "ours", None, qj.Adjoint(kernel="native"), marks=NATIVE),
]


@pytest.mark.parametrize(("name", "program", "engine", "rule"), COMMITTED)
def test_the_forecast_meets_the_committed_benchmarks(name, program, engine, rule):
    """At full size, where compiling would take long."""
    workload = WORKLOADS[name]
    recorded = json.loads((RESULTS / f"{name}.json").read_text())["programs"][program]
    with jax.enable_x64(False):
        expectations = Expectations(plan_for(benchmark_cell(workload), engine))
        found = forecast(expectations, rule, workload.steps, workload.batch).peak_bytes
    assert found == pytest.approx(recorded["temp_bytes"], rel=0.25)


X = jax.ShapeDtypeStruct((50, 100), jnp.float32)
SQUARE = jax.ShapeDtypeStruct((100, 100), jnp.float32)
BYTES = 4 * 100 * 100


def test_a_value_lives_until_its_last_use():
    def chain(x):
        return jnp.sum(x @ x @ x @ x)  # two products alive at once, never three

    def kept(x):
        first = x @ x
        return jnp.sum(first @ first @ first)

    assert footprint(chain, SQUARE).peak_bytes == 2 * BYTES
    assert footprint(kept, SQUARE).peak_bytes == 3 * BYTES


def test_elementwise_work_is_written_once():
    number = 4  # the sum itself
    one = footprint(lambda x: jnp.sum(jnp.sin(x) + jnp.cos(x)), SQUARE)
    assert one.peak_bytes == BYTES + number
    assert footprint(lambda x: jnp.sum(jnp.sin(x @ x)), SQUARE).peak_bytes == BYTES + number


def test_what_is_made_from_few_bytes_is_made_again():
    wide = jax.ShapeDtypeStruct((1000, 1000), jnp.float32)

    def run(table, x):
        return jnp.sum(jnp.sin(table) @ x) + jnp.sum(jnp.cos(table))

    def outer(column, x):
        return run(column * column.T, x)

    written = footprint(outer, jax.ShapeDtypeStruct((1000, 1), jnp.float32), wide).peak_bytes
    assert written == pytest.approx(2 * 4e6, rel=0.01)  # a sine and a product, no table
    kept = footprint(lambda table, x: run(table @ table, x), wide, wide).peak_bytes
    assert kept == pytest.approx(3 * 4e6, rel=0.01)


def test_a_loop_keeps_its_stack_its_carry_and_one_turn():
    def run(x):
        return jnp.sum(lax.scan(lambda c, _: (c @ c, c @ x), x, length=7)[1][-1])

    assert footprint(run, SQUARE).peak_bytes == pytest.approx((7 + 1 + 2) * BYTES, abs=64)


def test_a_scatter_writes_into_what_was_there():
    def run(x):
        return jnp.sum((x @ x).at[3].add(x[0]))

    assert BYTES < footprint(run, SQUARE).peak_bytes < 1.1 * BYTES


def test_arithmetic_is_counted_turn_by_turn():
    def step(carry, _):
        return carry @ carry, None

    assert footprint(lambda x: x @ x.T, X).flops == 2 * 50 * 50 * 100
    assert footprint(lambda x: lax.scan(step, x, length=7)[0], SQUARE).flops == 7 * 2 * 100**3
    complex_square = jax.ShapeDtypeStruct((100, 100), jnp.complex64)
    assert footprint(lambda x: x @ x, complex_square).flops == 8 * 100**3


def test_slopes_of_arc_functions_are_counted():
    """1 - x**2 is an operation of its own since JAX 0.11."""

    def slope(function):
        return footprint(lambda x: jax.jvp(function, (x,), (x,))[1], SQUARE).flops

    assert slope(jnp.arcsin) > slope(jnp.sin)  # x**2, 1 - x**2 and 1 / sqrt beside one cosine
