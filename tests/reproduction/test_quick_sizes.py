"""Every reproduction at its quick size: all checks have a control, and the picture is drawn."""

import pytest

from qrnn_jax.reproduction import REPRODUCTIONS, write_reproduction
from qrnn_jax.reproduction.write_up import uncontrolled
from qrnn_jax.validation import Experiment, Settings
from qrnn_jax.validation.laboratory import run_laboratory
from qrnn_jax.validation.record import failed


@pytest.mark.slow
@pytest.mark.parametrize("experiment", REPRODUCTIONS, ids=lambda experiment: experiment.name)
def test_a_quick_run_is_complete(experiment: Experiment, tmp_path) -> None:
    records = run_laboratory(
        Settings(), tmp_path, experiments=(experiment,), write=write_reproduction
    )
    assert uncontrolled(records) == []
    assert failed(records) == []
    assert records[0].findings.checks
    assert (tmp_path / f"{experiment.name}.png").read_bytes()[1:4] == b"PNG"
