"""The time loop of a recurrent circuit on pure states, forward and in reverse, on the CPU.

Supported: gates on one or two wires, diagonals on up to five; up to 24 wires; Pauli words read
after a number of gates; float32 and float64; CPU. Not supported: forward mode, other gates on more
wires, matrices that are not unitary, channels.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import jax
import numpy as np
from jax import Array

from qrnn_jax_kernels.build import cpu_obstacle
from qrnn_jax_kernels.loop import Family
from qrnn_jax_kernels.program import Gate as Gate
from qrnn_jax_kernels.program import Kind as Kind
from qrnn_jax_kernels.program import Program as Program
from qrnn_jax_kernels.program import Word as Word

MOST_WIRES = 24
_PASS_WIRES = 5  # as in the kernel, also of a diagonal
_TARGETS = {"qrnn_pure_forward": "QrnnPureForward", "qrnn_pure_backward": "QrnnPureBackward"}


@lru_cache(maxsize=1)
def obstacle() -> str | None:
    """Why there is no native code here, in a sentence; None if there is."""
    return cpu_obstacle(Path(__file__).parent, _TARGETS)


def _limit(program: Program) -> str | None:
    return f"native code has at most {MOST_WIRES} wires" if program.wires > MOST_WIRES else None


def _forward(program: Program, fixed: Array, varying: Array, start: Array) -> tuple:
    batch, steps = varying.shape[:2]
    shapes = ((batch, steps, len(program.words)), (batch, *start.shape[1:]))
    return _call("qrnn_pure_forward", program, shapes, fixed, varying, start)


def _backward(
    program: Program,
    fixed: Array,
    varying: Array,
    last: Array,
    reads_slope: Array,
    last_slope: Array,
) -> tuple:
    shapes = ((len(varying), *fixed.shape[1:]), varying.shape, last.shape)
    arrays = (fixed, varying, last, reads_slope, last_slope)
    return _call("qrnn_pure_backward", program, shapes, *arrays)


def _call(name: str, program: Program, shapes: tuple, *arrays: Array) -> tuple:
    kind = arrays[0].dtype
    results = [jax.ShapeDtypeStruct(shape, kind) for shape in shapes]
    gates = np.array([_row(gate) for gate in program.gates], np.int64).reshape(-1)
    words = np.array(program.words, np.int64).reshape(-1)
    call = jax.ffi.ffi_call(name, results)
    return tuple(
        call(
            *arrays,
            wires=np.int64(program.wires),
            read=np.int64(program.read),
            gates=gates,
            words=words,
        )
    )


def _row(gate: Gate) -> tuple[int, ...]:
    """A gate as the kernel reads it."""
    unused = (0,) * (_PASS_WIRES - len(gate.wires))
    return (gate.kind, len(gate.wires), gate.offset, gate.varies, *gate.wires, *unused)


FAMILY = Family("C++", True, _PASS_WIRES, obstacle, _limit, _forward, _backward)
