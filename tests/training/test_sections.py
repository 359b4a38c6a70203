"""Configuration sections: strict, and open to whatever becomes public."""

import inspect
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

import qrnn_jax as qj
from qrnn_jax import tasks
from qrnn_jax.training import sections
from qrnn_jax.training.sections import one_of


def read(registry, **values):
    return TypeAdapter(one_of(registry)).validate_python(values)


def complaint(registry, **values):
    """(place, message) of the only error."""
    with pytest.raises(ValidationError) as raised:
        read(registry, **values)
    (error,) = raised.value.errors()
    return ".".join(map(str, error["loc"])), error["msg"]


def test_the_public_cells_engines_and_rules_are_found():
    assert {"Takaki", "Viqueira"} <= set(sections.cells())
    assert {"auto", "DensityMatrix", "StateVector"} <= set(sections.engines())
    assert {"auto", "Backprop", "Checkpointed", "ParameterShift"} <= set(sections.gradients())
    for registry in (sections.cells(), sections.engines(), sections.gradients()):
        assert not any(name.startswith("Abstract") for name in registry)


def test_defaults_are_those_of_the_signature():
    assert read(sections.cells(), name="Takaki").build() == qj.cells.Takaki()
    assert read(sections.gradients(), name="ParameterShift").build() == qj.ParameterShift()
    assert read(sections.engines(), name="auto").build() is None


def test_arguments_arrive():
    cell = read(sections.cells(), name="Takaki", memory=2, depth=1, tau=1).build()
    assert cell == qj.cells.Takaki(memory=2, depth=1, tau=1.0)
    engine = read(sections.engines(), name="DensityMatrix", dtype="complex64").build()
    assert engine == qj.DensityMatrix(dtype="complex64")
    task = read(tasks.TASKS, name="sunspots", length=5, wash_out=2).build()
    assert task.train.inputs.shape[1] == 5
    assert not np.asarray(task.train.mask)[:, :2].any()


@pytest.mark.parametrize("kind", ["cells", "engines", "gradients", "tasks"])
def test_every_entry_is_a_section_that_survives_a_round_trip(kind):
    registry = tasks.TASKS if kind == "tasks" else getattr(sections, kind)()
    for name, maker in registry.items():
        parameters = inspect.signature(maker).parameters.values()
        required = {entry.name: 2 for entry in parameters if entry.default is entry.empty}
        section = read(registry, name=name, **required)
        assert type(section).maker is maker
        assert read(registry, **section.model_dump()).model_dump() == section.model_dump()


@pytest.mark.parametrize(
    ("values", "place", "message"),
    [
        ({"memroy": 2}, "Takaki.memroy", "Extra inputs are not permitted"),
        ({"memory": 2.5}, "Takaki.memory", "valid integer"),
        ({"memory": 2.0}, "Takaki.memory", "valid integer"),
        ({"memory": "2"}, "Takaki.memory", "valid integer"),
        ({"memory": True}, "Takaki.memory", "valid integer"),
        ({"memory": None}, "Takaki.memory", "valid integer"),
        ({"tau": "0.2"}, "Takaki.tau", "valid number"),
        ({"tau": float("nan")}, "Takaki.tau", "finite number"),
        ({"tau": float("inf")}, "Takaki.tau", "finite number"),
        ({"inputs": 0}, "Takaki", "`inputs` must be 1 or more, but is 0"),
    ],
)
def test_bad_arguments_are_refused_by_place(values, place, message):
    found = complaint(sections.cells(), name="Takaki", **values)
    assert found[0] == place
    assert message in found[1]


def test_unknown_names_are_answered_by_the_known_ones():
    place, message = complaint(sections.cells(), name="Takagi")
    assert place == ""
    assert "'Takaki'" in message
    assert "'Viqueira'" in message
    assert "name" in complaint(sections.cells(), memory=2)[1]


def test_a_dtype_is_one_of_two_words():
    place, message = complaint(sections.engines(), name="DensityMatrix", dtype="float32")
    assert place.startswith("DensityMatrix.dtype")
    assert "complex64" in message


def test_a_task_checks_its_own_arguments():
    place, message = complaint(tasks.TASKS, name="sunspots", train_until=1956)
    assert place == "sunspots"
    assert "must obey" in message


def test_what_a_maker_says_with_a_type_error_is_a_complaint_too():
    def picky(size: int = 1) -> int:
        if size > 1:
            raise TypeError("Argument `size` must be small.")
        return size

    registry = {"picky": picky, "automatic": sections.automatic}
    assert read(registry, name="picky").build() == 1
    assert "must be small" in complaint(registry, name="picky", size=2)[1]


def test_sections_are_frozen():
    section = read(sections.cells(), name="Takaki")
    with pytest.raises(ValidationError, match="frozen"):
        section.memory = 5


@final
@dataclass(frozen=True)
class Echo(qj.AbstractSimulatorGradient):
    """A rule of its own, with each kind of argument that a file can hold."""

    size: int
    mode: Literal["up", "down"] = "up"
    horizon: int | None = None

    def refusal(self, circuit):
        return None

    def differentiate(self, expectations):
        raise NotImplementedError


@final
@dataclass(frozen=True)
class Callback(qj.AbstractSimulatorGradient):
    """A rule whose argument no file can hold."""

    function: np.ndarray

    refusal = Echo.refusal
    differentiate = Echo.differentiate


def test_a_new_public_rule_is_configurable_at_once(monkeypatch):
    assert "Echo" not in sections.gradients()
    monkeypatch.setattr(qj, "Echo", Echo, raising=False)
    monkeypatch.setattr(qj, "Callback", Callback, raising=False)
    registry = sections.gradients()
    assert "Callback" not in registry
    assert read(registry, name="Echo", size=3, mode="down").build() == Echo(3, "down")
    assert complaint(registry, name="Echo") == ("Echo.size", "Field required")
    assert complaint(registry, name="Echo", size=3, mode="left")[0] == "Echo.mode"
    assert complaint(registry, name="Echo", size=3, horizon=2.5)[0].startswith("Echo.horizon")


def test_a_new_public_cell_is_configurable_at_once(monkeypatch):
    takaki = qj.cells.Takaki
    monkeypatch.setattr(qj.cells, "Ours", takaki, raising=False)
    assert sections.cells()["Ours"] is takaki
