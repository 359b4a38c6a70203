"""The configuration of a training run: strict, complete, and the same as TOML or as JSON."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import optax
from pydantic import ConfigDict, Field, ValidationError, model_validator

import qrnn_jax as qj

from .complaints import ConfigError, sentences
from .device_section import DeviceSection
from .files import read_capped
from .optimizers import make_optimizer
from .overrides import apply_overrides
from .sections import Choice, Section, cells, engines, gradients, one_of

MAX_BYTES = 2**20

if TYPE_CHECKING:
    TaskChoice: TypeAlias = Choice
    CellChoice: TypeAlias = Choice
    EngineChoice: TypeAlias = Choice
    GradientChoice: TypeAlias = Choice
else:
    TaskChoice = one_of(qj.tasks.TASKS)
    CellChoice = one_of(cells())
    EngineChoice = one_of(engines())
    GradientChoice = one_of(gradients())
AUTO: dict[str, Any] = {"name": "auto"}


class OptimizerSection(Section):
    """An optax optimizer by name, its learning rate, and whatever options it has.

    Example:
        >>> from qrnn_jax.training.config import OptimizerSection
        >>> OptimizerSection(name="adam", learning_rate=0.01, b2=0.99).build() is not None
        True
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, float | bool]

    name: str
    learning_rate: float | None = Field(default=None, gt=0)

    def build(self) -> optax.GradientTransformationExtraArgs:
        """The optimizer itself."""
        options = tuple(self.__pydantic_extra__.items())
        return _make_optimizer(self.name, self.learning_rate, options)

    @model_validator(mode="after")
    def _check(self) -> OptimizerSection:
        self.build()
        return self


@lru_cache(maxsize=64)
def _make_optimizer(
    name: str, learning_rate: float | None, options: tuple[tuple[str, float], ...]
) -> optax.GradientTransformationExtraArgs:
    """The same object for the same settings: then a second run in a process compiles nothing."""
    return make_optimizer(name, learning_rate=learning_rate, **dict(options))


class TrainingSection(Section):
    """How long, on what, from which seed.

    steps: training steps. batch: windows per step; 0 means all. seed: decides initial parameters
    and the order of batches. precision: of every number. validate_every: steps between looks at the
    validation windows. select: keep the parameters of the last step, or of the look with the least
    validation loss.

    Example:
        >>> from qrnn_jax.training.config import TrainingSection
        >>> TrainingSection(steps=100).precision
        'float32'
    """

    steps: int = Field(ge=1, lt=2**31)
    batch: int = Field(default=0, ge=0)
    seed: int = Field(default=0, ge=0, lt=2**32)
    precision: Literal["float32", "float64"] = "float32"
    validate_every: int = Field(default=50, ge=1)
    select: Literal["last", "validation"] = "last"


class OutputSection(Section):
    """What is written: seconds between checkpoints (0: after every compiled call), and pictures.

    Example:
        >>> from qrnn_jax.training.config import OutputSection
        >>> OutputSection().pictures
        True
    """

    checkpoint_seconds: float = Field(default=2.0, ge=0)
    pictures: bool = True


class Config(Section):
    """Everything that decides a training run.

    Example:
        >>> from qrnn_jax.training.config import Config
        >>> config = Config.model_validate({
        ...     "task": {"name": "cosine"}, "cell": {"name": "Takaki"},
        ...     "optimizer": {"name": "bfgs"}, "training": {"steps": 10}})
        >>> config.cell.build().wires
        6
    """

    task: TaskChoice
    cell: CellChoice
    engine: EngineChoice = Field(default=AUTO, validate_default=True)
    gradient: GradientChoice = Field(default=AUTO, validate_default=True)
    optimizer: OptimizerSection
    training: TrainingSection
    output: OutputSection = OutputSection()
    device: DeviceSection | None = None

    def to_dict(self) -> dict[str, Any]:
        """Every setting, defaults included, in JSON's own types; `make_config` takes it back."""
        return self.model_dump(mode="json", exclude={"device"} if self.device is None else None)


def make_config(settings: Mapping[str, Any], overrides: Iterable[str] = ()) -> Config:
    """Validate settings, after replacing some of them.

    Arguments:
        settings: nested dictionaries, as from a TOML or JSON file.
        overrides: texts `section.key=value`, the value in TOML's syntax; see `apply_overrides`.

    Raises:
        ConfigError: something is unknown, missing, of the wrong type or out of range; one line per
            field.

    Example:
        >>> from qrnn_jax.training.config import make_config
        >>> settings = {"task": {"name": "cosine"}, "cell": {"name": "Takaki"},
        ...             "optimizer": {"name": "bfgs"}, "training": {"steps": 10}}
        >>> make_config(settings, ["training.steps=20"]).training.steps
        20
        >>> make_config(settings, ["training.steps=2.5"])  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        qrnn_jax.training.complaints.ConfigError: Setting ...
    """
    changed = apply_overrides(settings, overrides)
    try:
        return Config.model_validate(changed)
    except ValidationError as error:
        raise ConfigError(*sentences(error, Config)) from None


def read_settings(path: Path) -> dict[str, Any]:
    """The settings in a TOML or JSON file of at most 1 MB, not yet validated.

    Raises:
        ConfigError: another kind of file, unreadable, too large, or not well-formed.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from qrnn_jax.training.config import read_settings
        >>> with tempfile.TemporaryDirectory() as name:
        ...     size = (Path(name) / "a.toml").write_text("training.steps = 7")
        ...     read_settings(Path(name) / "a.toml")
        {'training': {'steps': 7}}
    """
    path = Path(path)
    readers = {".toml": tomllib.loads, ".json": json.loads}
    if path.suffix not in readers:
        raise ConfigError(
            f"File {path} must end in .toml or .json, but ends in {path.suffix!r}; "
            "try a preset's name."
        )
    try:
        found = readers[path.suffix](read_capped(path, MAX_BYTES).decode())
    except OSError as error:
        reason = error.strerror or error
        raise ConfigError(f"File {path} must be readable, but: {reason}; try a preset.") from None
    except (ValueError, RecursionError) as error:  # decoding and parsing errors are ValueErrors
        raise ConfigError(f"File {path} must be {path.suffix[1:].upper()}, but: {error}") from None
    if not isinstance(found, dict):
        raise ConfigError(f"File {path} must hold a table of settings, but is no JSON object.")
    return found
