"""A time loop that sees a whole batch at once, under `vmap` and in reverse mode.

`custom_vjp` around `custom_vmap` gives the loop all sequences at once too, but wants one slope in
the weights per sequence, which JAX adds up afterwards. Where the sum over sequences is the inner
dimension of a matrix product, that costs more than everything else. So the loop is a primitive of
its own: `vmap` puts the sequences of a batch on its last axis as long as they share the weights,
and whoever differentiates the batch gets the sum. It has reverse mode only.
"""

import abc
from functools import partial
from typing import Any, NoReturn

import jax
import jax.numpy as jnp
from jax import Array
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir


class AbstractProgram(abc.ABC):
    """What a loop does on a batch: frozen and hashable."""

    keeps_start = False  # whether `backward` gets the first state, not the last

    @abc.abstractmethod
    def forward(self, *arrays: Array) -> tuple[Array, Array]:
        """All steps.

        Arguments:
            arrays: what all sequences share, any number of arrays; then (T, V, B), what each step
                brings; last (N, 2, B), the state to start from (re and im; 1 for real ones).

        Returns:
            (T, M, B) reads, and (N, 2, B) the last state.
        """

    @abc.abstractmethod
    def backward(self, *arrays: Array, moves: bool) -> tuple[Array, ...]:
        """The slopes of all arguments of `forward`, of what is shared summed over B.

        Arguments:
            arrays: those of `forward`, with the last state in place of the first unless
                `keeps_start`; then the slopes of both results.
            moves: whether the slope of what each step brings is asked for; else it may be 0.
        """


def merged_loop(program: AbstractProgram, *arrays: Array) -> tuple[Array, Array]:
    """`program.forward`, with batches merged and `program.backward` for reverse mode."""
    reads, last = _loop.bind(*arrays, program=program, depth=0)
    return reads, last


def _nested(function: Any, depth: int) -> Any:
    """The function under `depth` batches of shared arrays, on the first axes."""
    for _ in range(depth):
        function = jax.vmap(function)
    return function


def _forward(*arrays: Array, program: AbstractProgram, depth: int) -> tuple[Array, ...]:
    return _nested(program.forward, depth)(*arrays)


def _shapes(*arrays: Any, program: AbstractProgram, depth: int) -> list[ShapedArray]:
    """Of both results."""
    given = [jax.ShapeDtypeStruct(array.shape, array.dtype) for array in arrays]
    found = jax.eval_shape(partial(_forward, program=program, depth=depth), *given)
    return [ShapedArray(result.shape, result.dtype) for result in found]


def _batched(
    primitive: Primitive,
    halves: int,
    arrays: tuple[Array, ...],
    axes: tuple[int | None, ...],
    *,
    program: AbstractProgram,
    depth: int,
) -> tuple[list[Array], list[int]]:
    """Shared arrays that are shared here too: one larger batch. Else a batch of loops."""
    size = next(a.shape[axis] for a, axis in zip(arrays, axes) if axis is not None)
    count = len(arrays) // halves
    shared = [index % count < count - 2 for index in range(len(arrays))]
    bind = partial(primitive.bind, program=program)
    if any(axis is not None for axis, both in zip(axes, shared) if both):
        wide = [_at(array, axis, 0, size) for array, axis in zip(arrays, axes)]
        return bind(*wide, depth=depth + 1), [0, 0]
    joined = [
        array if both else _joined(_at(array, axis, -1, size))
        for array, axis, both in zip(arrays, axes, shared)
    ]
    found = [array.reshape(*array.shape[:-1], -1, size) for array in bind(*joined, depth=depth)]
    return found, [array.ndim - 1 for array in found]


def _joined(array: Array) -> Array:
    """The last two axes as one."""
    return array.reshape(*array.shape[:-2], array.shape[-2] * array.shape[-1])


def _at(array: Array, axis: int | None, place: int, size: int) -> Array:
    """The batch on another axis; a new one where there is none."""
    if axis is not None:
        return jnp.moveaxis(array, axis, place)
    wide = jnp.broadcast_to(array, (size, *array.shape))
    return jnp.moveaxis(wide, 0, place)


def _tangents(
    primals: tuple[Array, ...], tangents: tuple[Any, ...], *, program: AbstractProgram, depth: int
) -> tuple[list[Array], list[Array]]:
    """The slope's own primitive waits to be transposed."""
    found = _loop.bind(*primals, program=program, depth=depth)
    dots = map(ad.instantiate_zeros, tangents)
    kept = primals if program.keeps_start else (*primals[:-1], found[1])
    return found, _slope.bind(*kept, *dots, program=program, depth=depth)


def _transposed(slopes: Any, *arrays: Any, program: AbstractProgram, depth: int) -> list[Any]:
    """The slopes of those arguments that are asked for."""
    half = len(arrays) // 2
    kept, dots = arrays[:half], arrays[half:]
    given = map(ad.instantiate_zeros, slopes)
    moves = ad.is_undefined_primal(dots[-2])
    found = _nested(partial(program.backward, moves=moves), depth)(*kept, *given)
    asked = [s if ad.is_undefined_primal(dot) else None for s, dot in zip(found, dots)]
    return [None] * half + asked


def _refuse(*args: Any, **params: Any) -> NoReturn:
    raise TypeError(
        "can't apply forward-mode differentiation (jvp) to a custom_vjp-like loop, whose rule "
        "`Adjoint` has reverse mode only; try `gradient=qj.Backprop()`."
    )


def _slope_shapes(*arrays: Any, program: AbstractProgram, depth: int) -> list[ShapedArray]:
    return _shapes(*arrays[len(arrays) // 2 :], program=program, depth=depth)


_loop, _slope = Primitive("qrnn_merged_loop"), Primitive("qrnn_merged_loop_slope")
_loop.multiple_results = _slope.multiple_results = True
_loop.def_impl(_forward)
_loop.def_abstract_eval(_shapes)
mlir.register_lowering(_loop, mlir.lower_fun(_forward, multiple_results=True))
batching.primitive_batchers[_loop] = partial(_batched, _loop, 1)
ad.primitive_jvps[_loop] = _tangents
_slope.def_impl(_refuse)
_slope.def_abstract_eval(_slope_shapes)
mlir.register_lowering(_slope, _refuse)
batching.primitive_batchers[_slope] = partial(_batched, _slope, 2)
ad.primitive_jvps[_slope] = _refuse
ad.primitive_transposes[_slope] = _transposed
