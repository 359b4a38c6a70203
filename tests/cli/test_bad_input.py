"""Bad input on the command line: one line per fault, the right exit code, nothing lost."""

import json
import time
from pathlib import Path

import numpy as np
import pytest

from qrnn_jax.cli import main
from qrnn_jax.training import RunFolder
from tests.training.tiny_run import contents, newest, write_settings

Lines = list[str]


@pytest.fixture
def run(tmp_path: Path, capfd: pytest.CaptureFixture):
    """Run `qrnn-jax train tiny.json ...`: (exit code, lines on stderr but the headline)."""
    settings = write_settings(tmp_path)

    def go(*arguments: str, source: str = settings) -> tuple[int, Lines]:
        code = main(["train", source, *arguments])
        lines = capfd.readouterr().err.splitlines()
        return code, [line for line in lines if not line.startswith("Training ")]

    return go


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the tiny settings."""
    folder = tmp_path_factory.mktemp("finished")
    assert main(["train", write_settings(folder), "--out", str(folder / "run")]) == 0
    return folder / "run"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--set", "training.stpes=3"], "error: Setting `training.stpes` is unknown; try `steps`."),
        (
            ["--set", "cell.tau=nan"],
            "error: Setting `cell.tau` must be a finite number, but is nan.",
        ),
        (
            ["--steps", "2.5"],
            "error: Setting `training.steps` must be a valid integer, but is 2.5.",
        ),
        (
            ["--steps", "0"],
            "error: Setting `training.steps` must be greater than or equal to 1, but",
        ),
        (["--seed", "x"], "error: Setting `training.seed` must be a valid integer, but is 'x'."),
        (
            ["--set", "task.steps=0"],
            "error: Setting `task.steps` must be a whole number of at least",
        ),
        (
            ["--set", "task={name='sunspots', length=0}"],
            "error: Setting `task.length` must be a whole number of at least 1, but it is 0; try",
        ),
        (
            ["--set", "optimizer.name=adm"],
            "error: Setting `optimizer.name` must be one that optax has, but is 'adm'; try 'adam'",
        ),
        (
            ["--set", "cell.inputs=20", "--set", "cell.memory=20"],
            "error: The state must fit into memory, but a density matrix of 40 qubits needs 9.2",
        ),
        (
            ["--set", "engine={name='DensityMatrix', dtype='complex128'}"],
            "error: Setting `engine.dtype` must be 'complex64' in float32, but is 'complex128'",
        ),
        (
            ["--resume"],
            "error: Option `--resume` must come with `--out`, the folder to go on with.",
        ),
    ],
)
def test_one_line_and_exit_code_2(run, tmp_path: Path, arguments: list[str], line: str) -> None:
    out = [] if arguments == ["--resume"] else ["--out", str(tmp_path / "run")]
    start = time.perf_counter()
    code, lines = run(*arguments, *out)
    assert code == 2
    assert len(lines) == 1
    assert lines[0].startswith(line)
    assert time.perf_counter() - start < 10  # a second on an idle machine
    assert not (tmp_path / "run").exists()


def test_every_bad_field_has_its_line(run, tmp_path: Path) -> None:
    arguments = ["--set", "cell.colour=1", "--steps", "2.5", "--seed", "-1"]
    code, lines = run(*arguments, "--out", str(tmp_path / "run"))
    assert code == 2
    assert [line.split("`")[1] for line in lines] == [
        "cell.colour",
        "training.steps",
        "training.seed",
    ]


def test_an_unknown_preset_names_near_ones(run) -> None:
    code, lines = run(source="sunspot")
    assert code == 2
    assert lines == [
        "error: Preset must be known, or a file ending in .toml or .json, but is 'sunspot'; "
        "try `sunspots`."
    ]


def test_a_file_of_two_megabytes(run, tmp_path: Path) -> None:
    (tmp_path / "big.toml").write_bytes(b"# " + b"x" * 2**21)
    code, lines = run(source=str(tmp_path / "big.toml"))
    assert code == 2
    assert len(lines) == 1
    assert "must have at most 1048576 bytes, but has more" in lines[0]


def test_an_unknown_option(run) -> None:
    code, lines = run("--stesp", "3")
    assert code == 2
    assert any("--stesp" in line for line in lines)


def test_a_folder_below_a_file(run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    code, lines = run("--out", str(tmp_path / "file" / "run"))
    assert code == 4
    assert len(lines) == 1
    assert "file/run must be writable, but Not a directory; try another `--out`." in lines[0]
    assert (tmp_path / "file").read_text() == "not a folder"


def test_a_folder_in_use(run, tmp_path: Path) -> None:
    with RunFolder(tmp_path / "run") as folder:
        before = contents(folder.path)
        code, lines = run("--out", str(folder.path))
        assert contents(folder.path) == before
    assert code == 4
    assert len(lines) == 1
    assert "must be free, but another run is writing it" in lines[0]


def test_a_finished_folder_is_not_overwritten(run, finished: Path) -> None:
    before = contents(finished)
    code, lines = run("--out", str(finished))
    assert code == 4
    assert len(lines) == 1
    assert "must be new, but it holds a run; try `--resume`" in lines[0]
    assert contents(finished) == before


def test_a_checkpoint_of_another_model_names_its_leaves(run, finished: Path) -> None:
    before = contents(finished)
    code, lines = run("--out", str(finished), "--resume", "--set", "cell.memory=2")
    assert code == 2
    assert lines[0].startswith("error: Checkpoint ")
    assert "leaves differ:" in lines[0]
    expected = ".params['angles']: expected float32[1, 3, 3], found float32[1, 2, 3]"
    assert any(line.startswith("  ") and expected in line for line in lines[1:])
    assert contents(finished) == before


def test_corrupt_checkpoints(run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert run("--out", str(folder))[0] == 0
    expected = newest(folder)["sha256"]
    *_, middle, last = sorted((folder / "checkpoints").glob("*.npz"))
    last.write_bytes(last.read_bytes()[:100])
    code, lines = run("--out", str(folder), "--resume")
    assert code == 0
    warning = next(line for line in lines if line.startswith("warning: "))
    assert last.stem in warning
    assert f"using {middle.with_suffix('.json')}" in warning
    assert newest(folder)["sha256"] == expected
    for path in (folder / "checkpoints").glob("*.npz"):
        path.write_bytes(b"")
    before = contents(folder)
    code, lines = run("--out", str(folder), "--resume")
    assert code == 4
    assert lines[0].startswith("error: A checkpoint must be readable to resume, but none is")
    assert sum(line.startswith("  ") for line in lines) == 3
    assert contents(folder) == before


def test_an_absurd_learning_rate_leaves_no_nan_in_any_file(run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    code, lines = run("--out", str(folder), "--set", "optimizer.learning_rate=1e30")
    assert code == 3
    errors = [line for line in lines if line.startswith("error: ")]
    assert len(errors) == 1
    assert "try a smaller learning rate" in errors[0]
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert 1 <= rows[-1]["step"] <= 10
    assert not (folder / "summary.json").exists()
    for name, content in contents(folder).items():
        if name.endswith(".npz"):
            with np.load(folder / name) as arrays:
                assert not any(np.isnan(array).any() for array in arrays.values())
        else:
            assert b"nan" not in content.lower()


def test_debug_shows_the_traceback(run, tmp_path: Path) -> None:
    assert not any("Traceback" in line for line in run("--steps", "0")[1])
    code, lines = run("--steps", "0", "--debug")
    assert code == 2
    assert lines[0].startswith("Traceback")
    assert lines[-1].startswith("error: Setting `training.steps`")
