"""The canary matrix: every gate of the library on the local device, and what is refused."""

import inspect

import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from tests.hardware import canary

CASES = {**canary.GATES, **canary.MEASURED, **canary.NOISE}
LOCAL = qj.hardware.LocalDevice()


@pytest.mark.parametrize("name", CASES)
def test_every_gate_has_the_exact_probabilities(name: str) -> None:
    assert canary.p_value(LOCAL, name, CASES[name]) * len(CASES) > 1e-5


@pytest.mark.parametrize("name", ["RYY", "Unitary", "Evolution, commuting", "If, U3"])
def test_few_shots_of_many_rows_have_them_too(name: str) -> None:
    """Gates are played one by one there; where there are many shots, their product is."""

    class Few(qj.hardware.AbstractDevice):
        capabilities = LOCAL.capabilities

        def run(self, template, rows, shots, seed):  # type: ignore[no-untyped-def]
            (row,) = rows
            bits = LOCAL.run(template, np.tile(row, (shots // 4, 1)), 4, seed)
            return bits.reshape(1, shots, *bits.shape[2:])

    assert canary.p_value(Few(), name, CASES[name]) * 4 > 1e-5


@pytest.mark.parametrize("name", canary.REFUSED)
def test_what_has_no_exact_form_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match=name.split(" ")[0]):
        qj.hardware.templates(canary.cell_of(canary.REFUSED[name]), steps=2)


def test_the_matrix_is_complete() -> None:
    base = (qj.AbstractGate, qj.AbstractChannel, qj.ReadoutError)
    modes = (qj.AbstractModeGate, qj.AbstractModeChannel)
    public = {
        name
        for name, value in vars(qj).items()
        if inspect.isclass(value)
        and issubclass(value, base)
        and not issubclass(value, modes)
        and not inspect.isabstract(value)
    }
    met = {
        type(operation).__name__
        for group in (CASES, canary.REFUSED)
        for operations in group.values()
        for operation in operations
    }
    assert met == public - {"AbstractGate", "AbstractChannel"}


def test_modes_are_refused() -> None:
    circuit = qj.Circuit(1, (qj.Displacement(0, qj.Weight(0), 0.0),))
    with pytest.raises(ValueError, match="acts on modes"):
        qj.run(
            qj.CircuitCell(circuit, (qj.QuadX(0),)),
            jnp.ones(1),
            jnp.zeros((2, 0)),
            engine=qj.Device(LOCAL, shots=10),
        )


def test_a_wrong_gate_is_noticed() -> None:
    """The canary sings: another angle, a swapped control, a missing phase."""
    wrong = {"RZ": (qj.RZ(1, 1.5),), "CNOT": (qj.CNOT(0, 2),), "S": (qj.T(1),)}
    right = {"RZ": (qj.RZ(1, 0.5),), "CNOT": (qj.CNOT(2, 0),), "S": (qj.S(1),)}
    for name in wrong:

        class Confused(qj.hardware.AbstractDevice):
            capabilities = LOCAL.capabilities
            name_ = name

            def run(self, template, rows, shots, seed):  # type: ignore[no-untyped-def]
                del template
                other = canary.cell_of(wrong[self.name_])
                (template,) = qj.hardware.templates(other, steps=1)
                row = [slot.constant for slot in other.circuit.parameters]
                return LOCAL.run(template, np.array([row]), shots, seed)

        assert canary.p_value(LOCAL, name, right[name]) > 1e-5
        assert canary.p_value(Confused(), name, right[name]) < 1e-12


def test_steps_of_one_shot_stay_together() -> None:
    """A wire that is measured and kept gives the same bit for ever."""
    circuit = qj.Circuit(2, (qj.RY(1, qj.Data(0)), qj.Read(measure=True)))
    cell = qj.CircuitCell(circuit, (qj.Z(1),))
    (template,) = qj.hardware.templates(cell, steps=3)
    assert template.count() == {"ry": 3, "measure": 3}  # measured once a step, not twice
    bits = LOCAL.run(template, np.array([[np.pi / 2, 0.0, 0.0]]), 4000, seed=3)[0, :, :, 0]
    assert (bits == bits[:, :1]).all()
    assert abs(bits[:, 0].mean() - 0.5) < 5 * 0.5 / np.sqrt(4000)


def test_a_measurement_in_another_basis_leaves_that_basis() -> None:
    """Read as X and kept: the next step reads the same sign, after no gate at all."""
    circuit = qj.Circuit(1, (qj.RZ(0, qj.Data(0)), qj.Read(measure=True)))
    (template,) = qj.hardware.templates(qj.CircuitCell(circuit, (qj.Y(0),)), steps=2)
    bits = LOCAL.run(template, np.array([[0.0, 0.0], [0.0, np.pi]]), 2000, seed=4)[..., 0]
    assert (bits[0, :, 0] == bits[0, :, 1]).all()
    assert (bits[1, :, 0] != bits[1, :, 1]).all()


def test_chunks_of_a_job_do_not_repeat_each_other() -> None:
    circuit = qj.Circuit(10, (qj.H(0), qj.H(9), qj.Reset(0), qj.Reset(9)))
    (template,) = qj.hardware.templates(qj.CircuitCell(circuit, (qj.Z(0), qj.Z(9))), steps=1)
    bits = LOCAL.run(template, np.zeros((3, 0)), 3000, seed=5)[:, :, 0]  # 2**10 at a time
    flat = (1.0 - 2 * bits).transpose(0, 2, 1).reshape(6, 3000)
    parts = flat[:, :2048].reshape(12, 1024)
    correlation = np.corrcoef(parts) - np.eye(12)
    assert np.abs(correlation).max() < 5.5 / np.sqrt(1024)
