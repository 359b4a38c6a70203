"""Run by `test_over_devices.py` where JAX has four devices: batches, seeds and shifted runs."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

import qrnn_jax as qj
from qrnn_jax.devices import map_runs
from tests.devices.child import distance, refusal
from tests.helpers import ALL_RULES, INEXACT_RULES

CELL = qj.CircuitCell(
    qj.Circuit(
        2,
        (
            qj.RY(0, qj.Data(0)),
            qj.RX(1, qj.Weight(0)),
            qj.RZZ(0, 1, qj.Weight(1)),
            qj.RY(0, qj.Weight(0)),
            qj.CRX(1, 0, 0.7),
        ),
    ),
    (qj.Z(0), qj.X(1)),
)
WEIGHTS = jnp.array([0.4, -0.7])
XS = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (8, 3, 1)))
KEYS = jax.random.split(jax.random.key(0), len(XS))
AXES = (None, 0, 0)
SHIFT = qj.ParameterShift(devices=2)
Run = Callable[[Array, Array, Array], Array]


def rule_run(rule: qj.AbstractGradient | None) -> Run:
    return lambda w, x, key: qj.run(CELL, w, x, gradient=rule, key=key)


def slopes(many: Run, of: tuple[int, ...] = (0, 1)) -> Callable:
    """Of a mean over the batch, in the weights, which every device has, and the data."""
    return jax.jit(jax.value_and_grad(lambda w, x: jnp.mean(many(w, x, KEYS) ** 2), of))


def every_rule() -> dict[str, float]:
    """Exact rules beside the exact gradient on one device, the others beside themselves on one."""
    exact = slopes(jax.vmap(rule_run(qj.Backprop()), AXES), (0,))(WEIGHTS, XS)
    found = {}
    for name, rule in (ALL_RULES | INEXACT_RULES).items():
        one, four = jax.vmap(rule_run(rule), AXES), qj.over_devices(rule_run(rule), AXES)
        expected = slopes(one, (0,))(WEIGHTS, XS) if name in INEXACT_RULES else exact
        found[name] = distance(expected, slopes(four, (0,))(WEIGHTS, XS))
    return found


def in_float32() -> float:
    with jax.enable_x64(False):
        function, short = rule_run(None), (WEIGHTS.astype("f4"), XS.astype("f4"))
        one, four = jax.vmap(function, AXES), qj.over_devices(function, AXES)
        return distance(slopes(one)(*short), slopes(four)(*short))


def mesh_sizes() -> dict[str, float]:
    function = rule_run(qj.Backprop())
    expected = slopes(jax.vmap(function, AXES))(WEIGHTS, XS)
    return {
        str(size): distance(
            slopes(qj.over_devices(function, AXES, devices=size))(WEIGHTS, XS), expected
        )
        for size in (1, 2)
    }


def training() -> float:
    """Weights after three steps of Adam, on one device and on four."""

    def trained(many: Run) -> Array:
        optimizer = optax.adam(0.1)

        def step(carry: Any, _: None) -> tuple[Any, Array]:
            weights, state = carry
            loss, slope = jax.value_and_grad(lambda w: jnp.mean(many(w, XS, KEYS)))(weights)
            updates, state = optimizer.update(slope, state)
            return (optax.apply_updates(weights, updates), state), loss

        carry = (WEIGHTS, optimizer.init(WEIGHTS))
        return jax.jit(lambda: jax.lax.scan(step, carry, None, length=3))()[0][0]

    function = rule_run(None)
    weights = trained(qj.over_devices(function, AXES))
    assert np.abs(weights - WEIGHTS).min() > 0.1
    return distance(trained(jax.vmap(function, AXES)), weights)


def axes() -> float:
    """What `jax.vmap` takes: trees, an axis from the end, seeds with parameters of their own."""

    def function(params: dict, pair: tuple, key: Array) -> dict:
        noise = jax.random.normal(key, (2,))
        return {"sum": params["w"] * pair[0].sum() + noise, "own": pair[1] @ params["b"]}

    rng = np.random.default_rng(1)
    given = (
        {"w": jnp.asarray(rng.normal(size=(8, 2))), "b": jnp.asarray(rng.normal(size=3))},
        (jnp.asarray(rng.normal(size=(3, 2, 8))), jnp.asarray(rng.normal(size=(2, 3)))),
        KEYS,
    )
    where = [{"w": 0, "b": None}, (-1, None), 0]
    one, four = jax.vmap(function, tuple(where)), qj.over_devices(function, where)
    twice = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf]), given[:2])
    several = [jax.vmap(many, (0, 0, None))(*twice, KEYS) for many in (one, four)]
    return max(distance(one(*given), four(*given)), distance(*several))


def placed() -> dict[str, float]:
    """A batch that lies on the caller's own mesh, with axes of either kind."""
    function = rule_run(qj.Backprop())
    expected = slopes(jax.vmap(function, AXES))(WEIGHTS, XS)
    found = {}
    for name in ("Explicit", "Auto"):
        mine = jax.make_mesh((4,), ("mine",), axis_types=(jax.sharding.AxisType[name],))
        where = jax.sharding.NamedSharding(mine, jax.sharding.PartitionSpec("mine"))
        got = slopes(qj.over_devices(function, AXES))(WEIGHTS, jax.device_put(XS, where))
        found[name] = distance(expected, got)
    return found


def native() -> dict[str, Any]:
    """What the compiled gradient gives the native calls, and how its devices talk."""
    many = qj.over_devices(rule_run(qj.Adjoint(kernel="native")), AXES)
    text = slopes(many).lower(WEIGHTS, XS).compile().as_text()
    calls = re.findall(r'call_target="(qrnn_pure_\w+)".*?layout_constraints=(.*)', text)
    # the second array, the numbers of the gates of each step, has the batch
    sizes = {name: int(re.findall(r"f64\[(\d+),", shapes)[1]) for name, shapes in calls}
    talk = r"\b(all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter)(?:-start)?\("
    return {"calls": sizes, "talk": sorted(set(re.findall(talk, text)))}


def shifted_runs() -> dict[str, Any]:
    """The runs of a rule over devices: a whole share each, and one that is padded."""
    parts: list[int] = []

    def function(index: Array) -> Array:
        parts.append(len(index))
        return index**2

    squares = [map_runs(function, count, 4).tolist() for count in (8, 10)]
    assert squares == [[i**2 for i in range(count)] for count in (8, 10)]
    found: dict[str, Any] = {"parts": parts}
    found["exact"] = distance(*(slopes(exact(n), (0,))(WEIGHTS, XS[:2]) for n in (1, 4)))
    found["sampled"] = distance(*(slopes(sampled(n), (0,))(WEIGHTS, XS[:2]) for n in (1, 3)))
    return found


def exact(devices: int) -> Run:
    rule = replace(SHIFT, devices=devices)
    return lambda w, xs, keys: jax.vmap(rule_run(rule), AXES)(w, xs, keys[:2])


def sampled(devices: int) -> Run:
    """Under shots, on a wire that is reset."""
    operations = (qj.RX(0, qj.Weight(0)), qj.RY(0, qj.Data(0)), qj.Read(), qj.Reset(0))
    cell = qj.CircuitCell(qj.Circuit(1, operations), (qj.Z(0),))
    rule = replace(SHIFT, devices=devices)
    return lambda w, xs, keys: qj.run(cell, w[:1], xs[0], gradient=rule, shots=50, key=keys[0])


def refusals() -> dict[str, str]:
    inside = qj.over_devices(jax.grad(lambda w: qj.run(CELL, w, XS[0], gradient=SHIFT).sum()))
    return {
        "batch": refusal(lambda: qj.over_devices(jnp.sin)(jnp.zeros(6))),
        "devices": refusal(lambda: qj.over_devices(jnp.sin, devices=5)),
        "inside": refusal(lambda: inside(jnp.stack([WEIGHTS] * 4))),
    }


if __name__ == "__main__":
    assert len(jax.devices()) == 4
    parts = (every_rule, in_float32, mesh_sizes, training, axes, placed, native, shifted_runs)
    parts += (refusals,)
    print(json.dumps({part.__name__: part() for part in parts}))
