"""The time loop of pure states, by any family of kernels, with its gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import NoReturn

import jax
import jax.numpy as jnp
from jax import Array
from jax.custom_batching import custom_vmap

from qrnn_jax_kernels.program import Program


@dataclass(frozen=True)
class Family:
    """Native code for one kind of device.

    Arguments:
        name: what it is called in sentences.
        by_default: whether it was measured faster than JAX's own loop, and so is taken unasked.
        pass_wires: the most wires of a diagonal. If more than two, gates on as many wires share a
            pass over the state, and real gates are told from complex ones.
        obstacle: why it is not here, in a sentence; None if it is. May compile.
        limit: program -> why it cannot run that, in a sentence; None if it can.
        forward: (program, fixed (1 or B, F), varying (B, T, V), start (1 or B, 2**n, 2)) ->
            (reads (B, T, W), last (B, 2**n, 2)).
        backward: (program, fixed, varying, last, slopes of reads and last) ->
            slopes of (fixed (B, F), varying, start).
    """

    name: str
    by_default: bool
    pass_wires: int
    obstacle: Callable[[], str | None]
    limit: Callable[[Program], str | None]
    forward: Callable[..., tuple]
    backward: Callable[..., tuple]


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def once(call: Callable[..., tuple], *arrays: Array) -> tuple:
    """What a native loop returns, where it must not be differentiated (any more)."""
    return call(*arrays)


@once.defjvp
def _refuse(call: Callable[..., tuple], primals: tuple, tangents: tuple) -> NoReturn:
    raise TypeError(
        "a native loop has first derivatives only, but is differentiated twice; try "
        "`gradient=qj.Backprop()`."
    )


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def pure_loop(
    family: Family, program: Program, fixed: Array, varying: Array, start: Array
) -> tuple[Array, Array]:
    """All steps of a sequence; reverse mode undoes them, so that no state is stored.

    Equation: psi_t = U_t psi_{t-1}; reads_tw = <psi_t| P_w |psi_t> at the read-out.

    Arguments:
        family: whose native code.
        program: the step.
        fixed: (F,), numbers of the gates that do not change.
        varying: (T, V), those of the gates that do; of the type of `fixed`, as all arrays.
        start: (2**n, 2), amplitudes as re and im.

    Returns:
        reads (T, W), and the last state (2**n, 2).

    Raises:
        RuntimeError: there is no native code here; see `Family.obstacle`.

    Example:
        >>> import jax.numpy as jnp
        >>> from qrnn_jax_kernels.loop import pure_loop
        >>> from qrnn_jax_kernels.program import Gate, Kind, Program, Word
        >>> from qrnn_jax_kernels.pure_states import FAMILY
        >>> flip = Program(1, 1, (Gate(Kind.REAL, (0,), 0, False),), (Word(0, 1, 0),))
        >>> numbers = jnp.array([0.0, 1, 1, 0])  # X
        >>> zero = jnp.array([[1.0, 0.0], [0.0, 0.0]])
        >>> pure_loop(FAMILY, flip, numbers, jnp.zeros((3, 0)), zero)[0].ravel().tolist()
        [-1.0, 1.0, -1.0]
    """
    return _forward(family, program, fixed, varying, start)[0]


def _forward(
    family: Family, program: Program, fixed: Array, varying: Array, start: Array
) -> tuple[tuple, tuple]:
    call = _calls(family, program)[0]
    reads, last = once(call, fixed[None], varying[None], start[None])
    return (reads[0], last[0]), (fixed, varying, last[0])


def _backward(family: Family, program: Program, kept: tuple, slopes: tuple) -> tuple:
    given = [array[None] for array in (*kept, *slopes)]
    return tuple(slope[0] for slope in once(_calls(family, program)[1], *given))


pure_loop.defvjp(_forward, _backward)


@lru_cache(maxsize=256)
def _calls(family: Family, program: Program) -> tuple[Callable, Callable]:
    """The native calls on batches, (B, ...) each; a batch of `vmap` becomes part of B."""
    reason = family.obstacle()
    if reason:
        raise RuntimeError(reason)
    forward = _batched(partial(family.forward, program), shareable=(0, 2))
    return forward, _batched(partial(family.backward, program), shareable=(0,))


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
