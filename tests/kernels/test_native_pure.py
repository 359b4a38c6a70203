"""Native loops of pure states: the same numbers as JAX for all wires, sizes and transforms."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from qrnn_jax_kernels import pure_states
from qrnn_jax_kernels.build import BuildError, library

import qrnn_jax as qj
from qrnn_jax.engines.native import native_refusal
from qrnn_jax.setup import plan_for
from tests.helpers import quick_jit
from tests.kernels.loops import (
    check_a_batch_of_weights,
    check_cuts,
    check_single_precision,
    check_transforms,
    everywhere,
    layered,
    numbers,
    outputs_by,
    value_and_gradients,
    worst,
)

NATIVE, REFERENCE = qj.Adjoint(kernel="native"), qj.Adjoint(kernel="reference")
ROOT = Path(qj.__file__).parent.parent
here = pytest.mark.skipif(
    pure_states.obstacle() is not None, reason=f"no native code: {pure_states.obstacle()}"
)


@here
@pytest.mark.parametrize(
    ("wires", "steps", "batch"),
    [(1, 3, 5), (2, 1, 1), (3, 3, 1), (4, 2, 3), (5, 2, 9), (6, 2, 17), (6, 1, 2)],
)
def test_every_gate_on_every_wire(wires: int, steps: int, batch: int) -> None:
    cell = everywhere(wires)
    given = numbers(cell, steps, batch)
    expected = value_and_gradients(cell, qj.Backprop())(*given)
    assert min(np.abs(part).max() for part in expected[1]) > 1e-2
    assert worst(value_and_gradients(cell, NATIVE)(*given), expected) < 1e-11


@here
@pytest.mark.parametrize(
    ("wires", "layers", "steps", "batch"),
    [(7, 2, 3, 5), (8, 1, 40, 9), (11, 2, 2, 1), (6, 2, 3, 16), (10, 1, 2, 17)],
)
def test_gates_that_share_a_pass(wires: int, layers: int, steps: int, batch: int) -> None:
    cell = layered(wires, layers)
    given = numbers(cell, steps, batch)
    expected = value_and_gradients(cell, qj.Backprop())(*given)
    assert min(np.abs(part).max() for part in expected[1]) > 1e-3
    assert worst(value_and_gradients(cell, NATIVE)(*given), expected) < 1e-11


def turning(kind: str) -> qj.CircuitCell:
    """Real turns alone, or with phases after them: cosines are left to who multiplies anyway."""
    turns = [qj.RY(wire, qj.Weight(wire)) for wire in range(4)]
    ring = [qj.CNOT(wire, (wire + 1) % 4) for wire in range(4)]
    phases = [qj.RZ(3, qj.Weight(4)), qj.RZ(0, 0.4)] if kind == "phases" else []
    operations = [qj.RY(0, qj.Data(0)), *turns, qj.Read(), *ring, *turns, *phases]
    return qj.CircuitCell(qj.Circuit(4, operations), (qj.Z(0), qj.X(1) @ qj.X(3)))


@here
@pytest.mark.parametrize("angle", [0.3, 1.5, 3.0, np.pi, np.pi - 1.9e-3, np.pi - 2.0e-3, -np.pi])
@pytest.mark.parametrize("kind", ["turns", "phases"])
def test_turns_may_leave_their_cosines_to_phases(angle: float, kind: str) -> None:
    """There may be no phases, for many steps; a cosine may be zero, or as small as just allowed."""
    cell = turning(kind)
    given = numbers(cell, 35, 3)
    given = (angle + 0.02 * given[0], *given[1:])
    expected = value_and_gradients(cell, qj.Backprop())(*given)
    assert min(np.abs(part).max() for part in expected[1]) > 1e-2
    native = value_and_gradients(cell, NATIVE)
    assert worst(native(*given), expected) < 1e-10
    check_single_precision(native, given, expected, 1e-4, 1e-4)


@here
def test_a_wide_state_on_several_threads_is_repeatable() -> None:
    cell = layered(18, 1)
    weights, xs, mix = numbers(cell, 1, 1)
    compiled = value_and_gradients(cell, NATIVE)
    found = [compiled(weights, xs, mix) for _ in range(3)]
    assert worst(found[0], value_and_gradients(cell, REFERENCE)(weights, xs, mix)) < 1e-11
    assert len({np.asarray(gradients[0]).tobytes() for _, gradients in found}) == 1


@here
def test_rounding_does_not_add_up_in_the_norm() -> None:
    cell = layered(4, 2)
    with jax.enable_x64(False):
        weights, xs, _ = (jnp.asarray(part, jnp.float32) for part in numbers(cell, 4000, 1))
        native = qj.simulate(cell, weights, xs[0], gradient=NATIVE)
        drift = qj.simulate(cell, weights, xs[0], gradient=qj.Backprop()).drift
    assert np.max(native.drift) < 1e-6 < 3e-5 < np.max(drift)


@here
def test_rounding_does_not_add_up_in_the_gradient() -> None:
    """A turn whose rounded matrix shortens the state, 3000 times; a loss at the end alone."""
    angles = np.linspace(0.3, 1.3, 1000, dtype=np.float32)
    entries = np.asarray(jax.vmap(qj.RY(0, 0.0).matrix)(jnp.asarray(angles)))[:, :, 0]
    assert entries.dtype == np.complex64
    lengths = np.sum(entries.real.astype(float) ** 2, axis=1)
    weights = jnp.asarray(angles[[np.argmin(lengths)]], jnp.float64)
    cell = qj.CircuitCell(qj.Circuit(1, (qj.RX(0, qj.Data(0)), qj.RY(0, qj.Weight(0)))), qj.Z(0))
    xs = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (1, 3000, 1)))
    mix = jnp.zeros((3000, 1)).at[-1].set(1)
    exact = value_and_gradients(cell, NATIVE)(weights, xs, mix)[1][1][0, :50]
    with jax.enable_x64(False):
        small = [jnp.asarray(part, jnp.float32) for part in (weights, xs, mix)]
        found, drifting = (
            value_and_gradients(cell, rule)(*small)[1][1][0, :50]
            for rule in (NATIVE, qj.Backprop())
        )
    error, drifted = (np.abs(one - exact).max() / np.abs(exact).max() for one in (found, drifting))
    assert error < 3e-5 < 1e-4 < drifted


@here
def test_every_transform() -> None:
    check_transforms(everywhere(3), partial(outputs_by, NATIVE), 1e-11)


@here
def test_a_batch_of_weights_for_a_circuit_without_data() -> None:
    check_a_batch_of_weights(NATIVE)


@here
def test_the_native_code_runs_and_is_repeatable() -> None:
    cell = everywhere(4)
    weights, xs, mix = numbers(cell, 3, 33)

    def gradient(rule: qj.AbstractGradient):
        return jax.grad(
            lambda w: jnp.sum(jax.vmap(lambda x: qj.run(cell, w, x, gradient=rule))(xs) * mix)
        )

    calls = [
        str(jax.make_jaxpr(gradient(rule))(weights)).count("ffi_call")
        for rule in (NATIVE, REFERENCE)
    ]
    assert calls[0] >= 2 > calls[1] == 0
    compiled = quick_jit(gradient(NATIVE))
    results = {np.asarray(compiled(weights)).tobytes() for _ in range(5)}
    assert len(results) == 1


@here
def test_single_precision_over_a_long_sequence() -> None:
    cell = everywhere(3)
    given = numbers(cell, 300, 2)
    expected = value_and_gradients(cell, qj.Backprop())(*given)
    check_single_precision(value_and_gradients(cell, NATIVE), given, expected, 1e-4, 2e-4)


@here
def test_a_sequence_may_be_cut_anywhere() -> None:
    check_cuts(everywhere(2), NATIVE)


THREE = qj.CircuitCell(qj.Circuit(3, (qj.Evolution(qj.Z(0) @ qj.Z(1) @ qj.X(2), 0.3),)), qj.Z(0))
MANY = qj.CircuitCell(qj.Circuit(10, (qj.H(0),)), qj.Probabilities(tuple(range(10))))
RESET = qj.CircuitCell(qj.Circuit(1, (qj.RX(0, 0.3), qj.Reset(0))), qj.Z(0))


@pytest.mark.parametrize(
    ("cell", "what"),
    [(THREE, "one or two wires"), (RESET, "unitary steps"), (MANY, "at most 64 outcomes")],
)
def test_what_it_has_not_is_refused_or_run_by_jax(cell: qj.CircuitCell, what: str) -> None:
    weights, xs = jnp.zeros(0), jnp.zeros((2, 0))
    assert what in native_refusal(plan_for(cell, None))
    with pytest.raises(ValueError, match=f"`kernel` must be possible here.*{what}"):
        qj.run(cell, weights, xs, gradient=NATIVE)
    expected = qj.run(cell, weights, xs)
    found = qj.run(cell, weights, xs, gradient=qj.Adjoint())
    np.testing.assert_allclose(found, expected, atol=1e-15)  # other blocks than `Backprop`


@here
def test_a_sum_of_nothing_is_a_read_of_zeros() -> None:
    cell = qj.CircuitCell(qj.Circuit(1, (qj.RX(0, qj.Weight(0)),)), qj.PauliSum(()))
    found = qj.run(cell, jnp.ones(1), jnp.zeros((4, 0)), gradient=NATIVE)
    np.testing.assert_array_equal(found, np.zeros((4, 1)))


@here
def test_a_norm_out_of_range_is_left_alone() -> None:
    cell = qj.CircuitCell(qj.Circuit(1, (qj.RX(0, qj.Weight(0)),)), qj.Z(0))
    with jax.enable_x64(False):
        carry = jnp.array([1e20, 0], jnp.complex64)
        weights, xs = jnp.array([0.3], jnp.float32), jnp.zeros((20, 0), jnp.float32)
        last = qj.simulate(cell, weights, xs, carry=carry, gradient=NATIVE).carry
    expected = 1e20 * np.array([np.cos(3), -1j * np.sin(3)])
    np.testing.assert_allclose(last, expected, rtol=1e-5)


def test_an_unknown_kernel_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`kernel` must be None or one of .*'native'"):
        qj.Adjoint(kernel="fast")


PROGRAM = """
import jax.numpy as jnp, qrnn_jax as qj
cell = qj.CircuitCell(qj.Circuit(2, (qj.RX(0, qj.Weight(0)), qj.CNOT(0, 1))), qj.Z(1))
print(float(qj.run(cell, jnp.array([0.5]), jnp.zeros((3, 0)), gradient=qj.Adjoint(KERNEL))[2, 0]))
"""


def start(tmp_path: Path, kernel: str | None, **environment: str) -> subprocess.Popen:
    path = os.pathsep.join([str(ROOT), str(ROOT / "kernels")])
    found = {
        **os.environ,
        "PYTHONPATH": path,
        "QRNN_JAX_KERNEL_CACHE": str(tmp_path),
        **environment,
    }
    code = PROGRAM.replace("KERNEL", repr(kernel))
    command = [sys.executable, "-c", code]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=found, stdout=pipe, stderr=pipe, text=True)


@here
def test_processes_that_start_at_once_share_one_library(tmp_path: Path) -> None:
    started = [start(tmp_path, "native") for _ in range(2)]
    told = [process.communicate(timeout=300) for process in started]
    assert [process.returncode for process in started] == [0, 0], told
    assert told[0][0] == told[1][0]
    assert [path.suffix for path in tmp_path.iterdir()] == [".so"]


def test_without_a_compiler_there_is_one_notice_and_jax(tmp_path: Path) -> None:
    process = start(tmp_path, None, CXX="no-such-compiler")
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    cell = qj.CircuitCell(qj.Circuit(2, (qj.RX(0, qj.Weight(0)), qj.CNOT(0, 1))), qj.Z(1))
    expected = qj.run(cell, jnp.array([0.5]), jnp.zeros((3, 0)), gradient=REFERENCE)[2, 0]
    assert float(out) == pytest.approx(float(expected), abs=1e-5)
    assert errors.count("need a C++ compiler") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_cannot_be_written_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_: object) -> tuple:
        raise OSError("no space left on device")

    monkeypatch.setenv("QRNN_JAX_KERNEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("qrnn_jax_kernels.build.tempfile.mkstemp", full)
    folder = tmp_path / "kernel"
    folder.mkdir()
    (folder / "kernel.cc").write_text("")
    with pytest.raises(BuildError, match=r"cannot be built in .*no space left|need a C\+\+"):
        library(folder)


def test_a_compiler_that_fails_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QRNN_JAX_KERNEL_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "broken.cc").write_text("this is no program")
    with pytest.raises(BuildError, match=r"failed on broken\.cc|need a C\+\+ compiler"):
        library(folder)
    kept = tmp_path / "cache"
    assert not kept.exists() or not list(kept.iterdir())


@here
def test_second_derivatives_name_what_has_them() -> None:
    cell = qj.CircuitCell(qj.Circuit(1, (qj.RX(0, qj.Weight(0)),)), qj.Z(0))

    def slope(weights: jax.Array) -> jax.Array:
        one = jax.grad(lambda w: qj.run(cell, w, jnp.zeros((2, 0)), gradient=NATIVE).sum())
        return one(weights).sum()

    with pytest.raises(TypeError, match=r"differentiated twice; try `gradient=qj\.Backprop\(\)`"):
        jax.grad(slope)(jnp.ones(1))
