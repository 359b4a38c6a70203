"""Native kernels for qrnn_jax: an optional leaf that imports jax only.

Empty for now. What will live here: the whole time loop of a recurrent circuit in C++ (CPU) and CUDA
C++ (GPU), called through `jax.ffi`. The pure-JAX code in `qrnn_jax` defines the meaning, is always
there and stays the default; a kernel is an optional faster copy that is tested against it.
"""
