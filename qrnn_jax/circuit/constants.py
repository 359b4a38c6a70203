"""Constant arrays inside frozen descriptions: hashed and compared by their bytes."""

from typing import Any, final

import jax.numpy as jnp
import numpy as np
from jax import Array


@final
class FrozenArray:
    """A read-only NumPy array that can be a field of a hashable dataclass.

    Arguments:
        value: anything NumPy can turn into a complex array.
    """

    __slots__ = ("_hash", "value")

    def __init__(self, value: Any) -> None:
        array = np.array(value, dtype=np.complex128)
        array.setflags(write=False)
        self.value = array
        self._hash = hash((array.shape, array.tobytes()))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FrozenArray):
            return NotImplemented
        same_shape = self.value.shape == other.value.shape
        return same_shape and self.value.tobytes() == other.value.tobytes()

    def on_device(self) -> Array:
        """The value in the complex type of JAX's present x64 setting.

        The type is named because JAX remembers arrays by identity: without it, a program traced
        with 64-bit types would leave its constants to one traced without them.
        """
        return jnp.asarray(self.value, jnp.result_type(complex))

    def __repr__(self) -> str:
        return "x".join(str(size) for size in self.value.shape)
