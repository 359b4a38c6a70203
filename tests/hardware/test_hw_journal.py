"""A queue whose process dies: jobs known by their ids, paid once, never lost."""

import gc
import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from qrnn_jax.hardware import BudgetError, DeviceError, Journal, JournalError, Queue
from tests.hardware.test_hw_queue import ROWS, TEMPLATE, Fake, fake

COST = 3 * 30  # rows x shots of one request, in jobs of 10 shots


class Killed(BaseException):
    """The end of a process: nothing catches it."""


def ask(device: Fake, folder: Path, *, budget: int | None = None, key: int = 1, tries: int = 4):
    """One request in a process of its own: (queue, bits)."""
    queue = Queue(device, budget=budget, pause=0, tries=tries, journal=Journal(folder))
    return queue, queue.run(TEMPLATE, ROWS / 2, 30, key=(key,))


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]


def test_a_job_is_written_down_before_it_is_submitted(tmp_path: Path) -> None:
    seen = []

    def look(bits: np.ndarray) -> np.ndarray:
        seen.append(lines(tmp_path))
        return bits

    device = fake(look, look, look, max_shots=10)
    ask(device, tmp_path)
    assert [len(found) for found in seen] == [1, 2, 3]
    for found, (rows, shots, seed) in zip(seen, device.calls, strict=True):
        assert found[-1].keys() == {"job", "seed", "rows", "shots"}
        assert (found[-1]["rows"], found[-1]["shots"], found[-1]["seed"]) == (rows, shots, seed)
    assert len({line["job"] for line in seen[-1]}) == 3


@pytest.mark.parametrize("moment", [0, 1, 2])
def test_killed_in_the_middle_of_a_job_and_started_again(tmp_path: Path, moment: int) -> None:
    """The same bits, the same shots billed as without the accident, in the same jobs."""
    _, expected = ask(fake(max_shots=10), tmp_path / "whole", budget=COST)

    def killed(bits: np.ndarray) -> np.ndarray:
        raise Killed

    with pytest.raises(Killed):
        ask(fake(*[None] * moment, killed, max_shots=10), tmp_path / "run", budget=COST)
    assert Journal(tmp_path / "run").spent == 30 * (moment + 1)
    device = fake(max_shots=10)
    queue, bits = ask(device, tmp_path / "run", budget=COST)  # not one shot to spare
    assert np.array_equal(bits, expected)
    assert (queue.spent, queue.left, queue.jobs) == (COST, 0, 3)
    assert len(device.calls) == 3 - moment  # what was finished is read, not played
    assert lines(tmp_path / "run") == lines(tmp_path / "whole")


def test_a_third_process_plays_nothing(tmp_path: Path) -> None:
    _, expected = ask(fake(), tmp_path)
    device = fake()
    queue, bits = ask(device, tmp_path)
    assert (device.calls, queue.spent, queue.jobs) == ([], COST, 1)
    assert np.array_equal(bits, expected)


def test_forgotten_bits_are_played_again_but_not_paid_again(tmp_path: Path) -> None:
    _, expected = ask(fake(max_shots=10), tmp_path)
    assert len(list(tmp_path.glob("*.npz"))) == 3
    Journal(tmp_path).forget()
    assert list(tmp_path.glob("*.npz")) == []
    queue, bits = ask(fake(max_shots=10), tmp_path, budget=COST)
    assert np.array_equal(bits, expected)
    assert queue.spent == COST


def test_another_request_is_paid(tmp_path: Path) -> None:
    ask(fake(), tmp_path)
    queue, _ = ask(fake(), tmp_path, key=2)
    assert queue.spent == 2 * COST
    with pytest.raises(BudgetError, match="must allow 90 more shots"):
        ask(fake(), tmp_path, key=3, budget=2 * COST + 89)
    assert Journal(tmp_path).spent == 2 * COST


def test_tries_that_failed_are_over_and_paid(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="failed 2 times: OSError: no line"):
        ask(fake(*[OSError("no line")] * 2), tmp_path, tries=2)
    assert Journal(tmp_path).spent == 2 * COST
    device = fake()
    queue, _ = ask(device, tmp_path, tries=2)
    assert queue.spent == 3 * COST
    seeds = [line["seed"] for line in lines(tmp_path) if "seed" in line]
    assert len(set(seeds)) == 3
    assert device.calls[0][2] == seeds[-1]


def test_a_torn_line_was_never_acted_upon(tmp_path: Path) -> None:
    ask(fake(), tmp_path)
    with open(tmp_path / "journal.jsonl", "a") as file:
        file.write('{"job": "abc-0-0", "se')
    assert Journal(tmp_path).spent == COST
    ask(fake(), tmp_path, key=2)
    assert Journal(tmp_path).spent == 2 * COST  # the next line begins on a line of its own


def test_a_damaged_journal_is_refused_because_what_was_paid_is_unknown(tmp_path: Path) -> None:
    ask(fake(), tmp_path)
    text = (tmp_path / "journal.jsonl").read_text()
    (tmp_path / "journal.jsonl").write_text(text.replace('"rows"', "rows") + text)
    with pytest.raises(JournalError, match=r"Line 1 of .*journal\.jsonl must be .*copy"):
        Journal(tmp_path)


def test_damaged_bits_are_noticed_and_played_again(tmp_path: Path) -> None:
    _, expected = ask(fake(), tmp_path)
    (path,) = tmp_path.glob("*.npz")
    content, noticed = path.read_bytes(), 0
    for place in range(0, len(content), 9):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            bits = Journal(tmp_path).result(path.stem)
        noticed += len(caught)
        assert np.array_equal(bits, expected) if bits is not None else caught
    assert noticed > 50  # the others hit what a reader of archives ignores
    path.write_bytes(content[:-40])
    device = fake()
    with pytest.warns(UserWarning, match="Skipped a damaged result"):
        queue, bits = ask(device, tmp_path)
    assert np.array_equal(bits, expected)
    assert (len(device.calls), queue.spent) == (1, COST)


def test_bits_of_another_job_are_noticed(tmp_path: Path) -> None:
    ask(fake(max_shots=10), tmp_path)
    first, second, _ = sorted(tmp_path.glob("*.npz"))
    second.write_bytes(first.read_bytes())
    journal = Journal(tmp_path)
    assert journal.result(first.stem) is not None
    with pytest.warns(UserWarning, match="its SHA-256 does not fit"):
        assert journal.result(second.stem) is None


def test_a_folder_that_cannot_be_written_submits_nothing(tmp_path: Path) -> None:
    device = fake()
    journal = Journal(tmp_path)
    (tmp_path / "journal.jsonl").mkdir()
    with pytest.raises(JournalError, match="journal of jobs"):
        Queue(device, journal=journal, pause=0).run(TEMPLATE, ROWS, 10, key=(1,))
    assert device.calls == []
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match="journal of jobs"):
        Journal(tmp_path / "file" / "folder")


class Remote(Fake):
    """Gives tickets, and keeps what was sent beyond the life of the process that sent it."""

    gives_tickets = True

    def submit(self, job, template, rows, shots, seed):  # type: ignore[no-untyped-def]
        fault = self.faults.pop(0) if self.faults else None
        if fault == "before":
            raise Killed
        self.calls.append(job)
        if fault == "after":
            raise Killed
        return f"ticket of {len(self.calls) - 1}"

    def find(self, job):  # type: ignore[no-untyped-def]
        return f"ticket of {self.calls.index(job)}" if job in self.calls else None

    def attach(self, ticket, template, rows, shots, seed):  # type: ignore[no-untyped-def]
        fault = self.faults.pop(0) if self.faults else None
        if fault == "waiting":
            raise Killed
        if isinstance(fault, Exception):
            raise fault
        assert ticket == f"ticket of {len(self.calls) - 1}"
        return fake().run(template, rows, shots, seed)


@pytest.mark.parametrize("moment", ["before", "after", "waiting"])
def test_a_remote_job_is_sent_once(tmp_path: Path, moment: str) -> None:
    limits = fake().limits
    faults = ["", "waiting"] if moment == "waiting" else [moment]
    device = Remote(limits, faults, replays_free=False)
    with pytest.raises(Killed):
        ask(device, tmp_path)
    sent = list(device.calls)
    assert len(sent) == (0 if moment == "before" else 1)
    again = Remote(limits, [], sent, replays_free=False)
    queue, _ = ask(again, tmp_path)
    assert len(again.calls) == 1  # found by its id: nothing was sent twice
    assert queue.spent == COST
    tickets = [line["ticket"] for line in lines(tmp_path) if "ticket" in line]
    assert tickets == ["ticket of 0"]


@pytest.mark.parametrize("moment", [0, 1, 2])
def test_a_sampler_bills_a_replay_again_and_so_does_the_queue(tmp_path: Path, moment: int) -> None:
    """No ticket, no simulator: what was under way is played, and counted, once more."""

    def killed(bits: np.ndarray) -> np.ndarray:
        raise Killed

    with pytest.raises(Killed):
        ask(sampler(*[None] * moment, killed), tmp_path)
    device = sampler()
    with pytest.raises(BudgetError, match=r"must allow .* more shots"):
        ask(device, tmp_path, budget=COST + 29)
    assert device.calls == []  # checked first
    queue, _ = ask(device, tmp_path, budget=COST + 30)
    assert (queue.spent, queue.jobs, len(device.calls)) == (COST + 30, 4, 3 - moment)
    assert (Journal(tmp_path).spent, Journal(tmp_path).jobs) == (COST + 30, 4)


def sampler(*faults: object) -> Fake:
    device = fake(*faults, max_shots=10)
    device.replays_free = False
    return device


@pytest.mark.parametrize("how", ["forgotten", "damaged"])
def test_lost_bits_of_a_sampler_are_paid_again(tmp_path: Path, how: str) -> None:
    ask(sampler(), tmp_path)
    if how == "forgotten":
        Journal(tmp_path).forget()
        with pytest.raises(BudgetError, match=f"must allow {COST} more shots"):
            ask(sampler(), tmp_path, budget=2 * COST - 1)
        queue, _ = ask(sampler(), tmp_path, budget=2 * COST)
        assert queue.spent == 2 * COST
        return
    damaged, *_ = sorted(tmp_path.glob("*.npz"))
    damaged.write_bytes(damaged.read_bytes()[:-40])
    device = sampler()
    with pytest.warns(UserWarning, match="Skipped a damaged"), pytest.raises(BudgetError):
        ask(device, tmp_path, budget=COST + 29)
    assert device.calls == []
    with pytest.warns(UserWarning, match="Skipped a damaged"):
        queue, _ = ask(device, tmp_path, budget=COST + 30)
    assert (queue.spent, len(device.calls)) == (COST + 30, 1)


def test_a_ticket_makes_a_replay_free(tmp_path: Path) -> None:
    device = Remote(fake().limits, replays_free=False)
    ask(device, tmp_path)
    Journal(tmp_path).forget()
    queue, _ = ask(device, tmp_path, budget=COST)
    assert (queue.spent, len(device.calls)) == (COST, 1)


@pytest.mark.parametrize(("error", "jobs"), [(OSError("no line"), 1), (DeviceError("over"), 2)])
def test_only_a_job_that_is_over_is_sent_again(tmp_path: Path, error: Exception, jobs: int) -> None:
    device = Remote(fake().limits, ["", error], replays_free=False)
    queue, _ = ask(device, tmp_path)
    assert (queue.jobs, queue.spent, len(device.calls)) == (jobs, jobs * COST, jobs)
    assert len([line for line in lines(tmp_path) if "failed" in line]) == jobs - 1


@pytest.mark.parametrize("ticket", [7, "", b"bytes"])
def test_tickets_are_text(tmp_path: Path, ticket: object) -> None:
    device = Remote(fake().limits, replays_free=False)
    device.submit = lambda job, *given: ticket  # type: ignore[method-assign, assignment]
    with pytest.raises(TypeError, match="A device must give tickets that are text, but gave"):
        ask(device, tmp_path)
    assert Journal(tmp_path).ticket(lines(tmp_path)[0]["job"]) is None


def test_queues_on_one_journal_share_its_budget(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    one = Queue(fake(), budget=2 * COST, journal=journal)
    two = Queue(fake(), budget=2 * COST, journal=journal)
    three = Queue(fake(), budget=2 * COST, journal=Journal(tmp_path))
    for queue, key in ((one, 1), (two, 2)):
        queue.run(TEMPLATE, ROWS, 30, key=(key,))
    assert [(queue.spent, queue.left, queue.jobs) for queue in (one, two, three)] == [
        (2 * COST, 0, 2)
    ] * 3
    for queue in (one, two, three):
        with pytest.raises(BudgetError, match="only 0 are left"):
            queue.run(TEMPLATE, ROWS[:1], 1, key=(3,))


def test_a_folder_belongs_to_one_process(tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl", reason="needs a system with file locks")
    flags = fcntl.LOCK_EX | fcntl.LOCK_NB
    Journal(tmp_path)
    gc.collect()
    with open(tmp_path / ".lock") as other:
        fcntl.flock(other, flags)  # as another process does
        with pytest.raises(JournalError, match="must be free, but another process is using it"):
            Journal(tmp_path)
        fcntl.flock(other, fcntl.LOCK_UN)
        first, second = Journal(tmp_path), Journal(tmp_path)
        del first
        gc.collect()
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, flags)
        del second
        gc.collect()
        fcntl.flock(other, flags)  # free


def test_a_journal_that_got_damaged_leaves_a_running_queue_alone(tmp_path: Path) -> None:
    queue, _ = ask(fake(), tmp_path)
    path = tmp_path / "journal.jsonl"
    path.write_text("no event\n" + path.read_text())
    with pytest.raises(
        JournalError, match=r"Line 1 of .*but is damaged, .*start in a new folder: shots"
    ):
        Journal(tmp_path)
    assert queue.spent == COST


def test_a_folder_will_do_for_a_journal(tmp_path: Path) -> None:
    for folder in (tmp_path / "jobs", str(tmp_path / "jobs")):
        queue = Queue(fake(), journal=folder)
        queue.run(TEMPLATE, ROWS, 30, key=(1,))
        assert queue.spent == Journal(folder).spent == COST
    with pytest.raises(TypeError, match="Argument `journal` must be a journal or its folder"):
        Queue(fake(), journal=7)  # type: ignore[arg-type]
