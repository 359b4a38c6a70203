"""The calls of the kernel: narrow states in one launch, wide ones in many."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from operator import add

import jax
import numpy as np
from jax import Array

from qrnn_jax_kernels.cuda_pure_states.ops import MOST_WIRES as MOST_DIAGONAL_WIRES
from qrnn_jax_kernels.cuda_pure_states.ops import as_array, ops
from qrnn_jax_kernels.cuda_pure_states.passes import passes
from qrnn_jax_kernels.loop import Family
from qrnn_jax_kernels.program import Program

MOST_WIRES = 26
_PARTS = 256  # of a wide sequence: as many teams share its tiles


@dataclass(frozen=True)
class Calls:
    """What one library is asked for.

    Arguments:
        name: of its handlers.
        narrow: the most wires of a state in one launch, by type.
        tile: wires of a tile of wider ones.
    """

    name: str
    narrow: tuple[tuple[str, int], ...]
    tile: int

    def limit(self, program: Program) -> str | None:
        """Why it cannot run that, in a sentence; None if it can."""
        if program.wires <= MOST_WIRES:
            return None
        return f"the CUDA kernel has at most {MOST_WIRES} wires"

    def forward(self, program: Program, fixed: Array, varying: Array, start: Array) -> tuple:
        """As in `Family`."""
        batch, steps = varying.shape[:2]
        words = len(program.words)
        arrays, last = (fixed, varying, start), (batch, *start.shape[1:])
        if self._is_narrow(program, fixed):
            rows = (batch, _warps(program.wires))
            reads, end = self._narrow("forward", program, ((*rows, steps, words), last), arrays)
            return _over_warps(reads), end
        shapes = ((batch, steps, words), last, self._workspace(program, batch, words))
        return self._wide("forward", program, shapes, arrays)[:2]

    def backward(self, program: Program, *arrays: Array) -> tuple:
        """As in `Family`."""
        fixed, varying, last = arrays[:3]
        batch = len(varying)
        shapes = (fixed.shape[1:], varying.shape[1:])
        if self._is_narrow(program, fixed):
            rows = (batch, _warps(program.wires))
            wanted = (*((*rows, *shape) for shape in shapes), last.shape)
            found = self._narrow("backward", program, wanted, arrays)
            return _over_warps(found[0]), _over_warps(found[1]), found[2]
        wanted = (*((batch, *shape) for shape in shapes), last.shape, last.shape)
        sums = fixed.shape[1] + varying.shape[2]
        wanted = (*wanted, self._workspace(program, batch, sums))
        return self._wide("backward", program, wanted, arrays)[:3]

    def _is_narrow(self, program: Program, fixed: Array) -> bool:
        return program.wires <= dict(self.narrow)[fixed.dtype.name]

    def _workspace(self, program: Program, batch: int, sums: int) -> tuple[int]:
        """Rows of sums and of norms, and two norms of each sequence; see `wide.h`."""
        rows = self._parts(program) * _warps(self.tile)
        return (batch * (rows * (sums + 1) + 2),)

    def _parts(self, program: Program) -> int:
        return int(min(2 ** (program.wires - self.tile), _PARTS))

    def _narrow(self, direction: str, program: Program, shapes: tuple, arrays: tuple) -> tuple:
        target = f"qrnn_{self.name}_{direction}".lower()
        return _call(target, program, as_array(ops(program)), shapes, arrays, {})

    def _wide(self, direction: str, program: Program, shapes: tuple, arrays: tuple) -> tuple:
        found = passes(program, self.tile)
        sizes = {
            "tile": np.int64(self.tile),
            "parts": np.int64(self._parts(program)),
            "passes": np.array(found.ranges, np.int64).reshape(-1),
        }
        target = f"qrnn_{self.name}_wide{direction}".lower()
        return _call(target, program, found.rows, shapes, arrays, sizes)

    def family(self, name: str, obstacle: Callable[[], str | None]) -> Family:
        """What JAX's wrapper takes; not by default: nobody has measured it yet."""
        return Family(
            name,
            by_default=False,
            pass_wires=MOST_DIAGONAL_WIRES,
            obstacle=obstacle,
            limit=self.limit,
            forward=self.forward,
            backward=self.backward,
        )


def _warps(wires: int) -> int:
    """Of one team: 16 amplitudes for each of the 32 threads of a warp."""
    return 1 if wires <= 9 else 2 ** (wires - 9)


def _over_warps(sums: Array) -> Array:
    """(B, warps, ...) -> (B, ...), added up in a fixed order."""
    return reduce(add, [sums[:, warp] for warp in range(sums.shape[1])])


def _call(
    target: str, program: Program, rows: np.ndarray, shapes: tuple, arrays: tuple, sizes: dict
) -> tuple:
    kind = arrays[0].dtype
    call = jax.ffi.ffi_call(target, [jax.ShapeDtypeStruct(shape, kind) for shape in shapes])
    counts = {"wires": np.int64(program.wires), "words": np.int64(len(program.words))}
    return tuple(call(rows, *arrays, **counts, **sizes))
