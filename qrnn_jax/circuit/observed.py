"""What an engine runs in place of a circuit with read-out errors and a measuring read-out."""

from functools import lru_cache

from qrnn_jax.circuit.channels import Reset
from qrnn_jax.circuit.circuit import Circuit
from qrnn_jax.circuit.measure import Measure
from qrnn_jax.circuit.observables import AbstractObservable, AbstractPauli
from qrnn_jax.circuit.operation import AbstractOperation
from qrnn_jax.circuit.read import Read
from qrnn_jax.circuit.readout_error import ReadoutError


@lru_cache(maxsize=256)
def observed(
    circuit: Circuit, observables: tuple[AbstractObservable, ...]
) -> tuple[Circuit, tuple[AbstractObservable, ...]]:
    """Turn what the read-out does into plain channels and plain observables.

    Read-out errors become the observables that flipped outcomes average to. The back-action of
    `Read(measure=True)` becomes a `Measure` of every wire that the observables touch, right behind
    `Read()`; a recorded bit is classical already, and a reset forgets what a measurement did.

    Arguments:
        circuit: the step.
        observables: what is read.

    Returns:
        (circuit, observables), the same objects where there is nothing to do. The circuit has the
        same `parameters`, so the occurrence tape is the same.

    Raises:
        ValueError: the read-out measures, and one wire is read in two Pauli bases.
    """
    errors = circuit.readout_errors
    if not errors and not circuit.is_read_measured:
        return circuit, observables
    letters = _letters(circuit, observables) if circuit.is_read_measured else {}
    operations: list[AbstractOperation] = []
    for operation in circuit.operations:
        if isinstance(operation, Read):
            operations.append(Read())
            kept = [wire for wire in sorted(letters) if not _is_reset_next(circuit, wire)]
            operations += [Measure(wire, basis=letters[wire]) for wire in kept]
        elif not isinstance(operation, ReadoutError):
            operations.append(operation)
    confused = tuple(observable.confused(errors) for observable in observables)
    return Circuit(circuit.wires, operations), confused


def _letters(circuit: Circuit, observables: tuple[AbstractObservable, ...]) -> dict[int, str]:
    """The basis in which each wire is measured."""
    letters: dict[int, str] = dict.fromkeys(circuit.bit_wires, "Z")
    for observable in observables:
        for wire, letter in _factors(observable):
            if letters.setdefault(wire, letter) != letter:
                raise ValueError(
                    "A read with back-action needs observables that commute wire by wire, but wire "
                    f"{wire} is read as {letters[wire]} and as {letter}; try `Read()` with "
                    "`prefixes=True`, or two cells with one basis each."
                )
    return {wire: letter for wire, letter in letters.items() if wire not in circuit.bit_wires}


def _factors(observable: AbstractObservable) -> list[tuple[int, str]]:
    """The Pauli factors of all words; probabilities are read in the computational basis."""
    if isinstance(observable, AbstractPauli):
        return [factor for _, word in observable.as_sum().terms for factor in word]
    return [(wire, "Z") for wire in observable.wires]


def _is_reset_next(circuit: Circuit, wire: int) -> bool:
    """Whether the first operation on a wire after the read-out is a reset."""
    after = circuit.operations[circuit.read_index :]
    touching = (operation for operation in after if wire in operation.wires)
    return isinstance(next(touching, None), Reset)
