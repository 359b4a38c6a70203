"""Results that may be differentiated no further."""

from functools import partial
from typing import Any

import jax


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def once(owner: str, result: Any) -> Any:
    """The result as it is; differentiating it again is refused, naming its owner."""
    del owner
    return result


@once.defjvp
def _once_jvp(owner: str, primals: Any, tangents: Any) -> Any:
    del primals, tangents
    refuse_twice(owner)


def refuse_twice(owner: str) -> Any:
    """What a second derivative meets."""
    raise ValueError(
        f"{owner} must not be differentiated twice, but is; try `Backprop()` on a simulator."
    )
