"""Run folders: one writer at a time, and a clear refusal before any work is done."""

import json
import os
import signal
import subprocess
import sys

import pytest

from qrnn_jax import training

HOLD = """
import fcntl, os, sys, time
lock = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(lock, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(60)
"""


def test_it_is_made_with_its_parents_and_left_clean(tmp_path):
    with training.RunFolder(tmp_path / "a" / "b") as folder:
        assert folder.checkpoints.is_dir()
        folder.write_json("summary.json", {"loss": float("nan"), "steps": 3})
        assert json.loads(folder.summary.read_text()) == {"loss": None, "steps": 3}
        assert folder.config == tmp_path / "a" / "b" / "config.json"
        assert folder.metrics.name == "metrics.jsonl"
    assert {path.name for path in folder.path.iterdir()} == {".lock", "checkpoints", "summary.json"}


def test_a_second_run_is_refused_until_the_first_ends(tmp_path):
    with training.RunFolder(tmp_path):
        message = r"must be free, but another run is writing it; try another `--out`"
        with pytest.raises(training.RunFolderError, match=message), training.RunFolder(tmp_path):
            pass
        with training.RunFolder(tmp_path / "other"):
            pass
    with training.RunFolder(tmp_path):
        pass


def test_an_error_inside_releases_the_folder(tmp_path):
    with pytest.raises(ZeroDivisionError), training.RunFolder(tmp_path):
        _ = 1 / 0
    with training.RunFolder(tmp_path):
        pass


def test_a_killed_run_leaves_no_lock(tmp_path):
    command = [sys.executable, "-S", "-c", HOLD, str(tmp_path / ".lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(training.RunFolderError, match="another run"):
            training.RunFolder(tmp_path).__enter__()
        other.send_signal(signal.SIGKILL)
        other.wait()
        with training.RunFolder(tmp_path):
            pass


def test_a_path_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    message = r"Output folder .*file/run must be writable, but Not a directory; try another `--out`"
    with pytest.raises(training.RunFolderError, match=message):
        training.RunFolder(tmp_path / "file" / "run").__enter__()
    with pytest.raises(training.RunFolderError, match="must be writable, but"):
        training.RunFolder(tmp_path / "file").__enter__()


def test_a_full_disk_is_refused_at_once(tmp_path, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(training.RunFolderError, match="must be writable, but No space left"):
        training.RunFolder(tmp_path).__enter__()


def test_strange_names_work(tmp_path):
    path = tmp_path / "with space" / os.fsdecode(b"caf\xe9 \xff")  # not UTF-8
    with training.RunFolder(path) as folder:
        folder.write_json("config.json", {"a": 1})
        training.append_metrics(folder.metrics, [{"step": 1}])
        training.save_checkpoint(folder.checkpoints, 1, {})
    assert json.loads(folder.config.read_text()) == {"a": 1}
    assert training.read_metrics(folder.metrics) == [{"step": 1}]
    assert training.load_checkpoint(folder.checkpoints, {}).step == 1
