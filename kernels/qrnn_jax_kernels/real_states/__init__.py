"""The time loop of a recurrent circuit on real amplitudes, forward and in reverse, on the CPU.

Supported: turns of one wire by tables that any other wires choose, wires that join and leave with a
known bit, post-selection with the norm set to 1 after each step, the weights of read words;
float32 and float64; CPU. Not supported: forward mode, other gates, slopes in the steps' own
numbers (they are words and bits).
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jax import Array

from qrnn_jax_kernels.build import cpu_obstacle

MOST_WIRES = 20
PARTS = 16  # as in the kernel: of a batch, at most; each has tables of slopes of its own
LEAST = 16  # as in the kernel: numbers of the smallest vector and table; unused ones are 0
_TARGETS = {"qrnn_real_forward": "QrnnRealForward", "qrnn_real_backward": "QrnnRealBackward"}


class Action(IntEnum):
    """What an instruction does to the vector."""

    TURN = 0  # out(i) = C(i) in(i) + S(i) in(i with the bit flipped)
    GROW = 1  # a wire with a known bit joins as the most significant one
    PICK = 2  # a wire is found to hold the known bit, and leaves
    EXCHANGE = 3  # a wire is flipped if the known bit is 1
    KEEP = 4  # nothing is left if the known bit is 1
    SWAP = 5  # a wire changes places with another one


class Instruction(NamedTuple):
    """One instruction.

    Arguments:
        action: see `Action`.
        bit: of an amplitude's index, 0 the least significant.
        choice: which of the step's own numbers is the known bit, or the word that chooses a turn's
            table; -1 for none: it is 0. A number that is neither gives NaN.
        words: how many tables a turn has; of a swap the other wire's bit.
        wires: of the vector before it.
        offset: where its tables start: C and S of the first word, of the second, and so on, each
            with `padded(wires)` numbers.
    """

    action: Action
    bit: int
    choice: int
    words: int
    wires: int
    offset: int


class RealProgram(NamedTuple):
    """A step without its numbers.

    Arguments:
        wires: of the vector that is carried.
        read: how many instructions come before the read-out.
        rescales: whether the vector gets norm 1 after each step, the factor taken as a constant.
        instructions: in order.
        read_bits: whose words are read, first one most significant.
    """

    wires: int
    read: int
    rescales: bool
    instructions: tuple[Instruction, ...]
    read_bits: tuple[int, ...]


def padded(wires: int) -> int:
    """Numbers of a vector in the kernel."""
    return max(2**wires, LEAST)


@lru_cache(maxsize=1)
def obstacle() -> str | None:
    """Why there is no native code here, in a sentence; None if there is."""
    return cpu_obstacle(Path(__file__).parent, _TARGETS)


def forward(program: RealProgram, fixed: Array, varying: Array, start: Array) -> tuple:
    """All steps.

    Arguments:
        program: the step.
        fixed: (F,), all tables.
        varying: (B, T, V), the numbers of each step; of the type of `fixed`, as all arrays.
        start: (B, 2**wires).

    Returns:
        reads (B, T, 2**len(read_bits)), and the last vectors (B, 2**wires).
    """
    batch, steps = varying.shape[:2]
    shapes = ((batch, steps, 2 ** len(program.read_bits)), start.shape)
    return _call("qrnn_real_forward", program, shapes, fixed, varying, start)


def backward(
    program: RealProgram,
    fixed: Array,
    varying: Array,
    start: Array,
    reads_slope: Array,
    last_slope: Array,
) -> tuple:
    """The slopes of `fixed`, summed over the batch, and of `start`."""
    arrays = (fixed, varying, start, reads_slope, last_slope)
    return _call("qrnn_real_backward", program, (fixed.shape, start.shape), *arrays)


def _call(name: str, program: RealProgram, shapes: tuple, *arrays: Array) -> tuple:
    results = [jax.ShapeDtypeStruct(shape, arrays[0].dtype) for shape in shapes]
    call = jax.ffi.ffi_call(name, results, vmap_method="sequential")
    return tuple(
        call(
            *arrays,
            wires=np.int64(program.wires),
            read=np.int64(program.read),
            rescales=np.int64(program.rescales),
            instructions=np.array(program.instructions, np.int64).reshape(-1),
            read_bits=np.array(program.read_bits, np.int64),
        )
    )
