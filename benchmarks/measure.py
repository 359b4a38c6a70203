"""Compile, check, then time: no program is timed before its value and gradient were accepted.

The reference is the plain-JAX loss in float64, evaluated in this run. A program whose float32 value
or gradient is off is refused: its record says why and holds no timing.
"""

import gc
import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from benchmarks.machine import memory_bytes
from benchmarks.plain_jax import Loss, plain_loss
from benchmarks.resident import watch
from benchmarks.workloads import Numbers, Workload

VALUE_TOLERANCE = 1e-4  # relative, float32
GOLDEN_TOLERANCE = 5e-9  # absolute: the golden losses are given to eight decimals
_REFERENCE_CHUNK = 8  # sequences at once, to keep the float64 reference small in memory
_SECONDS_PER_ROUND = 0.2  # fast programs are called again until a round has lasted this long


class PeerError(RuntimeError):
    """A peer's process gave no result that may be compared; the others go on."""


class NotRunError(RuntimeError):
    """A program that is not wrong, but not timed: too large, too slow, or not made for this."""


class Problem(Protocol):
    """What a comparison must know: a `Workload`, or a published cell on its data."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def sizes(self) -> Mapping[str, int]: ...
    @property
    def golden(self) -> float | None: ...
    @property
    def gradient_tolerance(self) -> float: ...
    @property
    def gradient_goal(self) -> float: ...


class Limits(NamedTuple):
    """What a program may take before it is given up: seconds of a step, and of all memory."""

    seconds: float = math.inf
    fraction_of_memory: float = math.inf


NO_LIMITS = Limits()


# (params, x, y) -> value, gradient
NumpyStep = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[float, np.ndarray]]


class Gradient(NamedTuple):
    """A loss and its gradient, as NumPy numbers."""

    value: float
    gradient: np.ndarray


class Check(NamedTuple):
    """How far a program is from the reference, and whether that is accepted."""

    value_error: float
    gradient_error: float
    passed: bool


@dataclass
class Record:
    """What is known about one program; times are in seconds."""

    name: str
    trace_s: float = 0.0
    compile_s: float = 0.0
    temp_bytes: int | None = 0  # None where XLA does not run it
    check: Check | None = None
    refused: str | None = None
    repeats_s: list[float] = field(default_factory=list)
    memory: dict[str, int | None] | None = None  # where it was measured in a process of its own
    versions: dict[str, str] | None = None  # of a peer's environment
    skipped: str | None = None  # why it was not run, which is no error

    @property
    def median_s(self) -> float | None:
        return statistics.median(self.repeats_s) if self.repeats_s else None

    @property
    def best_s(self) -> float | None:
        return min(self.repeats_s) if self.repeats_s else None


class Compiled(NamedTuple):
    """A compiled training step (value and gradient) with what compiling it took."""

    step: Callable[..., tuple[Array, Array]]
    trace_s: float
    compile_s: float
    temp_bytes: int


class Ready(NamedTuple):
    """A program that was compiled and ran once; `step` runs it again and returns the seconds."""

    trace_s: float
    compile_s: float
    temp_bytes: int | None
    found: Gradient
    step: Callable[[], float]
    memory: dict[str, int | None]
    versions: dict[str, str] | None = None


def arguments(numbers: Numbers, dtype: str) -> tuple[Array, Array, Array]:
    """(params, x, y) on the device."""
    return tuple(jnp.asarray(a, dtype) for a in (numbers.params, numbers.x, numbers.y))  # type: ignore[return-value]


def compile_step(loss: Loss, args: tuple[Array, Array, Array]) -> Compiled:
    """Compile value and gradient in all parameters, ahead of time.

    What earlier programs left behind is set aside first: Python would look through it again and
    again while this one is traced.
    """
    gc.collect()
    gc.freeze()
    try:
        started = time.perf_counter()
        lowered = jax.jit(jax.value_and_grad(loss)).lower(*args)
        traced = time.perf_counter()
        compiled = lowered.compile()
        done = time.perf_counter()
    finally:
        gc.unfreeze()
    memory = compiled.memory_analysis()
    temp = int(memory.temp_size_in_bytes) if memory is not None else 0
    return Compiled(compiled, traced - started, done - traced, temp)


def prepare(loss: Loss, numbers: Numbers, limits: Limits = NO_LIMITS) -> Ready:
    """Compile a loss in float32 and run it once.

    Raises:
        NotRunError: it would take more memory than allowed (then it was not run), or took longer.
    """
    with jax.enable_x64(False):
        args = arguments(numbers, "float32")
        compiled = compile_step(loss, args)
        _check_memory(compiled.temp_bytes, limits)
        jax.block_until_ready(args)
        started = time.perf_counter()
        (value, gradient), memory = watch(lambda: jax.block_until_ready(compiled.step(*args)))
        _check_time(time.perf_counter() - started, limits)
    found = Gradient(float(value), np.asarray(gradient, np.float64))

    def step() -> float:
        started = time.perf_counter()
        jax.block_until_ready(compiled.step(*args))
        return time.perf_counter() - started

    return Ready(*compiled[1:], found, step, memory)


def prepare_numpy(step: NumpyStep, numbers: Numbers) -> Ready:
    """Run a step that is not JAX once, in float32."""
    args = [np.asarray(a, np.float32) for a in (numbers.params, numbers.x, numbers.y)]
    (value, gradient), memory = watch(lambda: step(*args))

    def again() -> float:
        started = time.perf_counter()
        step(*args)
        return time.perf_counter() - started

    return Ready(0.0, 0.0, None, Gradient(value, gradient), again, memory)


def _check_memory(temp_bytes: int, limits: Limits) -> None:
    allowed = limits.fraction_of_memory * memory_bytes()
    if temp_bytes > allowed:
        raise NotRunError(
            f"one step needs {temp_bytes / 1e9:.1f} GB for temporaries, more than the "
            f"{allowed / 1e9:.1f} GB allowed here"
        )


def _check_time(seconds: float, limits: Limits) -> None:
    if seconds > limits.seconds:
        raise NotRunError(
            f"its first step took {seconds:.1f} s; what takes over {limits.seconds:g} s is not "
            "repeated"
        )


def reference(workload: Workload, numbers: Numbers, loss: Loss | None = None) -> Gradient:
    """Value and gradient of a loss in float64, a few sequences at a time.

    Arguments:
        workload: what to run.
        numbers: its draw.
        loss: None takes plain JAX, gate by gate.

    Raises:
        ValueError: the value is not the workload's golden loss.
    """
    size = math.gcd(workload.batch, _REFERENCE_CHUNK)
    parts = workload.batch // size
    value, gradient = 0.0, np.zeros(workload.parameters)
    with jax.enable_x64(True):
        params, x, y = arguments(numbers, "float64")
        step = compile_step(loss or plain_loss(workload), (params, x[:size], y[:size])).step
        for i in range(parts):
            rows = slice(i * size, (i + 1) * size)
            part_value, part_gradient = step(params, x[rows], y[rows])
            value += float(part_value) / parts
            gradient += np.asarray(part_gradient) / parts
    golden = workload.golden
    if golden is not None and abs(value - golden) > GOLDEN_TOLERANCE:
        raise ValueError(
            f"The reference loss of {workload.name} must be {golden}, but is {value:.10f}; "
            "the plain-JAX program or its data was changed."
        )
    return Gradient(value, gradient)


def check(found: Gradient, expected: Gradient, *, gradient_tolerance: float) -> Check:
    """The gate: relative value error, and gradient error relative to its largest entry."""
    value_error = abs(found.value - expected.value) / abs(expected.value)
    scale = float(np.max(np.abs(expected.gradient)))
    gradient_error = float(np.max(np.abs(found.gradient - expected.gradient))) / scale
    # comparisons with NaN are false, so a NaN anywhere refuses
    passed = value_error <= VALUE_TOLERANCE and gradient_error <= gradient_tolerance
    return Check(value_error, gradient_error, passed)


def refusal(result: Check, gradient_tolerance: float) -> str | None:
    """Why a program is not timed; None if it is."""
    if result.passed:
        return None
    return (
        f"value off by {result.value_error:.1e} (allowed {VALUE_TOLERANCE:.0e}), "
        f"gradient off by {result.gradient_error:.1e} (allowed {gradient_tolerance:.0e}); not timed"
    )


def compare(
    workload: Workload,
    losses: Mapping[str, Loss],
    peers: Mapping[str, Callable[[], Ready]] | None = None,
    *,
    rounds: int,
    say: Callable[[str], None] = lambda text: None,
) -> tuple[Gradient, list[Record]]:
    """Check every program against plain JAX in float64, then time the accepted ones side by side.

    Arguments:
        workload: what to run.
        losses: programs by name, each (params, x, y) -> loss, run in float32.
        peers: programs elsewhere by name; each call starts one and waits until it is ready.
        rounds: how many times to go round all programs; each gives at least one repeat per round.
        say: where progress goes.
    """
    numbers = workload.draw()
    say(f"{workload.name}: float64 reference")
    expected = reference(workload, numbers)
    starts = {name: partial(prepare, loss, numbers) for name, loss in losses.items()}
    return expected, side_by_side(workload, expected, starts, peers, rounds=rounds, say=say)


def side_by_side(
    problem: Problem,
    expected: Gradient,
    here: Mapping[str, Callable[[], Ready]],
    elsewhere: Mapping[str, Callable[[], Ready]] | None = None,
    *,
    rounds: int,
    say: Callable[[str], None] = lambda text: None,
) -> list[Record]:
    """Check programs against a float64 result, then time the accepted ones side by side.

    Arguments:
        problem: its name and tolerance are used.
        expected: value and gradient in float64.
        here: programs of this process by name; each call compiles one and runs it once.
        elsewhere: programs of other processes, as in `compare`.
        rounds, say: as in `compare`.
    """
    records: list[Record] = []
    steps: dict[str, Callable[[], float]] = {}
    for name, start in {**here, **(elsewhere or {})}.items():
        say(f"{problem.name}: compile and check {name}")
        try:
            ready = start()
        except PeerError as error:
            records.append(Record(name, refused=str(error)))
            continue
        except NotRunError as reason:
            records.append(Record(name, skipped=str(reason)))
            continue
        record = _judge(name, ready, expected, problem.gradient_tolerance)
        if name not in here:  # here, memory that earlier programs left would be counted
            record.memory, record.versions = ready.memory, ready.versions
        if record.refused is None:
            steps[name] = ready.step
        records.append(record)
    say(f"{problem.name}: time {len(steps)} programs in {rounds} rounds")
    repeats = time_rounds(steps, rounds=rounds)
    for record in records:
        record.repeats_s = repeats.get(record.name, [])
    return records


def _judge(name: str, ready: Ready, expected: Gradient, tolerance: float) -> Record:
    result = check(ready.found, expected, gradient_tolerance=tolerance)
    costs = (ready.trace_s, ready.compile_s, ready.temp_bytes)
    return Record(name, *costs, check=result, refused=refusal(result, tolerance))


def time_rounds(steps: Mapping[str, Callable[[], float]], *, rounds: int) -> dict[str, list[float]]:
    """Run the steps in turn, round after round, so that noise of the machine hits all alike.

    A step returns the seconds it took. The first call of a turn is not counted: the system takes
    back the memory of the program before during that call (0.3 s after 3.4 GB).
    """
    repeats: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            step()
            spent = 0.0
            while spent < _SECONDS_PER_ROUND:
                repeats[name].append(step())
                spent += repeats[name][-1]
    return repeats
