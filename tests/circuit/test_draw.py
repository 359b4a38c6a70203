"""Pictures: exact text for small circuits, and the parts that a figure must show."""

import io
import subprocess
import sys

import matplotlib.colors
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

import qrnn_jax as qj
from qrnn_jax.circuit.draw_matplotlib import draw_matplotlib
from qrnn_jax.circuit.draw_text import draw_text

W, D = qj.Weight, qj.Data

README = qj.Circuit(
    wires=3,
    operations=(
        qj.RY(0, D(0)),
        qj.RX(1, W(0)),
        qj.RZZ(0, 2, 2 * W(1)),
        qj.CRX(1, 2, W(2)),
        qj.CNOT(0, 1),
        qj.RZ(2, 0.3),
        qj.AmplitudeDamping(2, 0.05),
        qj.Reset(0),
    ),
)
PAIRS = qj.Circuit(
    4,
    (
        qj.CZ(3, 1),
        qj.SWAP(0, 2),
        qj.Unitary((2, 0), np.eye(4)),
        qj.Read(),
        qj.Evolution(qj.Z(0) @ qj.X(1) + qj.Y(3), W(0) * D(0)),
        qj.CRY(3, 0, -W(1)),
    ),
)
CELLS = {
    "takaki": qj.cells.Takaki().circuit,
    "emcz2": qj.cells.Viqueira(1, 2, 3, 3).circuit,
    "emcz3": qj.cells.Viqueira(2, 3, 2, 1, ansatz="EMCZ3").circuit,
}


def drawn_boxes(axes):
    """The boxes of gates, without the empty frames of matplotlib's arrows."""
    boxes = [patch for patch in axes.patches if isinstance(patch, FancyBboxPatch)]
    return [box for box in boxes if box.get_zorder() == 3]


def test_text_of_a_step_with_controls_and_reset():
    assert README.draw() == (
        "0: ─RY(x0)─╭RZZ(2*w1)─────────╭●──────────────────────────────┤Read├─|0⟩─\n"
        "1: ─RX(w0)─┼──────────╭●──────╰⊕──────────────────────────────┤    ├─────\n"
        "2: ────────╰RZZ(2*w1)─╰RX(w2)──RZ(0.3)─AmplitudeDamping(0.05)─┤    ├─────"
    )


def test_text_of_gates_on_scattered_wires_and_a_written_read():
    assert PAIRS.draw() == (
        "0: ────╭×─╭1:U─┤Read├─╭e⁻ⁱᴴᵗ(w0*x0)─╭RY(-w1)─\n"
        "1: ─╭●─┼──┼────┤    ├─├e⁻ⁱᴴᵗ(w0*x0)─┼────────\n"
        "2: ─┼──╰×─╰0:U─┤    ├─┼─────────────┼────────\n"
        "3: ─╰●─────────┤    ├─╰e⁻ⁱᴴᵗ(w0*x0)─╰●───────"
    )


def test_text_aligns_wire_numbers_of_two_digits():
    lines = qj.Circuit(11, (qj.H(10),)).draw().split("\n")
    assert lines[0] == " 0: ───┤Read├─"
    assert lines[10] == "10: ─H─┤    ├─"


def test_an_empty_step_is_only_read():
    assert qj.Circuit(1, ()).draw() == "0: ─┤Read├─"
    assert isinstance(qj.Circuit(1, ()).draw("mpl"), Figure)


@pytest.mark.parametrize("circuit", CELLS.values(), ids=CELLS)
def test_text_wraps_to_the_given_width_and_loses_nothing(circuit):
    whole = draw_text(circuit, max_width=None)
    assert len(whole.split("\n")) == circuit.wires
    wrapped = draw_text(circuit, max_width=60)
    parts = [part.split("\n") for part in wrapped.split("\n\n")]
    assert len(parts) > 1
    assert all(len(part) == circuit.wires for part in parts)
    assert max(len(line) for part in parts for line in part) <= 60
    for wire, line in enumerate(whole.split("\n")):
        joined = "".join(part[wire][3:-1] for part in parts)
        assert joined == line[3:-1]
    for part in parts:
        assert len({len(line) for line in part}) == 1
    assert max(map(len, circuit.draw().split("\n"))) <= 100


def test_a_column_wider_than_the_width_is_still_drawn():
    assert "Depolarizing(0.1)" in draw_text(qj.Circuit(1, (qj.Depolarizing(0, 0.1),)), 10)


@pytest.mark.parametrize("style", ["latex", "", None])
def test_an_unknown_style_is_refused(style):
    with pytest.raises(ValueError, match='Argument `style` must be "text" or "mpl", but is'):
        README.draw(style)


@pytest.mark.parametrize("circuit", CELLS.values(), ids=CELLS)
def test_a_figure_of_a_cell_shows_registers_parameters_and_read(circuit):
    figure = circuit.draw("mpl")
    assert isinstance(figure, Figure)
    assert figure.get_size_inches()[0] <= 8.5
    (axes,) = figure.axes
    texts = [text.get_text() for text in axes.texts]
    assert texts.count("Read") == 1
    assert texts.count("input 0") >= 1
    assert f"memory {circuit.wires - 1}" in texts
    for index in range(circuit.weight_count):
        assert texts.count(f"$w_{{{index}}}$") == 1
    assert texts.count("$x_{0}$") == sum(slot.data == {0} for slot in circuit.parameters)
    assert texts.count("|0⟩") == 2 * len(circuit.reset_wires)  # at the start, and as resets
    low, high = axes.get_xlim()
    for text in axes.texts:
        assert low <= text.get_position()[0] <= high


@pytest.mark.parametrize(("circuit", "count"), [(CELLS["takaki"], 63), (README, 8), (PAIRS, 5)])
def test_boxes_do_not_overlap_and_texts_fit_into_them(circuit, count):
    figure = circuit.draw("mpl")
    figure.canvas.draw()
    axes = figure.axes[0]
    boxes = [patch.get_window_extent() for patch in drawn_boxes(axes)]
    assert len(boxes) == count
    for index, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:index])
    inner = [t.get_window_extent() for t in axes.texts if t.get_text() and t.zorder == 5]
    assert len(inner) >= count
    for text in inner:
        assert any(
            box.x0 <= text.x0 and text.x1 <= box.x1 and box.y0 <= text.y0 and text.y1 <= box.y1
            for box in boxes
        )


def test_a_figure_colours_by_kind():
    gates = (qj.RX(0, D(0)), qj.RX(1, W(0)), qj.RX(2, 0.3), qj.BitFlip(3, 0.1))
    axes = qj.Circuit(4, gates).draw("mpl").axes[0]
    edges = [matplotlib.colors.to_hex(box.get_edgecolor()) for box in drawn_boxes(axes)]
    assert edges == ["#0072b2", "#d55e00", "#4d4d4d", "#007a5a"]
    assert {"data", "weight", "constant", "channel, reset"} <= {t.get_text() for t in axes.texts}


def test_a_figure_writes_formulas_and_breaks_long_names():
    circuit = qj.Circuit(
        2,
        (qj.RYY(0, 1, 0.5 * W(0) * D(0) + 0.1), qj.AmplitudeDamping(1, 0.05), qj.U3(0, 1, W(1), 0)),
    )
    texts = [text.get_text() for text in circuit.draw("mpl").axes[0].texts]
    assert r"$0.5\,w_{0}\,x_{0}+0.1$" in texts
    assert {"Amplitude", "Damping", "$0.05$"} <= set(texts)
    assert "$1,w_{1},0$" in texts
    assert "0" in texts  # no reset: a wire is named by its number alone
    assert not any("input" in text or "memory" in text for text in texts)


def test_a_figure_wraps_into_rows():
    circuit = CELLS["emcz2"]
    one, many = draw_matplotlib(circuit, max_width=30), draw_matplotlib(circuit, max_width=4)
    assert many.get_size_inches()[0] <= 4 < one.get_size_inches()[0]
    assert many.get_size_inches()[1] > 2 * one.get_size_inches()[1]
    counts = [
        [text.get_text() for text in figure.axes[0].texts].count("memory 2")
        for figure in (one, many)
    ]
    assert counts[0] == 1
    assert counts[1] >= 3


def test_a_figure_can_be_saved():
    for fmt in ("png", "pdf", "svg"):
        file = io.BytesIO()
        PAIRS.draw("mpl").savefig(file, format=fmt)
        assert file.tell() > 1000


def test_importing_the_library_imports_no_matplotlib_and_drawing_no_pyplot():
    program = (
        "import sys, qrnn_jax as qj\n"
        "assert not any(name.startswith('matplotlib') for name in sys.modules)\n"
        "circuit = qj.Circuit(2, (qj.CNOT(0, 1), qj.RX(0, qj.Weight(0))))\n"
        "circuit.draw()\n"
        "assert not any(name.startswith('matplotlib') for name in sys.modules)\n"
        "circuit.draw('mpl')\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
