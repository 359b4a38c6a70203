"""Templates on anything that speaks Qiskit's sampler interface (extra `qiskit`).

What was measured to go wrong there, and what stands against it:

    symbolic controlled rotations are bound wrongly    they never leave `lower.py`
    seeds next to each other share shots               seeds of the queue are hashes
    rows are seeded 2113 apart                         at most 2048 shots of a row in one job
    rows without symbols share all their shots         they are sent as circuits of their own
    one sampler, one seed: the same shots every job    a sampler is made for every job's seed
    a read-only matrix arrives as another one           it is copied
    NaN angles give ordinary counts                    the queue refuses them
    symbols are renamed by exporters                   plain names, `a_3_1`
    transpiling bound circuits drops special angles    transpiled once, with symbols
    the first bit of a register is its lowest          unpacked in `qiskit_sampler.py` only
"""

from collections.abc import Callable
from copy import copy
from functools import cached_property
from typing import Any, final

import numpy as np

from qrnn_jax.hardware.calibration import Calibration, calibration
from qrnn_jax.hardware.errors import DeviceError
from qrnn_jax.hardware.protocol import GATES, AbstractDevice, Capabilities
from qrnn_jax.hardware.qiskit_jobs import ServiceJobs
from qrnn_jax.hardware.qiskit_sampler import bits_of, maker_of, pubs_of
from qrnn_jax.hardware.speed import CircuitSize, Speed
from qrnn_jax.hardware.template import CONDITION, Template
from qrnn_jax.hardware.to_qiskit import to_qiskit
from qrnn_jax.hardware.transpiled import Played, played

_MAX_SHOTS = 2048


@final
class QiskitDevice(AbstractDevice):
    """A device behind `qiskit.primitives.BaseSamplerV2`: hardware, or a simulator such as Aer's.

    Arguments:
        sampler: one that draws fresh shots at every call; or, for a simulator, a function that
            makes one for a seed. Only with the latter is playing a job again free.
        backend: the device behind it, for which circuits are transpiled, and whose instructions
            are the capabilities; None sends them as they are, for simulators.
        service: keeps the sampler's jobs, `backend.service` of IBM: a `Queue` with a journal then
            waits for a job that was sent by a process that is gone, instead of paying for another
            one. None: no job is found again.
        optimization_level: of the transpiler, 0 to 3.
        scheduled: whether waiting times are written into the circuit as delays: Aer lets qubits
            decay there, and nowhere else while they wait. Hardware waits by itself. No conditions
            then: Qiskit cannot schedule them.
        layout: the backend's qubit for each wire, at the start; None leaves it to the transpiler.
        speed: how fast it plays a circuit of some size, for `plan`; None where nobody knows.

    Raises:
        TypeError: neither a sampler nor a function; a service that does not find jobs, or that
            comes with a sampler without tags, or a function.
        ValueError: a sampler with a seed of its own: it would return the same shots every time; a
            schedule or a layout without a backend; another optimization level.
        DeviceError: when it is made ready for a circuit, one that cannot be transpiled: a layout
            that is none, say.

    Example:
        >>> import qrnn_jax as qj
        >>> def make(seed):  # with the extra `qiskit`
        ...     from qiskit_aer.primitives import SamplerV2
        ...     return SamplerV2(seed=seed)
        >>> qj.hardware.QiskitDevice(make).capabilities.max_shots
        2048

    Source: the interface of Qiskit 2; the checks are our own, on qiskit-aer 0.18.
    """

    def __init__(
        self,
        sampler: Any,
        *,
        backend: Any = None,
        service: Any = None,
        optimization_level: int = 1,
        scheduled: bool = False,
        layout: tuple[int, ...] | None = None,
        speed: Callable[[CircuitSize], Speed] | None = None,
    ) -> None:
        _check_transpiler(backend, optimization_level, scheduled or layout is not None)
        self._make = maker_of(sampler)
        self._replays_free = self._make is sampler  # a function of the seed
        self._jobs = None if service is None else ServiceJobs(sampler, service)
        self._backend = backend
        self._level = optimization_level
        self._scheduling = "alap" if scheduled else None
        self._layout = layout
        self._speed = speed
        self._circuits: dict[bytes, Any] = {}

    @property
    def replays_free(self) -> bool:
        return self._replays_free

    @property
    def gives_tickets(self) -> bool:
        return self._jobs is not None

    @property
    def capabilities(self) -> Capabilities:
        basis = GATES | {"measure", "reset", CONDITION}
        if self._backend is None:
            return Capabilities(basis, max_rows=4096, max_shots=_MAX_SHOTS)
        # gates can be transpiled; measurement and reset are there or not
        offered = {*self._backend.target.operation_names}
        missing = {"measure", "reset"} - offered
        if "if_else" not in offered or self._scheduling is not None:
            missing.add(CONDITION)
        wires = self._backend.target.num_qubits
        return Capabilities(basis - missing, max_wires=wires, max_rows=4096, max_shots=_MAX_SHOTS)

    def prepare(self, template: Template) -> None:
        self.circuit(template)

    def size(self, template: Template) -> CircuitSize:
        circuit = self.circuit(template)
        return CircuitSize(circuit.size(), circuit.num_nonlocal_gates(), circuit.depth())

    def speed(self, template: Template) -> Speed | None:
        return None if self._speed is None else self._speed(self.size(template))

    def run(self, template: Template, rows: np.ndarray, shots: int, seed: int) -> np.ndarray:
        if not template.outputs:
            return np.zeros((len(rows), shots, template.steps, 0), np.uint8)
        pubs = pubs_of(self.circuit(template), template, rows)
        return bits_of(self._make(seed).run(pubs, shots=shots).result(), template, len(rows), shots)

    def submit(
        self, job: str, template: Template, rows: np.ndarray, shots: int, seed: int
    ) -> str | None:
        if self._jobs is None or not template.outputs:
            return None
        return self._jobs.send(job, pubs_of(self.circuit(template), template, rows), shots)

    def find(self, job: str) -> str | None:
        return None if self._jobs is None else self._jobs.find(job)

    def attach(
        self, ticket: str | None, template: Template, rows: np.ndarray, shots: int, seed: int
    ) -> np.ndarray:
        if ticket is None:
            return self.run(template, rows, shots, seed)
        if self._jobs is None:
            raise DeviceError(
                f"The device must have a service to find the job {ticket}, but has none; try "
                "`QiskitDevice(sampler, service=backend.service)`."
            )
        return bits_of(self._jobs.results(ticket), template, len(rows), shots)

    def circuit(self, template: Template) -> Any:
        """The `QuantumCircuit` of a template, transpiled once, its symbols still free.

        Arguments:
            template: what is played.
        """
        if template.digest not in self._circuits:
            made = to_qiskit(template, two_wire_turns=self._backend is None)
            if self._backend is not None:
                made = self._transpiled(made)
            self._circuits[template.digest] = made
        return self._circuits[template.digest]

    def _transpiled(self, circuit: Any) -> Any:
        """A circuit in the backend's gates, on its qubits."""
        from qiskit.transpiler import generate_preset_pass_manager

        try:
            return generate_preset_pass_manager(
                optimization_level=self._level,
                backend=self._backend,
                scheduling_method=self._scheduling,
                initial_layout=None if self._layout is None else list(self._layout),
                seed_transpiler=0,
            ).run(circuit)
        except Exception as error:  # the transpiler's own errors have no common class
            place = "" if self._layout is None else f" on the qubits {self._layout}"
            said = f"{type(error).__name__}: {error}"
            raise DeviceError(
                f"The device must be able to play a circuit of {circuit.num_qubits} qubits{place}, "
                f"but the transpiler refuses it: {said}; try another layout or backend."
            ) from error

    def pinned(self, qubits: tuple[int, ...]) -> "QiskitDevice":
        _check_transpiler(self._backend, self._level, placed=True)
        made = copy(self)
        made._layout, made._circuits = qubits, {}
        return made

    @cached_property
    def calibration(self) -> Calibration | None:
        """The errors of the backend; None without one."""
        return None if self._backend is None else calibration(self._backend)

    def played(self, template: Template) -> tuple[Played, ...]:
        """What the backend plays for a template, gate by gate on physical qubits.

        Arguments:
            template: what is played.
        """
        tick = None if self._backend is None else self._backend.target.dt
        return played(self.circuit(template), template.symbols, tick)


def _check_transpiler(backend: Any, level: int, placed: bool) -> None:
    """Refuse settings that no transpiler takes, or that none would ever see."""
    if backend is None and placed:
        raise ValueError(
            "Arguments `scheduled` and `layout` must come with `backend`, but it is None: "
            "circuits are transpiled for a backend only."
        )
    if isinstance(level, bool) or level not in (0, 1, 2, 3):
        raise ValueError(
            f"Argument `optimization_level` must be 0, 1, 2 or 3, but is {level!r}; try 1."
        )
