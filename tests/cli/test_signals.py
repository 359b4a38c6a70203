"""Real processes, really killed: nothing is lost and no bit changes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from qrnn_jax.cli.signals import Signals
from tests.training.tiny_run import newest, write_settings

STEPS = 3000  # one to two seconds, with a checkpoint after each compiled call
LONG = 120  # seconds that no process of these tests takes


def start(settings: str, out: Path, *arguments: str) -> subprocess.Popen:
    """`qrnn-jax train` in a process of its own; all of them share a cache of compiled programs."""
    command = [sys.executable, "-m", "qrnn_jax", "train", settings, "--out", str(out)]
    command += ["--steps", str(STEPS), *arguments]
    cache = {
        "JAX_COMPILATION_CACHE_DIR": str(Path(settings).parent / "cache"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **cache},
    )


def wait_for(process: subprocess.Popen, path: Path, size: int = 1) -> None:
    """Wait until a file of the running process has some size."""
    deadline = time.monotonic() + LONG
    while not path.exists() or path.stat().st_size < size:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_settings(tmp_path_factory.mktemp("settings"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, settings: str) -> Path:
    """The folder of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    process = start(settings, folder)
    _, errors = process.communicate(timeout=LONG)
    assert process.returncode == 0, errors
    return folder


def assert_same(folder: Path, whole: Path) -> None:
    assert newest(folder)["step"] == STEPS
    assert newest(folder)["sha256"] == newest(whole)["sha256"]
    assert (folder / "metrics.jsonl").read_bytes() == (whole / "metrics.jsonl").read_bytes()
    assert (folder / "summary.json").exists()


def test_killed_three_times_and_resumed(settings: str, whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    metrics = whole.joinpath("metrics.jsonl").stat().st_size
    moments = [("config.json", 1), ("metrics.jsonl", metrics // 5), ("metrics.jsonl", metrics // 2)]
    for name, size in moments:
        process = start(settings, folder, "--resume")
        wait_for(process, folder / name, size)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert not (folder / "summary.json").exists()
    assert 0 < newest(folder)["step"] < STEPS
    process = start(settings, folder, "--resume")
    _, errors = process.communicate(timeout=LONG)
    assert process.returncode == 0, errors
    assert_same(folder, whole)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_asked_to_stop_and_resumed(
    settings: str, whole: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    folder = tmp_path / "run"
    process = start(settings, folder)
    wait_for(process, folder / "metrics.jsonl")
    process.send_signal(number)
    clock = time.monotonic()
    _, errors = process.communicate(timeout=LONG)
    assert time.monotonic() - clock < 10  # two seconds on an idle machine
    assert process.returncode == code
    assert "Traceback" not in errors
    lines = errors.splitlines()
    assert "Stopping after a checkpoint; once more to stop at once." in lines
    step = newest(folder)["step"]
    assert 0 < step < STEPS
    assert lines[-1].startswith(f"Stopped at step {step} of {STEPS}; ")
    assert lines[-1].endswith(f"Try: qrnn-jax train --out {folder} --resume")
    process = start(settings, folder, "--resume")
    _, errors = process.communicate(timeout=LONG)
    assert process.returncode == 0, errors
    assert_same(folder, whole)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_the_second_signal_ends_the_process_at_once(number: signal.Signals, code: int) -> None:
    program = (
        "import sys, time\n"
        "from qrnn_jax.cli.signals import Signals\n"
        "with Signals() as signals:\n"
        "    print('ready', flush=True)\n"
        "    while True:  # as if a save never ended\n"
        "        if signals.received: print('first', flush=True); time.sleep(60)\n"
        "        time.sleep(0.01)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.stdout.readline() == "first\n"
    clock = time.monotonic()
    process.send_signal(number)
    assert process.wait(timeout=LONG) == code
    assert time.monotonic() - clock < 3  # half a second on an idle machine
    process.stdout.close()


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with Signals() as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.received == signal.SIGTERM
        assert signals.exit_code == 75
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
