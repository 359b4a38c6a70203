"""What an engine refuses: states that cannot fit, types that are off, circuits it cannot run."""

import re
import resource
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from tests.helpers import Forced, TransferPlan, cell_inputs, quick_jit, random_cell

WIDE = 40


def wide_circuit(resets: int) -> qj.Circuit:
    """40 wires in a chain; the first few are reset."""
    gates = [qj.CRX(wire, wire + 1, qj.Weight(0)) for wire in range(WIDE - 1)]
    uploads = [qj.RY(0, qj.Data(0)), qj.RY(WIDE - 1, qj.Data(0))]
    return qj.Circuit(WIDE, [*uploads, *gates, *map(qj.Reset, range(resets))])


@pytest.mark.parametrize(
    ("engine", "resets", "entries"),
    [
        (qj.StateVector(), 0, 2**40),
        (qj.DensityMatrix(), 0, 2**80),
        (qj.DensityMatrix(), 3, 2**77),  # data meet the memory: 2**40 rows of 2**37 columns
        (None, 0, 2**40),
    ],
)
def test_forty_qubits_are_refused_before_allocation(
    engine: qj.AbstractEngine | None, resets: int, entries: int
) -> None:
    cell = qj.CircuitCell(wide_circuit(resets), (qj.Z(0),))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    with pytest.raises(ValueError, match="must fit into memory") as caught:
        qj.run(cell, jnp.zeros(1), jnp.zeros((3, 1)), engine=engine)
    assert f"{entries * 16:.3e} bytes" in str(caught.value)
    assert "40 qubits" in str(caught.value)
    assert "try fewer wires" in str(caught.value)
    assert time.perf_counter() - start < 5
    raised = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before  # KiB
    assert raised < 100 * 1024


def test_the_dense_matrix_that_kraus_blocks_come_from_counts_too() -> None:
    """Few memory wires do not help where U is built once: it has 4**n entries."""
    uploads = [qj.RY(wire, qj.Data(0)) for wire in range(24)]
    entangle = [qj.CNOT(wire, wire + 1) for wire in range(24)]
    circuit = qj.Circuit(25, [*uploads, *entangle, *map(qj.Reset, range(24))])
    cell = qj.CircuitCell(circuit, (qj.Z(0),))
    with pytest.raises(ValueError, match=re.escape(f"needs {2**50 * 16:.3e} bytes")):
        qj.run(cell, jnp.zeros(0), jnp.zeros((3, 1)))


@pytest.mark.parametrize("engine", [qj.StateVector, qj.DensityMatrix])
def test_complex128_without_x64_is_refused(engine: type) -> None:
    cell = random_cell(1, kind="unitary")
    with jax.enable_x64(False):
        params, xs = cell_inputs(cell, 1)
        with pytest.raises(ValueError, match=r"`dtype` must be complex64 while.*enable_x64"):
            qj.run(cell, params, xs, engine=engine(dtype=np.complex128))


@pytest.mark.parametrize("engine", [qj.StateVector, qj.DensityMatrix])
@pytest.mark.parametrize("dtype", [np.float64, "half", "no such type", 7])
def test_other_types_are_refused(engine: type, dtype: object) -> None:
    cell = random_cell(1, kind="unitary")
    with pytest.raises(ValueError, match="`dtype` must be complex64 or complex128, but is"):
        qj.run(cell, *cell_inputs(cell, 1), engine=engine(dtype=dtype))


@pytest.mark.parametrize(
    "bad", [qj.Reset(1), qj.Depolarizing(0, 0.1), qj.Kraus((0,), np.eye(2)[None])]
)
def test_state_vectors_refuse_what_is_not_unitary(bad: qj.AbstractChannel) -> None:
    circuit = qj.Circuit(2, (qj.RX(0, qj.Data(0)), qj.CNOT(0, 1), bad))
    cell = qj.CircuitCell(circuit, (qj.Z(0),))
    with pytest.raises(ValueError, match=r"unitary steps, but operation 2 is .*DensityMatrix"):
        qj.run(cell, jnp.zeros(0), jnp.zeros((2, 1)), engine=qj.StateVector())


def test_small_scales_of_the_data_reach_the_whole_span() -> None:
    """1e-4 * x with x in the ten thousands: the transfer matrix must know all encoded states."""
    encode = [qj.RY(wire, 1e-4 * qj.Data(0)) for wire in range(3)]
    mix = [qj.CRX(0, 3, 1.3), qj.CRY(3, 1, qj.Weight(0)), qj.CNOT(2, 3), qj.RX(3, 0.4)]
    circuit = qj.Circuit(4, [*encode, *mix, *map(qj.Reset, range(3))])
    unscaled = qj.Circuit(
        4, [*(qj.RY(w, qj.Data(0)) for w in range(3)), *mix, *map(qj.Reset, range(3))]
    )
    xs, weights = jnp.array([[1.0], [-2.3], [0.3]]), jnp.array([0.7])
    observables = (qj.Z(1), qj.X(3))
    scaled, plain = (
        quick_jit(partial(qj.run, qj.CircuitCell(c, observables), engine=Forced(TransferPlan)))
        for c in (circuit, unscaled)
    )
    assert np.abs(scaled(weights, 1e4 * xs) - plain(weights, xs)).max() < 1e-12


@pytest.mark.parametrize(
    "operation",
    [
        qj.Unitary((0, 1), np.kron([[0, 1], [1, 0]], [[1, 0], [0, 1j]])),
        qj.Kraus((0,), np.array([[[1, 0], [0, 0]], [[0, 1], [0, 0]]])),
        qj.Postselect(0),
        qj.Measure(0, to=2),
        qj.Reset(0),
        qj.CNOT(0, 1),
        qj.Y(1),
    ],
    ids=lambda operation: type(operation).__name__,
)
def test_constants_follow_the_x64_setting_of_the_moment(operation: qj.AbstractGate) -> None:
    """JAX remembers arrays by identity, also from a program traced with other number types."""
    circuit = qj.Circuit(3, (qj.RX(0, qj.Weight(0)), operation, qj.Read(), qj.RY(1, 0.4)))
    cell = qj.CircuitCell(circuit, (qj.Z(0), qj.X(1)))
    for x64, foreign in ((True, "c64["), (False, "c128["), (True, "c64[")):
        with jax.enable_x64(x64):
            program = jax.make_jaxpr(lambda w: qj.run(cell, w, np.zeros((2, 0))))(np.zeros(1))
        assert foreign not in str(program)
