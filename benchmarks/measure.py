"""Compile, check, then time: no program is timed before its value and gradient were accepted.

The reference is the plain-JAX loss in float64, evaluated in this run. A program whose float32 value
or gradient is off is refused: its record says why and holds no timing.
"""

import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from benchmarks.plain_jax import Loss, plain_loss
from benchmarks.workloads import Numbers, Workload

VALUE_TOLERANCE = 1e-4  # relative, float32
GOLDEN_TOLERANCE = 5e-9  # absolute: the golden losses are given to eight decimals
_REFERENCE_CHUNK = 8  # sequences at once, to keep the float64 reference small in memory
_SECONDS_PER_ROUND = 0.2  # fast programs are called again until a round has lasted this long


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
    temp_bytes: int = 0
    check: Check | None = None
    refused: str | None = None
    repeats_s: list[float] = field(default_factory=list)

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


def arguments(numbers: Numbers, dtype: str) -> tuple[Array, Array, Array]:
    """(params, x, y) on the device."""
    return tuple(jnp.asarray(a, dtype) for a in (numbers.params, numbers.x, numbers.y))  # type: ignore[return-value]


def compile_step(loss: Loss, args: tuple[Array, Array, Array]) -> Compiled:
    """Compile value and gradient in all parameters, ahead of time."""
    started = time.perf_counter()
    lowered = jax.jit(jax.value_and_grad(loss)).lower(*args)
    traced = time.perf_counter()
    compiled = lowered.compile()
    done = time.perf_counter()
    memory = compiled.memory_analysis()
    temp = int(memory.temp_size_in_bytes) if memory is not None else 0
    return Compiled(compiled, traced - started, done - traced, temp)


def reference(workload: Workload, numbers: Numbers) -> Gradient:
    """Value and gradient of the plain loss in float64, a few sequences at a time.

    Raises:
        ValueError: the value is not the workload's golden loss.
    """
    size = math.gcd(workload.batch, _REFERENCE_CHUNK)
    parts = workload.batch // size
    value, gradient = 0.0, np.zeros(workload.parameters)
    with jax.enable_x64(True):
        params, x, y = arguments(numbers, "float64")
        step = compile_step(plain_loss(workload), (params, x[:size], y[:size])).step
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
    *,
    rounds: int,
    say: Callable[[str], None] = lambda text: None,
) -> tuple[Gradient, list[Record]]:
    """Check every program against the reference, then time the accepted ones side by side.

    Arguments:
        workload: what to run.
        losses: programs by name, each (params, x, y) -> loss, run in float32.
        rounds: how many times to go round all programs; each gives at least one repeat per round.
        say: where progress goes.
    """
    numbers = workload.draw()
    say(f"{workload.name}: float64 reference")
    expected = reference(workload, numbers)
    records: list[Record] = []
    steps: dict[str, Callable[[], Any]] = {}
    with jax.enable_x64(False):
        args = arguments(numbers, "float32")
        for name, loss in losses.items():
            say(f"{workload.name}: compile and check {name}")
            compiled = compile_step(loss, args)
            value, gradient = compiled.step(*args)
            found = Gradient(float(value), np.asarray(gradient, np.float64))
            result = check(found, expected, gradient_tolerance=workload.gradient_tolerance)
            refused = refusal(result, workload.gradient_tolerance)
            records.append(Record(name, *compiled[1:], check=result, refused=refused))
            if refused is None:
                steps[name] = _bind(compiled.step, args)
        say(f"{workload.name}: time {len(steps)} programs in {rounds} rounds")
        repeats = time_rounds(steps, rounds=rounds)
    for record in records:
        record.repeats_s = repeats.get(record.name, [])
    return expected, records


def time_rounds(steps: Mapping[str, Callable[[], Any]], *, rounds: int) -> dict[str, list[float]]:
    """Call the steps in turn, round after round, so that noise of the machine hits all alike."""
    repeats: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            spent = 0.0
            while spent < _SECONDS_PER_ROUND:
                started = time.perf_counter()
                jax.block_until_ready(step())
                repeats[name].append(time.perf_counter() - started)
                spent += repeats[name][-1]
    return repeats


def _bind(step: Callable[..., Any], args: tuple[Array, ...]) -> Callable[[], Any]:
    return lambda: step(*args)
