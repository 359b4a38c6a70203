"""Configurations: strict, one line per field, and the same after a round trip."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qrnn_jax.training.complaints import ConfigError
from qrnn_jax.training.config import Config, make_config, read_settings
from qrnn_jax.training.experiment import prepare
from qrnn_jax.training.overrides import apply_overrides
from qrnn_jax.training.presets import preset, preset_names, preset_or_file
from tests.training.tiny_run import SETTINGS, tiny

BAD = {
    "training.stpes=3": "Setting `training.stpes` is unknown; try `steps`.",
    "cell.memroy=2": "Setting `cell.memroy` is unknown; try `memory`.",
    "trainig.steps=3": "Setting `trainig` is unknown; try `training`, ",
    "training.steps=2.5": "Setting `training.steps` must be a valid integer, but is 2.5.",
    "training.steps='3'": "Setting `training.steps` must be a valid integer, but is '3'.",
    "training.steps=true": "Setting `training.steps` must be a valid integer, but is True.",
    "training.steps=0": "Setting `training.steps` must be greater than or equal to 1, but is 0.",
    "training.batch=-1": "Setting `training.batch` must be greater than or equal to 0, but is -1.",
    "training.seed=4294967296": "Setting `training.seed` must be less than 4294967296, but is 429",
    "training.precision=float16": "`training.precision` must be 'float32' or 'float64', but is 'f",
    "cell.tau=nan": "Setting `cell.tau` must be a finite number, but is nan.",
    "cell.tau=inf": "Setting `cell.tau` must be a finite number, but is inf.",
    "cell.inputs=2.0": "Setting `cell.inputs` must be a valid integer, but is 2.0.",
    "cell.inputs=0": "Setting `cell.inputs` must be 1 or more, but is 0.",
    "task.steps=0": "Setting `task.steps` must be a whole number of at least 1, but it is 0; try",
    "task.name=cosin": "Setting `task.name` must be known, but is 'cosin'; try `cosine`.",
    "cell.name=Elman": "Setting `cell.name` must be known, but is 'Elman'; try `Bausch`, `CVQ",
    "task.amplitude=2": "Setting `task.amplitude` must lie in (0, 1], but it is 2",
    "task=3": "Setting `task` must be a table of settings, but is 3.",
    "task={}": "Setting `task.name` must be given, but is missing.",
    "training={}": "Setting `training.steps` must be given, but is missing.",
    "optimizer.learning_rate=nan": "`optimizer.learning_rate` must be a finite number, but is nan.",
    "optimizer.learning_rate=-1": "`optimizer.learning_rate` must be greater than 0, but is -1.",
    "optimizer.b1=nan": "Setting `optimizer.b1` must be a finite number, but is nan.",
    "optimizer.b3=0.5": "Setting `optimizer`: Optimizer `adam` must get options that it has, but",
    "optimizer.name=adm": "Setting `optimizer.name` must be one that optax has, but is 'adm'; try",
    "optimizer.name=sgd": "Setting `optimizer`: Optimizer `sgd` must get `learning_rate`, but it",
    "engine.name=GPU": "Setting `engine.name` must be known, but is 'GPU'; try `auto`, `DensityMat",
    "gradient={name='ParameterShift', chunk=0}": "`gradient.chunk` must be an integer of 1 or more",
    "output.checkpoint_seconds=-1": "must be greater than or equal to 0, but is -1.",
    "steps": "Option `--set` must be like section.key=value, but is 'steps'; try",
    "training.=3": "Option `--set` must be like section.key=value, but is 'training.=3'; try",
    "training.steps=[1": "Option `--set training.steps=[1` must have a value in TOML's syntax, but",
    "training.steps=1\nx=2": "must have one value; try one `--set` each.",
    "training.steps.x=3": "Setting `training.steps` must be a table, but is 40.",
}


@pytest.mark.parametrize("override", BAD)
def test_a_bad_setting_is_one_sentence(override: str) -> None:
    with pytest.raises(ConfigError) as raised:
        tiny(override)
    (line,) = raised.value.lines
    assert BAD[override] in line
    assert "\n" not in line


def test_every_bad_field_has_its_line() -> None:
    with pytest.raises(ConfigError) as raised:
        tiny("training.steps=2.5", "training.seed=-1", "cell.colour=red", "optimizer.b1=x")
    fields = [line.split("`")[1] for line in raised.value.lines]
    assert fields == ["cell.colour", "optimizer.b1", "training.steps", "training.seed"]


def test_an_override_replaces_one_setting_and_leaves_the_source_alone() -> None:
    config = tiny("cell.memory=3", "optimizer.b1=0.5", "task={name='triangle', steps=7}")
    assert config.cell.build().memory == 3
    assert config.cell.build().inputs == 1
    assert config.to_dict()["optimizer"]["b1"] == 0.5
    assert config.task.build().train.inputs.shape == (1, 7, 1)
    assert SETTINGS["cell"]["memory"] == 1
    assert apply_overrides({}, ["a.b=1", "a.b=2", "a.c=word", 'a.d="1"']) == {
        "a": {"b": 2, "c": "word", "d": "1"}
    }


def test_another_name_starts_its_section_afresh() -> None:
    config = tiny("cell.name=Viqueira", "cell.exchange=1", "cell.memory=2", "cell={name='Takaki'}")
    assert config.cell.build().inputs == 3
    assert tiny("optimizer.name=bfgs").to_dict()["optimizer"] == {
        "name": "bfgs",
        "learning_rate": None,
    }
    assert tiny("optimizer.name=adam").to_dict()["optimizer"]["learning_rate"] == 0.05


def test_a_numpy_dtype_travels_as_its_name() -> None:
    config = tiny("engine={name='DensityMatrix', dtype='complex64'}")
    assert config.engine.build().dtype == "complex64"
    assert make_config(json.loads(json.dumps(config.to_dict()))) == config


@settings(max_examples=30, deadline=None)
@given(
    steps=st.integers(1, 2**31 - 1),
    seed=st.integers(0, 2**32 - 1),
    rate=st.floats(1e-300, 1e300),
    select=st.sampled_from(["last", "validation"]),
)
def test_a_configuration_survives_json(steps: int, seed: int, rate: float, select: str) -> None:
    changes = [f"training.steps={steps}", f"training.seed={seed}", f"training.select={select}"]
    config = tiny(*changes, f"optimizer.learning_rate={rate!r}")
    assert make_config(json.loads(json.dumps(config.to_dict()))) == config


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
SECTIONS = st.dictionaries(
    st.sampled_from(["name", "steps", "inputs", "learning_rate", "seed", "period"]),
    st.sampled_from(["cosine", "Takaki", "adam", "auto"]) | VALUES,
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(list(Config.model_fields)), SECTIONS | VALUES))
def test_nonsense_is_refused_in_sentences(nonsense: dict) -> None:
    if isinstance(nonsense.get("task"), dict):
        nonsense["task"].pop("steps", None)  # an enormous series is no nonsense
    assert all(line.startswith("Setting `") for line in complaints(nonsense))


def complaints(nonsense: dict) -> tuple[str, ...]:
    try:
        make_config(nonsense)
    except ConfigError as error:
        return error.lines
    return ()


@pytest.mark.parametrize("name", preset_names())
def test_presets_can_be_built(name: str) -> None:
    assert prepare(make_config(preset(name))).task.name == name


def test_the_published_settings_of_viqueira() -> None:
    found = preset("decreasing_triangle")
    assert (found["optimizer"]["learning_rate"], found["optimizer"]["b2"]) == (0.001, 0.99)
    assert make_config(found).cell.build().circuit.weight_count == 25


def test_an_unknown_preset_names_near_ones() -> None:
    with pytest.raises(ConfigError, match=r"but is 'sunspot'; try `sunspots`\."):
        preset_or_file("sunspot")
    with pytest.raises(ConfigError, match=r"'xyz'; try `cosine`, .*`triangle`\."):
        preset_or_file("xyz")


def test_toml_and_json_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('[task]\nname = "cosine"\n[training]\nsteps = 3\n')
    (tmp_path / "a.json").write_text('{"task": {"name": "cosine"}, "training": {"steps": 3}}')
    assert preset_or_file(str(tmp_path / "a.toml")) == preset_or_file(str(tmp_path / "a.json"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.toml", b"# " + b"x" * 2**21, "must have at most 1048576 bytes, but has more"),
        ("a.json", b"[" * 100_000, "must be JSON, but"),
        ("a.toml", b"x = " + b"[" * 100_000, "must be TOML, but"),
        ("a.json", b"[1, 2]", "must hold a table of settings"),
        ("a.json", b'{"a": 1', "must be JSON, but"),
        ("a.toml", b"a = \xff", "must be TOML, but"),
        ("a.yaml", b"a: !!python/object/apply:os.system ['x']", r"must end in \.toml or \.json"),
    ],
)
def test_a_bad_file_is_one_sentence(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=message) as raised:
        read_settings(tmp_path / name)
    assert len(raised.value.lines) == 1


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.toml must be readable, but: No such file"):
        preset_or_file(str(tmp_path / "gone.toml"))
