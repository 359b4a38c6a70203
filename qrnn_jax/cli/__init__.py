"""The command line: `qrnn-jax`, also `python -m qrnn_jax`."""

from .main import main as main
