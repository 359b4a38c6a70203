"""The time loop of a recurrent circuit on pure states, forward and in reverse, on NVIDIA GPUs.

Supported: gates on one or two wires, diagonals on up to five; up to 26 wires; Pauli words read
after a number of gates; float32 and float64. Not supported: forward mode, other gates on more
wires, matrices that are not unitary, channels. States of up to 13 wires (12 in float64) stay in
registers for all steps; wider ones go through memory in passes.

`FAMILY` runs on the GPU; no GPU has run it yet. `TWIN` is the same code compiled for the host,
where a warp is an array: slow, and there to test the algorithm without a GPU.
"""

from __future__ import annotations

import ctypes
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import jax

from qrnn_jax_kernels.build import CPP, CUDA, BuildError, ffi_obstacle, library
from qrnn_jax_kernels.cuda_pure_states.calls import Calls
from qrnn_jax_kernels.loop import Family

_FOLDER = Path(__file__).parent
_QUICKLY = replace(CPP, flags=("-O1", *CPP.flags[1:]))  # the twin is small, its code is large


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
    """Tell JAX of a library's handlers; not if it was built for another jaxlib.

    Arguments:
        found: the library.
        name: of its handlers, between `Qrnn` and the direction.
        platform: of XLA.
    """
    reason = ffi_obstacle(found)
    if reason is None:
        for direction in ("Forward", "Backward", "WideForward", "WideBackward"):
            handler = jax.ffi.pycapsule(getattr(found, f"Qrnn{name}{direction}"))
            target = f"qrnn_{name}_{direction}".lower()
            jax.ffi.register_ffi_target(target, handler, platform=platform)
    return reason


FAMILY = Calls("Cuda", (("float32", 13), ("float64", 12)), 11).family("the CUDA kernel", obstacle)


def twin(narrow: int = 11, tile: int = 11) -> Family:
    """The twin, with other limits.

    Arguments:
        narrow: the most wires of a state in one launch, 11 at most.
        tile: wires of a tile of wider states, 4 to 11.
    """
    limits = (("float32", narrow), ("float64", narrow))
    return Calls("Twin", limits, tile).family("the CUDA kernel's twin", twin_obstacle)


TWIN = twin()
