"""The time loop of a recurrent circuit on pure states, forward and in reverse, in native code.

Supported: gates on one or two wires, diagonals on up to five; up to 24 wires; Pauli words read
after a number of gates; float32 and float64; CPU. Not supported: forward mode, other gates on more
wires, matrices that are not unitary, channels.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from enum import IntEnum
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.custom_batching import custom_vmap

from qrnn_jax_kernels.build import BuildError, library

MOST_WIRES = 24
MOST_GATE_WIRES = 5  # of a diagonal, and wires that share a pass
_TARGETS = {"qrnn_pure_forward": "QrnnPureForward", "qrnn_pure_backward": "QrnnPureBackward"}


class Kind(IntEnum):
    """What a gate's numbers are: rows of a matrix first, re and im of each complex entry."""

    COMPLEX = 0  # unitary, on one or two wires
    REAL = 1  # orthogonal, on one or two wires
    DIAGONAL = 2  # phases (2**k,) on up to five wires
    CNOT = 3  # none


class Gate(NamedTuple):
    """One gate of a step; wire 0 is the most significant bit.

    Arguments:
        kind: see `Kind`.
        wires: the first one most significant.
        offset: where its numbers start.
        varies: whether they are among those of each step, or of all steps.
    """

    kind: Kind
    wires: tuple[int, ...]
    offset: int
    varies: bool

    @property
    def size(self) -> int:
        """How many numbers."""
        dimension = 2 ** len(self.wires)
        sizes = (2 * dimension**2, dimension**2, 2 * dimension, 0)
        return sizes[self.kind]

    @property
    def row(self) -> tuple[int, ...]:
        """As native code reads it."""
        unused = (0,) * (MOST_GATE_WIRES - len(self.wires))
        return (self.kind, len(self.wires), self.offset, self.varies, *self.wires, *unused)


class Word(NamedTuple):
    """i^power times X on the wires of `flips` and Z on those of `signs`; Y is i X Z.

    Arguments:
        flips, signs: bits of an amplitude's index.
        power: 0 to 3.
    """

    flips: int
    signs: int
    power: int


class Program(NamedTuple):
    """A step without its numbers.

    Arguments:
        wires: 1 to 24.
        read: how many gates come before the read-out.
        gates: the gates in order.
        words: the Pauli words that are read.
    """

    wires: int
    read: int
    gates: tuple[Gate, ...]
    words: tuple[Word, ...]


@lru_cache(maxsize=1)
def obstacle() -> str | None:
    """Why there is no native code here, in a sentence; None if there is."""
    if jax.default_backend() != "cpu":
        return (
            f"Native kernels run on the CPU, but JAX's default device is {jax.default_backend()}."
        )
    try:
        found = library(Path(__file__).parent)
    except BuildError as error:
        warnings.warn(f"{error} JAX's own loop is used instead.", stacklevel=2)
        return str(error)
    for name, symbol in _TARGETS.items():
        handler = jax.ffi.pycapsule(getattr(found, symbol))
        jax.ffi.register_ffi_target(name, handler, platform="cpu")
    return None


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def pure_loop(program: Program, fixed: Array, varying: Array, start: Array) -> tuple[Array, Array]:
    """All steps of a sequence; reverse mode undoes them, so that no state is stored.

    Equation: psi_t = U_t psi_{t-1}; reads_tw = <psi_t| P_w |psi_t> at the read-out.

    Arguments:
        program: the step.
        fixed: (F,), numbers of the gates that do not change.
        varying: (T, V), those of the gates that do; of the type of `fixed`, as all arrays.
        start: (2**n, 2), amplitudes as re and im.

    Returns:
        reads (T, W), and the last state (2**n, 2).

    Raises:
        RuntimeError: there is no native code here; see `obstacle`.

    Example:
        >>> import jax.numpy as jnp
        >>> from qrnn_jax_kernels.pure_states import Gate, Kind, Program, Word, pure_loop
        >>> flip = Program(1, 1, (Gate(Kind.REAL, (0,), 0, False),), (Word(0, 1, 0),))
        >>> numbers = jnp.array([0.0, 1, 1, 0])  # X
        >>> zero = jnp.array([[1.0, 0.0], [0.0, 0.0]])
        >>> pure_loop(flip, numbers, jnp.zeros((3, 0)), zero)[0].ravel().tolist()
        [-1.0, 1.0, -1.0]
    """
    return _forward(program, fixed, varying, start)[0]


def _forward(program: Program, fixed: Array, varying: Array, start: Array) -> tuple:
    reads, last = _calls(program)[0](fixed[None], varying[None], start[None])
    return (reads[0], last[0]), (fixed, varying, last[0])


def _backward(program: Program, kept: tuple, slopes: tuple) -> tuple:
    given = [array[None] for array in (*kept, *slopes)]
    return tuple(slope[0] for slope in _calls(program)[1](*given))


pure_loop.defvjp(_forward, _backward)


@lru_cache(maxsize=256)
def _calls(program: Program) -> tuple[Callable, Callable]:
    """The native calls on batches, (B, ...) each; a batch of `vmap` becomes part of B."""
    reason = obstacle()
    if reason:
        raise RuntimeError(reason)
    forward = _batched(partial(_call_forward, program), shareable=(0, 2))
    return forward, _batched(partial(_call_backward, program), shareable=(0,))


def _batched(call: Callable, shareable: tuple[int, ...]) -> Callable:
    """A call whose arrays all begin with (B, ...), under `vmap` with (new axis x B, ...).

    A shareable array may stay (1, ...): one for all sequences. The second array tells B.
    """
    function = custom_vmap(call)

    @function.def_vmap
    def rule(size: int, batched: list[bool], *arrays: Array) -> tuple:
        own = arrays[1].shape[batched[1]]
        merged = []
        for index, (array, has) in enumerate(zip(arrays, batched)):
            if index in shareable and not has and len(array) == 1:
                merged.append(array)
                continue
            array = array if has else array[None]
            wide = jnp.broadcast_to(array, (size, own, *array.shape[2:]))
            merged.append(wide.reshape(size * own, *wide.shape[2:]))
        found = function(*merged)
        split = tuple(array.reshape(size, own, *array.shape[1:]) for array in found)
        return split, (True,) * len(split)

    return function


def _call_forward(program: Program, fixed: Array, varying: Array, start: Array) -> tuple:
    batch, steps = varying.shape[:2]
    shapes = ((batch, steps, len(program.words)), (batch, *start.shape[1:]))
    return _call("qrnn_pure_forward", program, shapes, fixed, varying, start)


def _call_backward(
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
    gates = np.array([gate.row for gate in program.gates], np.int64).reshape(-1)
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
