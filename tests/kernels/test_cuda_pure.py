"""The CUDA kernel of pure states, run by its twin on the host: one source, a warp as an array."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from qrnn_jax_kernels import cuda_pure_states, pure_states
from qrnn_jax_kernels.cuda_pure_states import FAMILY, TWIN, twin
from qrnn_jax_kernels.cuda_pure_states.ops import as_array, ops
from qrnn_jax_kernels.cuda_pure_states.passes import LEAST_TILE, passes
from qrnn_jax_kernels.loop import Family, pure_loop
from qrnn_jax_kernels.program import Gate, Kind, Program, Word

import qrnn_jax as qj
from qrnn_jax.circuit.spread import spread, weight_row
from qrnn_jax.engines import native
from qrnn_jax.setup import plan_for
from tests.helpers import quick_jit, some
from tests.kernels.loops import (
    check_cuts,
    check_single_precision,
    check_transforms,
    everywhere,
    layered,
    numbers,
    value_and_gradients,
    worst,
)
from tests.kernels.programs import Case, error, random_case, results

here = pytest.mark.skipif(
    TWIN.obstacle() is not None, reason=f"no twin of the CUDA kernel: {TWIN.obstacle()}"
)
beside_the_cpu = pytest.mark.skipif(
    pure_states.obstacle() is not None, reason="no CPU kernel to compare with"
)
SMALL_TILES = twin(LEAST_TILE - 1, LEAST_TILE)


def agrees(family: Family, case: Case) -> None:
    """With the CPU's kernel in float64; the same bits twice; float32 within rounding."""
    expected, found = results(pure_states.FAMILY, case), results(family, case)
    assert error(case, found, expected) < 1e-12
    for one, again in zip(found, results(family, case)):
        assert one.tobytes() == again.tobytes()
    assert error(case, results(family, case, np.float32), expected) < 2e-5


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
    ("wires", "steps", "batch", "family"),
    [(1, 3, 37, TWIN), (2, 1, 1, TWIN), (3, 3, 18, TWIN), (4, 2, 9, TWIN), (5, 2, 3, SMALL_TILES)],
)
def test_every_gate_on_every_wire(wires: int, steps: int, batch: int, family: Family) -> None:
    """Small states share a warp; the batch leaves some of its lanes without a sequence."""
    cell = everywhere(wires)
    given = numbers(cell, steps, batch)
    expected = value_and_gradients(cell, qj.Backprop())(*given)
    assert min(np.abs(part).max() for part in expected[1]) > 1e-2
    assert worst(gradients_by(family, cell)(*given), expected) < 1e-12


@here
@beside_the_cpu
@pytest.mark.parametrize("wires", some(range(1, 12), 2))
@pytest.mark.parametrize(("steps", "batch", "shared"), [(1, 1, True), (18, 3, False)])
def test_narrow_states(wires: int, steps: int, batch: int, shared: bool) -> None:
    """Lanes of a warp, a warp of more and more registers, then two and four warps."""
    agrees(TWIN, random_case(wires, 25, steps if wires < 9 else 2, batch, shared=shared))


@here
@beside_the_cpu
@pytest.mark.parametrize(
    ("tile", "wires", "gates", "steps", "batch", "shared"),
    [
        (4, 5, 45, 18, 3, False),
        (4, 7, 45, 1, 1, True),
        (5, 8, 45, 2, 5, True),
        (6, 7, 45, 3, 2, False),
        (7, 9, 45, 17, 1, False),
        (8, 10, 25, 2, 2, True),
        (9, 11, 25, 2, 1, False),
        (10, 12, 25, 2, 2, True),
        (11, 14, 25, 1, 1, False),
        (4, 13, 25, 2, 2, True),
        (4, 6, 0, 3, 2, True),
    ],
)
def test_wide_states(
    tile: int, wires: int, gates: int, steps: int, batch: int, shared: bool
) -> None:
    """Tiles of every size; several share a warp, or a part has two; nothing to do but copy."""
    agrees(twin(LEAST_TILE - 1, tile), random_case(wires, gates, steps, batch, shared=shared))


@here
@beside_the_cpu
@pytest.mark.parametrize("family", [TWIN, SMALL_TILES])
@pytest.mark.parametrize(("wires", "layers", "steps", "batch"), [(7, 2, 3, 5), (8, 1, 40, 2)])
def test_gates_that_share_a_pass(
    family: Family, wires: int, layers: int, steps: int, batch: int
) -> None:
    """Turns, shared phases and a ring of CNOTs, through the whole library."""
    cell = layered(wires, layers)
    given = numbers(cell, steps, batch)
    expected = gradients_by(pure_states.FAMILY, cell)(*given)
    assert min(np.abs(part).max() for part in expected[1]) > 1e-3
    assert worst(gradients_by(family, cell)(*given), expected) < 1e-11


@here
@pytest.mark.parametrize("family", [TWIN, SMALL_TILES])
def test_rounding_does_not_add_up_in_the_norm(family: Family) -> None:
    """Forward and in reverse; without a look at the norm it drifts by more than 1e-5."""
    case = random_case(5, 10, 3000, 1)
    case = case._replace(varying=case.varying[:, [0]].repeat(3000, axis=1))
    _, last, *slopes = results(family, case, np.float32)
    exact = results(pure_states.FAMILY, case)
    assert np.abs(np.sum(last.astype(float) ** 2) - 1) < 1e-6
    for found, expected in ((last, exact[1]), (slopes[2], exact[4])):
        lengths = [np.linalg.norm(part.astype(float)) for part in (found, expected)]
        assert abs(lengths[0] / lengths[1] - 1) < 2e-4


@here
@pytest.mark.parametrize("family", [TWIN, SMALL_TILES])
def test_a_norm_out_of_range_is_left_alone(family: Family) -> None:
    case = random_case(5, 10, 17, 1)
    large = results(family, case._replace(start=case.start * 1e20), np.float32)[1]
    expected = 1e20 * results(pure_states.FAMILY, case)[1]
    np.testing.assert_allclose(large, expected, atol=1e15)


@here
@pytest.mark.parametrize("family", [TWIN, SMALL_TILES])
def test_a_batch_is_its_sequences_to_the_bit(family: Family) -> None:
    case = random_case(6, 20, 3, 5)
    whole = results(family, case, np.float32)
    for index in range(5):
        own = [part[index : index + 1] for part in case[1:4]]
        slopes = tuple(part[index : index + 1] for part in case.slopes)
        alone = results(family, Case(case.program, *own, slopes), np.float32)
        for one, all_of_them in zip(alone, whole):
            np.testing.assert_array_equal(one[0], all_of_them[index])


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
def test_every_transform_of_wide_states() -> None:
    check_transforms(layered(5, 1), lambda *given: run_by(SMALL_TILES, *given)[0], 1e-12)


@here
@pytest.mark.parametrize(("family", "layers"), [(TWIN, 3), (SMALL_TILES, 4)])
def test_a_sequence_may_be_cut_anywhere(
    monkeypatch: pytest.MonkeyPatch, family: Family, layers: int
) -> None:
    """As the native code of this device, for a cell that no other test has compiled."""
    monkeypatch.setitem(native.FAMILIES, jax.default_backend(), family)
    check_cuts(layered(5, layers), qj.Adjoint(kernel="native"))


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
@beside_the_cpu
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
    words = (Word(0b101, 0b100, 1), Word(0b101, 0b001, 1), Word(0, 6, 0))
    rows = as_array(ops(Program(3, 0, (), words)))
    none = [-1] * 5
    cnot = [1, -1, 2, 0, 0, 0, 1, 0, *none[1:]]
    first, second, third = (
        [4, -1, 0, 0, 0b100, 1, 0, *none],
        [4, -1, 0, 1, 0b101, 1, 0, *none],
        [4, -1, -1, 2, 6, 0, 0, *none],
    )
    assert rows.tolist() == [cnot, first, cnot, cnot, second, cnot, third]


def test_a_varying_number_belongs_to_one_gate() -> None:
    twice = (Gate(Kind.COMPLEX, (0,), 0, True), Gate(Kind.COMPLEX, (0,), 0, True))
    with pytest.raises(ValueError, match=r"`program` must give .* try offsets \[0, 8\]"):
        ops(Program(1, 0, twice, ()))


def test_a_wide_step_is_cut_into_passes() -> None:
    """Tiles have wires 4 and 5 and two more. What touches wire 2 waits for the turn on it."""
    gates = [
        Gate(Kind.TURN, (0,), 0, False),
        Gate(Kind.TURN, (1,), 2, False),
        Gate(Kind.TURN, (2,), 4, False),
        Gate(Kind.CNOT, (2, 3), 0, False),
        Gate(Kind.DIAGONAL, (0, 2, 5), 6, False),
        Gate(Kind.REAL, (0,), 22, False),
    ]
    found = passes(Program(6, 6, tuple(gates), (Word(0b100000, 0b000001, 0),)), 4)
    assert found.ranges == ((0, 2, 0b110011), (2, 3, 0b001111), (5, 2, 0b100111))
    kinds, low, others = found.rows[:, 0], found.rows[:, 2], found.rows[:, 7:10]
    assert kinds.tolist() == [6, 6, 6, 1, 2, 5, 4]  # as in `task.h`
    assert low.tolist() == [0, 1, 0, 1, -1, 0, 0]
    assert others[4].tolist() == [5, 0, 3]  # wire 0 is the highest of those that tiles do not have
    assert found.rows[6, 4] == 1  # Z on wire 5, the last one held


def test_phases_do_not_wait_for_one_another() -> None:
    """RZZ 0 1, a turn that does not fit the tile, RZZ 1 4: the second diagonal goes first."""
    gates = [
        Gate(Kind.TURN, (0,), 0, False),
        Gate(Kind.TURN, (1,), 2, False),
        Gate(Kind.TURN, (2,), 4, False),
        Gate(Kind.DIAGONAL, (2, 3), 6, False),
        Gate(Kind.DIAGONAL, (3, 4), 14, False),
        Gate(Kind.TURN, (4,), 22, False),
        Gate(Kind.TURN, (3,), 24, False),
    ]
    found = passes(Program(6, 7, tuple(gates), ()), 4)
    assert found.rows[:, 3].tolist() == [0, 2, 14, 22, 4, 6, 24]
    assert [count for _, count, _ in found.ranges] == [4, 3]


def test_wider_states_are_refused() -> None:
    assert FAMILY.limit(Program(26, 0, (), ())) is None
    assert "at most 26 wires" in FAMILY.limit(Program(27, 0, (), ()))


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


@pytest.mark.parametrize(("wires", "kind"), [(14, jnp.float32), (13, jnp.float64)])
def test_a_wide_gpu_program_has_a_workspace(wires: int, kind: type) -> None:
    """Rows of 4 warps and 8 or 4 parts, 3 sums and a norm each; two norms of each sequence."""
    shape = jax.ShapeDtypeStruct
    shapes = [shape(s, kind) for s in ((1, 2), (2, 7, 1), (1, 2**wires, 2), (2, 7, 1))]
    gates = (Gate(Kind.TURN, (0,), 0, False), Gate(Kind.TURN, (1,), 0, True))
    program = Program(wires, 1, gates[:1], (Word(0, 1, 0),))
    last = shape((2, 2**wires, 2), kind)
    call = jax.jit(lambda *arrays: FAMILY.backward(program, *arrays))
    traced = call.trace(shapes[0], shapes[1], last, shapes[3], last)
    text = traced.lower(lowering_platforms=("cuda",)).as_text()
    assert "@qrnn_cuda_widebackward" in text
    size = 2 * (4 * 2 ** (wires - 11) * (2 + 1 + 1) + 2)
    assert f"tensor<{size}x{'f32' if kind is jnp.float32 else 'f64'}>" in text
