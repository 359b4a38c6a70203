"""Neighbouring rotations about one axis become one, and the step stays the same."""

import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.circuit.joined import joined_rotations
from qrnn_jax.engines.native import NativeLoop, is_there
from qrnn_jax.setup import plan_for

W, D = qj.Weight, qj.Data
WEIGHTS, DATA = np.array([0.3, -1.1, 0.7, 0.2]), np.array([0.9, -0.4])


@pytest.mark.parametrize(
    ("operations", "kept"),
    [
        ((qj.RY(0, D(0)), qj.RY(0, W(0)), qj.RY(0, 0.5 * W(1) * D(1) + 0.3)), 1),
        ((qj.RY(0, D(0)), qj.RX(1, W(0)), qj.H(2), qj.RY(0, W(1)), qj.RX(1, W(0))), 3),
        ((qj.RY(0, D(0)), qj.CNOT(0, 1), qj.RY(0, W(0)), qj.RY(1, W(1))), 4),
        ((qj.RY(0, D(0)), qj.RX(0, W(0)), qj.RY(0, W(1))), 3),
        ((qj.RZZ(0, 2, W(0)), qj.RX(1, W(1)), qj.RZZ(0, 2, D(0)), qj.RZZ(2, 0, W(2))), 3),
        ((qj.CRX(0, 1, W(0)), qj.CRX(1, 0, W(1)), qj.CRX(1, 0, D(0)), qj.CRX(1, 2, W(2))), 3),
        ((qj.RZZ(0, 1, W(0)), qj.RZ(1, D(0)), qj.RZZ(0, 1, W(1)), qj.RZ(0, W(2))), 4),
        ((qj.RY(0, D(0)), qj.Read(), qj.RY(0, W(0)), qj.RY(0, W(1))), 3),
        ((qj.H(0), qj.H(0), qj.S(1), qj.S(1)), 4),
    ],
)
def test_the_step_stays_the_same(operations: tuple, kept: int) -> None:
    padding = [qj.RZ(2, slot) for slot in (W(0), W(1), W(2), W(3), D(0), D(1))]
    circuit = qj.Circuit(3, (*operations, qj.CNOT(2, 0), *padding))
    found = joined_rotations(circuit)
    assert len(found.operations) == kept + 2
    np.testing.assert_allclose(
        found.matrix(WEIGHTS, DATA), circuit.matrix(WEIGHTS, DATA), atol=1e-14
    )
    assert (found.weight_count, found.data_count) == (circuit.weight_count, circuit.data_count)
    reads = [one for one in found.operations if isinstance(one, qj.Read)]
    assert len(reads) == sum(isinstance(one, qj.Read) for one in operations)


@pytest.mark.skipif(not is_there, reason="needs the package `qrnn_jax_kernels`")
def test_native_loops_take_it_and_shift_rules_do_not() -> None:
    circuit = qj.Circuit(1, (qj.RY(0, D(0)), qj.RY(0, W(0))))
    cell = qj.CircuitCell(circuit, qj.Z(0))
    (block,) = NativeLoop.here(plan_for(cell, None)).blocks
    assert block.varies
    assert len(plan_for(cell, None).circuit.operations) == 2
