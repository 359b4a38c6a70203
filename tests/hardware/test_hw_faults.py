"""Faults 17 to 20 and 22 of the fault matrix, through the engine, the queue and the adapters.

More on single parts is in `test_hw_queue.py`; hostile text (16), restarts (21) and exit codes have
files of their own.
"""

import threading
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.hardware import BudgetError, Capabilities, DeviceError, LocalDevice, Queue
from tests.hardware.test_hw_queue import CELL, FAULTS, ROWS, TEMPLATE, Fake, fake

KEY = jax.random.key(3)
BASIS = LocalDevice().capabilities.basis
XS = jnp.zeros((2, 0))
WANTED = np.stack([ROWS > 1, ROWS > 1], axis=-1)[:, None]


def run(device: qj.hardware.AbstractDevice | Queue, weights: Any, shots: int = 10) -> jax.Array:
    engine = qj.Device(device, shots=shots)
    return jax.block_until_ready(qj.run(CELL, weights, XS, engine=engine, key=KEY))


# 17: an angle that is no number is refused by us before submission


@pytest.mark.parametrize("wrong", [jnp.nan, jnp.inf, -jnp.inf])
@pytest.mark.parametrize("prefixes", [False, True])
def test_17_no_angle_that_is_no_number_is_submitted(wrong: float, prefixes: bool) -> None:
    device = fake()
    engine = qj.Device(device, shots=10)

    def value(weights: jax.Array, key: jax.Array) -> jax.Array:
        return qj.run(CELL, weights, XS, engine=engine, prefixes=prefixes, key=key).sum()

    many = jax.vmap(jax.value_and_grad(value))
    weights = jnp.array([[0.3], [wrong]])  # one of two sequences
    with pytest.raises(jax.errors.JaxRuntimeError, match=r"must be finite, but row .* a_0_0"):
        jax.block_until_ready(many(weights, jax.random.split(KEY)))
    assert device.calls == []


def test_17_an_angle_of_the_last_step_stops_the_prefixes_before_it() -> None:
    device = fake()
    circuit = qj.Circuit(1, (qj.RX(0, qj.Data(0)), qj.Reset(0)))
    cell, engine = qj.CircuitCell(circuit, qj.Z(0)), qj.Device(device, shots=10)
    play = lambda xs: qj.run(cell, jnp.zeros(0), xs, engine=engine, prefixes=True, key=KEY)  # noqa: E731
    with pytest.raises(jax.errors.JaxRuntimeError, match=r"row 0 has nan for a_2_0"):
        jax.block_until_ready(jax.jit(play)(jnp.array([[0.1], [0.2], [jnp.nan]])))
    assert device.calls == []


# 18: what a device lacks is listed before submission, while the program is traced


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Capabilities(BASIS - {"reset"}), r"must offer the instructions \['reset'\]"),
        (Capabilities(BASIS - {"measure"}), r"must offer the instructions \['measure'\]"),
        (Capabilities(BASIS - {"rx", "cx"}), r"must offer the instructions \['cx', 'rx'\]"),
        (Capabilities(BASIS, measures_midway=False), "`mid-circuit measure`"),
    ],
)
def test_18_a_missing_instruction_is_named(limits: Capabilities, message: str) -> None:
    device = Fake(limits)
    with pytest.raises(DeviceError, match=message):
        run(device, jnp.zeros(1))
    with pytest.raises(DeviceError, match=message):
        jax.jit(jax.grad(lambda w: run(device, w).sum()))(jnp.zeros(1))
    assert device.calls == []


# 19: more than a job takes is split; counts are merged, the total is exact


@pytest.mark.parametrize("split", [{"max_shots": 7}, {"max_rows": 2}, {"max_executions": 11}])
def test_19_jobs_over_the_limits_are_split_and_their_counts_merged(split: dict[str, int]) -> None:
    device = fake(**split)
    queue = Queue(device)
    found = queue.run(TEMPLATE, ROWS, 25, key=(1,))
    assert (found == WANTED).all()
    assert sum(rows * shots for rows, shots, _ in device.calls) == 3 * 25 == queue.spent
    assert len({seed for *_, seed in device.calls}) == len(device.calls) > 1
    value = run(queue, jnp.array([np.pi / 2]), shots=25)
    assert sum(rows * shots for rows, shots, _ in device.calls) == 3 * 25 + 25
    assert np.allclose(value * 25 % 2, 1)  # a mean of 25 signs: nothing is lost or counted twice
    assert np.abs(value).max() < 1


# 20: what fails is tried three times more, with back-off; then the device is blamed


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr("qrnn_jax.hardware.attempts.time.sleep", found.append)
    return found


@pytest.mark.parametrize("fault", [*FAULTS, "times out"])
def test_20_three_tries_more_with_back_off(fault: str, waits: list[float]) -> None:
    error = FAULTS.get(fault, TimeoutError("no answer"))
    queue = Queue(fake(*[error] * 3))
    assert (queue.run(TEMPLATE, ROWS, 5, key=(1,)) == WANTED).all()
    assert waits == [1.0, 2.0, 4.0]
    assert queue.spent == 4 * 15  # a device may bill a failed try
    device = fake(*[error] * 4)
    with pytest.raises(DeviceError, match="must play a job, but failed 4 times"):
        Queue(device).run(TEMPLATE, ROWS, 5, key=(1,))
    assert len(device.calls) == 4


def test_20_the_caller_of_a_gradient_sees_the_fault_and_no_number(waits: list[float]) -> None:
    """One bad job of several: nothing is averaged over the rest."""
    device = fake(None, *[lambda bits: bits[:, :-1]] * 4, max_shots=5)
    with pytest.raises(jax.errors.JaxRuntimeError, match=r"returned \(3, 4, 2, 2\)"):
        jax.block_until_ready(slope_on(device))
    assert waits == [1.0, 2.0, 4.0]


def slope_on(device: Fake) -> jax.Array:
    engine, rule = qj.Device(device, shots=10), qj.SPSA(step=0.3)  # 2 runs and the unperturbed one
    play = lambda w: qj.run(CELL, w, XS, engine=engine, gradient=rule, key=KEY).sum()  # noqa: E731
    return jax.grad(play)(jnp.array([0.4]))


class Slow(qj.hardware.AbstractDevice):
    """Plays when it is allowed to."""

    capabilities = LocalDevice().capabilities

    def __init__(self) -> None:
        self.allowed, self.calls = threading.Event(), 0

    def run(self, template, rows, shots, seed):  # type: ignore[no-untyped-def]
        self.calls += 1
        assert self.allowed.wait(30)
        return LocalDevice().run(template, rows, shots, seed)


def test_20_a_silent_job_is_awaited_and_never_submitted_twice() -> None:
    """Its state is unknown: it may still run. Its answer is found by the same request, later."""
    device = Slow()
    queue = Queue(device, budget=15, tries=3, pause=0, timeout=0.05)
    for _ in range(2):
        with pytest.raises(DeviceError, match=r"failed 3 times: no answer in 0\.05 s; it"):
            queue.run(TEMPLATE, ROWS, 5, key=(1,))
    assert (device.calls, queue.jobs, queue.spent) == (1, 1, 15)
    device.allowed.set()
    assert (patiently(queue) == WANTED).all()
    assert (device.calls, queue.jobs, queue.spent) == (1, 1, 15)


def patiently(queue: Queue) -> np.ndarray:
    """The same request again and again, until it is answered."""
    for _ in range(200):
        try:
            return queue.run(TEMPLATE, ROWS, 5, key=(1,))
        except DeviceError:
            continue
    raise AssertionError("no answer in 30 s")


def test_20_an_answer_in_time_is_as_without_a_timeout() -> None:
    plain, timed = (Queue(fake(), timeout=timeout) for timeout in (None, 30.0))
    for key in (1, 2):
        found = timed.run(TEMPLATE, ROWS / 2, 20, key=(key,))
        assert (found == plain.run(TEMPLATE, ROWS / 2, 20, key=(key,))).all()
    failing = Queue(fake(OSError("no line"), OSError("no line")), timeout=30.0, pause=0)
    assert (failing.run(TEMPLATE, ROWS, 5, key=(1,)) == WANTED).all()
    assert failing.jobs == 3  # an error is an answer: that job is over
    with pytest.raises(TypeError, match="a wrong call"):
        Queue(fake(TypeError("a wrong call")), timeout=30.0).run(TEMPLATE, ROWS, 5, key=(1,))
    for wrong in (0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="Argument `timeout` must be None or more than 0"):
            Queue(fake(), timeout=wrong)


class _Data(dict):
    """Registers by name, as attributes of a result are found by name."""


class _Sampler:
    """Returns registers (rows, shots, bytes) under other names, or with other lengths."""

    def __init__(self, change: Any) -> None:
        self.change = change

    def run(self, pubs: Any, shots: int) -> Any:
        rows = len(pubs[0][1])
        array = lambda r, s: type("Bits", (), {"array": np.zeros((r, s, 1), np.uint8)})()  # noqa: E731
        data = self.change(array, rows, shots)
        result = type("Result", (), {"data": _Data(data)})()
        return type("Job", (), {"result": lambda self: [result]})()


ANSWERS = {
    "wrong registers": lambda a, r, s: {"c0": a(r, s), "y1": a(r, s)},
    "too few shots": lambda a, r, s: {"y0": a(r, s - 1), "y1": a(r, s)},
    "one shot": lambda a, r, s: {"y0": a(r, 1), "y1": a(r, 1)},
    "one row": lambda a, r, s: {"y0": a(1, s), "y1": a(1, s)},
}


@pytest.mark.parametrize("name", ANSWERS)
def test_20_a_sampler_that_returns_other_registers_is_not_believed(name: str) -> None:
    pytest.importorskip("qiskit", reason="needs the extra `qiskit`")
    device = qj.hardware.QiskitDevice(_Sampler(ANSWERS[name]))
    wanted = r"register y0, but returned \['c0', 'y1'\]" if "wrong" in name else "rows and shots"
    with pytest.raises(DeviceError, match=f"failed 2 times: DeviceError: .*{wanted}"):
        Queue(device, tries=2, pause=0).run(TEMPLATE, ROWS, 5, key=(1,))
    good = qj.hardware.QiskitDevice(_Sampler(lambda a, r, s: {"y0": a(r, s), "y1": a(r, s)}))
    assert not Queue(good).run(TEMPLATE, ROWS, 5, key=(1,)).any()


# 22: the budget stops before submission


def test_22_the_budget_stops_before_submission_and_what_is_known_stays_free() -> None:
    device = fake()
    queue = Queue(device, budget=2 * 50)
    loss = lambda w, key: jnp.sum(  # noqa: E731
        qj.run(CELL, w, XS, engine=qj.Device(queue, shots=10), key=key) ** 2
    )
    weights = jnp.array([0.3])
    step = lambda w, key: jax.block_until_ready(w - jax.grad(loss)(w, key))  # noqa: E731
    one, two, three = jax.random.split(KEY, 3)
    for key in (one, two):  # 1 + 2 x 2 circuits of 10 shots each time
        weights = step(weights, key)
    with pytest.raises(jax.errors.JaxRuntimeError, match="must allow 50 more shots, but of 100"):
        step(weights, three)
    assert (queue.spent, queue.left, len(device.calls)) == (100, 0, 2)
    assert np.isfinite(weights).all()
    with pytest.raises(BudgetError, match="of 100 only 0 are left; they were not submitted"):
        queue.run(TEMPLATE, ROWS, 1, key=(1,))
