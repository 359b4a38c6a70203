"""The CUDA kernel of pure states, run by its twin on the host: one source, a warp as an array."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from qrnn_jax_kernels import cuda_pure_states, pure_states
from qrnn_jax_kernels.cuda_pure_states import FAMILY, TWIN
from qrnn_jax_kernels.cuda_pure_states.ops import ops
from qrnn_jax_kernels.loop import Family, pure_loop
from qrnn_jax_kernels.program import Gate, Kind, Program, Word

import qrnn_jax as qj
from qrnn_jax.circuit.spread import spread, weight_row
from qrnn_jax.engines import native
from qrnn_jax.setup import plan_for
from tests.helpers import quick_jit
from tests.kernels.loops import (
    check_single_precision,
    check_transforms,
    everywhere,
    numbers,
    value_and_gradients,
    worst,
)

here = pytest.mark.skipif(
    TWIN.obstacle() is not None, reason=f"no twin of the CUDA kernel: {TWIN.obstacle()}"
)


def run_by(family: Family, cell: qj.CircuitCell, weights: jax.Array, x: jax.Array) -> tuple:
    """(outputs, last state) of a sequence from |0...0>."""
    plan = plan_for(cell, None)
    loop = native.NativeLoop(plan, family)
    state = plan.close(plan.init())
    moving = spread(cell.circuit, weights, x, loop.columns)
    return loop(weight_row(cell.circuit, weights), moving, state)


def gradients_by(family: Family, cell: qj.CircuitCell):
    """As `value_and_gradients`, by one family of kernels."""

    def loss(weights: jax.Array, xs: jax.Array, mix: jax.Array) -> jax.Array:
        def one(x: jax.Array) -> jax.Array:
            outputs, state = run_by(family, cell, weights, x)
            return jnp.sum(jnp.sin(outputs) * mix) + jnp.sum(state.real * 0.3)

        return jnp.sum(jax.vmap(one)(xs))

    return quick_jit(jax.value_and_grad(loss, argnums=(0, 1)))


@here
@pytest.mark.parametrize(
    ("wires", "steps", "batch"), [(1, 3, 37), (2, 1, 1), (3, 3, 18), (4, 2, 9), (5, 2, 5)]
)
def test_every_gate_on_every_wire(wires: int, steps: int, batch: int) -> None:
    """Small states share a warp; the batch leaves some of its lanes without a sequence."""
    cell = everywhere(wires)
    given = numbers(cell, steps, batch)
    expected = value_and_gradients(cell, qj.Backprop())(*given)
    assert min(np.abs(part).max() for part in expected[1]) > 1e-2
    assert worst(gradients_by(TWIN, cell)(*given), expected) < 1e-12


@here
@pytest.mark.skipif(pure_states.obstacle() is not None, reason="no CPU kernel to compare with")
@pytest.mark.parametrize("wires", [7, 8, 9, 10, 11])
def test_wider_states_agree_with_the_cpu_kernel(wires: int) -> None:
    """A warp of more and more registers, then two and four warps."""
    cell = everywhere(wires)
    given = numbers(cell, 2, 3)
    expected = gradients_by(pure_states.FAMILY, cell)(*given)
    assert min(np.abs(part).max() for part in expected[1]) > 1e-2
    assert worst(gradients_by(TWIN, cell)(*given), expected) < 1e-12


@here
@pytest.mark.parametrize(("wires", "steps"), [(3, 20), (10, 2)])
def test_single_precision(wires: int, steps: int) -> None:
    cell = everywhere(wires)
    given, compute = numbers(cell, steps, 2), gradients_by(TWIN, cell)
    check_single_precision(compute, given, compute(*given), 1e-5, 1e-4)


@here
def test_every_transform() -> None:
    check_transforms(everywhere(3), lambda *given: run_by(TWIN, *given)[0], 1e-12)


@here
def test_the_twin_runs_and_is_repeatable() -> None:
    cell = everywhere(2)
    weights, xs, mix = numbers(cell, 3, 33)
    gradient = gradients_by(TWIN, cell)
    text = gradient.lower(weights, xs, mix).as_text()
    assert "qrnn_twin_forward" in text
    assert "qrnn_twin_backward" in text
    assert "qrnn_pure" not in text
    results = {b"".join(p.tobytes() for p in gradient(weights, xs, mix)[1]) for _ in range(3)}
    assert len(results) == 1


def chain(gates: int) -> Program:
    """One wire: X, Y, Z read halfway through many fixed gates, and one that varies."""
    fixed = [Gate(Kind.COMPLEX, (0,), 8 * index, False) for index in range(gates)]
    words = (Word(1, 0, 0), Word(1, 1, 1), Word(0, 1, 0))
    return Program(1, gates // 2, (*fixed, Gate(Kind.COMPLEX, (0,), 0, True)), words)


@here
@pytest.mark.skipif(pure_states.obstacle() is not None, reason="no CPU kernel to compare with")
@pytest.mark.parametrize("gates", [3, 100])
def test_sums_that_do_not_fit_on_chip_are_kept_outside(gates: int) -> None:
    """32 rows of 8 x 100 float64 numbers are 200 KiB; 8 x 3 are 6."""
    rng = np.random.default_rng(gates)
    turns = np.linalg.qr(rng.normal(size=(5, gates + 1, 2, 2)) @ (1 + 1j * np.eye(2)))[0]
    flat = np.stack([turns.real, turns.imag], -1).reshape(5, gates + 1, 8)
    fixed, varying = jnp.asarray(flat[:, :-1].reshape(5, -1)), jnp.asarray(flat[:, -1:])
    start = jnp.asarray(rng.normal(size=(5, 2, 2)))
    mix = jnp.asarray(rng.normal(size=3))

    def loss(family: Family, *arrays: jax.Array) -> jax.Array:
        reads, last = pure_loop(family, chain(gates), *arrays)
        return jnp.sum(reads * mix) + jnp.sum(last**3)

    found, expected = (
        jax.vmap(jax.grad(lambda *a, f=family: loss(f, *a), (0, 1, 2)))(fixed, varying, start)
        for family in (TWIN, pure_states.FAMILY)
    )
    assert worst(found, expected) < 1e-12 * max(float(np.abs(e).max()) for e in expected)


def test_a_word_that_flips_several_wires_becomes_one_that_flips_one() -> None:
    """Y0 X2 is i X0 X2 Z0; its CNOT from wire 0 to wire 2 leaves Z0."""
    rows = ops(Program(3, 0, (), (Word(0b101, 0b100, 1), Word(0b101, 0b001, 1), Word(0, 6, 0))))
    cnot = [1, -1, 2, 0, -1, 0, 0, 0]
    first, second, third = (
        [4, -1, 0, -1, -1, 0, 0b100, 1],
        [4, -1, 0, -1, -1, 1, 0b101, 1],
        [4, -1, -1, -1, -1, 2, 6, 0],
    )
    assert rows.tolist() == [cnot, first, cnot, cnot, second, cnot, third]


def test_a_varying_number_belongs_to_one_gate() -> None:
    twice = (Gate(Kind.COMPLEX, (0,), 0, True), Gate(Kind.COMPLEX, (0,), 0, True))
    with pytest.raises(ValueError, match=r"`program` must give .* try offsets \[0, 8\]"):
        ops(Program(1, 0, twice, ()))


@pytest.mark.parametrize(
    ("family", "wires", "kind"), [(FAMILY, 14, "float32"), (FAMILY, 13, "float64")]
)
def test_wider_states_are_refused(family: Family, wires: int, kind: str) -> None:
    assert family.limit(Program(wires - 1, 0, (), ()), kind) is None
    reason = family.limit(Program(wires, 0, (), ()), kind)
    assert f"at most {wires - 1} wires in {kind}" in reason


CELL = qj.CircuitCell(qj.Circuit(2, (qj.RX(0, qj.Weight(0)), qj.CNOT(0, 1))), qj.Z(1))


def test_on_a_gpu_the_cuda_kernel_is_the_native_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no GPU here: it says so, and JAX's own loop is what is taken unasked."""
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    plan = plan_for(CELL, None)
    assert native.NativeLoop.here(plan).family is FAMILY
    assert "runs on NVIDIA GPUs, but the default device is" in native.native_refusal(plan)
    assert "not been measured" in native.unasked_refusal(plan)
    with pytest.raises(ValueError, match=r"`kernel` must be possible here.*NVIDIA GPUs"):
        qj.run(CELL, jnp.zeros(1), jnp.zeros((2, 0)), gradient=qj.Adjoint(kernel="native"))


def test_what_is_not_measured_is_not_taken_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where it would run: by the twin."""
    monkeypatch.setitem(native.FAMILIES, jax.default_backend(), TWIN)
    plan = plan_for(CELL, None)
    assert "not been measured" in native.unasked_refusal(plan)
    assert native.native_refusal(plan) == TWIN.obstacle()


def test_a_device_without_native_code_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jax, "default_backend", lambda: "tpu")
    assert "runs on cpu and gpu, not on tpu" in native.native_refusal(plan_for(CELL, None))


def test_a_gpu_program_calls_the_kernel() -> None:
    """Lowered for a GPU without one: the calls are there, with a row for each warp."""
    kind = jax.ShapeDtypeStruct
    shapes = [kind(shape, jnp.float32) for shape in ((1, 8), (5, 7, 0), (1, 1024, 2))]
    program = Program(10, 1, (Gate(Kind.COMPLEX, (0,), 0, False),), (Word(0, 1, 0),))
    call = jax.jit(lambda *arrays: FAMILY.forward(program, *arrays))
    text = call.trace(*shapes).lower(lowering_platforms=("cuda",)).as_text()
    assert "@qrnn_cuda_forward" in text
    assert "tensor<5x2x7x1xf32>" in text
    assert cuda_pure_states.obstacle() is not None
