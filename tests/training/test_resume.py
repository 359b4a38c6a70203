"""Stopping and going on: the same bits as not stopping; other runs and broken files are refused."""

import json
from pathlib import Path

import pytest

from qrnn_jax import training
from qrnn_jax.training.complaints import ConfigError
from qrnn_jax.training.recorder import Interrupted, Silent
from qrnn_jax.training.resume import starting_point
from qrnn_jax.training.train import train
from tests.training.tiny_run import SUNSPOTS, contents, newest, tiny

BATCHES = (*SUNSPOTS, "training.batch=41", "training.select=validation")


class StopAt(Silent):
    """Asks to stop after the compiled call that reaches a step, or after a stage."""

    def __init__(self, step: int = 10**9, stage: str = "") -> None:
        self.step, self.before = step, stage
        self.first = self.reached = 0
        self.stages: list[str] = []

    def stage(self, text):
        self.stages.append(text)

    def advance(self, step, loss, validation_loss, left_s):
        self.first = self.first or step
        self.reached = step

    def stopping(self):
        stage = self.stages[-1] if self.stages else None
        return self.reached >= self.step or stage == self.before


def stop(config, folder: Path, step: int, *, resume: bool = False) -> int:
    """Run until some step after `step`; the step of the checkpoint that is left."""
    reporter, done = StopAt(step), newest(folder)["step"] if resume else 0
    with pytest.raises(Interrupted, match=r"Stopped at step \d+ of \d+; .* is resumable"):
        train(config, folder, resume=resume, reporter=reporter)
    assert reporter.first == done + 1  # the first compiled call is one step
    assert not (folder / "summary.json").exists()
    return newest(folder)["step"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory):
    """An uninterrupted run: (config, folder, summary)."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    config = tiny(*BATCHES)
    return config, folder, train(config, folder)


def test_two_interruptions_change_no_bit(whole, tmp_path: Path) -> None:
    config, reference, expected = whole
    folder = tmp_path / "run"
    first = stop(tiny(*BATCHES, "output.checkpoint_seconds=1000"), folder, 2)
    second = stop(config, folder, 15, resume=True)
    assert 2 < first < second < 40
    summary = train(config, folder, resume=True)
    assert newest(folder)["sha256"] == newest(reference)["sha256"]
    assert (folder / "metrics.jsonl").read_bytes() == (reference / "metrics.jsonl").read_bytes()
    for name in ("selected", "loss_initial", "loss_final", "test_mse", "free_running"):
        assert summary[name] == expected[name]


def test_metrics_after_the_checkpoint_are_dropped(whole, tmp_path: Path) -> None:
    config, reference, _ = whole
    folder = tmp_path / "run"
    step = stop(config, folder, 9)
    with open(folder / "metrics.jsonl", "a") as file:  # as after a crash between two checkpoints
        file.write(f'{{"step": {step + 1}, "loss": 0.5}}\n{{"st')
    train(config, folder, resume=True)
    assert (folder / "metrics.jsonl").read_bytes() == (reference / "metrics.jsonl").read_bytes()


def test_a_stop_after_training_loses_nothing(whole, tmp_path: Path) -> None:
    config, _, expected = whole
    reporter = StopAt(stage="testing")
    with pytest.raises(Interrupted, match="Stopped before comparing"):
        train(tiny(*BATCHES, "output.checkpoint_seconds=1000"), tmp_path / "run", reporter=reporter)
    assert reporter.stages == ["compiling", "testing"]
    assert newest(tmp_path / "run")["step"] == 40
    summary = train(config, tmp_path / "run", resume=True)
    assert summary["test_mse"] == expected["test_mse"]
    assert summary["train_s"] > 0  # of the session that trained


def test_seconds_of_training_add_up(whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def an_hour_later(*arguments, **options):
        return starting_point(*arguments, **options)[0], 3600.0

    monkeypatch.setattr("qrnn_jax.training.train.starting_point", an_hour_later)
    assert 3600 < train(whole[0], tmp_path / "run")["train_s"] < 4600
    assert newest(tmp_path / "run")["notes"]["train_s"] > 3600


def test_more_steps_are_the_same_as_more_steps_at_once(whole, tmp_path: Path) -> None:
    config, reference, _ = whole
    folder = tmp_path / "run"
    train(tiny(*BATCHES, "training.steps=25"), folder)
    assert stop(config, folder, 27, resume=True) > 25
    train(config, folder, resume=True)
    assert newest(folder)["sha256"] == newest(reference)["sha256"]
    assert json.loads((folder / "config.json").read_text())["training"]["steps"] == 40


def test_an_empty_folder_starts_and_a_finished_one_is_tested_again(whole, tmp_path: Path) -> None:
    config, reference, expected = whole
    folder = tmp_path / "run"
    train(config, folder, resume=True)
    assert newest(folder)["sha256"] == newest(reference)["sha256"]
    again = train(config, folder, resume=True)
    assert again["test_mse"] == expected["test_mse"]
    assert newest(folder)["sha256"] == newest(reference)["sha256"]


def test_a_run_is_not_overwritten(whole) -> None:
    config, folder, _ = whole
    before = contents(folder)
    with pytest.raises(training.RunFolderError, match=r"holds a run; try `--resume`"):
        train(config, folder)
    assert contents(folder) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            "training.seed=1",
            r"`training.seed` must be 0 as in .*config.json, but is 1; try another",
        ),
        ("optimizer.learning_rate=0.1", r"`optimizer.learning_rate` must be 0.05 as in"),
        ("training.batch=0", r"`training.batch` must be 41 as in"),
        ("task.limit=0.7", r"`task.limit` must be 0.6 as in"),
        ("training.steps=39", r"`training.steps` must be at least the 40 that .* has done, but is"),
    ],
)
def test_other_settings_are_refused(whole, change: str, message: str) -> None:
    _, folder, _ = whole
    before = contents(folder)
    with pytest.raises(ConfigError, match=message):
        train(tiny(*BATCHES, change), folder, resume=True)
    assert contents(folder) == before


def test_another_model_is_refused_by_its_leaves(whole) -> None:
    _, folder, _ = whole
    before = contents(folder)
    leaf = r"params\['angles'\]: expected float64\[2, 2, 3\], found float64\[1, 2, 3\]"
    with pytest.raises(training.CheckpointMismatch, match=leaf):
        train(tiny(*BATCHES, "cell.depth=2"), folder, resume=True)
    with pytest.raises(training.CheckpointMismatch, match="expected float32"):
        train(tiny(*BATCHES, "training.precision=float32"), folder, resume=True)
    assert contents(folder) == before


def test_a_corrupt_checkpoint_is_passed_over(whole, tmp_path: Path) -> None:
    config, reference, _ = whole
    folder = tmp_path / "run"
    stop(config, folder, 12)
    damage(sorted((folder / "checkpoints").glob("*.npz"))[-1])
    with pytest.warns(UserWarning, match=r"Skipped a corrupt checkpoint, .*; using "):
        train(config, folder, resume=True)
    assert newest(folder)["sha256"] == newest(reference)["sha256"]
    assert (folder / "metrics.jsonl").read_bytes() == (reference / "metrics.jsonl").read_bytes()


def test_a_full_disk_names_the_file_and_the_run_can_go_on(
    whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, reference, _ = whole
    folder = tmp_path / "run"
    step = stop(config, folder, 9)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("qrnn_jax.training.recorder.append_metrics", full)
        with pytest.raises(OSError, match=r"metrics.jsonl must be writable, but No space left"):
            train(config, folder, resume=True)
    assert newest(folder)["step"] == step
    train(config, folder, resume=True)
    assert newest(folder)["sha256"] == newest(reference)["sha256"]


def test_only_corrupt_checkpoints_end_it_and_nothing_is_changed(whole, tmp_path: Path) -> None:
    config, _, _ = whole
    folder = tmp_path / "run"
    stop(config, folder, 12)
    for path in (folder / "checkpoints").glob("*.npz"):
        damage(path)
    before = contents(folder)
    with pytest.raises(training.CheckpointError, match="nothing was changed") as raised:
        train(config, folder, resume=True)
    assert str(raised.value).count("SHA-256") == len(list((folder / "checkpoints").glob("*.npz")))
    assert contents(folder) == before


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
