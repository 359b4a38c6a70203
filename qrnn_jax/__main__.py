"""`python -m qrnn_jax` is the command `qrnn-jax`."""

import sys

from qrnn_jax.cli import main

sys.exit(main())
