"""How long a circuit is, and how long a device takes for it."""

from typing import NamedTuple

from qrnn_jax.hardware.template import Template


class CircuitSize(NamedTuple):
    """What a device plays for a template, counted.

    Arguments:
        instructions: gates, measurements and resets of the whole run.
        two_qubit: those gates that act on two wires or more.
        depth: the longest chain of instructions, each waiting for one on a wire that they share.

    Example:
        >>> from qrnn_jax import hardware
        >>> hardware.CircuitSize(instructions=9, two_qubit=3, depth=5).depth
        5
    """

    instructions: int
    two_qubit: int
    depth: int


class Speed(NamedTuple):
    """How fast a device plays one template.

    Equation: seconds of a job = job + rows x row + rows x shots x execution.

    Arguments:
        job: seconds per job, whatever is in it.
        row: seconds per row of angles.
        execution: seconds per row and shot.

    Example:
        >>> from qrnn_jax import hardware
        >>> hardware.Speed(job=2.0, row=0.25, execution=0.5).seconds(rows=4, shots=10)
        23.0
    """

    job: float
    row: float
    execution: float

    def seconds(self, rows: int, shots: int) -> float:
        """Of one job."""
        return self.job + rows * (self.row + shots * self.execution)


def size_of(template: Template) -> CircuitSize:
    """The size of a template as it stands; channels count as instructions of no qubits.

    Arguments:
        template: what is played.

    Example:
        >>> import qrnn_jax as qj
        >>> from qrnn_jax.hardware.speed import size_of
        >>> (template,) = qj.hardware.templates(qj.cells.Takaki(inputs=1, memory=1, depth=1), 2)
        >>> size_of(template).two_qubit
        4
    """
    ends = [0] * template.wires
    count = wide = 0
    for _, instruction in template.instructions():
        count += 1
        wide += len(instruction.wires) > 1 and instruction.name != "kraus"
        end = 1 + max(ends[wire] for wire in instruction.wires)
        for wire in instruction.wires:
            ends[wire] = end
    return CircuitSize(count, wide, max(ends))
