"""A service that keeps jobs: what was sent is billed once, and found by whoever comes after."""

import json
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest

from qrnn_jax.hardware import (
    BudgetError,
    DeviceError,
    Journal,
    JournalError,
    QiskitDevice,
    Queue,
)
from qrnn_jax.hardware.jobs import seed_from
from qrnn_jax.training.device_section import DeviceSection
from qrnn_jax.training.train import train
from tests.hardware.test_hw_queue import TEMPLATE
from tests.training.deadly import COST, STEPS, on_device
from tests.training.tiny_run import newest

pytest.importorskip("qiskit_aer", reason="needs the extra `qiskit` (qiskit, qiskit-aer)")

from qiskit.providers.fake_provider import GenericBackendV2
from qiskit_aer.primitives import SamplerV2

ROWS = np.array([[1.1, 0.7]])
SHOTS = 2 * 2048 + 9  # of one row: three jobs
SIZES = [2048, 2048, 9]


class Killed(BaseException):
    """The end of a process: nothing catches it."""


class Away(Exception):
    """A client that does not get through, as clients of services have classes of their own."""


@dataclass
class Kept:
    """A job at the service."""

    service: "Service"
    ident: Any
    tags: list[str]
    answer: Any
    state: str = "DONE"

    def job_id(self) -> Any:
        return self.ident

    def status(self) -> str:
        self.service.stumble("status")
        return self.state

    def result(self) -> Any:
        self.service.stumble("result")
        if self.state != "DONE":
            raise Away(f"Job was {self.state}")
        return self.answer


@dataclass
class Service:
    """Outlives the processes that send jobs to it. Its faults come one by one: (where, what)."""

    faults: list[tuple[str, BaseException]] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    billed: int = 0
    asked: list[str] = field(default_factory=list)

    def stumble(self, where: str) -> None:
        self.asked.append(where)
        if self.faults and self.faults[0][0] == where:
            raise self.faults.pop(0)[1]

    def job(self, job_id: str) -> Kept:
        self.stumble("job")
        for job in self.kept:
            if job.ident == job_id:
                return job
        raise Away(f"Job not found: {job_id}")

    def jobs(self, limit: int, job_tags: list[str]) -> list[Kept]:
        self.stumble("jobs")
        return [job for job in self.kept[::-1] if {*job_tags} <= {*job.tags}][:limit]


class Sampler:
    """Sends to a service: other shots at every call, so equal ones are those of the same job."""

    def __init__(self, service: Service, ident: Any = "job {}") -> None:
        self.service = service
        self.ident = ident
        self.options = SimpleNamespace(environment=SimpleNamespace(job_tags=["mine"]))

    def run(self, pubs: list[Any], *, shots: int) -> Kept:
        self.service.stumble("before")
        number = len(self.service.kept)
        answer = SamplerV2(seed=seed_from((7, number))).run(pubs, shots=shots).result()
        ident = self.ident.format(number) if isinstance(self.ident, str) else self.ident
        job = Kept(self.service, ident, list(self.options.environment.job_tags), answer)
        self.service.kept.append(job)
        self.service.billed += shots * len(pubs[0][1])
        self.service.stumble("after")
        return job


def device_at(service: Service, **options: Any) -> QiskitDevice:
    return QiskitDevice(Sampler(service, **options), service=service)


def ask(service: Service, folder: Path | None, *, budget: int | None = SHOTS, tries: int = 2):
    """One request in a process of its own: (queue, bits)."""
    journal = None if folder is None else Journal(folder)
    queue = Queue(device_at(service), budget=budget, pause=0, tries=tries, journal=journal)
    return queue, queue.run(TEMPLATE, ROWS, SHOTS, key=(1,))


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]


def tickets(folder: Path) -> list[str]:
    return [line["ticket"] for line in lines(folder) if "ticket" in line]


def undisturbed() -> np.ndarray:
    """What a run without any accident gets: the shots of the service's first three jobs."""
    return ask(Service(), None)[1]


class Deadly(Service):
    """Kills whoever comes to a place, after some have passed there."""

    def __init__(self, where: str, number: int) -> None:
        super().__init__([(where, Killed())])
        self.left = number

    def stumble(self, where: str) -> None:
        if self.faults and where == self.faults[0][0] and self.left:
            self.left -= 1
        else:
            super().stumble(where)


@pytest.mark.parametrize("chunk", [0, 1, 2])
@pytest.mark.parametrize("moment", ["before", "after", "job", "result"])
def test_killed_at_any_moment_and_started_again(tmp_path: Path, moment: str, chunk: int) -> None:
    """Sent or not, noted or not: the same counts from as many jobs, billed and counted once."""
    service = Deadly(moment, chunk)
    with pytest.raises(Killed):
        ask(service, tmp_path)
    assert len(service.kept) == chunk + (moment != "before")
    service.faults.clear()
    queue, bits = ask(service, tmp_path)  # not one shot to spare
    assert np.array_equal(bits, undisturbed())
    assert service.billed == queue.spent == SHOTS
    assert [job.ident for job in service.kept] == tickets(tmp_path) == ["job 0", "job 1", "job 2"]
    assert queue.jobs == 3


def test_the_id_is_on_the_disk_before_anything_waits(tmp_path: Path) -> None:
    seen = []

    class Watched(Service):
        def stumble(self, where: str) -> None:
            if where == "job":
                seen.append(tickets(tmp_path))

    service = Watched()
    ask(service, tmp_path)
    names = ["job 0", "job 1", "job 2"]
    assert seen == [names[:1], names[:2], names]
    sent = [line["job"] for line in lines(tmp_path) if "seed" in line]
    assert [job.tags for job in service.kept] == [["mine", name] for name in sent]
    assert [line["shots"] for line in lines(tmp_path) if "seed" in line] == SIZES


def test_a_new_job_is_not_looked_for(tmp_path: Path) -> None:
    """So what another run sent for the same request is not taken for this one's."""
    service = Service()
    ask(service, tmp_path / "one")
    assert "jobs" not in service.asked
    queue, bits = ask(service, tmp_path / "two")
    assert "jobs" not in service.asked
    assert (service.billed, queue.spent) == (2 * SHOTS, SHOTS)
    assert not np.array_equal(bits, undisturbed())


def test_forgotten_bits_are_fetched_again(tmp_path: Path) -> None:
    service = Service()
    _, expected = ask(service, tmp_path)
    Journal(tmp_path).forget()
    queue, bits = ask(service, tmp_path)
    assert np.array_equal(bits, expected)
    assert service.billed == queue.spent == SHOTS


def test_an_id_that_the_service_does_not_know_is_not_sent_again(tmp_path: Path) -> None:
    """Another account, say: the job runs, and is billed, elsewhere."""
    service, other = Deadly("result", 1), Service()
    with pytest.raises(Killed):
        ask(service, tmp_path)
    with pytest.raises(DeviceError, match="2 times: Away: Job not found: job 1; it may still run"):
        ask(other, tmp_path, budget=None)
    assert (other.kept, Journal(tmp_path).spent) == ([], sum(SIZES[:2]))
    queue, bits = ask(service, tmp_path)
    assert np.array_equal(bits, undisturbed())
    assert service.billed == queue.spent == SHOTS


@pytest.mark.parametrize("state", ["ERROR", "CANCELLED"])
def test_a_job_that_failed_meanwhile_is_over_and_paid(tmp_path: Path, state: str) -> None:
    service = Deadly("result", 0)
    with pytest.raises(Killed):
        ask(service, tmp_path)
    service.kept[0].state = state
    with pytest.raises(BudgetError, match="must allow 2048 more shots"):
        ask(service, tmp_path)  # the job once more, and none is left for the others
    assert service.billed == 2 * 2048
    (failed,) = [line["failed"] for line in lines(tmp_path) if "failed" in line]
    assert f"job job 0 with an answer, but the service says {state}" in failed
    queue, _ = ask(service, tmp_path, budget=2048 + SHOTS)
    assert service.billed == queue.spent == 2048 + SHOTS
    assert tickets(tmp_path) == ["job 0", "job 1", "job 2", "job 3"]
    again, _ = ask(service, tmp_path, budget=2048 + SHOTS)
    assert (again.spent, len(service.kept)) == (2048 + SHOTS, 4)


def test_states_may_be_those_of_qiskit(tmp_path: Path) -> None:
    from qiskit.providers import JobStatus

    service = Service([("result", Away("no line"))])
    device = device_at(service)
    ticket = device.submit("a", TEMPLATE, ROWS, 5, 1)
    service.kept[0].state = JobStatus.ERROR
    with pytest.raises(DeviceError, match="but the service says ERROR: Away: no line"):
        device.attach(ticket, TEMPLATE, ROWS, 5, 1)


@pytest.mark.parametrize("error", [ValueError("no JSON"), KeyError("results")])
def test_an_answer_that_the_client_cannot_read_is_asked_for_in_a_new_job(
    tmp_path: Path, error: Exception
) -> None:
    service = Service([("result", error)])
    queue = Queue(device_at(service), pause=0, journal=tmp_path)
    queue.run(TEMPLATE, ROWS, 20, key=(1,))
    assert (queue.spent, service.billed, tickets(tmp_path)) == (40, 40, ["job 0", "job 1"])


@pytest.mark.parametrize("answer", [None, []])
def test_an_empty_answer_is_asked_for_in_a_new_job(tmp_path: Path, answer: object) -> None:
    class Forgetful(Service):
        def stumble(self, where: str) -> None:
            if where == "after" and len(self.kept) == 1:
                self.kept[0].answer = answer

    service = Forgetful()
    queue = Queue(device_at(service), pause=0, journal=tmp_path)
    queue.run(TEMPLATE, ROWS, 20, key=(1,))
    assert (queue.spent, service.billed, tickets(tmp_path)) == (40, 40, ["job 0", "job 1"])


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("where", ["before", "after", "job", "result"])
def test_a_lost_line_sends_nothing_twice(tmp_path: Path, where: str, kept: bool) -> None:
    """Nor where nobody keeps a journal: then within the process."""
    service, folder = Service([(where, Away("no line"))]), tmp_path if kept else None
    service.faults += [("status", Away("no line"))] * (where == "result")
    queue, bits = ask(service, folder)
    assert service.faults == []
    assert np.array_equal(bits, undisturbed())
    assert service.billed == queue.spent == SHOTS
    assert (queue.jobs, len(service.kept)) == (3, 3)


@pytest.mark.parametrize("kept", [False, True])
def test_a_silent_job_is_awaited_by_the_next_request(tmp_path: Path, kept: bool) -> None:
    service = Service([("job", Away("no line"))] * 2)
    device = device_at(service)
    queue = Queue(device, budget=20, tries=1, pause=0, journal=tmp_path if kept else None)
    for _ in range(2):
        with pytest.raises(DeviceError, match="1 times: Away: no line; it may still run, so it"):
            queue.run(TEMPLATE, ROWS, 20, key=(1,))
    queue.run(TEMPLATE, ROWS, 20, key=(1,))
    assert (queue.spent, queue.jobs, service.billed) == (20, 1, 20)


def test_it_is_the_last_try_that_is_looked_for() -> None:
    """The first job is over, the second one went out as the line broke."""
    service = Service([("result", ValueError("no JSON")), ("after", Away("no line"))])
    device = device_at(service)
    queue = Queue(device, budget=40, tries=2, pause=0)
    with pytest.raises(DeviceError, match="2 times: Away: no line; it may"):
        queue.run(TEMPLATE, ROWS, 20, key=(1,))
    bits = queue.run(TEMPLATE, ROWS, 20, key=(1,))
    assert np.array_equal(bits, device.attach("job 1", TEMPLATE, ROWS, 20, 0))
    assert (queue.spent, queue.jobs, service.billed) == (40, 2, 40)


@pytest.mark.parametrize("ident", [7, None, ""])
def test_ids_are_text(tmp_path: Path, ident: Any) -> None:
    """Such a job could not be found again, and sending more of them would help nobody."""
    service = Service()
    queue = Queue(device_at(service, ident=ident), pause=0, journal=tmp_path)
    for _ in range(2):
        with pytest.raises(TypeError, match=f"must know jobs by text, .* is {ident!r}"):
            queue.run(TEMPLATE, ROWS, 20, key=(1,))
    assert (len(service.kept), queue.spent, tickets(tmp_path)) == (1, 20, [])
    assert service.asked.count("jobs") == 1  # the second time it was found, and refused


def test_a_journal_with_tickets_that_are_no_text_is_damaged(tmp_path: Path) -> None:
    service = Service()
    ask(service, tmp_path)
    path = tmp_path / "journal.jsonl"
    path.write_text(path.read_text().replace('"job 1"', "1"))
    with pytest.raises(JournalError, match=r"Line 4 of .*must be an event of a job, but is dam"):
        Journal(tmp_path)


def test_without_a_service_nothing_is_found_and_replays_are_counted(tmp_path: Path) -> None:
    service = Deadly("result", 1)
    with pytest.raises(Killed):
        ask(service, tmp_path)
    service.faults.clear()
    device = QiskitDevice(Sampler(service))
    assert (device.gives_tickets, device.find("job 1")) == (False, None)
    assert device.submit("a", TEMPLATE, ROWS, 20, 1) is None
    with pytest.raises(DeviceError, match="must have a service to find the job job 1, but has"):
        device.attach("job 1", TEMPLATE, ROWS, 20, 1)
    with pytest.raises(BudgetError, match="must allow 2057 more shots"):
        Queue(device, budget=SHOTS, journal=tmp_path).run(TEMPLATE, ROWS, SHOTS, key=(1,))
    queue = Queue(device, budget=SHOTS + 2048, journal=tmp_path)
    queue.run(TEMPLATE, ROWS, SHOTS, key=(1,))
    assert service.billed == queue.spent == SHOTS + 2048


def test_a_service_finds_jobs_and_comes_with_a_sampler_that_tags_them() -> None:
    service = Service()
    for lacking, names in (
        (SimpleNamespace(job=service.job), r"\['jobs'\]"),
        (object(), r"\['job', 'jobs'\]"),
    ):
        with pytest.raises(TypeError, match=f"`service` must find jobs .*has no {names}"):
            QiskitDevice(Sampler(service), service=lacking)
    for untagged in (SamplerV2(), lambda seed: SamplerV2(seed=seed)):
        with pytest.raises(TypeError, match="`service` must come with a sampler that has `options"):
            QiskitDevice(untagged, service=service)


def test_tags_of_jobs_that_are_sent_at_once_are_not_mixed_up() -> None:
    service = Service()

    class Slow(Sampler):
        def run(self, pubs: list[Any], *, shots: int) -> Kept:
            time.sleep(0.05)  # the tags are read after a while
            return super().run(pubs, shots=shots)

    sampler = Slow(service)
    backend = GenericBackendV2(3, ["sx", "x", "rz", "cx", "reset"], noise_info=False, seed=1)
    one = QiskitDevice(sampler, service=service, backend=backend)
    other = one.pinned((2, 1))
    assert (one.gives_tickets, other.gives_tickets) == (True, True)
    for device in (one, other):
        device.prepare(TEMPLATE)
    senders = [
        threading.Thread(target=device.submit, args=(tag, TEMPLATE, ROWS, 5, 1))
        for device, tag in ((one, "a"), (other, "b"), (one, "c"))
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert sorted(tag for job in service.kept for tag in job.tags) == ["a", "b", "c", *["mine"] * 3]
    assert sampler.options.environment.job_tags == ["mine"]


@pytest.mark.parametrize("moment", ["before", "after", "result"])
def test_a_training_run_that_was_killed_goes_on_and_is_billed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    services = {"whole": Service(), "killed": Deadly(moment, 2)}
    summaries = {}
    for name, service in services.items():
        monkeypatch.setattr(DeviceSection, "build", lambda self, at=service: device_at(at))
        config, folder = on_device(budget=STEPS * COST), tmp_path / name  # not one shot to spare
        if name == "killed":
            with pytest.raises(jax.errors.JaxRuntimeError, match="Killed"):
                train(config, folder)
            assert len(service.kept) == 2 + (moment != "before")
        summaries[name] = train(config, folder, resume=name == "killed")
        assert service.billed == summaries[name]["device"]["spent"] == STEPS * COST
    one, other = (tmp_path / name for name in services)
    assert (one / "metrics.jsonl").read_bytes() == (other / "metrics.jsonl").read_bytes()
    assert newest(one)["sha256"] == newest(other)["sha256"]
    assert summaries["killed"]["device"] == summaries["whole"]["device"]
