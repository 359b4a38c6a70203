"""Templates as circuits of Qiskit: plain names, `a_3_1`, which no exporter renames."""

from typing import Any

import numpy as np

from qrnn_jax.hardware.lower import expanded
from qrnn_jax.hardware.template import Instruction, Template, reversed_bits

_SCRATCH = "scratch"


def to_qiskit(template: Template, *, two_wire_turns: bool = True) -> Any:
    """A template as a `QuantumCircuit`: wire k is qubit k, step t is measured into register yt.

    Equation: bit j of register yt belongs to the j-th measured wire; parameter a_t_k is the entry
    [t, k] of the occurrence tape.

    Arguments:
        template: from `templates(cell, steps)`.
        two_wire_turns: whether rxx, ryy and rzz stay as they are; else they become cx and rz, whose
            angles no device restricts.

    Returns:
        An unrolled circuit without loops; conditions only where bits are fed back.

    Raises:
        ValueError: noise: a device has its own.

    Example:
        >>> import qrnn_jax as qj
        >>> (template,) = qj.hardware.templates(qj.cells.Takaki(inputs=1, memory=1, depth=1), 2)
        >>> def draw():  # with the extra `qiskit`
        ...     print(qj.hardware.to_qiskit(template))

    Source: Qiskit's `QuantumCircuit`.
    """
    try:
        from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
        from qiskit.circuit import Parameter
    except ImportError as error:
        raise ImportError(
            '`to_qiskit` needs the package qiskit; try `pip install "qrnn_jax[qiskit]"`.'
        ) from error

    registers = {t: ClassicalRegister(template.outputs, f"y{t}") for t in template.read_steps}
    scratch = ClassicalRegister(1, _SCRATCH)
    instructions = list(template.instructions())
    if any(i.name == "measure" and i.bit is None for _, i in instructions):
        circuit = QuantumCircuit(QuantumRegister(template.wires, "q"), *registers.values(), scratch)
    else:
        circuit = QuantumCircuit(QuantumRegister(template.wires, "q"), *registers.values())
    symbols: dict[str, Any] = {}
    for step, whole in instructions:
        for instruction in [whole] if two_wire_turns else expanded(whole):
            if instruction.name == "measure":
                bit = instruction.bit
                target = scratch[0] if bit is None else registers[step][bit]
                circuit.measure(instruction.wires[0], target)
                continue
            angle = None
            if instruction.angle is not None:
                name = f"a_{step}_{instruction.angle.column}"
                symbol = symbols.setdefault(name, Parameter(name))
                angle = symbol * instruction.angle.scale + instruction.angle.offset
            if instruction.when is None:
                _append(circuit, instruction, angle)
                continue
            number = reversed_bits(instruction.when, template.outputs)
            with circuit.if_test((registers[step - 1], number)):
                _append(circuit, instruction, angle)
    return circuit


def _append(circuit: Any, instruction: Instruction, angle: Any) -> None:
    """One gate or reset, by the method of its name."""
    name, wires = instruction.name, instruction.wires
    if name == "kraus" or any(instruction.flips):
        raise ValueError(
            "A circuit for Qiskit must be free of noise, but this one has noise; try the cell "
            "without it: a device has its own."
        )
    if name == "unitary":
        # a copy: from a read-only array Aer and the transpiler took other numbers
        circuit.unitary(np.array(instruction.matrices[0]), list(wires[::-1]))
    elif angle is not None:
        getattr(circuit, name)(angle, *wires)
    else:
        getattr(circuit, name)(*wires)
