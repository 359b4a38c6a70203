"""The automatic rule: what it takes without a limit, within one, and where nothing fits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from qrnn_jax_kernels.pure_states import obstacle

import qrnn_jax as qj
from qrnn_jax.feedback import feedback_rule
from qrnn_jax.gradients import automatic
from qrnn_jax.gradients.automatic import CANDIDATES, forecast
from qrnn_jax.gradients.byte_sizes import as_bytes, readable
from qrnn_jax.setup import expectations_for, rule_for
from tests.gradients.jacobians import distance

STEPS, BATCH = 400, 4
REFERENCE = qj.Adjoint(kernel="reference")


def a_cell(*, resets: bool) -> qj.CircuitCell:
    operations = [qj.RY(0, qj.Data(0)), *(qj.RX(wire, qj.Weight(wire)) for wire in range(8))]
    operations += [qj.CNOT(wire, wire + 1) for wire in range(7)]
    operations += [qj.Reset(wire) for wire in range(3)] * resets
    return qj.CircuitCell(qj.Circuit(8, operations), (qj.Z(0), qj.Z(5)))


PURE, MIXED = a_cell(resets=False), a_cell(resets=True)


def forecasts(cell, rules, steps=STEPS, batch=BATCH):
    expectations = expectations_for(cell, None, None, False, steps)
    return [forecast(expectations, rule, steps, batch).peak_bytes for rule in rules]


def chosen(cell, memory, steps=STEPS, batch=BATCH):
    expectations = expectations_for(cell, None, None, False, steps)
    return rule_for(expectations, steps, qj.Automatic(memory, batch))


@pytest.fixture
def no_loops(monkeypatch):
    """As on a GPU: neither native code nor layers."""
    for name in ("loop_refusal", "layered_refusal"):
        monkeypatch.setattr(automatic, name, lambda plan, unasked=True: "there is none")
    automatic._chosen.cache_clear()
    yield
    automatic._chosen.cache_clear()


@pytest.mark.usefixtures("no_loops")
def test_less_memory_takes_a_rule_that_keeps_less():
    rules = [qj.Checkpointed(every=1), qj.Checkpointed(), REFERENCE]
    sizes = forecasts(PURE, rules)
    assert sizes[0] > 2 * sizes[1] > 2 * sizes[2]
    for rule, size in zip(rules, sizes):
        assert chosen(PURE, size) == rule
    with pytest.raises(ValueError, match=r"`memory` must be at least \d+ bytes .* the smallest"):
        chosen(PURE, sizes[-1] - 1)


def test_steps_that_reset_are_never_undone():
    rules = [qj.Checkpointed(every=1), qj.Checkpointed()]
    sizes = forecasts(MIXED, rules)
    assert [chosen(MIXED, size) for size in sizes] == rules
    with pytest.raises(ValueError, match=f"must be at least {sizes[-1]} bytes"):
        chosen(MIXED, "1kB")


def test_the_batch_counts():
    (one,), (many,) = (forecasts(MIXED, [qj.Checkpointed()], batch=b) for b in (1, 32))
    assert many > 4 * one
    assert chosen(MIXED, one, batch=1) == qj.Checkpointed()
    with pytest.raises(ValueError, match="batch = 32"):
        chosen(MIXED, one, batch=32)


@pytest.mark.skipif(obstacle() is not None, reason=f"no native code: {obstacle()}")
def test_native_code_comes_first_if_it_fits():
    (size,) = forecasts(PURE, [qj.Adjoint()])
    assert chosen(PURE, size) == chosen(PURE, None) == qj.Adjoint()


def test_none_stands_for_it_and_forecasts_nothing(monkeypatch):
    def never(*arguments):
        raise AssertionError("a forecast was made")

    monkeypatch.setattr(automatic, "forecast", never)
    for cell, steps in ((PURE, 399), (MIXED, 3), (MIXED, 10**6)):
        expectations = expectations_for(cell, None, None, False, steps)
        assert rule_for(expectations, steps, None) == rule_for(expectations, steps, qj.Automatic())
    with pytest.raises(AssertionError):
        chosen(MIXED, "3GB", steps=41)


def test_run_takes_it_and_its_gradient_is_exact():
    circuit = qj.Circuit(2, (qj.RY(0, qj.Data(0)), qj.CRX(0, 1, qj.Weight(0)), qj.Reset(0)))
    cell, xs = qj.CircuitCell(circuit, qj.Z(1)), np.linspace(-1, 1, 6).reshape(2, 3, 1)

    def gradient(rule):
        def loss(w):
            return jnp.sum(jax.vmap(lambda x: qj.run(cell, w, x, gradient=rule))(xs) ** 2)

        return jax.grad(loss)(jnp.array([0.4]))

    assert distance(gradient(qj.Automatic("1MB", 2)), gradient(qj.Backprop())) < 1e-14
    with pytest.raises(ValueError, match="the smallest forecast"):
        gradient(qj.Automatic(memory=10, batch=2))


def test_under_shots_it_is_the_shift_rule_without_a_limit():
    cell = qj.cells.Takaki(inputs=1, memory=1, depth=1)
    sampled = expectations_for(cell, None, 10, False, 3)
    assert rule_for(sampled, 3, qj.Automatic()) == qj.ParameterShift()
    with pytest.raises(ValueError, match="`memory` must be None where outcomes are drawn"):
        rule_for(sampled, 3, qj.Automatic("1GB"))


def test_every_candidate_says_why():
    for candidate in CANDIDATES:
        assert len(candidate.why.split()) > 4
        assert not candidate.why.endswith(".")


@pytest.mark.parametrize(
    ("memory", "number"),
    [("500MB", 5 * 10**8), ("2GiB", 2**31), ("1.5 kB", 1500), ("7B", 7), (640, 640)],
)
def test_memory_is_read(memory, number):
    assert as_bytes(memory) == number


@pytest.mark.parametrize("memory", ["500", "2 gb", "MB", "-3MB", "1e3MB", "0GB", 0, -1, True, 1.5])
def test_memory_that_cannot_be_read_is_refused(memory):
    with pytest.raises(ValueError, match=r"`memory` must be None, a positive integer of bytes, or"):
        qj.Automatic(memory=memory)


@pytest.mark.parametrize("batch", [0, True, 2.0])
def test_a_batch_is_a_positive_integer(batch):
    with pytest.raises(ValueError, match=r"`batch` must be an integer of 1 or more, but is"):
        qj.Automatic(batch=batch)


def test_bytes_are_written_in_decimal_units():
    assert [readable(n) for n in (640, 1234, 5_400_000, 4_100_000_000)] == [
        "640 B",
        "1.23 kB",
        "5.4 MB",
        "4.1 GB",
    ]


def test_a_controlled_circuit_takes_it_without_a_limit():
    for sampled in (False, True):
        assert feedback_rule(qj.Automatic(), sampled) == feedback_rule(None, sampled)
        with pytest.raises(ValueError, match=r"must be `ParameterShift\(\)` for a controlled"):
            feedback_rule(qj.Automatic(memory="1GB"), sampled)
