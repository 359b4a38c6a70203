"""The one thing a device has to do: play a template for every row of a table of angles."""

import abc
from dataclasses import dataclass
from typing import Self, final

import numpy as np

from qrnn_jax.hardware.calibration import Calibration
from qrnn_jax.hardware.errors import DeviceError
from qrnn_jax.hardware.speed import CircuitSize, Speed, size_of
from qrnn_jax.hardware.template import FIXED, ROTATIONS, Template
from qrnn_jax.hardware.transpiled import Played

GATES = frozenset({*FIXED, *ROTATIONS, "unitary"})


@final
@dataclass(frozen=True)
class Capabilities:
    """What a device offers, and how much it takes at a time.

    Arguments:
        basis: the names of its instructions, see `Template`; `measure` and `reset` among them.
        measures_midway: whether a wire may be used again after it was measured.
        max_wires: qubits.
        max_rows: rows of angles in one job.
        max_shots: shots per row in one job; more are split over jobs of their own seeds.
        max_executions: rows x shots in one job.

    Example:
        >>> from qrnn_jax import hardware
        >>> hardware.Capabilities(hardware.GATES | {"measure"}, max_wires=5).max_rows
        10000
    """

    basis: frozenset[str]
    measures_midway: bool = True
    max_wires: int = 24
    max_rows: int = 10_000
    max_shots: int = 100_000
    max_executions: int = 10_000_000

    def refusal(self, template: Template) -> str | None:
        """Why a device that offers this cannot play a template, in a sentence; None if it can."""
        missing = sorted(template.needs - self.basis)
        if missing:
            return (
                f"The device must offer the instructions {missing}, but offers only "
                f"{sorted(self.basis)}; try another device, or a circuit without them."
            )
        if template.reuses_wires and not self.measures_midway:
            return (
                "The device must be able to use a wire again after it was measured (`mid-circuit "
                "measure`), but cannot; try another device."
            )
        if template.wires > self.max_wires:
            return (
                f"The device must have {template.wires} qubits, but has {self.max_wires}; "
                "try a smaller cell."
            )
        return None


class AbstractDevice(abc.ABC):
    """Something that plays templates and returns bits: hardware, or a simulator in its place.

    Chunks, tries, budgets and remembered results are not its business: see `Queue`.

    Example:
        >>> from qrnn_jax import hardware
        >>> isinstance(hardware.LocalDevice(), hardware.AbstractDevice)
        True
    """

    @property
    @abc.abstractmethod
    def capabilities(self) -> Capabilities:
        """What it offers."""

    @property
    def replays_free(self) -> bool:
        """Whether a job may be played again from the same seed at no cost: True for simulators.

        Where it is False and there is no ticket, a `Queue` counts every replay of a job as paid.
        Where it is True, `plan` may time the device unasked.
        """
        return False

    @property
    def gives_tickets(self) -> bool:
        """Whether jobs outlive who sent them: `submit`, `find` and `attach` are its own then.

        Of these three, a `DeviceError` says that a job is over without an answer, so that it may be
        sent, and paid, once more. After any other error it may still run: a `Queue` asks for it
        again, and does not send it twice.
        """
        return False

    def pinned(self, qubits: tuple[int, ...]) -> Self:
        """The same device, wire k on `qubits[k]` of its backend at the start.

        Arguments:
            qubits: one for every wire of what it will play.

        Raises:
            DeviceError: its qubits cannot be chosen.
        """
        raise DeviceError(
            f"The device must let its qubits be chosen, but {self!r} does not; try `layout=None`."
        )

    @property
    def calibration(self) -> Calibration | None:
        """What it states about the errors of its qubits; None where it has nothing but wires."""
        return None

    def played(self, template: Template) -> tuple[Played, ...]:
        """What it plays for a template, gate by gate on its qubits, where it has a calibration.

        Arguments:
            template: within the capabilities.

        Raises:
            DeviceError: it has nothing but wires.
        """
        del template
        raise DeviceError(
            f"The device must have qubits of its own, but {self!r} has nothing but wires; "
            "try one with a backend."
        )

    def prepare(self, template: Template) -> None:  # noqa: B027
        """Make ready for a template: whatever can be done once, before any angle is known.

        Called where a program is traced. What runs inside of JAX's callbacks runs with denormal
        numbers flushed to zero, which breaks numerics such as a transpiler's.

        Arguments:
            template: within the capabilities.
        """

    def size(self, template: Template) -> CircuitSize:
        """What it plays for a template, after its own lowering.

        Arguments:
            template: within the capabilities.
        """
        return size_of(template)

    def speed(self, template: Template) -> Speed | None:
        """How fast it plays a template, where that is known; `plan` asks.

        Arguments:
            template: within the capabilities.
        """
        del template
        return None

    @abc.abstractmethod
    def run(self, template: Template, rows: np.ndarray, shots: int, seed: int) -> np.ndarray:
        """Play one job.

        Arguments:
            template: within the capabilities.
            rows: (R, len(template.symbols)), float64, finite.
            shots: repetitions of every row, within the limits.
            seed: below 2**63, another one for every job; a simulator draws all it needs from it.

        Returns:
            (R, shots, T, outputs), uint8: 0 or 1. Shots and rows are independent of each other.
        """

    def submit(
        self, job: str, template: Template, rows: np.ndarray, shots: int, seed: int
    ) -> str | None:
        """Send a job without waiting for it. For remote devices; a simulator has nothing to send.

        Arguments:
            job: its id, by which `find` must know it: put it among the job's tags.
            template, rows, shots, seed: as in `run`.

        Returns:
            The ticket by which `attach` finds the job again; None where `attach` plays it.
        """
        del job, template, rows, shots, seed
        return None

    def find(self, job: str) -> str | None:
        """The ticket of a job that may have been sent by a process that died before it noted it.

        Arguments:
            job: the id that `submit` was given, or would have been.

        Returns:
            None where the job never arrived, so that sending it costs what was paid for it.
        """
        del job
        return None

    def attach(
        self, ticket: str | None, template: Template, rows: np.ndarray, shots: int, seed: int
    ) -> np.ndarray:
        """Wait for a job that was sent, perhaps by a process that is gone.

        Arguments:
            ticket: from `submit`.
            template, rows, shots, seed: as in `run`.

        Returns:
            As `run`.
        """
        del ticket
        return self.run(template, rows, shots, seed)
