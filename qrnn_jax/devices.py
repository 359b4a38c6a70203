"""Work divided over devices: batches here; the runs of a rule and a state's wires by settings.

A mesh has one axis. What is divided along it runs on its own share, without talking to the others;
JAX sums the gradient of what every device has a copy of.
"""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Mesh, NamedSharding, PartitionSpec

AXIS = "devices"


def over_devices(
    function: Callable, in_axes: Any = 0, *, devices: int | None = None
) -> Callable[..., Any]:
    """`jax.vmap` with the batch divided over devices.

    Equation: out[b] = function(x[b], params); device d of D has b = d B / D .. (d + 1) B / D - 1.

    Each device runs `jax.vmap` on its share, native code included. Results do not depend on the
    number of devices, beyond the rounding of sums. Jitted; composes with jit, vmap, grad and scan;
    the gradient of what every device has a copy of is summed over them.

    Arguments:
        function: of one sequence, one seed, one set of parameters.
        in_axes: as in `jax.vmap`; every device has a copy of what has None.
        devices: how many of `jax.devices()`; None for all of them.

    Returns:
        A function of positional arguments with the batch axis first in its results, which stay
        divided. In several processes the arguments must be global arrays, see `docs/devices.md`.

    Raises:
        ValueError: the batch is no multiple of the number of devices; there are not so many.

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> cell = qj.cells.Takaki(inputs=1, memory=1, depth=1)
        >>> params, xs = cell.init(jax.random.key(0)), jnp.zeros((8, 5, 1))
        >>> many = qj.over_devices(lambda p, x: qj.run(cell, p, x), in_axes=(None, 0))
        >>> many(params, xs).shape
        (8, 5, 1)

    Source: `jax.shard_map`, data parallelism.
    """
    mesh = mesh_over(devices)
    axes = tuple(in_axes) if isinstance(in_axes, list) else in_axes
    batched = jax.vmap(function, axes)

    @jax.jit
    @wraps(function)
    def divided(*arguments: Any) -> Any:
        def of_part(read: Callable) -> Any:
            return jax.tree.map(read, axes, arguments, is_leaf=lambda axis: axis is None)

        _check_batch(set().union(*jax.tree.leaves(of_part(_sizes))), mesh)
        specs = of_part(_specs)
        arguments = jax.tree.map(partial(_here, mesh), arguments, specs)
        return _divide(batched, mesh, specs)(*arguments)

    return divided


def map_runs(function: Callable[[Array], Any], count: int, devices: int) -> Any:
    """`function(arange(count))`, which treats each index alike, divided over devices."""
    if devices == 1:
        return function(jnp.arange(count))
    each = -(-count // devices)
    index = jnp.minimum(jnp.arange(each * devices), count - 1)
    runs = _divide(function, mesh_over(devices), PartitionSpec(AXIS))(index)
    return jax.tree.map(lambda leaf: leaf[:count], runs)


def mesh_over(devices: int | None) -> Mesh:
    """A mesh of the first few devices; of all for None."""
    known = jax.devices()
    if devices is not None:
        check_devices(devices)
    if jax.sharding.get_abstract_mesh().manual_axes:
        raise ValueError(
            "Argument `devices` must be 1 inside of what is divided already, by `over_devices` or "
            f"`jax.shard_map`, but is {devices}; try dividing one of the two."
        )
    if devices is not None and devices > len(known):
        raise ValueError(
            f"Argument `devices` must be at most {len(known)}, as many as JAX has here, but is "
            f"{devices}; try `XLA_FLAGS=--xla_force_host_platform_device_count={devices}` to "
            "simulate them on the CPU."
        )
    return Mesh(np.array(known[:devices]), (AXIS,))


def check_devices(devices: int) -> None:
    """Refuse what is no positive integer."""
    if isinstance(devices, bool) or not isinstance(devices, int) or devices < 1:
        raise ValueError(f"Argument `devices` must be an integer of 1 or more, but is {devices!r}.")


def _divide(function: Callable, mesh: Mesh, specs: Any) -> Callable:
    """Results are divided along their first axis. Loops in `function` start from constants, which
    JAX's check of what varies (`check_vma`) would refuse; nothing in it talks to other devices."""
    out = PartitionSpec(AXIS)
    return jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=out, check_vma=False)


def _specs(axis: int | None, part: Any) -> Any:
    """How an argument with this axis is divided."""

    def spec(leaf: Array) -> PartitionSpec:
        if axis is None:
            return PartitionSpec()
        return PartitionSpec(*[None] * (axis % leaf.ndim), AXIS)

    return jax.tree.map(spec, part)


def _here(mesh: Mesh, leaf: Array, spec: PartitionSpec) -> Array:
    """The same array on this mesh, where it lies on one with explicit axes (`jax.make_mesh`)."""
    if jax.typeof(leaf).sharding.mesh.explicit_axes:
        return jax.device_put(leaf, NamedSharding(mesh, spec))
    return leaf


def _sizes(axis: int | None, part: Any) -> set[int]:
    """The sizes of the batch that an argument tells."""
    return set() if axis is None else {leaf.shape[axis] for leaf in jax.tree.leaves(part)}


def _check_batch(sizes: set[int], mesh: Mesh) -> None:
    wrong = [size for size in sizes if size % mesh.size]
    if wrong:
        raise ValueError(
            f"The batch must be a multiple of {mesh.size}, the number of devices, but is "
            f"{wrong[0]}; try leaving out or repeating sequences, or fewer `devices`."
        )
