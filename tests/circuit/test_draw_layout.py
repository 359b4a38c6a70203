"""The layout of drawings: which column, which row; and a gate that the library does not know."""

from dataclasses import dataclass
from typing import final

import helpers
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.circuit.draw_layout import columns, rows

W, D = qj.Weight, qj.Data


@final
@dataclass(frozen=True)
class Toffoli(qj.AbstractGate):
    """A gate of a user: nothing in the library knows it."""

    on: tuple[int, int, int]

    @property
    def wires(self):
        return self.on

    @property
    def controls(self):
        return self.on[:2]

    @property
    def parameters(self):
        return ()

    @property
    def label(self):
        return "⊕"

    def matrix(self, *angles):
        return jnp.eye(8)[np.array([0, 1, 2, 3, 4, 5, 7, 6])]

    def generators(self):
        return ()


def labels(circuit):
    return [[mark.label for mark in column] for column in columns(circuit)]


def test_parallel_gates_share_a_column_and_read_is_a_barrier():
    circuit = qj.Circuit(3, (qj.H(0), qj.X(1), qj.S(0), qj.Y(2), qj.Read(), qj.T(2)))
    assert labels(circuit) == [["H", "X", "Y"], ["S"], ["Read"], ["T"]]


def test_a_gate_keeps_the_wires_free_that_it_passes_over():
    circuit = qj.Circuit(4, (qj.CNOT(0, 2), qj.H(1), qj.X(3), qj.CNOT(3, 1)))
    assert labels(circuit) == [["⊕", "X"], ["H"], ["⊕"], ["Read"]]


def test_an_implied_read_stands_before_the_trailing_resets():
    circuit = qj.Circuit(2, (qj.Reset(0), qj.H(0), qj.Reset(1), qj.Reset(0)))
    assert labels(circuit) == [["|0⟩"], ["H"], ["Read"], ["|0⟩", "|0⟩"]]


@pytest.mark.parametrize("seed", range(8))
def test_every_operation_is_drawn_once_in_order_and_apart(seed):
    circuit = helpers.random_circuit(seed, wires=5, kind="noisy", gates=20)
    placed = columns(circuit)
    for column in placed:
        spans = [wire for mark in column for wire in mark.span]
        assert len(spans) == len(set(spans))
        assert set(spans) <= set(range(5))
    for wire in range(5):
        drawn = [
            mark.label
            for column in placed
            for mark in column
            if wire in (*mark.targets, *mark.controls) and mark.kind != "barrier"
        ]
        assert drawn == [op.label for op in circuit.operations if wire in op.wires]


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        (qj.RX(0, D(0)), "data"),
        (qj.RX(0, W(0) * D(0) + 1), "data"),
        (qj.U3(0, 0.1, W(0), 0.2), "weight"),
        (qj.RX(0, 0.3), "constant"),
        (qj.H(0), "constant"),
        (qj.BitFlip(0, W(0)), "channel"),
        (qj.Reset(0), "channel"),
        (qj.Read(), "barrier"),
    ],
)
def test_a_mark_has_the_kind_of_what_it_depends_on(operation, kind):
    assert columns(qj.Circuit(1, (operation, qj.H(0))))[0][0].kind == kind


def test_ports_are_named_only_where_wires_are_not_ascending():
    (straight,), (turned,), _ = columns(
        qj.Circuit(3, (qj.Unitary((0, 2), np.eye(4)), qj.Unitary((2, 0), np.eye(4))))
    )
    assert [straight.port(wire) for wire in (0, 2)] == ["", ""]
    assert [turned.port(wire) for wire in (0, 2)] == ["1", "0"]


def test_rows_are_about_equally_full_and_hold_every_column_once():
    assert rows([3, 3, 3, 3], None) == [range(4)]
    assert rows([3, 3, 3, 3], 9) == [range(2), range(2, 4)]
    assert rows([2, 20, 2], 5) == [range(1), range(1, 2), range(2, 3)]
    widths = np.random.default_rng(0).uniform(1, 4, 50)
    broken = rows(widths, 20)
    assert [column for row in broken for column in row] == list(range(50))
    assert all(widths[row.start : row.stop].sum() <= 20 for row in broken)
    assert len(broken) == len(rows(widths, 20.0)) <= widths.sum() / 20 + 2


def test_a_new_gate_is_drawn_without_touching_the_drawing():
    circuit = qj.Circuit(3, (Toffoli((2, 0, 1)),))
    expected = "0: ─╭●─┤Read├─\n1: ─├⊕─┤    ├─\n2: ─╰●─┤    ├─"
    assert circuit.draw() == expected
    assert circuit.draw("mpl").axes[0].lines
