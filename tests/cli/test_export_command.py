"""`qrnn-jax export`: what it writes is what the library plays; hostile files end with code 2."""

import json
import re
import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.cli import main
from qrnn_jax.training import save_checkpoint
from qrnn_jax.training.config import make_config
from qrnn_jax.training.experiment import prepare
from qrnn_jax.training.presets import preset

SMALL = ["--set", "cell.inputs=1", "--set", "cell.memory=1", "--set", "cell.depth=1"]
CELL = qj.cells.Takaki(inputs=1, memory=1, depth=1)


def export(folder: Path, *options: str) -> dict:
    arguments = ["export", "cosine", *SMALL, "--steps", "3", "--out", str(folder), *options]
    assert main(arguments) == 0
    return json.loads((folder / "export.json").read_text())


def test_the_program_is_the_library_s_own(tmp_path: Path) -> None:
    found = export(tmp_path / "open")
    assert (tmp_path / "open" / "circuit.qasm").read_text() == qj.hardware.to_openqasm3(CELL, 3)
    export(tmp_path / "bound", "--bound")
    text = qj.hardware.to_openqasm3(CELL, 3, angles=np.array(found["angles"]))
    assert (tmp_path / "bound" / "circuit.qasm").read_text() == text
    export(tmp_path / "braket", "--format", "braket")
    text = qj.hardware.to_openqasm3(CELL, 3, dialect="braket")
    assert (tmp_path / "braket" / "circuit.qasm").read_text() == text


def test_the_table_says_what_every_angle_is(tmp_path: Path) -> None:
    """Rebuilt from its terms: the numbers that stand beside it."""
    found = export(tmp_path / "a")
    assert found["symbols"][:2] == ["a_0_0", "a_0_1"]
    for step, data in enumerate(found["data"]):
        for column in found["columns"]:
            angle = column["constant"]
            for term in column["terms"]:
                factor = 1 if term["weight"] is None else found["weights"][term["weight"]]
                factor *= 1 if term["data"] is None else data[term["data"]]
                angle += term["coefficient"] * factor
            assert angle == pytest.approx(found["angles"][step][column["column"]], abs=1e-12)
    assert np.shape(found["angles"]) == (3, len(found["columns"]))
    assert np.std(found["angles"], axis=0).max() > 1e-3  # the data move


def test_a_module_for_pennylane_is_a_module(tmp_path: Path) -> None:
    export(tmp_path / "p", "--format", "pennylane", "--bound")
    text = (tmp_path / "p" / "circuit.py").read_text()
    compile(text, "circuit.py", "exec")
    assert text.count("qml.measure(0, reset=True)") == 2
    pytest.importorskip("pennylane", reason="needs the extra `pennylane`")
    import pennylane as qml

    made = runpy.run_path(str(tmp_path / "p" / "circuit.py"))

    @qml.qnode(qml.device("default.qubit"), mcm_method="deferred")
    def last():  # type: ignore[no-untyped-def]
        return qml.expval(made["program"]()[-1][0])

    assert 0 < float(last()) < 1


def test_a_file_for_qiskit_loads(tmp_path: Path) -> None:
    pytest.importorskip("qiskit", reason="needs the extra `qiskit`")
    from qiskit import qpy

    found = export(tmp_path / "q", "--format", "qiskit")
    with open(tmp_path / "q" / "circuit.qpy", "rb") as file:
        (circuit,) = qpy.load(file)
    (template,) = qj.hardware.templates(CELL, 3)
    numbers = dict(zip(found["symbols"], np.ravel(found["angles"]).tolist()))
    read, wanted = (
        made.assign_parameters({p: numbers[p.name] for p in made.parameters})
        for made in (circuit, qj.hardware.to_qiskit(template))
    )
    assert read == wanted
    assert {parameter.name for parameter in circuit.parameters} == set(found["symbols"])
    export(tmp_path / "b", "--format", "qiskit", "--bound")
    with open(tmp_path / "b" / "circuit.qpy", "rb") as file:
        assert not qpy.load(file)[0].parameters


def test_a_missing_extra_is_exit_code_5(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "qiskit", None)
    options = ["--format", "qiskit", "--out", str(tmp_path / "q")]
    assert main(["export", "cosine", *SMALL, *options]) == 5
    assert 'pip install "qrnn_jax[qiskit]"' in capsys.readouterr().err
    assert not (tmp_path / "q").exists()


def test_what_was_trained_on_a_device_is_exported_without_its_package(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "qiskit_aer.noise", None)
    qj.hardware.named.__globals__["_aer"].cache_clear()
    device = "device={name='aer', noise='fake_manila', budget=1000000}"
    plain = ["--set", "optimizer={name='adam', learning_rate=0.01}"]
    settings = ["cosine", *SMALL, *plain, "--set", device, "--set", "training.precision=float32"]
    assert main(["export", *settings, "--out", str(tmp_path / "a")]) == 0
    assert (tmp_path / "a" / "circuit.qasm").exists()
    capsys.readouterr()
    assert main(["train", *settings, "--out", str(tmp_path / "b")]) == 5
    assert "This device needs the package qiskit-aer" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()
    assert main(["train", *settings, "--device", "ibm", "--out", str(tmp_path / "b")]) == 2
    qj.hardware.named.__globals__["_aer"].cache_clear()


def test_trained_parameters_come_from_their_run(tmp_path: Path) -> None:
    """A run folder as `train` leaves it: its settings, and a checkpoint of step 7."""
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    config = make_config(preset("cosine"), SMALL[1::2])
    snapshot = prepare(config).start()
    params = jax.tree.map(lambda leaf: leaf + 0.25, snapshot.state.params)
    state = snapshot.state._replace(params=params, step=jnp.asarray(7, jnp.int32))
    save_checkpoint(run / "checkpoints", 7, snapshot._replace(state=state))
    (run / "config.json").write_text(json.dumps(config.to_dict()))
    assert main(["export", str(run), "--steps", "3", "--out", str(tmp_path / "out")]) == 0
    found = json.loads((tmp_path / "out" / "export.json").read_text())
    assert found["parameters"] == f"parameters of step 7 of {run}"
    initial = export(tmp_path / "new")
    np.testing.assert_allclose(np.subtract(found["weights"], initial["weights"]), 0.25, atol=1e-6)
    for file in (run / "checkpoints").iterdir():
        file.unlink()
    assert main(["export", str(run), "--out", str(tmp_path / "none")]) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "Preset must be known"),
        (["cosine", "--steps", "100000"], "`--steps` must be at most"),
        (["cosine", "--set", "cell.memory=-1"], "cell.memory"),
        (["cosine"], "constant matrix on 6 wires.*--format qiskit"),
    ],
)
def test_bad_input_is_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["export", *arguments, "--out", str(tmp_path / "x")]) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "x").exists()


# fault 16 of the fault matrix
FILES = {
    "qubits": b"OPENQASM 3.0; qubit[20000000] q;",
    "loop": b"OPENQASM 3.0; qubit q; for int i in [0:2000000000] { x q; }",
    "nesting": b"OPENQASM 3.0; qubit q; " + b"if (true) {" * 5000 + b"x q;" + b"}" * 5000,
    "empty": b"",
    "binary": bytes(range(256)) * 20,
    "include": b'OPENQASM 3.0; include "/etc/passwd";',
    "large": b"OPENQASM 3.0; qubit q;" + b"x q;" * 200_000,
}


@pytest.mark.parametrize("name", FILES)
def test_hostile_files_end_with_code_2(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.qasm").write_bytes(FILES[name])
    assert main(["export", "--check", str(tmp_path / "a.qasm")]) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: File ")
    assert len(message.splitlines()) == 1


def test_a_good_file_is_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.qasm").write_text(qj.hardware.to_openqasm3(CELL, 4))
    assert main(["export", "--check", str(tmp_path / "a.qasm")]) == 0
    shown = capsys.readouterr().out
    assert "2 qubits, 4 bits, 32 inputs: a flat program." in shown
    assert "  3 reset" in shown
    assert main(["export", "--check", str(tmp_path / "b.qasm")]) == 4


def test_without_arguments_it_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export"]) == 0
    (program,) = tmp_path.glob("runs/export-*/circuit.qasm")
    found = qj.hardware.check_openqasm3(program.read_text())
    assert found["operations"]["measure"] == 5
