"""The section of a configuration that says: train on a device, from counts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

import qrnn_jax as qj

from .complaints import ConfigError
from .sections import Section


class DeviceSection(Section):
    """Where the shots of a training run are played, and how many it may cost.

    name: as in `qj.hardware.named`. noise: for `aer`, the snapshot of a real device. shots:
    repetitions of every circuit. budget: of shots in all, never exceeded. The rule that turns
    counts into gradients is the section `[gradient]`; `[engine]` is what the model is tested with.

    Example:
        >>> from qrnn_jax.training.device_section import DeviceSection
        >>> DeviceSection(name="local", shots=50, budget=10_000).build()
        LocalDevice(max_shots=100000)
    """

    name: Literal["local", "aer"]
    noise: str | None = None
    shots: int = Field(default=100, ge=1, lt=2**31)
    budget: int = Field(ge=1, lt=2**53)

    def build(self) -> qj.hardware.AbstractDevice:
        """The device itself.

        Raises:
            DeviceError: its package is missing.
            ConfigError: there is no such noise.
        """
        try:
            return qj.hardware.named(self.name, self.noise)
        except ValueError as error:
            text = str(error).replace("Argument `noise`", "Setting `device.noise`")
            raise ConfigError(text) from None
