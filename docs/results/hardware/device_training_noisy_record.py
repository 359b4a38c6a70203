"""What the noisy run came to, into the JSON beside this file:

    python docs/results/hardware/device_training_noisy_record.py RUN   # extra `qiskit`

`summary.json` of the run's folder, its parameters, and its training error under the noise: of the
noise twin of the device that it was trained on.
"""

import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import qrnn_jax as qj
from qrnn_jax.training import load_checkpoint
from qrnn_jax.training.config import make_config, read_settings
from qrnn_jax.training.evaluate import masked_loss
from qrnn_jax.training.experiment import prepare

PATH = Path(__file__).with_name("device_training_noisy.json")


def noisy_error(params, noise, length):
    """The mean squared error of the twin's outputs on the training windows."""
    windows = qj.tasks.decreasing_triangle(length=length).train
    cell = qj.cells.Viqueira(exchange=1, memory=2, layers=3, uploads=3)
    twin = qj.hardware.twin(cell, qj.hardware.named("aer", noise), length)
    outputs = jax.vmap(twin, (None, 0))(params, jnp.asarray(windows.inputs, jnp.float32))
    return masked_loss(windows, np.asarray(outputs, float))


def main():
    """Read the run, compare, write."""
    folder = Path(sys.argv[1])
    summary = json.loads((folder / "summary.json").read_text())
    experiment = prepare(make_config(read_settings(folder / "config.json")))
    found = load_checkpoint(folder / "checkpoints", experiment.start())
    params = found.tree.state.params
    device, length = summary["device"], summary["task"]["length"]
    summary["params"] = np.asarray(params, float).tolist()
    summary["loss_noise_twin"] = noisy_error(params, device["noise"], length)
    PATH.write_text(json.dumps(summary, indent=2) + "\n")
    constant = summary["training_mse"]["constant"]
    for name in ("loss_final", "loss_noise_twin"):
        print(name, summary[name], summary[name] / constant)


if __name__ == "__main__":
    main()
