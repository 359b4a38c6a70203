"""The pilot of `plan`: it finds how fast a device is, within a budget, and is not easily misled."""

from dataclasses import replace
from itertools import count
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.hardware import LocalDevice, Queue, Speed
from qrnn_jax.hardware.plan_time import pilot

CELL = qj.cells.Takaki(inputs=1, memory=1, depth=1)


class Clocked(qj.hardware.AbstractDevice):
    """Plays in no time, on a clock of its own; of three jobs one takes a tenth longer."""

    capabilities: Any = None
    stalls: tuple[int, ...] = ()  # the numbers of jobs that stop for two seconds
    slow = 1.0  # how many times longer jobs of over 50 shots take than they can

    def __init__(self, monkeypatch: pytest.MonkeyPatch, speed: Speed, free: bool = False) -> None:
        self.capabilities = replace(LocalDevice().capabilities, max_rows=4096, max_shots=2048)
        self.jobs: list[tuple[int, int]] = []
        self.true, self.now, self.free = speed, 0.0, free
        clock = SimpleNamespace(perf_counter=lambda: self.now, time_ns=count().__next__)
        monkeypatch.setattr("qrnn_jax.hardware.plan_time.time", clock)

    @property
    def replays_free(self) -> bool:
        return self.free

    def run(self, template: Any, rows: np.ndarray, shots: int, seed: int) -> np.ndarray:
        self.jobs.append((len(rows), shots))
        disturbed = 1.1 if len(self.jobs) % 3 == 0 else 1.0
        slow = self.slow if shots > 50 else 1.0
        self.now += slow * disturbed * self.true.seconds(len(rows), shots)
        self.now += 2.0 * (len(self.jobs) in self.stalls)
        return np.zeros((len(rows), shots, template.steps, template.outputs), np.uint8)


SPEEDS = {
    "aer": Speed(3e-3, 6e-4, 4e-5),
    "a large noise model": Speed(2.2, 0.01, 1e-4),
    "slow rows": Speed(0.02, 0.5, 1e-3),
    "a wide circuit": Speed(0.1, 0.5, 12.0),
    "fast": Speed(1e-4, 1e-5, 1e-6),
}


@pytest.mark.parametrize("name", SPEEDS)
def test_a_pilot_finds_the_speed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a plan of one job of 25 rows x 100 shots, and one of 25 x 2000."""
    device, true = Clocked(monkeypatch, SPEEDS[name]), SPEEDS[name]
    queue, options = Queue(device), {"rule": qj.ParameterShift(), "pilot": True}
    for shots in (100, 2000):
        begin, paid = device.now, queue.spent
        found = qj.plan(CELL, 2, shots=shots, device=queue, **options)
        assert found.pilot_shots == queue.spent - paid > 0
        assert found.clock.startswith("a pilot")
        exact = true.seconds(25, shots)
        assert exact / 1.25 < found.rules[0].seconds < 1.25 * exact
        assert device.now - begin < max(25.0, 9 * true.seconds(1, 1))  # a few executions
    assert queue.spent == sum(rows * shots for rows, shots in device.jobs)


@pytest.mark.parametrize("stalled", range(1, 14))
@pytest.mark.parametrize("name", ["aer", "fast"])
def test_a_pilot_is_not_misled_by_one_job_that_stops(
    name: str, stalled: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 4 executions or of 256: two seconds there look like a slow device."""
    device, true = Clocked(monkeypatch, SPEEDS[name]), SPEEDS[name]
    device.stalls = (stalled,)
    (template,) = qj.hardware.templates(CELL, 2)
    found = pilot(Queue(device), template, 100, 2**12)
    assert found.seconds(25, 100) == pytest.approx(true.seconds(25, 100), rel=0.25)
    assert len(device.jobs) > 10


def test_a_pilot_stays_within_a_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Clocked(monkeypatch, SPEEDS["fast"])
    queue = Queue(device, budget=60)
    found = qj.plan(CELL, 2, shots=5, rule=qj.SharedShift(), device=queue, pilot=True)
    assert found.pilot_shots == queue.spent <= 60
    assert max(rows * shots for rows, shots in device.jobs) == 4  # six times 32 are too many


def test_a_simulator_is_timed_unasked_and_no_budget_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    device, told = Clocked(monkeypatch, SPEEDS["aer"], free=True), list[str]()
    queue = Queue(device, budget=2500)
    options = {"shots": 100, "rule": qj.ParameterShift(), "device": queue}
    found = qj.plan(CELL, 2, progress=told.append, **options)
    exact = SPEEDS["aer"].seconds(25, 100)
    assert found.rules[0].seconds == pytest.approx(exact, rel=0.25)
    assert found.clock.startswith("a pilot")
    assert found.pilot_shots == sum(rows * shots for rows, shots in device.jobs) > 0
    assert (queue.spent, queue.jobs, found.left) == (0, 0, 2500)
    assert told[0] == "timing the device with a few rows"
    played = len(device.jobs)
    found = qj.plan(CELL, 2, pilot=False, **options)
    assert found.rules[0].seconds is None
    assert len(device.jobs) == played


def test_a_device_that_always_takes_longer_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    device, true = Clocked(monkeypatch, SPEEDS["aer"]), SPEEDS["aer"]
    device.slow = 200.0
    (template,) = qj.hardware.templates(CELL, 2)
    found = pilot(Queue(device), template, 100, 2**12)
    exact = 200 * true.seconds(25, 100)
    assert exact / 1.5 < found.seconds(25, 100) < 1.5 * exact  # no three numbers describe it
