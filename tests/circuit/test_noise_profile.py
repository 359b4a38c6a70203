"""Noise profiles: the noisy twin, operation by operation."""

import numpy as np
import pytest

import qrnn_jax as qj

W, D = qj.Weight, qj.Data
FULL = qj.NoiseProfile(
    gate1=0.01, gate2=0.02, damping=0.03, dephasing=0.04, idle=0.05, reset=0.06, readout=0.07
)
STEP = qj.Circuit(
    4,
    (
        qj.RY(0, D(0)),
        qj.AngleNoise(qj.RX(1, W(0)), 0.1),
        qj.Measure(0, to=3),
        qj.If(3, qj.RX(1, W(1))),
        qj.If(3, qj.CNOT(2, 1)),
        qj.Measure(2),
        qj.Reset(3),
        qj.Reset(0),
    ),
)


def test_every_kind_of_noise_stands_where_it_belongs():
    read = [
        *[qj.AmplitudeDamping(wire, 0.03) for wire in (0, 1, 2)],
        *[qj.PhaseDamping(wire, 0.04) for wire in (0, 1, 2)],
        *[qj.ReadoutError(wire, 0.07) for wire in (0, 1, 2)],
        qj.Read(),
        *[qj.AmplitudeDamping(wire, 0.05) for wire in (1, 2)],
    ]
    assert FULL.noisy(STEP).operations == (
        STEP.operations[0],
        qj.Depolarizing(0, 0.01),
        STEP.operations[1],
        STEP.operations[2],
        qj.BitFlip(3, 0.07),
        STEP.operations[3],
        qj.Depolarizing(1, 0.01),
        STEP.operations[4],
        qj.Depolarizing(2, 0.02),
        qj.Depolarizing(1, 0.02),
        STEP.operations[5],
        *read,
        qj.Reset(3),
        qj.Reset(0),
        qj.BitFlip(0, 0.06),
    )


def test_without_noise_the_twin_only_writes_the_read_out():
    twin = qj.NoiseProfile().noisy(STEP)
    assert twin.operations == (*STEP.operations[:6], qj.Read(), *STEP.operations[6:])
    assert qj.NoiseProfile().noisy(twin) == twin


def test_the_columns_of_the_gates_keep_their_order():
    for circuit in (STEP, qj.cells.Viqueira(1, 2, 1, 1).circuit):
        twin = FULL.noisy(circuit)
        assert [slot for slot in twin.parameters if slot.terms] == list(circuit.parameters)
        assert twin.weight_count == circuit.weight_count
        assert twin.data_count == circuit.data_count


@pytest.mark.parametrize("field", ["gate1", "gate2", "damping", "dephasing", "idle", "readout"])
def test_the_registers_stay_unless_the_reset_is_imperfect(field):
    assert qj.NoiseProfile(**{field: 0.1}).noisy(STEP).memory_wires == STEP.memory_wires == (1, 2)
    assert qj.NoiseProfile(reset=0.1).noisy(STEP).memory_wires == (0, 1, 2)


def test_a_written_read_out_and_its_errors_are_kept():
    circuit = qj.Circuit(
        3, (qj.H(0), qj.ReadoutError(1, 0.2, 0.3), qj.Read(measure=True), qj.CZ(0, 2))
    )
    twin = qj.NoiseProfile(gate2=0.1, readout=0.05).noisy(circuit)
    assert twin.operations == (
        qj.H(0),
        qj.ReadoutError(1, 0.2, 0.3),
        qj.ReadoutError(0, 0.05),
        qj.ReadoutError(2, 0.05),
        qj.Read(measure=True),
        qj.CZ(0, 2),
        qj.Depolarizing(0, 0.1),
        qj.Depolarizing(2, 0.1),
    )
    again = qj.NoiseProfile(readout=0.05).noisy(twin)
    assert again == twin


def test_a_profile_scales():
    assert FULL.scaled(0.5) == qj.NoiseProfile(
        gate1=0.005,
        gate2=0.01,
        damping=0.015,
        dephasing=0.02,
        idle=0.025,
        reset=0.03,
        readout=0.035,
    )
    assert FULL.scaled(0).noisy(STEP) == qj.NoiseProfile().noisy(STEP)
    with pytest.raises(ValueError, match=r"Argument `readout` must be in \[0, 0.5\], but is 0.7"):
        FULL.scaled(10)
    with pytest.raises(ValueError, match=r"Argument `gate1` must be in \[0, 1\], but is -0.01"):
        FULL.scaled(-1)


def test_the_laboratory_has_the_numbers_of_the_experiments():
    profile = qj.NoiseProfile.preset("laboratory")
    assert profile == qj.NoiseProfile(gate1=0.002, gate2=0.002, damping=0.005, readout=0.02)
    with pytest.raises(ValueError, match=r"must be one of \['laboratory'\], but is 'perfect'; try"):
        qj.NoiseProfile.preset("perfect")


@pytest.mark.parametrize("value", [-0.1, 1.1, np.nan, True, "0.1", W(0)])
def test_a_profile_holds_probabilities(value):
    for field in ("gate1", "gate2", "damping", "dephasing", "idle", "reset"):
        with pytest.raises(ValueError, match=rf"Argument `{field}` must be in \[0, 1\], but is"):
            qj.NoiseProfile(**{field: value})
    with pytest.raises(ValueError, match=r"Argument `readout` must be in \[0, 0.5\], but is 0.6"):
        qj.NoiseProfile(readout=0.6)
