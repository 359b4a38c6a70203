"""The circuits in Qiskit: gradient classes of its community packages on two estimators.

`ParamShiftEstimatorGradient` is that of qiskit-machine-learning, `FiniteDiffEstimatorGradient`
that of qiskit-algorithms; `StatevectorEstimator` belongs to Qiskit, `EstimatorV2` to Aer.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.primitives import StatevectorEstimator
from qiskit.quantum_info import SparsePauliOp
from qiskit_aer.primitives import EstimatorV2
from qiskit_algorithms.gradients import FiniteDiffEstimatorGradient
from qiskit_machine_learning.gradients import ParamShiftEstimatorGradient

from tests.others.calls import SHOTS, Call
from tests.others.cases import BY_NAME, STEPS

SHIFT = (
    "Docstring of ParamShiftEstimatorGradient: 'Compute the gradients of the expectation values "
    "by the parameter shift rule'; that of _assign_unique_parameters in gradients/utils.py: "
    "'Assign unique parameters to the circuit'."
)
RESET = "A sentence on measurement or reset in the gradient classes: not found."
STOCHASTIC = (
    "Docstring of StatevectorEstimator: 'the result could be stochastic if the circuit contains a "
    "non-unitary operation such as a reset for some subsystems'."
)
UNITARY = (
    "Docstring of StatevectorEstimator: 'The result of this class is exact if the circuit contains "
    "only unitary operations'; a sentence on measurements: not found."
)
CONTROL = "A sentence on control flow in the gradient classes: not found."
NOTHING = "not found (the estimators take a circuit and observables; no option selects shots)."
NO_AUTODIFF = (
    "not found (the gradient classes evaluate circuits; none differentiates a simulation)."
)
STEP = (
    "Docstring of FiniteDiffEstimatorGradient: `epsilon` is 'The offset size for the finite "
    "difference gradients'; it is a required argument without a default."
)


def shared(gates: int) -> tuple[QuantumCircuit, str]:
    angles = ParameterVector("w", 1)
    circuit = QuantumCircuit(1)
    for _ in range(gates):
        circuit.rx(angles[0], 0)
    return circuit, "Z"


def recurrent(measured: bool) -> tuple[QuantumCircuit, str]:
    angles = ParameterVector("w", 2)
    circuit = QuantumCircuit(2, STEPS - 1)
    for step in range(STEPS):
        if step:
            if measured:
                circuit.measure(0, step - 1)
            circuit.reset(0)
        circuit.rx(angles[0], 0)
        circuit.cx(0, 1)
        circuit.ry(angles[1], 1)
        circuit.cx(1, 0)
    return circuit, "IZ"  # Qiskit writes qubit 0 last


def reset(measured: bool) -> tuple[QuantumCircuit, str]:
    angles = ParameterVector("w", 3)
    circuit = QuantumCircuit(2, 3)
    for step in range(3):
        circuit.rx(angles[step], 0)
        circuit.cx(0, 1)
        circuit.ry(0.4, 1)
        if measured:
            circuit.measure(0, step)
        circuit.reset(0)
    return circuit, "ZI"


def conditional() -> tuple[QuantumCircuit, str]:
    angles = ParameterVector("w", 2)
    circuit = QuantumCircuit(2, 1)
    circuit.ry(0.4, 1)
    circuit.rx(angles[0], 0)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.ry(angles[1], 1)
    return circuit, "ZI"


def aer(seed: int | None, **run_options: int) -> EstimatorV2:
    """Trajectories with shots, the density matrix without."""
    backend = {"seed_simulator": seed} if run_options else {"method": "density_matrix"}
    return EstimatorV2(options={"backend_options": backend, "run_options": run_options})


ESTIMATORS: dict[str, Callable[[int | None], Any]] = {
    "StatevectorEstimator": lambda seed: StatevectorEstimator(seed=seed),
    "Aer EstimatorV2(density_matrix)": aer,
    f"Aer EstimatorV2(shots={SHOTS})": lambda seed: aer(seed, shots=SHOTS),
}
STATE, DENSITY, TRAJECTORIES = ESTIMATORS


def ask(
    case: str,
    documentation: str,
    circuit: tuple[QuantumCircuit, str],
    estimator: str = STATE,
    *,
    epsilon: float | None = None,
    note: str = "",
    **judged: Any,
) -> Call:
    """The parameter-shift class, or the finite-difference class where `epsilon` is given."""

    def run(seed: int | None) -> np.ndarray:
        primitive = ESTIMATORS[estimator](seed)
        rule = (
            ParamShiftEstimatorGradient(primitive)
            if epsilon is None
            else FiniteDiffEstimatorGradient(primitive, epsilon)
        )
        template, word = circuit
        job = rule.run([template], [SparsePauliOp(word)], [list(BY_NAME[case].angles)])
        return job.result().gradients[0]

    name = "ParamShiftEstimatorGradient" if epsilon is None else "FiniteDiffEstimatorGradient"
    step = "" if epsilon is None else f", epsilon={epsilon}"
    shots = SHOTS if estimator == TRAJECTORIES else judged.pop("shots", None)
    return Call(case, f"{name}({estimator}{step}){note}", documentation, run, shots, **judged)


UNREAD = ", reset without a recorded measurement"
CALLS = (
    ask("shared-2", SHIFT, shared(2)),
    ask("shared-3", SHIFT, shared(3)),
    ask("recurrent", RESET, recurrent(measured=True), TRAJECTORIES),
    ask("recurrent", RESET, recurrent(measured=False), DENSITY, note=UNREAD),
    ask("recurrent", UNITARY, recurrent(measured=True)),
    ask("recurrent", STOCHASTIC, recurrent(measured=False), note=UNREAD, shots=1),
    ask("reset", RESET, reset(measured=True), TRAJECTORIES),
    ask("reset", RESET, reset(measured=False), DENSITY, note=UNREAD),
    ask("reset", UNITARY, reset(measured=True)),
    ask("reset", STOCHASTIC, reset(measured=False), note=UNREAD, shots=1),
    ask("conditional", CONTROL, conditional(), TRAJECTORIES),
    ask(
        "conditional",
        CONTROL,
        conditional(),
        TRAJECTORIES,
        epsilon=0.3,
        standard_error=1 / (0.3 * np.sqrt(2 * SHOTS)),
    ),
    Call("post-selection", "no call", NOTHING, None),
    Call("sampled-outcome", "no call", NO_AUTODIFF, None),
    Call("finite-difference", "no default step to call with", STEP, None),
)
