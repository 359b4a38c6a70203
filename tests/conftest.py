"""Every test runs in float64; what is meant for float32 says `with jax.enable_x64(False)`."""

import jax
import matplotlib

jax.config.update("jax_enable_x64", True)
matplotlib.use("Agg")
