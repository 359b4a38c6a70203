"""Pictures: the numbers that are drawn, their files, and what a failing disk leaves behind."""

import errno
import importlib
import os
import struct
import subprocess
import sys

import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax import plots

NOTHING = np.full(60, np.nan)
TIME = np.arange(1900, 1960)
SERIES = 50 + 30 * np.cos(0.6 * TIME)
STEP = qj.Circuit(3, (qj.RY(0, qj.Data(0)), qj.CRX(0, 2, qj.Weight(0)), qj.Reset(0)))


def draw_curves(path, rows=None, **options):
    rows = (
        [{"step": n, "loss": 0.5**n, "gradient_norm": 1 / n} for n in range(1, 9)]
        if rows is None
        else rows
    )
    plots.curves(rows, path, **{"title": "a run", **options})


def draw_forecast(path, **options):
    settings = {"time": TIME, "truth": SERIES, "one_step": SERIES + 1, "free_running": NOTHING}
    settings |= {"split": 1940, "title": "a series", "units": "sunspot number"}
    plots.forecast(path, **settings | options)


def draw_circuit(path, **options):
    plots.circuit(STEP, path, **{"title": "one step", **options})


DRAWINGS = {"curves": draw_curves, "forecast": draw_forecast, "circuit": draw_circuit}


@pytest.fixture
def figure(monkeypatch):
    """Draw, and get the matplotlib figure instead of a file."""

    def drawn(name, *arguments, **options):
        kept = []
        module = importlib.import_module(f"qrnn_jax.plots.{name}")
        monkeypatch.setattr(module, "save", lambda figure, path, **how: kept.append(figure))
        DRAWINGS[name](*arguments, **options)
        return kept[0]

    return drawn


def size(path):
    """Width and height in pixels, from a PNG file's header."""
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", content[16:24])


def labelled(axes):
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


# files


@pytest.mark.parametrize("name", DRAWINGS)
def test_equal_pictures_are_equal_files(name, tmp_path):
    for path in (tmp_path / "a.png", tmp_path / "b.png"):
        DRAWINGS[name](path)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    DRAWINGS[name](tmp_path / "b.png", title="another title")
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()


def test_sizes_are_as_documented(tmp_path, monkeypatch):
    draw_curves(tmp_path / "curves.png")
    draw_forecast(str(tmp_path / "forecast.png"))
    draw_circuit(tmp_path / "circuit.png")
    assert size(tmp_path / "curves.png") == (1050, 720)
    assert size(tmp_path / "forecast.png") == (1350, 630)
    width, height = size(tmp_path / "circuit.png")
    assert 300 < width < 1300
    assert 150 < height < 900
    module = importlib.import_module("qrnn_jax.plots.circuit")
    monkeypatch.setattr(module, "PIXELS", 200)  # as if the circuit were enormous
    draw_circuit(tmp_path / "small.png")
    assert max(size(tmp_path / "small.png")) < 0.7 * width


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_full_disk_leaves_the_old_picture_and_no_other_file(name, tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    DRAWINGS[name](path)
    before = path.read_bytes()

    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    message = r"a\.png must be writable, but No space left on device; try freeing space"
    with pytest.raises(OSError, match=message) as raised:
        DRAWINGS[name](path, title="another title")
    assert raised.value.errno == errno.ENOSPC
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]


def test_a_path_below_a_file_is_named(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OSError, match=r"file/a\.png must be writable, but Not a directory"):
        draw_curves(tmp_path / "file" / "a.png")


def test_matplotlib_is_imported_on_use_and_pyplot_never(tmp_path):
    program = (
        "import sys, qrnn_jax.plots as plots\n"
        "assert 'matplotlib' not in sys.modules\n"
        "rows = [{'step': 1, 'loss': 0.5, 'gradient_norm': 2.0}]\n"
        "plots.curves(rows, sys.argv[1], title='a')\n"
        "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "a.png")], check=True)


# curves


def test_curves_draw_the_rows_with_gaps_where_there_is_no_value(figure):
    rows = [
        {"step": 1, "loss": 0.5, "gradient_norm": 2.0, "used": True},
        {"step": 2, "loss": None, "gradient_norm": None, "used": False},
        {"step": 3, "loss": float("nan"), "gradient_norm": float("inf"), "used": False},
        {"step": 4, "loss": 0.25, "gradient_norm": 0.0, "used": True},
        {"step": 5, "loss": 0.125, "gradient_norm": 1.0},
    ]
    upper, lower = figure("curves", None, rows).axes
    assert upper.get_yscale() == lower.get_yscale() == "log"
    loss, norm = upper.lines[0], lower.lines[0]
    assert loss.get_xdata().tolist() == [1, 2, 3, 4, 5]
    np.testing.assert_array_equal(loss.get_ydata(), [0.5, np.nan, np.nan, 0.25, 0.125])
    np.testing.assert_array_equal(norm.get_ydata(), [2.0, np.nan, np.nan, np.nan, 1.0])
    alone = upper.lines[1]  # a line of one point would be invisible
    assert (alone.get_xdata().tolist(), alone.get_ydata().tolist()) == ([1.0], [0.5])
    assert labelled(upper)["skipped step"].get_xdata().tolist() == [2, 3]


def test_curves_show_validation_where_it_was_computed(figure):
    rows = [{"step": n, "loss": 1 / n, "gradient_norm": 1.0} for n in range(1, 7)]
    rows[1]["validation_loss"], rows[3]["validation_loss"] = 0.75, 0.5
    drawn = figure("curves", None, rows)
    validation = labelled(drawn.axes[0])["validation"]
    assert validation.get_xdata().tolist() == [2, 4]  # joined across the rows without one
    assert validation.get_ydata().tolist() == [0.75, 0.5]
    (legend,) = drawn.legends
    assert [text.get_text() for text in legend.get_texts()] == ["training", "validation"]


def test_curves_say_what_the_axes_are_and_need_no_legend_for_one_line(figure):
    drawn = figure("curves", None)
    upper, lower = drawn.axes
    assert drawn.get_suptitle() == "a run"
    assert upper.get_ylabel() == "loss (mean squared error)"
    assert lower.get_ylabel() == "gradient norm"
    assert lower.get_xlabel() == "training step"
    assert drawn.legends == []


@pytest.mark.parametrize("rows", [[], [{"step": 1, "loss": None, "gradient_norm": None}]])
def test_curves_without_values_say_so(rows, figure, tmp_path):
    assert [axes.texts[0].get_text() for axes in figure("curves", None, rows).axes] == [
        "no values"
    ] * 2


@pytest.mark.parametrize(
    ("top", "decades"), [(0.7, 0.1), (0.19, 0.4), (0.7, 1), (0.7, 4), (0.7, 12)]
)
def test_few_and_plain_numbers_on_the_loss_axis(top, decades, figure):
    rows = [
        {"step": n, "loss": top * 10 ** (-decades * n / 99), "gradient_norm": 1.0}
        for n in range(100)
    ]
    drawn = figure("curves", None, rows)
    drawn.draw_without_rendering()
    axes = drawn.axes[0]
    low, high = axes.get_ylim()
    ticks = [tick for tick in axes.get_yticks() if low <= tick <= high]
    assert 2 <= len(ticks) <= 9
    shown = [label.get_text() for label in axes.get_yticklabels()]
    assert all("10^" not in text for text in shown)


# forecast


def test_forecast_draws_three_series_and_names_them(figure):
    free = np.where(TIME >= 1940, SERIES - 5, np.nan)
    drawn = figure("forecast", None, free_running=free)
    lines = labelled(drawn.axes[0])
    assert list(lines) == ["true values", "predicted one step ahead", "free-running forecast"]
    for line, values in zip(lines.values(), (SERIES, SERIES + 1, free), strict=True):
        np.testing.assert_array_equal(line.get_xdata(), TIME)
        np.testing.assert_array_equal(line.get_ydata(), values)
    assert drawn.axes[0].get_ylabel() == "sunspot number"
    assert drawn.axes[0].get_xlabel() == "time"
    assert drawn.get_suptitle() == "a series"
    (legend,) = drawn.legends
    drawn.draw_without_rendering()
    label = drawn.axes[0].xaxis.label.get_window_extent()
    assert legend.get_window_extent().y1 < label.y0  # outside the panel and below its label


def test_an_absent_series_is_not_in_the_legend(figure):
    (legend,) = figure("forecast", None).legends
    assert len(legend.get_texts()) == 2


def marks(drawn):
    axes = drawn.axes[0]
    dividers = [line.get_xdata()[0] for line in axes.lines if len(set(line.get_xdata())) == 1]
    return dividers, {text.get_text().strip(): text.get_position()[0] for text in axes.texts}


def test_one_boundary_is_the_start_of_testing(figure):
    dividers, names = marks(figure("forecast", None, split=1940))
    assert dividers == [1940]
    assert names["test"] == 1940


def test_several_boundaries_are_named(figure):
    split = {"training": 1900, "validation": 1930, "test": 1945}
    dividers, names = marks(figure("forecast", None, split=split, time_label="year"))
    assert dividers == [1930, 1945]  # the first part starts with the series
    assert names == split


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"truth": SERIES[:-1]}, r"`truth` must be .* as long as `time`, but has shape \(59,\)"),
        ({"one_step": SERIES[:, None]}, r"`one_step` must be one-dimensional .* \(60, 1\)"),
        ({"time": []}, r"`time` must be"),
    ],
)
def test_series_of_other_shapes_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        draw_forecast(None, **wrong)


def test_a_long_title_is_broken_into_lines_within_the_picture(figure):
    drawn = figure("forecast", None, title="Some words that describe the series. " * 5)
    drawn.draw_without_rendering()
    (title,) = [text for text in drawn.texts if "describe" in text.get_text()]
    box, page = title.get_window_extent(), drawn.bbox
    assert page.x0 < box.x0 < box.x1 < page.x1
    assert box.y1 <= page.y1
    assert box.y0 > drawn.axes[0].get_window_extent().y1


# circuit


def test_the_circuit_is_the_librarys_drawing_under_a_title(figure):
    drawn, plain = figure("circuit", None), STEP.draw("mpl")
    assert drawn.get_suptitle() == "one step"
    texts = [[text.get_text() for text in each.axes[0].texts] for each in (drawn, plain)]
    assert texts[0] == texts[1]
    (title,) = [text for text in drawn.texts if text.get_text() == "one step"]
    assert title.get_window_extent().y0 >= drawn.axes[0].get_window_extent().y1 - 0.5
