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
    the first bit of a register is its lowest          unpacked here, nowhere else
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any, final

import numpy as np

from qrnn_jax.hardware.calibration import Calibration, calibration
from qrnn_jax.hardware.errors import DeviceError
from qrnn_jax.hardware.lower import expanded
from qrnn_jax.hardware.protocol import GATES, AbstractDevice, Capabilities
from qrnn_jax.hardware.speed import CircuitSize, Speed
from qrnn_jax.hardware.template import CONDITION, Instruction, Template, reversed_bits
from qrnn_jax.hardware.transpiled import Played, played

_MAX_SHOTS = 2048
_SCRATCH = "scratch"


@final
class QiskitDevice(AbstractDevice):
    """A device behind `qiskit.primitives.BaseSamplerV2`: hardware, or a simulator such as Aer's.

    Arguments:
        sampler: one that draws fresh shots at every call; or, for a simulator, a function that
            makes one for a seed. Only with the latter is playing a job again free.
        backend: the device behind it, for which circuits are transpiled, and whose instructions
            are the capabilities; None sends them as they are, for simulators.
        optimization_level: of the transpiler, 0 to 3.
        scheduled: whether waiting times are written into the circuit as delays: Aer lets qubits
            decay there, and nowhere else while they wait. Hardware waits by itself. No conditions
            then: Qiskit cannot schedule them.
        layout: the backend's qubit for each wire, at the start; None leaves it to the transpiler.
        speed: how fast it plays a circuit of some size, for `plan`; None where nobody knows.

    Raises:
        TypeError: neither a sampler nor a function.
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
        optimization_level: int = 1,
        scheduled: bool = False,
        layout: tuple[int, ...] | None = None,
        speed: Callable[[CircuitSize], Speed] | None = None,
    ) -> None:
        _check_transpiler(backend, optimization_level, scheduled or layout is not None)
        self._make: Callable[[int], Any]
        self._sampler = sampler
        if callable(getattr(sampler, "run", None)):
            _check_unseeded(sampler)
            self._make = lambda seed: sampler
        elif callable(sampler):
            self._make = sampler
        else:
            raise TypeError(
                "Argument `sampler` must be a sampler of Qiskit or a function that makes one for a "
                f"seed, but is {sampler!r}; try `lambda seed: SamplerV2(seed=seed)`."
            )
        self._backend = backend
        self._level = optimization_level
        self._scheduling = "alap" if scheduled else None
        self._layout = layout
        self._speed = speed
        self._circuits: dict[bytes, Any] = {}

    @property
    def replays_free(self) -> bool:
        return self._make is self._sampler  # a function of the seed

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
        bits = np.zeros((len(rows), shots, template.steps, template.outputs), np.uint8)
        if not template.outputs:
            return bits
        circuit = self.circuit(template)
        place = {name: column for column, name in enumerate(template.symbols)}
        table = rows[:, [place[symbol.name] for symbol in circuit.parameters]]
        # rows of a table without columns would all return the same shots
        pubs = [(circuit, table)] if table.shape[1] else [circuit] * len(rows)
        results = self._make(seed).run(pubs, shots=shots).result()
        for step in template.read_steps:
            packed = [_register(result.data, f"y{step}") for result in results]
            stacked = np.concatenate([p.reshape(-1, *p.shape[-2:]) for p in packed])
            every = np.unpackbits(stacked, axis=-1)[..., ::-1]  # the last byte holds bit 0
            if every.shape[:2] != bits.shape[:2]:  # NumPy would repeat a single shot
                raise DeviceError(
                    f"The device must return {bits.shape[:2]} rows and shots, but returned "
                    f"{every.shape[:2]}."
                )
            bits[:, :, step] = every[..., : template.outputs]
        return bits

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
        return QiskitDevice(
            self._sampler,
            backend=self._backend,
            optimization_level=self._level,
            scheduled=self._scheduling is not None,
            layout=qubits,
            speed=self._speed,
        )

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


def _register(data: Any, name: str) -> np.ndarray:
    """The packed bits of one classical register, (.., shots, bytes)."""
    if name not in data:
        raise DeviceError(
            f"The device must return the register {name}, but returned {sorted(data)}."
        )
    return np.asarray(data[name].array)


def to_qiskit(template: Template, *, two_wire_turns: bool = True) -> Any:
    """A template as a `QuantumCircuit`: wire k is qubit k, step t is measured into register yt.

    Equation: bit j of register yt belongs to the j-th measured wire; parameter a_t_k is the entry
    [t, k] of the occurrence tape.

    Arguments:
        template: from `templates(cell, steps)`.
        two_wire_turns: whether rxx, ryy and rzz stay as they are; else they become cx and rz, whose
            angles no device restricts.

    Returns:
        An unrolled circuit without loops; conditions only where bits are fed back.

    Raises:
        ValueError: noise: a device has its own.

    Example:
        >>> import qrnn_jax as qj
        >>> (template,) = qj.hardware.templates(qj.cells.Takaki(inputs=1, memory=1, depth=1), 2)
        >>> def draw():  # with the extra `qiskit`
        ...     print(qj.hardware.to_qiskit(template))

    Source: Qiskit's `QuantumCircuit`.
    """
    try:
        from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
        from qiskit.circuit import Parameter
    except ImportError as error:
        raise ImportError(
            '`to_qiskit` needs the package qiskit; try `pip install "qrnn_jax[qiskit]"`.'
        ) from error

    registers = {t: ClassicalRegister(template.outputs, f"y{t}") for t in template.read_steps}
    scratch = ClassicalRegister(1, _SCRATCH)
    instructions = list(template.instructions())
    if any(i.name == "measure" and i.bit is None for _, i in instructions):
        circuit = QuantumCircuit(QuantumRegister(template.wires, "q"), *registers.values(), scratch)
    else:
        circuit = QuantumCircuit(QuantumRegister(template.wires, "q"), *registers.values())
    symbols: dict[str, Any] = {}
    for step, whole in instructions:
        for instruction in [whole] if two_wire_turns else expanded(whole):
            if instruction.name == "measure":
                bit = instruction.bit
                target = scratch[0] if bit is None else registers[step][bit]
                circuit.measure(instruction.wires[0], target)
                continue
            angle = None
            if instruction.angle is not None:
                name = f"a_{step}_{instruction.angle.column}"
                symbol = symbols.setdefault(name, Parameter(name))
                angle = symbol * instruction.angle.scale + instruction.angle.offset
            if instruction.when is None:
                _append(circuit, instruction, angle)
                continue
            number = reversed_bits(instruction.when, template.outputs)
            with circuit.if_test((registers[step - 1], number)):
                _append(circuit, instruction, angle)
    return circuit


def _append(circuit: Any, instruction: Instruction, angle: Any) -> None:
    """One gate or reset, by the method of its name."""
    name, wires = instruction.name, instruction.wires
    if name == "kraus" or any(instruction.flips):
        raise ValueError(
            "A circuit for Qiskit must be free of noise, but this one has noise; try the cell "
            "without it: a device has its own."
        )
    if name == "unitary":
        # a copy: from a read-only array Aer and the transpiler took other numbers
        circuit.unitary(np.array(instruction.matrices[0]), list(wires[::-1]))
    elif angle is not None:
        getattr(circuit, name)(angle, *wires)
    else:
        getattr(circuit, name)(*wires)


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


def _check_unseeded(sampler: Any) -> None:
    """Refuse a simulator's sampler that repeats itself."""
    options = getattr(sampler, "options", None)
    backend = getattr(sampler, "backend", None) or getattr(sampler, "_backend", None)
    passed = getattr(options, "run_options", None)
    seeds = (
        getattr(sampler, "seed", None),
        getattr(options, "seed_simulator", None),
        passed.get("seed_simulator") if isinstance(passed, dict) else None,
        getattr(getattr(backend, "options", None), "seed_simulator", None),
    )
    seed = next((found for found in seeds if found is not None), None)
    if seed is not None:
        raise ValueError(
            f"Argument `sampler` must draw fresh shots in every job, but has the seed {seed}; try "
            "`QiskitDevice(lambda seed: SamplerV2(seed=seed))`."
        )
