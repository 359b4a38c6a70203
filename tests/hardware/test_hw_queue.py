"""Chunks, tries, budgets and remembered results, with devices that misbehave on purpose."""

import json
from dataclasses import dataclass, field

import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.hardware import BudgetError, Capabilities, DeviceError, LocalDevice, Queue
from qrnn_jax.hardware.jobs import jobs_for, seed_from

CELL = qj.CircuitCell(
    qj.Circuit(2, (qj.RX(0, qj.Weight(0)), qj.CNOT(0, 1), qj.Reset(0), qj.Reset(1))),
    (qj.Z(0), qj.Z(1)),
)
(TEMPLATE,) = qj.hardware.templates(CELL, steps=2)
ROWS = np.array([[0.0, np.pi], [np.pi, 0.0], [np.pi, np.pi]])


@dataclass(eq=False)
class Fake(qj.hardware.AbstractDevice):
    """Plays locally, keeps a record, and fails as it is told to."""

    limits: Capabilities
    faults: list = field(default_factory=list)
    calls: list = field(default_factory=list)
    replays_free: bool = True  # a simulator

    @property
    def capabilities(self) -> Capabilities:
        return self.limits

    def run(self, template, rows, shots, seed):  # type: ignore[no-untyped-def]
        self.calls.append((len(rows), shots, seed))
        bits = LocalDevice().run(template, rows, shots, seed)
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, Exception):
            raise fault
        return bits if fault is None else fault(bits)


def fake(*faults: object, **limits: int) -> Fake:
    return Fake(Capabilities(LocalDevice().capabilities.basis, **limits), list(faults))


def test_requests_are_split_by_every_limit_and_put_together_in_order() -> None:
    device = fake(max_rows=2, max_shots=60, max_executions=100)
    queue = Queue(device)
    bits = queue.run(TEMPLATE, ROWS, 130, key=(1,))
    assert bits.shape == (3, 130, 2, 2)
    wanted = np.stack([ROWS > 1, ROWS > 1], axis=-1)[:, None]
    assert (bits == wanted).all()  # every shot of every row has its own angles
    assert [call[:2] for call in device.calls] == [(1, 60)] * 6 + [(2, 10), (1, 10)]
    assert queue.spent == 3 * 130
    assert queue.jobs == len(device.calls) == len({seed for *_, seed in device.calls})


@pytest.mark.parametrize(("rows", "shots"), [(1, 1), (7, 2048), (7, 2049), (400, 1000), (3, 9999)])
def test_jobs_play_every_row_exactly_as_often_as_asked(rows: int, shots: int) -> None:
    limits = Capabilities(frozenset(), max_rows=100, max_shots=2048, max_executions=50_000)
    played = np.zeros(rows, int)
    for job in jobs_for(limits, rows, shots):
        assert job.shots <= 2048
        assert job.last - job.first <= 100
        assert (job.last - job.first) * job.shots <= 50_000
        played[job.first : job.last] += job.shots
    assert (played == shots).all()


def test_a_request_that_failed_goes_on_where_it_was() -> None:
    device = fake(None, None, *[ConnectionError("away")] * 2, max_shots=10)
    queue = Queue(device, budget=3 * 50, tries=2, pause=0)
    with pytest.raises(DeviceError, match="failed 2 times: ConnectionError: away"):
        queue.run(TEMPLATE, ROWS, 30, key=(1,))
    assert queue.spent == 3 * 40  # two jobs, and one in two tries
    assert queue.run(TEMPLATE, ROWS, 30, key=(1,)).shape == (3, 30, 2, 2)
    assert queue.spent == 3 * 50 == queue.budget
    assert len({seed for *_, seed in device.calls}) == 4  # the third job's first try, once more


def test_a_mistake_in_the_program_is_not_tried_again() -> None:
    device = fake(TypeError("a wrong call"), max_shots=10)
    queue = Queue(device)
    with pytest.raises(TypeError, match="a wrong call"):
        queue.run(TEMPLATE, ROWS, 10, key=(1,))
    assert queue.jobs == len(device.calls) == 1


@pytest.mark.parametrize(
    ("setting", "match"), [({"budget": -5}, "`budget`"), ({"pause": -1}, "`pause`")]
)
def test_settings_out_of_range_are_refused(setting: dict, match: str) -> None:
    with pytest.raises(ValueError, match=f"Argument {match} must be"):
        Queue(LocalDevice(), **setting)


def test_the_same_request_is_paid_once() -> None:
    device = fake()
    queue = Queue(device)
    first = queue.run(TEMPLATE, ROWS, 50, key=(1,))
    assert queue.run(TEMPLATE, ROWS.copy(), 50, key=(1,)) is first
    assert queue.spent == 150
    for change in ({"key": (2,)}, {"shots": 51}, {"rows": ROWS + 1e-9}):
        before = queue.jobs
        given = {"rows": ROWS, "shots": 50, "key": (1,), **change}
        queue.run(TEMPLATE, **given)  # type: ignore[arg-type]
        assert queue.jobs == before + 1, change
    assert len({seed for *_, seed in device.calls}) == 4


def test_only_so_many_bytes_are_remembered() -> None:
    queue = Queue(fake(), remembered=2 * 3 * 10 * 2 * 2)
    for key in (1, 2, 3, 2, 1):  # 1 was forgotten when 3 came
        queue.run(TEMPLATE, ROWS, 10, key=(key,))
    assert queue.jobs == 4


def test_the_budget_is_exact_and_nothing_is_submitted_beyond_it() -> None:
    device = fake(max_shots=40)
    queue = Queue(device, budget=300)
    queue.run(TEMPLATE, ROWS, 50, key=(1,))
    assert (queue.spent, queue.left, queue.jobs) == (150, 150, 2)
    with pytest.raises(BudgetError, match="must allow 153 more shots, but of 300 only 150"):
        queue.run(TEMPLATE, ROWS, 51, key=(2,))
    assert (queue.spent, len(device.calls)) == (150, 2)
    queue.run(TEMPLATE, ROWS, 50, key=(3,))
    assert queue.left == 0
    queue.run(TEMPLATE, ROWS, 50, key=(1,))  # remembered: free
    with pytest.raises(BudgetError, match="0 are left"):
        queue.run(TEMPLATE, ROWS[:1], 1, key=(4,))


def test_failed_tries_count_and_never_break_the_budget() -> None:
    queue = Queue(fake(OSError("no line"), OSError("no line")), budget=400, pause=0)
    with pytest.raises(BudgetError, match="150 more shots, but of 400 only 100"):
        queue.run(TEMPLATE, ROWS, 50, key=(1,))  # third try: 300 spent
    assert queue.spent == 300


FAULTS = {
    "raises": OSError("no line"),
    "too few rows": lambda bits: bits[:-1],
    "too few shots": lambda bits: bits[:, :-1],
    "too few steps": lambda bits: bits[:, :, :-1],
    "no bits": lambda bits: bits + np.uint8(2),
    "numbers": lambda bits: bits.astype(float),
    "nothing": lambda bits: None,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_tried_again_with_another_seed(fault: str) -> None:
    device = fake(FAULTS[fault], FAULTS[fault])
    bits = Queue(device, pause=0).run(TEMPLATE, ROWS, 20, key=(1,))
    assert (bits == np.stack([ROWS > 1, ROWS > 1], axis=-1)[:, None]).all()
    assert len({seed for *_, seed in device.calls}) == 3


def test_after_all_tries_the_device_is_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("qrnn_jax.hardware.attempts.time.sleep", waits.append)
    device = fake(*[OSError("no line")] * 9)
    queue = Queue(device, tries=4, pause=0.5)
    with pytest.raises(DeviceError, match="failed 4 times: OSError: no line"):
        queue.run(TEMPLATE, ROWS, 20, key=(1,))
    assert waits == [0.5, 1.0, 2.0]
    assert len(device.calls) == 4


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_angles_that_are_no_numbers_never_reach_a_device(wrong: float) -> None:
    device = fake()
    rows = ROWS.copy()
    rows[1, 1] = wrong
    with pytest.raises(ValueError, match=r"row 1 has .* for a_1_0"):
        Queue(device).run(TEMPLATE, rows, 20, key=(1,))
    with pytest.raises(ValueError, match="one column per symbol"):
        Queue(device).run(TEMPLATE, ROWS[:, :1], 20, key=(1,))
    assert device.calls == []


def test_what_a_device_lacks_is_listed_before_anything_is_submitted() -> None:
    basis = LocalDevice().capabilities.basis
    for limits, message in (
        (Capabilities(basis - {"reset", "rx"}), r"\['reset', 'rx'\]"),
        (Capabilities(basis, measures_midway=False), "mid-circuit"),
        (Capabilities(basis, max_wires=1), "2 qubits, but has 1"),
    ):
        device = Fake(limits)
        with pytest.raises(DeviceError, match=message):
            Queue(device).run(TEMPLATE, ROWS, 20, key=(1,))
        assert device.calls == []
    (final,) = qj.hardware.templates(CELL, steps=1)  # nothing is used again: fine
    assert Capabilities(basis, measures_midway=False).refusal(final) is None


def test_seeds_are_far_apart() -> None:
    seeds = np.array([seed_from((1, 2, job)) for job in range(2000)], float)
    assert len(set(seeds)) == 2000
    assert np.abs(np.diff(np.sort(seeds))).min() > 1e6
    assert 0 < seeds.min() < 2**55 < 2**62 < seeds.max() < 2**63


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"budget": 1.5}, "budget"), ({"budget": True}, "budget"), ({"tries": 0}, "tries")],
)
def test_settings_are_checked(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Queue(fake(), **settings)
    with pytest.raises(TypeError, match="must be a device"):
        Queue(7)  # type: ignore[arg-type]


def test_an_answer_that_a_client_cannot_read_is_tried_again() -> None:
    error = json.JSONDecodeError("Expecting value", "<html>", 0)
    device = fake(error, ValueError("no number"))
    assert Queue(device, pause=0).run(TEMPLATE, ROWS, 20, key=(1,)).shape == (3, 20, 2, 2)
    assert len(device.calls) == 3
    with pytest.raises(DeviceError, match="failed 2 times: JSONDecodeError: Expecting value"):
        Queue(fake(error, error), tries=2, pause=0).run(TEMPLATE, ROWS, 20, key=(1,))


@pytest.mark.parametrize("shots", [0, -5, 2.5, True, None])
def test_shots_are_checked(shots: object) -> None:
    device = fake()
    with pytest.raises(ValueError, match="Argument `shots` must be an integer of 1 or more"):
        Queue(device).run(TEMPLATE, ROWS, shots, key=(1,))  # type: ignore[arg-type]
    assert device.calls == []


def test_integers_of_numpy_are_integers() -> None:
    queue = Queue(fake(), budget=np.int64(60), tries=np.int32(2))
    first = queue.run(TEMPLATE, ROWS, np.int64(20), key=(1,))
    assert queue.run(TEMPLATE, ROWS, 20, key=(1,)) is first  # the same request
    assert (queue.budget, queue.left) == (60, 0)


def test_a_device_whose_qubits_cannot_be_chosen_says_so() -> None:
    device = fake()
    with pytest.raises(DeviceError, match="must let its qubits be chosen"):
        Queue(device).run(TEMPLATE, ROWS, 20, key=(1,), layout=(1, 0))
    assert device.calls == []


@pytest.mark.parametrize("timeout", [None, 30.0])
def test_a_layout_is_part_of_the_request_and_goes_through_the_same_queue(timeout) -> None:  # type: ignore[no-untyped-def]
    pinned = []

    class Pinnable(Fake):
        def pinned(self, qubits):  # type: ignore[no-untyped-def]
            pinned.append(fake(OSError("no line")))
            return pinned[-1]

    device = Pinnable(fake().limits)
    queue = Queue(device, budget=6 * 60, pause=0, timeout=timeout)
    for layout in (None, (0, 1), (1, 0)):
        first = queue.run(TEMPLATE, ROWS / 2, 20, key=(1,), layout=layout)
        assert queue.run(TEMPLATE, ROWS / 2, 20, key=(1,), layout=layout) is first
    assert [len(one.calls) for one in (device, *pinned)] == [1, 2, 2]  # failed tries, repeated
    assert len({seed for one in (device, *pinned) for *_, seed in one.calls}) == 5
    assert (queue.spent, queue.jobs) == (5 * 60, 5)
