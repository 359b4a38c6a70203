"""Training on a device: what it costs, where it stops, and that no accident costs a shot."""

import json
import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import qrnn_jax as qj
from qrnn_jax import tasks, training
from qrnn_jax.cli import main
from qrnn_jax.training.complaints import ConfigError
from qrnn_jax.training.config import make_config, read_settings
from qrnn_jax.training.device_fit import fit_on_device, measured_loss
from qrnn_jax.training.device_section import DeviceSection
from qrnn_jax.training.experiment import prepare
from qrnn_jax.training.recorder import Interrupted
from qrnn_jax.training.rule_text import rule_changes
from qrnn_jax.training.train import train
from qrnn_jax.training.yardsticks import yardsticks
from tests.training.deadly import COST, SHOTS, STEPS, Watched, on_device
from tests.training.test_resume import StopAt
from tests.training.tiny_run import newest

DOCS = Path(__file__).parents[2] / "docs"
SAME = ("status", "device", "training_mse", "loss_final", "test_mse")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory):
    """An uninterrupted run: (folder, summary)."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    return folder, train(on_device(), folder)


def watch(monkeypatch: pytest.MonkeyPatch, before=lambda job: None) -> Watched:
    device = Watched(before)
    monkeypatch.setattr(DeviceSection, "build", lambda self: device)
    return device


def events(folder: Path) -> list[str]:
    return (folder / "jobs" / "journal.jsonl").read_text().splitlines()


def assert_same(folder: Path, summary: dict, whole: tuple[Path, dict]) -> None:
    assert newest(folder)["sha256"] == newest(whole[0])["sha256"]
    assert (folder / "metrics.jsonl").read_bytes() == (whole[0] / "metrics.jsonl").read_bytes()
    assert {name: summary[name] for name in SAME} == {name: whole[1][name] for name in SAME}


def test_a_run_costs_what_it_says(whole) -> None:
    folder, summary = whole
    bill = summary["device"]
    assert bill["shots_per_step"] == COST
    assert (bill["spent"], bill["left"], summary["status"]) == (STEPS * COST, 6 * COST, "done")
    rows = training.read_metrics(folder / "metrics.jsonl")
    assert [row["shots"] for row in rows] == [COST * n for n in (1, 2, 3, 4)]
    assert all(row["loss_error"] >= 0 and row["used"] for row in rows)
    assert max(row["loss_error"] for row in rows) > 0
    journal = [json.loads(line) for line in events(folder)]
    assert sum(line["rows"] * line["shots"] for line in journal) == STEPS * COST
    assert len({line["seed"] for line in journal}) == len(journal) == bill["jobs"]
    assert list((folder / "jobs").glob("*.npz")) == []  # checkpoints hold what came of them
    assert json.loads((folder / "summary.json").read_text())["status"] == "done"


@pytest.mark.parametrize("job", [1, 4])
def test_killed_in_the_middle_of_a_job_and_resumed(whole, tmp_path: Path, job: int) -> None:
    """The same shots billed, the same parameters; the job under way was written down before."""
    command = [sys.executable, "-m", "tests.training.deadly", str(tmp_path / "run"), str(job)]
    environment = {**os.environ, "JAX_ENABLE_X64": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    journal = events(tmp_path / "run")
    assert len(journal) == job
    summary = train(on_device(), tmp_path / "run", resume=True)
    assert_same(tmp_path / "run", summary, whole)
    assert summary["device"]["jobs"] == whole[1]["device"]["jobs"]


def test_the_budget_stops_before_a_step_that_it_does_not_allow(
    whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = watch(monkeypatch)
    folder, budget = tmp_path / "run", 3 * COST - 1
    summary = train(on_device(budget=budget), folder)
    assert (summary["status"], summary["steps"]) == ("budget", 2)
    assert (summary["device"]["spent"], summary["device"]["left"]) == (2 * COST, COST - 1)
    assert sum(rows * shots for rows, shots, _ in device.jobs) == 2 * COST
    assert newest(folder)["step"] == 2
    again = train(on_device(budget=budget), folder, resume=True)
    assert (again["status"], again["steps"], again["device"]["spent"]) == ("budget", 2, 2 * COST)
    assert_same(folder, train(on_device(), folder, resume=True), whole)  # with more, it goes on


def test_killed_in_the_last_step_that_the_budget_allows(
    whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is paid already counts as paid: the step is finished."""

    class Killed(Exception):
        pass

    def die(job: int) -> None:
        if job == jobs:
            raise SystemError("the process ends")

    jobs = whole[1]["device"]["jobs"]
    config, folder = on_device(budget=STEPS * COST), tmp_path / "run"
    with monkeypatch.context() as patch:
        watch(patch, die)
        patch.setattr(qj.hardware.Journal, "fail", die_too(Killed))
        with pytest.raises(Killed):
            train(config, folder)
    assert qj.hardware.Journal(folder / "jobs").spent == STEPS * COST  # of the budget, all
    assert newest(folder)["step"] == STEPS - 1
    summary = train(config, folder, resume=True)
    assert summary["steps"] == STEPS
    assert newest(folder)["sha256"] == newest(whole[0])["sha256"]
    assert (summary["device"]["spent"], summary["device"]["left"]) == (STEPS * COST, 0)


def die_too(kind: type[Exception]):
    def fail(self, job: str, reason: str) -> None:
        raise kind(reason)

    return fail


def test_a_device_that_fails_leaves_a_checkpoint(
    whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(job: int) -> None:
        if job > 3:
            raise ConnectionError("no line")

    monkeypatch.setattr("qrnn_jax.hardware.attempts.time.sleep", lambda seconds: None)
    folder, per_step = tmp_path / "run", whole[1]["device"]["jobs"] // STEPS
    with monkeypatch.context() as patch:
        watch(patch, broken)
        with pytest.raises(qj.hardware.DeviceError, match="failed 4 times: ConnectionError"):
            train(on_device(), folder)
    assert newest(folder)["step"] == 3 // per_step
    summary = train(on_device(), folder, resume=True)
    assert summary["steps"] == STEPS
    failed = [line for line in events(folder) if '"failed"' in line]
    assert len(failed) == 4
    assert summary["device"]["jobs"] == whole[1]["device"]["jobs"] + 4
    assert summary["device"]["spent"] > STEPS * COST  # a failed try may be billed, so it counts


def test_asked_to_stop_and_resumed(whole, tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match="Stopped at step 2 of 4"):
        train(on_device(), tmp_path / "run", reporter=StopAt(1))
    assert_same(tmp_path / "run", train(on_device(), tmp_path / "run", resume=True), whole)


ARGUMENTS = ["--device", "local", "--shots", str(SHOTS), "--rule", "spsa", "--steps", "2"]


def command(folder: Path, *more: str) -> list[str]:
    source = folder / "settings.json"
    plain = on_device().to_dict()
    source.write_text(
        json.dumps({k: v for k, v in plain.items() if k not in ("device", "gradient")})
    )
    return ["train", str(source), "--out", str(folder / "run"), *ARGUMENTS, *more]


def test_the_command_line(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    budget = ["--budget", str(SHOTS * 3 + 1), "--set", "output.pictures=true"]
    assert main(command(tmp_path, *budget)) == 0
    out, err = capfd.readouterr()
    assert f"from at most {SHOTS * 3 + 1} shots of local" in err
    for words in ("zero", "best constant", "ridge regression on 1 inputs", "(this model), exact"):
        assert words in out
    assert "Stopped by the budget" in out
    assert f"Spent {SHOTS * 3} of {SHOTS * 3 + 1} shots on local" in out
    assert "A step of SPSA was planned at 18." in out
    assert (tmp_path / "run" / "shots.png").read_bytes()[1:4] == b"PNG"
    settings = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (settings["gradient"]["name"], settings["gradient"]["step"]) == ("SPSA", 0.2)
    assert main(["train", "--out", str(tmp_path / "run"), "--resume", "--budget", "1000"]) == 0
    assert "Spent 36 of 1000 shots" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("rule", "changes", "expected"),
    [
        ("SPSA(step=0.1)", [], {"name": "SPSA", "step": 0.1, "directions": 1}),
        ("spsa(directions=4)", [], {"name": "SPSA", "step": 0.2, "directions": 4}),
        ("spsa", ["gradient.step=0.3"], {"name": "SPSA", "step": 0.3, "directions": 1}),
        (
            "ParameterShift(allocation='weighted', angle_noise=True)",
            [],
            {"name": "ParameterShift", "allocation": "weighted", "angle_noise": True},
        ),
    ],
)
def test_a_rule_on_the_command_line_is_the_whole_section(
    rule: str, changes: list[str], expected: dict
) -> None:
    """Nothing is left of the rule in the file."""
    own = on_device().to_dict() | {"gradient": {"name": "SPSA", "step": 0.05, "directions": 16}}
    config = make_config(own, [*rule_changes(rule), *changes])
    assert expected.items() <= config.to_dict()["gradient"].items()


def test_exit_codes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr("qrnn_jax.hardware.attempts.time.sleep", lambda seconds: None)
    for name in "abc":
        (tmp_path / name).mkdir()

    def broken(job: int) -> None:
        raise ConnectionError("no line")

    with monkeypatch.context() as patch:
        watch(patch, broken)
        assert main(command(tmp_path / "a", "--budget", "1000")) == 5
    assert "error: The device must play a job, but failed 4 times" in capfd.readouterr().err
    assert newest(tmp_path / "a" / "run")["step"] == 0

    with monkeypatch.context() as patch:
        watch(patch, lambda job: os.kill(os.getpid(), signal.SIGTERM) if job == 1 else None)
        assert main(command(tmp_path / "b", "--budget", "1000")) == 75
    assert "--resume" in capfd.readouterr().err
    assert newest(tmp_path / "b" / "run")["step"] == 1
    assert main(command(tmp_path / "b", "--budget", "1000", "--resume")) == 0
    assert f"Spent {2 * SHOTS * 3} of 1000" in capfd.readouterr().out

    assert main(command(tmp_path / "c", "--budget", "17")) == 2
    assert "`device.budget` must be at least the 18 shots of one" in capfd.readouterr().err
    assert not (tmp_path / "c" / "run").exists()


BAD = {
    "device.shot=3": "Setting `device.shot` is unknown; try `shots`.",
    "device.shots=0": "Setting `device.shots` must be greater than or equal to 1, but is 0.",
    "device.budget=2.5": "Setting `device.budget` must be a valid integer, but is 2.5.",
    "device={name='ibm', budget=99}": "Setting `device.name` must be 'local' or 'aer', but",
    "device.noise=fake_manila": "Setting `device.noise` must be None for `local`, but is 'fake",
    "device={name='local'}": "Setting `device.budget` must be given, but is missing.",
    "optimizer={name='bfgs'}": "`optimizer.name` must not search along a line on a device",
    "gradient.name=Backprop": "Setting `gradient.name` must be a rule that a device can follow",
    "gradient={name='SPSA'}": "Setting `gradient`: ",
    "training.precision=float64": "Setting `training.precision` must be 'float32' on a device",
    "device.budget=29": "must be at least the 30 shots of one step, but is 29; try fewer",
}


@pytest.mark.parametrize("override", BAD)
def test_what_cannot_work_is_one_sentence(override: str) -> None:
    with pytest.raises(ConfigError) as raised:
        _ = prepare(on_device(override)).device
    (line,) = raised.value.lines
    assert BAD[override] in line


def test_without_a_device_nothing_changes() -> None:
    plain = on_device().to_dict()
    assert "device" in plain
    del plain["device"]
    config = training.config.make_config(plain)  # type: ignore[attr-defined]
    assert config.device is None
    assert config.to_dict() == plain


def small(shots: int):
    """Arguments of `fit_on_device`: a cell of the papers, two windows, plain gradient descent."""
    cell = qj.cells.Viqueira(exchange=1, memory=1, layers=1, uploads=1)
    windows = tasks.decreasing_triangle(length=5).train[3:5]
    params = cell.init(jax.random.key(3))
    queue = qj.hardware.Queue(qj.hardware.LocalDevice())
    return (
        cell,
        windows,
        params,
        {
            "key": jax.random.key(8),
            "batch": None,
            "queue": queue,
            "shots": shots,
            "gradient": qj.ParameterShift(),
            "cost": 0,
            "spent": 0,
        },
    )


def test_a_step_follows_the_gradient_of_the_mean_squared_error() -> None:
    cell, windows, params, options = small(4000)
    optimizer = optax.with_extra_args_support(optax.sgd(1.0))
    state, found = training.init_state(params, optimizer), []
    status = fit_on_device(
        cell, windows, optimizer=optimizer, steps=1, state=state, callback=found.append, **options
    )
    assert status == "done"
    data = training.Batch.of(windows)
    value, exact = jax.value_and_grad(
        lambda p: training.mean_squared_error(cell, p, data, gradient=qj.Backprop())
    )(params)
    moved = params - found[0].state.params
    # 2 x 5 occurrences, |l'| up to 1 on 2 windows: a standard error near 0.01
    assert np.abs(moved - exact).max() < 0.05
    assert np.abs(exact).max() > 0.3
    assert abs(found[0].losses[0] - value) < 5 * found[0].columns["loss_error"][0]


def test_every_step_has_shots_of_its_own() -> None:
    cell, windows, params, options = small(40)
    optimizer, found = optax.with_extra_args_support(optax.sgd(1e-30)), []
    state = training.init_state(params, optimizer)
    fit_on_device(
        cell, windows, optimizer=optimizer, steps=3, state=state, callback=found.append, **options
    )
    assert len({entry.losses[0] for entry in found}) == 3
    assert len({entry.gradient_norms[0] for entry in found}) == 3


def test_the_loss_and_its_error_bar_are_honest() -> None:
    """z over 400 repetitions at 25 shots: mean 0, spread 1. Uncorrected, the mean would be off."""
    cell, windows, params, _ = small(25)
    xs, target = jnp.asarray(windows.inputs[0]), jnp.asarray(windows.targets[0])
    keys = jax.random.split(jax.random.key(1), 400)
    found = jax.vmap(
        lambda key: qj.simulate(cell, params, xs, engine=qj.DensityMatrix(), shots=25, key=key)
    )(keys)
    weights = jnp.full((5, 1), 0.2)
    measure = jax.vmap(lambda y, s: measured_loss(y - target, s, weights))
    loss = measure(found.outputs, found.stderr)
    exact = jnp.mean((qj.run(cell, params, xs) - target) ** 2)
    z = (loss.value - exact) / loss.stderr
    assert abs(z.mean()) < 4 / np.sqrt(400)
    assert 0.85 < z.std() < 1.15
    plain = jnp.mean((found.outputs - target) ** 2, axis=(1, 2))
    assert abs(((plain - exact) / loss.stderr).mean()) > 4 / np.sqrt(400)


def committed(name: str) -> dict:
    return json.loads((DOCS / "results" / "hardware" / f"{name}.json").read_text())


def test_the_committed_run_kept_its_budget_and_learnt() -> None:
    """Made by `qrnn-jax train docs/results/hardware/device_training.toml`."""
    summary = committed("device_training")
    bill = summary["device"]
    assert bill["spent"] + bill["left"] == bill["budget"] == 3_000_000
    assert bill["spent"] == summary["steps"] * bill["shots_per_step"]
    assert summary["loss_final"] <= 0.6 * summary["training_mse"]["constant"]
    marks = yardsticks(tasks.decreasing_triangle(length=summary["task"]["length"]).train)
    assert marks.errors == pytest.approx(summary["training_mse"])


def test_the_committed_noisy_run_kept_its_budget() -> None:
    """Made by `qrnn-jax train docs/results/hardware/device_training_noisy.toml`."""
    summary = committed("device_training_noisy")
    bill, length = summary["device"], summary["task"]["length"]
    assert (bill["name"], bill["noise"], length) == ("aer", "fake_manila", 10)
    assert bill["spent"] + bill["left"] == bill["budget"] <= 3_000_000
    assert bill["spent"] == summary["steps"] * bill["shots_per_step"]
    windows = tasks.decreasing_triangle(length=length).train
    assert yardsticks(windows).errors == pytest.approx(summary["training_mse"])
    cell, params = prepare(noisy_config()).cell, jnp.asarray(summary["params"], jnp.float32)
    exact = training.mean_squared_error(cell, params, training.Batch.of(windows))
    assert float(exact) == pytest.approx(summary["loss_final"], rel=1e-4)


def noisy_config():
    return make_config(read_settings(DOCS / "results" / "hardware" / "device_training_noisy.toml"))


def test_the_committed_noisy_run_has_its_settings() -> None:
    summary, settings = committed("device_training_noisy"), noisy_config().to_dict()
    for name in ("task", "cell", "gradient", "optimizer"):
        assert summary[name] == settings[name]
    assert summary["seed"] == settings["training"]["seed"] == 7
    assert summary["steps"] == settings["training"]["steps"]
    assert settings["device"].items() <= summary["device"].items()


def test_the_error_under_the_noise_is_that_of_the_twin() -> None:
    pytest.importorskip("qiskit_ibm_runtime", reason="needs the extra `qiskit`")
    pytest.importorskip("qiskit_aer", reason="needs the extra `qiskit`")
    summary = committed("device_training_noisy")
    script = DOCS / "results" / "hardware" / "device_training_noisy_record.py"
    noisy_error = runpy.run_path(str(script))["noisy_error"]
    params = jnp.asarray(summary["params"], jnp.float32)
    found = noisy_error(params, summary["device"]["noise"], summary["task"]["length"])
    assert found == pytest.approx(summary["loss_noise_twin"], rel=1e-3)


ROWS = {
    "zero": ("training_mse", "zero"),
    "best constant": ("training_mse", "constant"),
    "ridge regression on the last 6 inputs": ("training_mse", "ridge"),
}
MODELS = {
    "device_training": {"then simulated exactly": ("loss_final",)},
    "device_training_noisy": {
        "then simulated exactly": ("loss_final",),
        "on the noise twin of its device": ("loss_noise_twin",),
    },
}


@pytest.mark.parametrize("name", MODELS)
def test_the_page_says_what_the_record_says(name: str) -> None:
    """Every number of the table, to the digits that it is printed with; and the shots."""
    summary, page = committed(name), (DOCS / "on-hardware.md").read_text()
    (section,) = [part for part in page.split("\n## ") if f"hardware/{name}.toml" in part]
    assert f"{summary['device']['spent']:,}".replace(",", " ") in section
    table = [line.strip("| ").split(" | ") for line in section.splitlines() if line[:2] == "| "]
    rows = {label: cells for label, *cells in table[2:]}
    wanted = {**MODELS[name], **ROWS}
    assert len(rows) == len(wanted)
    for words, path in wanted.items():
        ((error, share),) = [cells for label, cells in rows.items() if label.endswith(words)]
        value = summary
        for key in path:
            value = value[key]
        assert printed(error, value)
        assert printed(share.removesuffix(" %"), 100 * value / summary["training_mse"]["constant"])


def printed(text: str, value: float) -> bool:
    digits = len(text.split("e")[0].replace(".", "").lstrip("0"))
    return float(text) == float(f"{value:.{digits}g}")
