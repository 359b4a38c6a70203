"""One step written in Qiskit, as a `Circuit` (extra `qiskit`)."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from qrnn_jax.circuit import Circuit, Reset, Slot, Unitary
from qrnn_jax.hardware.expression import Polynomial, to_slot
from qrnn_jax.hardware.gates import NAMED
from qrnn_jax.hardware.one_step import Choice, Item, Measured, one_step, symbols_of

Symbols: TypeAlias = Callable[[str], bool] | Iterable[Any]

_MATRIX_WIRES = 6  # of a constant gate that is taken as a matrix
_DEPTH = 50
_POINTS = np.random.default_rng(0).uniform(-2, 2, (3, 64))
_LIBRARY = "qiskit.circuit.library"


def from_qiskit(
    circuit: Any,
    *,
    data: Symbols = (),
    weights: Symbols | None = None,
    wires: Sequence[int] | None = None,
) -> Circuit:
    """One step, given as a `QuantumCircuit`, as a `Circuit`.

    Equation: qubit k is wire k; up to a global phase. Angles are affine in the parameters, products
    of a weight and a data value included: `2 * a * x + 0.1` becomes
    `2 * Weight(0) * Data(0) + 0.1`.

    Gates of Qiskit's library are taken by their names, constant gates as matrices on up to 6 wires,
    others by their definitions.

    Arguments:
        circuit: a `QuantumCircuit` without loops and conditions.
        data: what becomes `Data(0)`, `Data(1)`, ..: parameters, vectors of parameters, or names of
            either; or a function of a parameter's name.
        weights: the same for `Weight`; None for all that is no data, in the order of
            `circuit.parameters`.
        wires: the qubit that becomes wire 0, wire 1, ..; None for 0, 1, ..

    Returns:
        One step. Where the circuit measures, it is read: `Read()` where all measured wires are
        reset next, `Read(measure=True)` otherwise.

    Raises:
        TypeError: no circuit; a product of two weights or of two data values.
        ValueError: an operation or angle without such a form; a name that is no parameter;
            measurements at several points; wires that are no order of the qubits.

    Example:
        >>> import qrnn_jax as qj
        >>> def load():  # with the extra `qiskit`
        ...     from qiskit.circuit import ParameterVector, QuantumCircuit
        ...     x, theta = ParameterVector("x", 1), ParameterVector("theta", 2)
        ...     step = QuantumCircuit(2, 1)
        ...     step.ry(2 * x[0], 0)
        ...     step.crx(theta[0] * x[0] + theta[1], 0, 1)
        ...     step.measure(0, 0)
        ...     step.reset(0)
        ...     return qj.hardware.from_qiskit(step, data=x)

    Source: Qiskit's `QuantumCircuit`.
    """
    if not hasattr(circuit, "find_bit"):
        raise TypeError(
            "Argument `circuit` must be a `QuantumCircuit` of Qiskit, but is "
            f"{type(circuit).__name__}; try `from_pennylane` for a function of PennyLane."
        )
    names = [parameter.name for parameter in circuit.parameters]
    chosen = None if weights is None else _choice(weights, names)
    symbols = symbols_of(names, _choice(data, names), chosen)
    count = circuit.num_qubits
    order = list(range(count) if wires is None else wires)
    if sorted(order) != list(range(count)):
        raise ValueError(
            f"Argument `wires` must order the qubits 0 .. {count - 1}, but is {wires}."
        )
    place = {qubit: wire for wire, qubit in enumerate(order)}
    on = [place[index] for index in range(count)]
    return one_step(count, list(_items(circuit, on, symbols, 0)), "circuit")


def _choice(given: Symbols, names: list[str]) -> Choice:
    """Names of parameters: vectors are spread."""
    if callable(given):
        return given
    chosen: list[str] = []
    for one in [given] if isinstance(given, str) else given:
        name = one if isinstance(one, str) else one.name
        vector = [n for n in names if n.startswith(f"{name}[")]
        chosen += [name] if name in names or not vector else vector
    return chosen


def _items(circuit: Any, wires: list[int], symbols: dict[str, Slot], depth: int) -> Iterator[Item]:
    """The operations of a circuit, or of the definition of a gate, on some wires."""
    for item in circuit.data:
        operation = item.operation
        on = [wires[circuit.find_bit(qubit).index] for qubit in item.qubits]
        if operation.name in ("barrier", "delay"):
            continue
        if operation.name == "measure":
            yield Measured(on[0])
        elif operation.name == "reset":
            yield Reset(on[0])
        else:
            yield from _gate(operation, on, symbols, depth)


def _gate(operation: Any, wires: list[int], symbols: dict[str, Slot], depth: int) -> Iterator[Item]:
    known = NAMED.get(operation.name)
    by_name = any(str(kind.__module__).startswith(_LIBRARY) for kind in type(operation).__mro__)
    if known is not None and by_name and known.angles == len(operation.params):
        slots = [to_slot(_polynomial(angle, operation), symbols) for angle in operation.params]
        yield from known.build(*wires, *slots)
        return
    matrix = _matrix(operation)
    if matrix is not None:
        yield Unitary(wires[::-1], matrix)  # Qiskit's first qubit is the least significant
        return
    inner = getattr(operation, "definition", None)
    if inner is None or depth > _DEPTH:
        raise ValueError(
            f"Argument `circuit` must be made of gates, resets and measurements, but has "
            f"{operation.name!r}; try writing it in gates."
        )
    yield from _items(inner, wires, symbols, depth + 1)


def _matrix(operation: Any) -> np.ndarray | None:
    """The matrix of a gate without free parameters, where it is small and has one."""
    free = any(getattr(angle, "parameters", None) for angle in operation.params)
    if free or operation.num_qubits > _MATRIX_WIRES or not hasattr(operation, "to_matrix"):
        return None
    try:
        return np.asarray(operation.to_matrix(), complex)
    except Exception:  # a gate that only has a definition
        return None


def _polynomial(angle: Any, operation: Any) -> Polynomial:
    """The coefficients of an angle, by derivatives at 0; checked at other points."""
    if not hasattr(angle, "parameters"):
        return {(): float(angle)}
    parameters = sorted(angle.parameters, key=lambda parameter: str(parameter.name))
    zero = dict.fromkeys(parameters, 0.0)
    try:
        made: Polynomial = {(): _value(angle, zero)}
        for index, one in enumerate(parameters):
            slope = angle.gradient(one)
            made[(one.name,)] = _value(slope, zero)
            for other in parameters[index + 1 :]:
                if other in getattr(slope, "parameters", ()):
                    made[one.name, other.name] = _value(slope.gradient(other), zero)
        fits = all(_fits(angle, made, parameters, point) for point in _POINTS)
    except (ArithmeticError, TypeError, ValueError, RuntimeError):
        fits = False
    if not fits:
        raise ValueError(
            "Argument `circuit` must have angles that are affine in its parameters, or products of "
            f"two, but {operation.name!r} has {str(angle)[:80]!r}; try computing it in the cell's "
            "classical map."
        )
    return {product: number for product, number in made.items() if number or not product}


def _fits(angle: Any, made: Polynomial, parameters: list[Any], point: np.ndarray) -> bool:
    """Whether the polynomial has the angle's value."""
    values = {one: float(x) for one, x in zip(parameters, np.resize(point, len(parameters)))}
    named = {one.name: x for one, x in values.items()}
    found = sum(c * math.prod(named[name] for name in product) for product, c in made.items())
    wanted = _value(angle, values)
    return bool(abs(found - wanted) <= 1e-9 * (1 + abs(wanted)))


def _value(angle: Any, values: dict[Any, float]) -> float:
    """A real number."""
    if not hasattr(angle, "parameters"):
        number = complex(angle)
    else:
        number = complex(angle.bind({one: values[one] for one in angle.parameters}))
    if number.imag or not np.isfinite(number.real):
        raise ValueError("no real number")
    return number.real
