"""The circuit of one time step, as a picture."""

from __future__ import annotations

from pathlib import Path

import qrnn_jax as qj

from .picture import DPI, PIXELS, save, set_title


def circuit(circuit: qj.Circuit, path: Path | str, *, title: str) -> None:
    """Draw one time step of a circuit into a PNG file.

    Arguments:
        circuit: the step.
        path: of the PNG file, at 150 dots per inch (fewer for a picture of more than 32768 pixels);
            replaced at once, never half written. Its size follows from the circuit.
        title: one or two sentences.

    Raises:
        OSError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import qrnn_jax as qj
        >>> from qrnn_jax import plots
        >>> step = qj.Circuit(2, (qj.RY(0, qj.Data(0)), qj.CNOT(0, 1), qj.Reset(0)))
        >>> with tempfile.TemporaryDirectory() as name:
        ...     plots.circuit(step, Path(name) / "circuit.png", title="one step")
        ...     (Path(name) / "circuit.png").read_bytes()[1:4]
        b'PNG'
    """
    figure = circuit.draw("mpl")
    assert not isinstance(figure, str)
    # above, never over the drawing
    set_title(figure, title, y=1.0, verticalalignment="bottom")
    longer = float(max(figure.get_size_inches()))
    save(figure, path, dpi=min(DPI, PIXELS / longer), tight=True)
