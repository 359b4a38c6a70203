"""One step written in PennyLane, as a `Circuit` (extra `pennylane`)."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from qrnn_jax.circuit import Circuit, Controlled, Data, Reset, Slot, Unitary, Weight
from qrnn_jax.hardware.gates import NAMED
from qrnn_jax.hardware.one_step import Item, Measured, one_step

_NAMES = {"PauliX": "x", "PauliY": "y", "PauliZ": "z", "Hadamard": "h", "S": "s", "T": "t"}
_NAMES |= {"CNOT": "cx", "CZ": "cz", "CY": "cy", "CH": "ch", "SWAP": "swap", "Toffoli": "ccx"}
_NAMES |= {"CSWAP": "cswap", "SX": "sx", "Identity": "id", "RX": "rx", "RY": "ry", "RZ": "rz"}
_NAMES |= {"IsingXX": "rxx", "IsingYY": "ryy", "IsingZZ": "rzz", "CRX": "crx", "CRY": "cry"}
_NAMES |= {"CRZ": "crz", "PhaseShift": "p", "U1": "p", "U2": "u2", "U3": "u3"}
_NAMES |= {"ControlledPhaseShift": "cp"}
_SKIPPED = ("Barrier", "Snapshot", "GlobalPhase")
_MATRIX_WIRES = 6  # of a constant gate that is taken as a matrix
_DEPTH = 50

Skeleton = tuple[Any, ...]  # (kind, wires, matrix) of every operation


def from_pennylane(
    function: Callable[[Any, Any], Any],
    *,
    weights: int,
    data: int = 0,
    wires: Sequence[Any] | None = None,
) -> Circuit:
    """One step, given as a quantum function of PennyLane, as a `Circuit`.

    Equation: `function(w, x)` with w (Kw,) and x (Kd,) is called with traced numbers; its angles
    must be c + a . w + b . x + w . M . x, which becomes the slots. Up to a global phase.

    Gates are taken by their names, constant gates as matrices on up to 6 wires, others by their
    decompositions.

    Arguments:
        function: a quantum function of (weights, data), or a QNode of one; what it returns does not
            matter.
        weights: Kw, the length of its first argument.
        data: Kd, the length of its second one.
        wires: the label that becomes wire 0, wire 1, ..; None for 0, 1, .. up to the largest.

    Returns:
        One step. Where it measures, it is read: `Read()` where all measured wires are reset next
        (`qml.measure(wire, reset=True)`), `Read(measure=True)` otherwise.

    Raises:
        ImportError: the extra is not installed.
        ValueError: an operation or angle without such a form, a condition, a post-selection, gates
            that depend on the numbers; measurements at several points; wires that have no place; a
            weight or data value that no angle has.

    Example:
        >>> import qrnn_jax as qj
        >>> def load():  # with the extra `pennylane`
        ...     import pennylane as qml
        ...     def step(w, x):
        ...         qml.RY(2 * x[0], wires=0)
        ...         qml.CRX(w[0] * x[0] + w[1], wires=[0, 1])
        ...         qml.measure(0, reset=True)
        ...     return qj.hardware.from_pennylane(step, weights=2, data=1)

    Source: PennyLane's quantum scripts.
    """
    try:
        import pennylane as qml
    except ImportError as error:
        raise ImportError(
            '`from_pennylane` needs the package pennylane; try `pip install "qrnn_jax[pennylane]"`.'
        ) from error
    function = function.func if isinstance(function, qml.QNode) else function
    seen: list[Skeleton] = []

    def angles(numbers: Array) -> Array:
        script = qml.tape.make_qscript(function)(numbers[:weights], numbers[weights:])
        skeleton, found = _flat(qml, script.operations)
        seen.append(skeleton)
        if any(jnp.shape(angle) for angle in found):
            raise ValueError(
                "Argument `function` must have single angles, but has a batch of them."
            )
        return jnp.stack([jnp.asarray(a, float) for a in found]) if found else jnp.zeros(0)

    with jax.enable_x64(True):
        slots = _slots(angles, weights, weights + data)
    if any(_outline(other) != _outline(seen[0]) for other in seen):
        raise ValueError(
            "Argument `function` must play the same gates for all numbers, but its gates depend on "
            "them; try a function without `if`."
        )
    place = _places(seen[-1], wires)
    return one_step(len(place), list(_items(seen[-1], iter(slots), place)), "function")


def _slots(angles: Callable[[Array], Array], weights: int, count: int) -> list[Slot]:
    """Every angle as a slot: constant, slopes and mixed curvature at 0, checked elsewhere."""
    zero = jnp.zeros(count)
    traced = jax.vmap(angles)  # so that what depends on numbers is always seen as traced
    constant = np.asarray(traced(zero[None])[0])
    slopes = np.asarray(jax.jacfwd(angles)(zero)).reshape(len(constant), count)
    curved = np.asarray(jax.jacfwd(jax.jacfwd(angles))(zero)).reshape(len(constant), count, count)
    mixed = curved[:, :weights, weights:]
    for point in np.random.default_rng(0).uniform(-2, 2, (3, count)):
        bend = np.einsum("aij,i,j->a", mixed, point[:weights], point[weights:])
        expected = constant + slopes @ point + bend
        found = np.asarray(traced(jnp.asarray(point)[None])[0])
        if not np.allclose(found, expected, rtol=1e-9, atol=1e-9):
            raise ValueError(
                "Argument `function` must have angles that are affine in weights and data, or "
                "products of one of each, but has another; try computing it in the cell's "
                "classical map."
            )
    symbols = [Weight(i) for i in range(weights)] + [Data(j) for j in range(count - weights)]
    slots = [
        _sum(float(c), zip(slope, symbols), bend, symbols, weights)
        for c, slope, bend in zip(constant, slopes, mixed)
    ]
    met = [Weight(i) for slot in slots for i in slot.weights]
    met += [Data(j) for slot in slots for j in slot.data]
    unused = [symbol for symbol in symbols if symbol not in met]
    if unused:
        raise ValueError(
            f"Arguments `weights` and `data` must count what angles depend on, but none depends on "
            f"{unused}."
        )
    return slots


def _sum(constant: float, linear: Any, bend: Any, symbols: list[Slot], weights: int) -> Slot:
    made = Slot(constant)
    for number, symbol in linear:
        made = made + float(number) * symbol
    for i, j in np.argwhere(bend):
        made = made + float(bend[i, j]) * symbols[i] * symbols[weights + j]
    return made


def _flat(qml: Any, operations: Any, depth: int = 0) -> tuple[Skeleton, list[Any]]:
    """What is played, (kind, wires, matrix) each, and all angles in order."""
    skeleton: list[Any] = []
    angles: list[Any] = []
    for operation in operations:
        name, on = operation.name, tuple(operation.wires)
        if name in _SKIPPED:
            continue
        if name == "MidMeasureMP":
            skeleton += _measured(operation)
        elif name in _NAMES:
            skeleton.append((_NAMES[name], on, None))
            angles += list(operation.parameters)
        elif isinstance(operation, qml.ops.Controlled) and operation.base.name in _NAMES:
            skeleton += _controlled(operation)
            angles += list(operation.base.parameters)
        elif type(operation).__name__ == "Conditional":  # it has the matrix of its gate
            raise ValueError(
                f"Argument `function` must be free of conditions, but has {name!r}; try `qj.If` in "
                "a circuit."
            )
        elif _is_constant(operation) and operation.has_matrix and len(on) <= _MATRIX_WIRES:
            matrix = np.asarray(operation.matrix(wire_order=operation.wires), complex)
            skeleton.append(("unitary", on, matrix))
        elif getattr(operation, "has_decomposition", False) and depth <= _DEPTH:
            with qml.QueuingManager.stop_recording():
                inner = _flat(qml, operation.decomposition(), depth + 1)
            skeleton += inner[0]
            angles += inner[1]
        else:
            raise ValueError(
                "Argument `function` must be made of gates and measurements, but has "
                f"{name!r}; try writing it in gates."
            )
    return tuple(skeleton), angles


def _measured(operation: Any) -> list[Any]:
    if operation.postselect is not None:
        raise ValueError(
            "Argument `function` must keep all runs, but post-selects; try `qj.Postselect`."
        )
    on = tuple(operation.wires)
    return [("measure", on, None), *([("reset", on, None)] if operation.reset else [])]


def _controlled(operation: Any) -> list[Any]:
    """A gate of a known name under control; controls on 0 stand between two X."""
    pairs = zip(operation.control_wires, operation.control_values)
    turned = [("x", (wire,), None) for wire, value in pairs if not value]
    on = (*operation.control_wires, *operation.base.wires)
    return [*turned, (f"controlled {_NAMES[operation.base.name]}", on, None), *turned]


def _is_constant(operation: Any) -> bool:
    return not any(isinstance(parameter, jax.core.Tracer) for parameter in operation.parameters)


def _outline(skeleton: Skeleton) -> list[Any]:
    """What must not depend on the numbers."""
    return [
        (kind, on, None if matrix is None else matrix.tobytes()) for kind, on, matrix in skeleton
    ]


def _places(skeleton: Skeleton, wires: Sequence[Any] | None) -> dict[Any, int]:
    """Label -> wire."""
    used = {label for _, on, _ in skeleton for label in on}
    if wires is None:
        if not all(isinstance(label, int) and label >= 0 for label in used):
            raise ValueError(
                f"Argument `wires` must order the labels {sorted(map(str, used))}, but is None."
            )
        return {label: label for label in range(max(used, default=0) + 1)}
    if len(set(wires)) != len(wires) or not used <= set(wires):
        raise ValueError(
            f"Argument `wires` must name each of the labels {sorted(map(str, used))} once, but is "
            f"{tuple(wires)}."
        )
    return {label: wire for wire, label in enumerate(wires)}


def _items(skeleton: Skeleton, slots: Iterator[Slot], place: dict[Any, int]) -> Iterator[Item]:
    for kind, on, matrix in skeleton:
        wires = [place[label] for label in on]
        if kind == "measure":
            yield Measured(wires[0])
        elif kind == "reset":
            yield Reset(wires[0])
        elif kind == "unitary":
            yield Unitary(wires, matrix)
        else:
            known = NAMED[kind.split(" ")[-1]]
            controls, targets = wires[: -known.wires], wires[-known.wires :]
            for gate in known.build(*targets, *(next(slots) for _ in range(known.angles))):
                yield Controlled(gate, tuple(controls)) if controls else gate
