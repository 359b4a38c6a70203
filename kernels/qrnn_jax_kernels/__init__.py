"""Native kernels for qrnn_jax: an optional leaf that imports jax only.

The whole time loop of a recurrent circuit in C++, called through `jax.ffi`; one folder per family,
see the README. The pure-JAX code in `qrnn_jax` defines the meaning and is always there; a kernel is
an optional faster copy that is tested against it.
"""
