"""`explain` says what `run` does, for every cell and choice; and what it refused."""

import json
import sys

import jax
import jax.numpy as jnp
import pytest
from qrnn_jax_kernels.pure_states import obstacle

import qrnn_jax as qj
from qrnn_jax.gradients.automatic import CANDIDATES, forecast
from qrnn_jax.setup import expectations_for
from tests.helpers import ALL_CELLS, STEPS, cell_inputs

NATIVE = pytest.mark.skipif(obstacle() is not None, reason=f"no native code: {obstacle()}")
PURE = qj.CircuitCell(
    qj.Circuit(
        3,
        (
            qj.RY(0, qj.Data(0)),
            qj.RX(1, qj.Weight(0)),
            qj.CNOT(0, 1),
            qj.RZZ(1, 2, qj.Weight(1)),
            qj.RX(2, qj.Weight(2)),
        ),
    ),
    qj.Z(0),
)
CHOICES = {
    "automatic": {},
    "a rule": {"gradient": qj.Checkpointed(every=2)},
    "no native code": {"gradient": qj.Adjoint(kernel="reference")},
    "a limit": {"gradient": qj.Automatic(memory="1GB", batch=3)},
}


class Stop(Exception):
    """Ends a run when it is known what it would do."""


@pytest.fixture
def played(monkeypatch):
    """What `run` hands to its compiled part: (engine's plan, rule)."""
    found = []

    def spy(cell, expectations, rule, *rest):
        found.append((expectations.plan, rule))
        raise Stop

    monkeypatch.setattr(sys.modules["qrnn_jax.run"], "_simulate", spy)  # `qj.run` is the verb

    def of(cell, **options):
        with pytest.raises(Stop):
            qj.run(cell, *cell_inputs(cell, 0), **options)
        return found.pop()

    return of


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("name", ALL_CELLS)
def test_it_says_what_run_does(name, choice, played):
    cell, options = ALL_CELLS[name], CHOICES[choice]
    found = qj.explain(cell, T=STEPS, **options)
    plan, rule = played(cell, **options)
    assert (found.plan, found.rule) == (type(plan).__name__, rule)
    assert played(cell, engine=found.engine, **options) == (plan, rule)
    text = str(found)
    for part in (found.plan, found.engine_why, found.rule_why, f"T = {STEPS}"):
        assert part in text
    assert json.loads(json.dumps(found.as_dict())) == found.as_dict()


@pytest.mark.parametrize("name", ALL_CELLS)
def test_everything_that_was_not_taken_has_a_reason(name):
    found = qj.explain(ALL_CELLS[name], T=STEPS)
    rules = {item.name for item in found.refused if item.kind == "rule"}
    assert len(rules) == len(CANDIDATES) - 1
    assert any(item.kind == "engine" for item in found.refused)
    for item in found.refused:
        assert item.reason
        assert f"not {item.name}" in str(found)
        assert not item.reason.endswith(".")


def test_reasons_name_the_cause():
    reasons = {item.name: item.reason for item in qj.explain(ALL_CELLS["takaki"], T=3).refused}
    assert "Reset(wire=0)" in reasons["StateVector"]
    assert "pure states of unitary steps" in reasons["Adjoint()"]
    wide = qj.Circuit(3, (qj.Controlled(qj.RX(2, qj.Weight(0)), (0, 1)),))
    found = qj.explain(qj.CircuitCell(wide, qj.Z(2)), T=3)
    assert "one or two wires, but operation 0 is Controlled" in found.native_why or obstacle()
    long = qj.explain(ALL_CELLS["takaki"], T=10**5)
    reasons = {item.name: item.reason for item in long.refused}
    assert "would keep about" in reasons["Backprop()"]
    assert long.rule == qj.Checkpointed(every=1)


def test_a_limit_is_a_reason():
    cell = ALL_CELLS["circuit-reset"]
    expectations = expectations_for(cell, None, None, False, 200)
    needed = forecast(expectations, qj.Backprop(), 200, 2).peak_bytes
    found = qj.explain(cell, T=200, gradient=qj.Automatic(memory=needed - 1, batch=2))
    reasons = {item.name: item.reason for item in found.refused}
    assert "more than the memory allowed" in reasons["Backprop()"]
    assert found.batch == 2
    assert found.peak_bytes < needed


@NATIVE
def test_native_code_is_counted_gate_by_gate():
    """Real turns 4 per amplitude, phases 6, the CNOT 0; four passes of a gradient."""
    found = qj.explain(PURE, T=10, batch=2)
    assert found.native
    expected = ["S", "RY", "RY", "Unitary", "CNOT", "2 operations", "RY", "Unitary"]
    assert [part.what for part in found.blocks] == expected  # RX is RY between phases
    assert [part.from_data for part in found.blocks] == [False, True] + 6 * [False]
    assert found.flops_per_step == 8 * (3 * 4 + 4 * 6)
    assert found.flops_per_gradient > 4 * 2 * 10 * found.flops_per_step
    kind = "complex128" if jnp.zeros(()).dtype == jnp.float64 else "complex64"
    assert set(found.once) == {f"2 of 2 x 2 {kind}", f"3 of 2 {kind}", f"1 of 4 {kind}"}
    assert found.ahead == (f"1 of 2 x 2 {kind}",)
    for gates, each in (((qj.RY(0, qj.Weight(0)),), 4), ((qj.H(0), qj.RY(0, qj.Weight(0))), 6)):
        cell = qj.CircuitCell(qj.Circuit(1, gates), qj.Z(0))
        assert qj.explain(cell, T=3).flops_per_step == 2 * each  # a reflection has no tangent


def test_sizes_are_those_of_the_plan():
    """Takaki's: dB = 2, one Z; three features of one RY, the read as 5th column; sigma is 2 x 2."""
    with jax.enable_x64(False):
        found = qj.explain(qj.cells.Takaki(inputs=1, memory=1, depth=1), T=4)
    assert found.once == ("1 of 12 x 5 float32",)
    assert found.ahead == ("1 of 3 float32",)
    assert found.flops_per_step == 3 * 4 + 2 * 12 * 5
    assert found.state_bytes == 4 * 8


def test_more_sequences_take_more():
    one, many = (qj.explain(ALL_CELLS["cv"], T=200, batch=b) for b in (1, 16))
    assert many.flops_per_gradient > 4 * one.flops_per_gradient
    assert many.peak_bytes > 8 * one.peak_bytes
    assert many.state_bytes == one.state_bytes


def test_a_device_rule_has_no_forecast():
    found = qj.explain(ALL_CELLS["takaki"], T=3, gradient=qj.ParameterShift())
    assert found.peak_bytes is found.flops_per_gradient is None
    assert not found.native


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"T": 0}, r"`T` must be an integer of 1 or more, but is 0"),
        ({"T": 2.0}, r"`T` must be an integer of 1 or more, but is 2.0"),
        ({"T": 3, "batch": -1}, r"`batch` must be an integer of 1 or more, but is -1"),
        (
            {"T": 3, "batch": 2, "gradient": qj.Automatic(batch=4)},
            r"`batch` must be that of the gradient rule, 4, but is 2",
        ),
        ({"T": 3, "engine": qj.Trajectories(5)}, r"`engine` must be exact here, but is Traj"),
        ({"T": 3, "engine": qj.StateVector()}, r"`StateVector` must have unitary steps"),
        ({"T": 3, "gradient": qj.Automatic(memory=1)}, r"`memory` must be at least"),
    ],
)
def test_what_cannot_be_explained_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        qj.explain(ALL_CELLS["takaki"], **options)


def test_what_is_no_cell_or_rule_is_refused():
    with pytest.raises(TypeError, match="`cell` must be a cell, but is"):
        qj.explain("takaki", T=3)
    with pytest.raises(TypeError, match="`gradient` must be a gradient rule"):
        qj.explain(ALL_CELLS["takaki"], T=3, gradient="backprop")


def test_nothing_is_compiled(caplog):
    with jax.log_compiles():
        qj.explain(ALL_CELLS["circuit-noisy"], T=7, batch=2)
        assert "Compiling" not in caplog.text
        jax.jit(lambda x: 3.7 * x)(jnp.zeros(5))
        assert "Compiling" in caplog.text
