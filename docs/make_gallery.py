"""Write the model gallery: one page per cell, made from the cell itself.

    python docs/make_gallery.py

A test compares the pages with what this would write; pictures are drawn anew only here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import qrnn_jax as qj

FOLDER = Path(__file__).parent / "gallery"
STEPS = 4
RULES: tuple[qj.AbstractGradient, ...] = (
    qj.Backprop(),
    qj.Checkpointed(),
    qj.Adjoint(),
    qj.ParameterShift(),
    qj.SharedShift(),
    qj.Riesz(),
    qj.FiniteDifference(),
    qj.SPSA(),
)


@dataclass(frozen=True)
class Entry:
    """A page: the cell as used in its paper, a smaller one to draw, and five lines of code."""

    name: str
    title: str
    about: str
    make: Callable[[], qj.AbstractCell]
    small: Callable[[], qj.AbstractCell]
    small_code: str
    code: str


ENTRIES = (
    Entry(
        "takaki",
        "Takaki et al. 2021",
        "Input qubits are encoded, mixed with the memory, read and reset; nonlinearity comes from "
        "encoding one number on several qubits. The interaction is fixed, the rotations are "
        "trained. Phys. Rev. A 103, 052414. Sizes and details are a reconstruction: only the "
        "abstract was open to us.",
        lambda: qj.cells.Takaki(inputs=3, memory=3, depth=3),
        lambda: qj.cells.Takaki(inputs=2, memory=1, depth=1),
        "qj.cells.Takaki(inputs=2, memory=1, depth=1)",
        "cell = qj.cells.Takaki(inputs=3, memory=3, depth=3)\n"
        "params = cell.init(jax.random.key(0))\n"
        "xs = 0.5 * jnp.cos(2 * jnp.pi * jnp.arange(20) / 10)[:, None]\n"
        "ys = qj.run(cell, params, xs)\n"
        "future = qj.forecast(cell, params, xs, steps=10)",
    ),
    Entry(
        "viqueira",
        "Viqueira et al. 2025 (EMCZ2, EMCZ3)",
        "Exchange qubits take the input, in radians, several times per step; a ladder of CZ (or "
        "all pairs) joins them to the memory; the parity of the exchange register is read. Mach. "
        "Learn.: Sci. Technol. 6. The published training run is replayed to six digits.",
        lambda: qj.cells.Viqueira(exchange=1, memory=2, layers=3, uploads=3),
        lambda: qj.cells.Viqueira(exchange=1, memory=2, layers=1, uploads=1),
        "qj.cells.Viqueira(exchange=1, memory=2, layers=1, uploads=1)",
        "cell = qj.cells.Viqueira(exchange=1, memory=2, layers=3, uploads=3)\n"
        "params = cell.init(jax.random.key(0))\n"
        "xs = 0.75 * jnp.sin(jnp.arange(20) / 3)[:, None]\n"
        "ys = qj.run(cell, params, xs)\n"
        "shot = qj.run(cell, params, xs, shots=1000, key=jax.random.key(1))",
    ),
    Entry(
        "bausch",
        "Bausch 2020",
        "Quantum neurons: the angle of each is a polynomial of the other bits, and its activation "
        "is made steep by post-selecting ancillas. Words go in and out on lanes; in training the "
        "lanes are projected on the target word. NeurIPS 33, arXiv 2006.14619. The neurons are "
        "applied without their ancillas; `explicit_circuit()` has them.",
        lambda: qj.cells.Bausch(lanes=2, workspace=8, stages=2, degree=2),
        lambda: qj.cells.Bausch(lanes=1, workspace=2, stages=1, degree=1),
        "qj.cells.Bausch(lanes=1, workspace=2, stages=1, degree=1)",
        "cell = qj.cells.Bausch(lanes=2, workspace=4, stages=1, degree=2)\n"
        "params = cell.init(jax.random.key(0))\n"
        "symbols = qj.tasks.xor(1, seed=0)\n"
        "chances = qj.run(cell, params, symbols.xs[0])\n"
        "success = qj.log_success(cell, params, symbols.xs[0])",
    ),
    Entry(
        "cvqrnn",
        "Siemaszko et al. 2023 (CV-QRNN)",
        "Modes of light: displacement by the input, two interferometers with squeezing between "
        "them, homodyne measurement of the input mode. arXiv 2207.00378. Everything is Gaussian "
        "and the read-out linear, so outputs are an affine function of the inputs plus noise; the "
        "Gaussian engine is exact, `Fock` adds Kerr gates.",
        lambda: qj.cells.CVQRNN(io=1, hidden=2),
        lambda: qj.cells.CVQRNN(io=1, hidden=1),
        "qj.cells.CVQRNN(io=1, hidden=1)",
        "cell = qj.cells.CVQRNN(io=1, hidden=2)\n"
        "params = cell.init(jax.random.key(0))\n"
        'task = qj.tasks.cv_series("sine")\n'
        "ys = qj.run(cell, params, task.train.inputs[0])\n"
        "fock = qj.run(cell, params, task.train.inputs[0], engine=qj.Fock(6))",
    ),
    Entry(
        "circuit_cell",
        "Your own circuit",
        "Any step of gates, channels, measurements and resets, and any observables: params are the "
        "weights, inputs the data angles.",
        lambda: own_cell(),
        lambda: own_cell(),
        "circuit",
        "circuit = qj.Circuit(2, (qj.RY(0, qj.Data(0)), qj.CRX(0, 1, qj.Weight(0)), qj.Reset(0)))\n"
        "cell = qj.CircuitCell(circuit, observables=(qj.Z(0),))\n"
        "params = cell.init(jax.random.key(0))\n"
        "ys = qj.run(cell, params, jnp.ones((5, 1)))\n"
        "report = qj.check_gradients(cell, params, jnp.ones((5, 1)))",
    ),
)


def own_cell() -> qj.CircuitCell:
    """The circuit of the last page."""
    operations = (qj.RY(0, qj.Data(0)), qj.CRX(0, 1, qj.Weight(0)), qj.Reset(0))
    return qj.CircuitCell(qj.Circuit(2, operations), (qj.Z(0),))


def page(entry: Entry) -> str:
    """The text of one page."""
    cell = entry.make()
    return "\n".join(
        [
            f"# {entry.title}",
            "",
            entry.about,
            "",
            f"![One time step]({entry.name}.png)",
            "",
            f"The drawing shows `{entry.small_code}`.",
            "",
            "```python",
            "import jax",
            "import jax.numpy as jnp",
            "import qrnn_jax as qj",
            "",
            entry.code,
            "```",
            "",
            "## Figures",
            "",
            *figures(cell),
            "",
            "## Gradients",
            "",
            *gradients(cell),
            "",
            "## On a device",
            "",
            on_a_device(entry),
            "",
        ]
    )


def inputs(cell: qj.AbstractCell) -> jax.Array:
    """A sequence that is in every cell's domain, and made of bits."""
    return jnp.zeros((STEPS, cell.features))


def figures(cell: qj.AbstractCell) -> list[str]:
    """Parameters, wires, operations, and what a step carries."""
    circuit = cell.circuit
    params = jax.eval_shape(cell.init, jax.random.key(0))
    count = sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(params))
    start = cell.init(jax.random.key(0))
    carry = jax.eval_shape(lambda p, xs: qj.simulate(cell, p, xs).carry, start, inputs(cell))
    shapes = ", ".join(str(leaf.shape) for leaf in jax.tree.leaves(carry))
    numbers = sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(carry))
    kinds = ", ".join(f"{number} {name}" for name, number in circuit.count().items())
    return [
        f"* {count} parameters, {circuit.wires} wires, inputs (T, {cell.features}), outputs "
        f"(T, {cell.outputs_count})",
        f"* one step: {len(circuit.operations)} operations: {kinds}",
        f"* carried between steps by the engine chosen for it: {numbers} numbers, {shapes}",
    ]


def gradients(cell: qj.AbstractCell) -> list[str]:
    """Each rule: circuits for one gradient of T steps, or why it refuses."""
    rows = ["| rule | circuits for the weights' gradient, T = 4 |", "| --- | --- |"]
    for rule in RULES:
        why = rule.refusal(cell.circuit)
        if why:
            cost = "refused: " + why.split(", but ")[0].replace("`", "").strip()
        elif isinstance(rule, qj.AbstractEstimator):
            cost = f"{rule.evaluations(cell.circuit, STEPS)}"
        else:
            cost = "simulator only"
        rows.append(f"| `{type(rule).__name__}` | {cost} |")
    return rows


def on_a_device(entry: Entry) -> str:
    """Whether shots can be drawn from it as it stands."""
    cell, used = entry.small(), entry.make()
    if isinstance(used, qj.cells.Bausch):
        return by_ancillas(used)
    params = cell.init(jax.random.key(0))
    try:
        qj.run(cell, params, inputs(cell), shots=10, key=jax.random.key(1))
    except ValueError as refusal:
        return f"As it stands it is not run shot by shot: {refusal}"
    wanted = "mid-circuit measurement and reset"
    return f"It runs shot by shot as it stands; a device needs {wanted} of the wires that are read."


def by_ancillas(cell: qj.cells.Bausch) -> str:
    """What a device would run instead, and how seldom a step of it survives."""
    explicit = cell.explicit_circuit()
    kinds = ", ".join(f"{number} {name}" for name, number in explicit.count().items())
    logs = qj.log_success(cell, cell.init(jax.random.key(0)), inputs(cell))
    chance = np.exp(np.float64(logs[0]))
    return (
        f"Not as it stands: a device would run `explicit_circuit()`, with {cell.order} ancillas "
        f"that all neurons share ({explicit.wires} wires; one step: {kinds}). A neuron survives "
        "only if its ancillas are found in |0>, and the lanes are projected as well: from random "
        f"params one step survives with probability {chance:.0e} (`qj.log_success`). Repeating "
        'until it does is out of reach; the paper amplifies instead, which `mode="unitary"` '
        "idealises."
    )


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for entry in ENTRIES:
        (FOLDER / f"{entry.name}.md").write_text(page(entry))
        figure = entry.small().circuit.draw("mpl")
        figure.savefig(FOLDER / f"{entry.name}.png", dpi=110, bbox_inches="tight")
    rows = [f"* [{entry.title}]({entry.name}.md)" for entry in ENTRIES]
    text = ["# Model gallery", "", "One page per cell, made by `python docs/make_gallery.py`.", ""]
    (FOLDER / "README.md").write_text("\n".join([*text, *rows, ""]))


if __name__ == "__main__":
    main()
