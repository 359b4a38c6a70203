"""Whole experiments: honest numbers in the summary, selection, refusals before any file."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax import plots, tasks, training
from qrnn_jax.training.complaints import ConfigError
from qrnn_jax.training.evaluate import equal_order, evaluate, make_predictor, masked_loss, verdict
from qrnn_jax.training.experiment import prepare
from qrnn_jax.training.free_running import FreeRun, free_run, is_one_series, predicted_rows
from qrnn_jax.training.pictures import draw_pictures
from qrnn_jax.training.shift_check import shift_vs_autodiff
from qrnn_jax.training.train import train
from tests.training.tiny_run import SUNSPOTS, contents, newest, tiny

KEYS = {"task", "cell", "engine", "gradient", "steps", "loss_initial", "loss_final", "test_mse"}
KEYS |= {"shift_vs_autodiff_max_abs", "compile_s", "train_s", "versions", "seed"}


def restored(config, folder: Path):
    """The snapshot in a folder's newest checkpoint."""
    with jax.enable_x64(config.training.precision == "float64"):
        return training.load_checkpoint(folder / "checkpoints", prepare(config).start()).tree


@pytest.fixture(scope="module")
def sunspots(tmp_path_factory: pytest.TempPathFactory):
    """A short run on the sunspots: (config, folder, summary)."""
    folder = tmp_path_factory.mktemp("sunspots") / "run"
    config = tiny(*SUNSPOTS, "training.steps=20", "output.pictures=true")
    return config, folder, train(config, folder)


def test_the_summary_is_complete_and_on_disk(sunspots) -> None:
    config, folder, summary = sunspots
    assert set(summary) >= KEYS
    assert json.loads((folder / "summary.json").read_text()) == json.loads(json.dumps(summary))
    assert json.loads((folder / "config.json").read_text()) == config.to_dict()
    assert summary["steps"] == 20
    assert summary["engine"]["used"] == "DensityMatrix"
    assert summary["versions"]["jax"] == jax.__version__
    assert summary["train_s"] > 0
    names = {"config.json", "metrics.jsonl", "summary.json"}
    names |= {"curves.png", "forecast.png", "circuit.png"}
    assert names <= set(contents(folder))
    for name in names:
        if name.endswith(".png"):
            assert (folder / name).read_bytes().startswith(b"\x89PNG")


def test_the_losses_are_those_of_the_start_and_of_the_checkpoint(sunspots) -> None:
    config, folder, summary = sunspots
    experiment = prepare(config)
    batch = training.Batch.of(experiment.task.train)
    end = restored(config, folder).state.params
    for params, name in ((experiment.start().state.params, "initial"), (end, "final")):
        loss = training.mean_squared_error(experiment.cell, params, batch)
        assert summary[f"loss_{name}"] == pytest.approx(float(loss), rel=1e-12)
    rows = training.read_metrics(folder / "metrics.jsonl")
    assert [row["step"] for row in rows] == list(range(1, 21))
    assert rows[0]["loss"] == pytest.approx(summary["loss_initial"], rel=1e-12)
    assert [row["step"] for row in rows if "validation_loss" in row] == [10, 20]
    assert rows[-1]["validation_loss"] == pytest.approx(summary["loss_validation"], rel=1e-12)


def test_the_test_errors_are_those_of_a_plain_evaluation(sunspots) -> None:
    config, folder, summary = sunspots
    task, cell = tasks.sunspots(), config.cell.build()
    params = restored(config, folder).state.params
    guesses = np.stack([np.asarray(qj.run(cell, params, xs)) for xs in task.test.inputs[:3]])
    errors = guesses[:, -1] - task.test.targets[:3, -1]
    predictions = make_predictor(prepare(config))(params)["test"]
    np.testing.assert_allclose(predictions[:3, -1] - task.test.targets[:3, -1], errors, atol=1e-12)
    assert summary["test_mse"] == {
        "model": tasks.score(task, predictions).original,
        "persistence": tasks.persistence(task).original,
        "linear_ar": tasks.linear_autoregression(task, order=16).original,
        "variance": tasks.variance(task).original,
    }
    assert summary["linear_ar_order"] == 16
    assert summary["test_steps"] == 53
    assert summary["shift_vs_autodiff_max_abs"] < 1e-12


def test_the_free_run_is_the_forecast_from_the_given_past(sunspots) -> None:
    config, folder, summary = sunspots
    experiment = prepare(config)
    params = restored(config, folder).state.params
    found = free_run(experiment, params)
    assert found is not None
    years, numbers = tasks.sunspot_numbers()
    assert years[found.start] == 1956
    scale = experiment.task.scale
    known = [float(x) for x in scale.clipped(numbers[: found.start])]
    outputs = []
    for _ in range(4):  # the slow way: run everything again for every new value
        y = qj.run(experiment.cell, params, jnp.array(known)[:, None])[-1, 0]
        outputs.append(float(y))
        known.append(float(np.clip(y, -1, 1)))
    np.testing.assert_allclose(found.values[:4], outputs, atol=1e-12)
    error = np.mean((scale.original(found.values) - numbers[found.start :]) ** 2)
    assert summary["free_running"]["mse"] == pytest.approx(error, rel=1e-12)


def test_nothing_of_the_test_span_reaches_training() -> None:
    experiment = prepare(tiny(*SUNSPOTS))
    task = experiment.task
    seen = np.concatenate([task.train.inputs.ravel(), task.train.targets.ravel()])
    known = task.scale.scaled(task.series[: 1921 - 1700])
    assert seen.max() <= known.max() == pytest.approx(0.6)
    assert seen.min() >= known.min() == pytest.approx(-0.6)


def test_selection_by_validation_keeps_the_best_look(tmp_path: Path) -> None:
    # a rate so large that the loss jumps about
    changes = [*SUNSPOTS, "training.steps=60", "optimizer.learning_rate=0.5"]
    config = tiny(*changes, "training.select=validation")
    summary = train(config, tmp_path / "best")
    rows = training.read_metrics(tmp_path / "best" / "metrics.jsonl")
    looks = {row["step"]: row["validation_loss"] for row in rows if "validation_loss" in row}
    assert len(looks) == 6
    least = min(looks, key=looks.__getitem__)
    assert least != 60, "the last look is the best one; choose another rate"
    assert summary["selected"] == {"step": least, "by": "least validation loss"}
    assert summary["loss_validation"] == pytest.approx(looks[least], rel=1e-6)
    last = train(tiny(*changes), tmp_path / "last")
    assert last["selected"] == {"step": 60, "by": "last step"}
    assert last["loss_validation"] == pytest.approx(looks[60], rel=1e-6)
    assert last["test_mse"]["model"] != summary["test_mse"]["model"]


def test_the_seed_decides_the_start_and_nothing_else_does(tmp_path: Path) -> None:
    hashes = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        train(tiny("training.steps=5", f"training.seed={seed}"), tmp_path / name)
        hashes.append(newest(tmp_path / name)["sha256"])
    assert hashes[0] == hashes[1] != hashes[2]


def test_batches_and_precision_are_obeyed(tmp_path: Path) -> None:
    train(tiny(*SUNSPOTS, "training.batch=41", "training.steps=3"), tmp_path / "batch")
    train(tiny(*SUNSPOTS, "training.steps=3"), tmp_path / "whole")
    losses = [
        [row["loss"] for row in training.read_metrics(tmp_path / name / "metrics.jsonl")]
        for name in ("batch", "whole")
    ]
    assert losses[0][0] != losses[1][0]
    assert {leaf["dtype"] for leaf in newest(tmp_path / "batch")["leaves"]} == {"float64", "int32"}
    train(tiny("training.steps=1"), tmp_path / "single")
    assert {leaf["dtype"] for leaf in newest(tmp_path / "single")["leaves"]} == {"float32", "int32"}


def test_shift_gradients_train_as_autodiff_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used, differentiate = [], qj.ParameterShift.differentiate

    def noticed(self, expectations):
        used.append(True)
        return differentiate(self, expectations)

    monkeypatch.setattr(qj.ParameterShift, "differentiate", noticed)
    monkeypatch.setattr("qrnn_jax.training.train.shift_vs_autodiff", lambda *_: None)
    ends = []
    for rule in ("ParameterShift", "Backprop"):
        changes = [
            f"gradient.name={rule}",
            "training.precision=float64",
            "task.steps=6",
            "cell.seed=9",
        ]
        config = tiny(*changes, "training.steps=4")
        assert train(config, tmp_path / rule)["gradient"]["name"] == rule
        ends.append(restored(config, tmp_path / rule).state.params["angles"])
        assert used, "the shift rule comes first, and must be what ran"
    np.testing.assert_allclose(ends[0], ends[1], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("task", "order"),
    [
        (tasks.sunspots(), 16),
        (tasks.sunspots(length=7), 7),
        (tasks.sunspots(length=20), 20),
        (tasks.cosine(), 16),
        (tasks.cosine(steps=5), 5),
        (tasks.decreasing_triangle(), 16),
    ],
)
def test_the_linear_model_sees_as_much_as_the_model(task: tasks.Task, order: int) -> None:
    assert equal_order(task) == order
    assert evaluate(task, task.test.targets).order == order


def test_the_verdict_says_who_wins() -> None:
    def scores(**errors: float) -> dict[str, tasks.Score]:
        return {name: tasks.Score(error / 10, error) for name, error in errors.items()}

    assert verdict(scores(model=3.0, linear_ar=2.0, persistence=9.0)) == [
        "The linear autoregression beats the model (2 against 3).",
        "The model beats persistence (3 against 9).",
    ]
    assert verdict(scores(model=9.0, linear_ar=20.0, persistence=8.5)) == [
        "The model beats the linear autoregression (9 against 20).",
        "Persistence beats the model (8.5 against 9).",
    ]
    linear, persistence = verdict(scores(model=9.0, linear_ar=8.6, persistence=9.4))
    doubt = "by too little to tell them apart."
    assert linear == f"The linear autoregression beats the model (8.6 against 9), {doubt}"
    assert persistence == f"The model beats persistence (9 against 9.4), {doubt}"


def test_the_masked_loss_is_that_of_training() -> None:
    rng = np.random.default_rng(4)
    inputs, mask = rng.uniform(-1, 1, (5, 4, 1)), rng.random((5, 4)) < 0.6
    windows = tasks.Windows(inputs, rng.normal(size=(5, 4, 1)), mask)
    experiment = prepare(tiny())
    params = experiment.start().state.params
    expected = training.mean_squared_error(experiment.cell, params, training.Batch.of(windows))
    outputs = np.asarray(training.predict(experiment.cell, params, inputs))
    assert masked_loss(windows, outputs) == pytest.approx(float(expected), rel=1e-12)


def test_which_tasks_are_one_series() -> None:
    one = {name for name, make in tasks.TASKS.items() if is_one_series(make())}
    assert one == {"cosine", "spin_chain", "sunspots", "triangle"}
    assert is_one_series(tasks.sunspots(wash_out=0))
    assert int(predicted_rows(tasks.sunspots(wash_out=0).train).sum()) == 205


def drawn(experiment, folder: Path, free, monkeypatch: pytest.MonkeyPatch) -> dict:
    """What the forecast picture shows if every prediction is right."""
    shown: dict = {}
    monkeypatch.setattr(plots, "forecast", lambda path, **lines: shown.update(lines))
    with training.RunFolder(folder) as run:
        training.append_metrics(run.metrics, [{"step": 1, "loss": 0.5, "gradient_norm": 0.1}])
        targets = {name: windows.targets for name, windows in experiment.splits.items()}
        draw_pictures(experiment, run, targets, free)
    return shown


def test_predictions_stand_at_the_years_they_predict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = prepare(tiny(*SUNSPOTS))
    free = FreeRun(256, np.zeros(53), tasks.Score(1.0, 1.0))
    shown = drawn(experiment, tmp_path, free, monkeypatch)
    years, numbers = tasks.sunspot_numbers()
    assert np.isnan(shown["one_step"][:16]).all()
    np.testing.assert_allclose(shown["one_step"][16:], numbers[16:], atol=1e-9)
    np.testing.assert_array_equal(shown["time"], years)
    assert np.isnan(shown["free_running"][:256]).all()
    np.testing.assert_allclose(shown["free_running"][256:], 77.2)  # the centre of 0 and 154.4
    assert shown["split"] == {"training": 1700, "validation": 1921, "test": 1956}


def test_windows_that_are_no_series_show_their_test_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = "cell={name='Viqueira', exchange=1, memory=1, layers=1, uploads=1}"
    experiment = prepare(tiny("task={name='decreasing_triangle'}", cell))
    assert free_run(experiment, None) is None
    shown = drawn(experiment, tmp_path, None, monkeypatch)
    windows = shown["one_step"].reshape(10, 6)  # the last five steps of each, and a gap
    np.testing.assert_array_equal(windows[:, :5], experiment.task.test.targets[:, -5:, 0])
    assert np.isnan(windows[:, 5]).all()
    np.testing.assert_array_equal(shown["truth"], shown["one_step"])
    assert np.isnan(shown["free_running"]).all()


def test_the_shift_check_sees_a_wrong_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    windows = tasks.cosine().train
    right, spoiled = (qj.cells.Takaki(inputs=1, memory=1, depth=1, seed=seed) for seed in (0, 6))
    params = right.init(jax.random.key(0))
    assert shift_vs_autodiff(right, params, windows) < 1e-13
    differentiate = qj.ParameterShift.differentiate

    def wrong(self, expectations):
        function = differentiate(self, expectations)
        return lambda weights, data, state: function(0.5 * weights, data, state)

    monkeypatch.setattr(qj.ParameterShift, "differentiate", wrong)  # traced for no other cell
    assert shift_vs_autodiff(spoiled, params, windows) > 1e-3


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["training.batch=2"],
            r"`training.batch` must be at most the 1 training windows, but is 2",
        ),
        (["training.select=validation"], r"must be 'last' for a task without validation windows"),
        (
            [*SUNSPOTS, "training.select=validation", "training.validate_every=41"],
            r"`training.validate_every` must be at most `training.steps`, 40, .* but is 41; try 40",
        ),
        (
            ["engine={name='DensityMatrix', dtype='complex128'}"],
            r"`engine.dtype` must be 'complex64' in float32, but is 'complex128'; try training.p",
        ),
        (["engine.name=StateVector"], r"`StateVector` must have unitary steps, .* try `DensityM"),
        (["cell.inputs=20", "cell.memory=20"], r"40 qubits needs \S+ bytes \(\S+ GiB\)"),
        (
            ["cell={name='Viqueira', exchange=2, memory=1, layers=1, uploads=1}"],
            r"must have 2 features and 1 outputs for this cell, but has 1 and 1",
        ),
    ],
)
def test_what_cannot_work_is_refused_before_any_file(
    tmp_path: Path, overrides: list[str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        train(tiny(*overrides), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_several_conflicts_are_several_sentences() -> None:
    with pytest.raises(ConfigError) as raised:
        prepare(tiny("training.batch=2", "training.select=validation"))
    assert len(raised.value.lines) == 2


def test_complex128_is_fine_in_float64() -> None:
    with jax.enable_x64(True):
        changes = ["engine={name='DensityMatrix', dtype='complex128'}"]
        assert prepare(tiny(*changes, "training.precision=float64")).engine.dtype == "complex128"
