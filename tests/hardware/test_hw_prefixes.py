"""`prefixes=True` on a device: output t from circuits of its own, of t steps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.hardware import Capabilities, LocalDevice, Queue
from tests.hardware.spy import Spy

KEY = jax.random.key(6)
BODY = (
    qj.RY(0, qj.Data(0)),
    qj.RX(1, qj.Weight(0)),
    qj.CNOT(0, 1),
    qj.RY(1, qj.Weight(1)),
    qj.Reset(0),
)
MEMORY = qj.CircuitCell(qj.Circuit(2, BODY), (qj.Z(1) @ qj.Z(0), 0.6 * qj.X(1)))  # two settings
WEIGHTS, XS = jnp.array([0.4, 1.3]), jnp.array([[0.3], [-0.9], [1.4]])


def total(ys: jax.Array) -> jax.Array:
    return jnp.sum(ys * jnp.array([[1.0, -0.5], [0.4, 0.8], [-0.9, 1.2]]))


def test_each_output_has_circuits_of_its_own_and_they_are_counted() -> None:
    spy = Spy()
    queue = Queue(spy, budget=2 * 3 * 3000)
    engine = qj.Device(queue, shots=3000)
    found = qj.simulate(MEMORY, WEIGHTS, XS, engine=engine, prefixes=True, key=KEY)
    exact = qj.run(MEMORY, WEIGHTS, XS)
    assert np.abs((found.outputs - exact) / found.stderr).max() < 4.5
    assert (found.stderr < 0.02).all()
    assert (queue.spent, queue.left) == (2 * 3 * 3000, 0)
    assert [call.template.steps for call in spy.calls] == [1, 2, 3] * 2
    for call in spy.calls:
        (name,) = {i.name for _, i in call.template.instructions()} & {"measure"}
        assert call.template.count()[name] == call.template.outputs  # the last step alone
        assert not call.template.reuses_wires
    assert len({call.seed for call in spy.calls}) == 6


def test_reading_as_part_of_the_model_is_played_in_unread_steps_too() -> None:
    """The back-action belongs to the model; without it the outputs are others."""
    body = (*BODY[:-1], qj.Read(measure=True), qj.RZ(1, 0.4))
    cell = qj.CircuitCell(qj.Circuit(2, body), (qj.X(1),))
    engine = qj.Device(LocalDevice(), shots=3000)
    found = qj.simulate(cell, WEIGHTS, XS, engine=engine, prefixes=True, key=KEY)
    exact = qj.run(cell, WEIGHTS, XS)
    silent = qj.CircuitCell(qj.Circuit(2, (*BODY[:-1], qj.Read(), qj.RZ(1, 0.4))), (qj.X(1),))
    assert np.abs(exact - qj.run(silent, WEIGHTS, XS)).max() > 0.2
    assert np.abs((found.outputs - exact) / found.stderr).max() < 4.5


RULES = {
    "parameter-shift": (qj.ParameterShift(), 0),
    "samples": (qj.ParameterShift(samples=30), 0),
    "horizon": (qj.ParameterShift(horizon=2), None),
    "shared": (qj.SharedShift(allocation="uniform"), 0),
    "difference": (qj.FiniteDifference(step=0.05), 3e-3),
    "spsa": (qj.SPSA(step=0.05, directions=8), 3e-3),
}


@pytest.mark.parametrize("name", RULES)
def test_every_rule_follows_and_pays_for_what_counts_alone(name: str) -> None:
    (rule, bias), spy = RULES[name], Spy()
    queue = Queue(spy)
    options = {"gradient": rule, "prefixes": True, "key": KEY}
    options["engine"] = qj.Device(queue, shots=100)
    found = qj.estimate_gradient(total, MEMORY, WEIGHTS, XS, **options)
    exact = jax.grad(lambda w: total(qj.run(MEMORY, w, XS)))(WEIGHTS)
    if bias is not None:  # a horizon drops what is older
        assert np.abs((found.gradient - exact) / (found.stderr + bias)).max() < 5
    spent, jobs = queue.spent, queue.jobs
    again = jax.grad(lambda w: total(qj.run(MEMORY, w, XS, **options)))(WEIGHTS)
    np.testing.assert_allclose(found.gradient, again, rtol=1e-6)
    assert queue.spent == spent
    assert jobs == 2 * 3  # a setting and a length each, for all runs together
    runs = rule.evaluations(MEMORY.circuit, steps=3)
    if name in ("parameter-shift", "horizon"):
        per_step = runs // 3  # shifted at step s: outputs s..3 feel it, or two of them
        circuits = per_step * (3 + 2 + 1 if name == "parameter-shift" else 2 + 2 + 1)
        assert spent == 100 * 2 * (3 + circuits)
    elif name == "samples":
        assert 100 * 2 * (3 + runs) < spent < 100 * 2 * (3 + 3 * runs)
    else:
        assert spent == 100 * 2 * (3 + 3 * runs)


def test_standard_errors_of_different_steps_are_independent() -> None:
    """(1 - y^2) / (S - 1) each; the variance of the sum is the sum."""
    cell = qj.CircuitCell(qj.Circuit(2, BODY), qj.Z(1))
    engine = qj.Device(LocalDevice(), shots=150)
    found = qj.simulate(cell, WEIGHTS, XS, engine=engine, prefixes=True, key=KEY)
    np.testing.assert_allclose(found.stderr, np.sqrt((1 - found.outputs**2) / 149), rtol=1e-9)

    def spread_of_sum(key: jax.Array) -> jax.Array:
        return qj.run(cell, WEIGHTS, XS, engine=engine, prefixes=True, key=key).sum()

    draws = jax.vmap(spread_of_sum)(jax.random.split(KEY, 200))
    assert abs(np.std(draws) / np.sqrt(np.sum(found.stderr**2)) - 1) < 0.2


def test_a_device_that_measures_at_the_end_alone_can_serve_unitary_cells() -> None:
    class Final(qj.hardware.AbstractDevice):
        capabilities = Capabilities(
            LocalDevice().capabilities.basis - {"reset"}, measures_midway=False
        )

        def run(self, template, rows, shots, seed):  # type: ignore[no-untyped-def]
            return LocalDevice().run(template, rows, shots, seed)

    cell = qj.CircuitCell(qj.Circuit(2, BODY[:-1]), qj.Z(1))
    options = {"engine": qj.Device(Final(), shots=2000), "key": KEY}
    found = qj.simulate(cell, WEIGHTS, XS, prefixes=True, **options)
    assert np.abs((found.outputs - qj.run(cell, WEIGHTS, XS)) / found.stderr).max() < 4.5
    measured = qj.CircuitCell(qj.Circuit(2, (*BODY[:-1], qj.Read(measure=True))), qj.Z(1))
    with pytest.raises(qj.hardware.DeviceError, match="mid-circuit"):
        qj.run(measured, WEIGHTS, XS, **options)


def test_the_refusal_names_the_way_out() -> None:
    engine = qj.Device(LocalDevice(), shots=10)
    with pytest.raises(ValueError, match=r"Read\(measure=True\).*`prefixes=True`"):
        qj.run(MEMORY, WEIGHTS, XS, engine=engine, key=KEY)
    rule = qj.ParameterShift()
    with pytest.raises(ValueError, match="`engine` must be exact"):
        qj.gradient_moments(MEMORY, WEIGHTS, XS, engine=engine, shots=10, gradient=rule)


def test_prefixes_as_text() -> None:
    from qrnn_jax.hardware.build import step_of
    from qrnn_jax.hardware.qasm import template_text
    from qrnn_jax.setup import measurement_settings

    cell = qj.CircuitCell(qj.Circuit(1, (qj.RX(0, qj.Weight(0)), qj.Reset(0))), qj.Z(0))
    circuit, (group,) = measurement_settings(cell)
    template = step_of(circuit, group).prefix(2)
    assert template_text(template).splitlines()[2:] == [
        "input float[64] a_0_0;",
        "input float[64] a_1_0;",
        "qubit[1] q;",
        "bit[1] y_1;",
        "rx(a_0_0) q[0];",
        "reset q[0];",
        "rx(a_1_0) q[0];",
        "y_1[0] = measure q[0];",
    ]
    assert list(template.read_steps) == [1]
    assert template.digest != step_of(circuit, group).unrolled(2).digest
