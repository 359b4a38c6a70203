"""The time loop of a recurrent circuit on pure states, forward and in reverse, on NVIDIA GPUs.

Supported: gates on one wire, CNOT, and diagonal or dense gates on two wires; up to 13 wires in
float32 and 12 in float64; Pauli words read after a number of gates. Not supported: forward mode,
gates on more wires, channels, wider states.

`FAMILY` runs on the GPU. `TWIN` is the same code compiled for the host, where a warp is an array:
slow, and there to test the algorithm without a GPU.
"""

from __future__ import annotations

import ctypes
from dataclasses import replace
from functools import lru_cache, partial, reduce
from operator import add
from pathlib import Path

import jax
import numpy as np
from jax import Array
from jax.typing import DTypeLike

from qrnn_jax_kernels.build import CPP, CUDA, BuildError, ffi_obstacle, library
from qrnn_jax_kernels.cuda_pure_states.ops import MOST_WIRES, as_array, ops
from qrnn_jax_kernels.loop import Family
from qrnn_jax_kernels.program import Program

_FOLDER = Path(__file__).parent
_QUICKLY = replace(CPP, flags=("-O1", *CPP.flags[1:]))  # the twin is small, its code is large
_MOST_WIRES = {"float32": 13, "float64": 12}
_MOST_WIRES_OF_TWIN = {"float32": 11, "float64": 11}


@lru_cache(maxsize=1)
def obstacle() -> str | None:
    """Why there is no CUDA kernel here, in a sentence; None if there is. Compiles on first use."""
    device = jax.devices()[0]
    if device.platform != "gpu" or "cuda" not in device.client.platform_version.lower():
        return f"the CUDA kernel runs on NVIDIA GPUs, but the default device is {device}"
    try:
        found = library(_FOLDER, CUDA)
    except BuildError as error:
        return str(error)
    found.QrnnCudaObstacle.restype = ctypes.c_char_p
    reason = found.QrnnCudaObstacle()
    if reason:
        return f"the CUDA kernel cannot run here: {reason.decode()}"
    return register(found, "Cuda", "CUDA")


@lru_cache(maxsize=1)
def twin_obstacle() -> str | None:
    """Why the host's copy of the kernel is not here, in a sentence; None if it is."""
    try:
        return register(library(_FOLDER, _QUICKLY), "Twin", "cpu")
    except BuildError as error:
        return str(error)


def register(found: ctypes.CDLL, name: str, platform: str) -> str | None:
    """Tell JAX of a library's two handlers; not if it was built for another jaxlib.

    Arguments:
        found: the library.
        name: of its handlers, between `Qrnn` and the direction.
        platform: of XLA.
    """
    reason = ffi_obstacle(found)
    if reason is None:
        for direction in ("Forward", "Backward"):
            handler = jax.ffi.pycapsule(getattr(found, f"Qrnn{name}{direction}"))
            jax.ffi.register_ffi_target(_target(name, direction), handler, platform=platform)
    return reason


def _target(name: str, direction: str) -> str:
    return f"qrnn_{name}_{direction}".lower()


def _limit(name: str, most_wires: dict[str, int], program: Program, kind: DTypeLike) -> str | None:
    most = most_wires[np.dtype(kind).name]
    if program.wires > most:
        return (
            f"{name} has at most {most} wires in {np.dtype(kind).name}, for a state and its "
            "cotangent stay in the registers of one block"
        )
    return None


def _warps(wires: int) -> int:
    """Of one sequence: 16 amplitudes for each of the 32 threads of a warp."""
    return 1 if wires <= 9 else 2 ** (wires - 9)


def _forward(name: str, program: Program, fixed: Array, varying: Array, start: Array) -> tuple:
    batch, steps = varying.shape[:2]
    rows = (batch, _warps(program.wires))
    shapes = ((*rows, steps, len(program.words)), (batch, *start.shape[1:]))
    reads, last = _call(_target(name, "Forward"), program, shapes, fixed, varying, start)
    return _over_warps(reads), last


def _backward(
    name: str,
    program: Program,
    fixed: Array,
    varying: Array,
    last: Array,
    reads_slope: Array,
    last_slope: Array,
) -> tuple:
    rows = (len(varying), _warps(program.wires))
    shapes = ((*rows, *fixed.shape[1:]), (*rows, *varying.shape[1:]), last.shape)
    arrays = (fixed, varying, last, reads_slope, last_slope)
    found = _call(_target(name, "Backward"), program, shapes, *arrays)
    return _over_warps(found[0]), _over_warps(found[1]), found[2]


def _over_warps(sums: Array) -> Array:
    """(B, warps, ...) -> (B, ...), added up in a fixed order."""
    return reduce(add, [sums[:, warp] for warp in range(sums.shape[1])])


def _call(target: str, program: Program, shapes: tuple, *arrays: Array) -> list[Array]:
    kind = arrays[0].dtype
    call = jax.ffi.ffi_call(target, [jax.ShapeDtypeStruct(shape, kind) for shape in shapes])
    sizes = {"wires": np.int64(program.wires), "words": np.int64(len(program.words))}
    return list(call(as_array(ops(program)), *arrays, **sizes))


def _family(name: str, handlers: str, obstacle: object, most_wires: dict[str, int]) -> Family:
    return Family(
        name,
        by_default=False,
        pass_wires=MOST_WIRES,
        obstacle=obstacle,  # type: ignore[arg-type]
        limit=partial(_limit, name, most_wires),
        forward=partial(_forward, handlers),
        backward=partial(_backward, handlers),
    )


# not by default: nobody has measured it yet; `python -m benchmarks.gpu` does
FAMILY = _family("the CUDA kernel", "Cuda", obstacle, _MOST_WIRES)
TWIN = _family("the CUDA kernel's twin", "Twin", twin_obstacle, _MOST_WIRES_OF_TWIN)
