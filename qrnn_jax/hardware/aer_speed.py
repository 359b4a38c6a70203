"""How fast Aer is: linear in the instructions, fitted on two cores; a pilot knows better.

What was measured is in docs/results/hardware/plan.json, by `python -m benchmarks.plan`.
"""

from qrnn_jax.hardware.speed import CircuitSize, Speed


def ideal_speed(size: CircuitSize) -> Speed:
    """Without noise: most of a shot is its own overhead.

    Example:
        >>> from qrnn_jax.hardware import CircuitSize
        >>> from qrnn_jax.hardware.aer_speed import ideal_speed
        >>> f"{ideal_speed(CircuitSize(100, 20, 70)).execution:.1e}"  # seconds
        '8.5e-05'
    """
    n = size.instructions
    return Speed(3e-3 + 2.5e-5 * n, 1e-4 + 4e-6 * n, 4.5e-5 + 4e-7 * n)


def noisy_speed(qubits: int, size: CircuitSize) -> Speed:
    """With the noise model of a whole chip, which every job loads.

    Example:
        >>> from qrnn_jax.hardware import CircuitSize
        >>> from qrnn_jax.hardware.aer_speed import noisy_speed
        >>> f"{noisy_speed(5, CircuitSize(100, 20, 70)).execution:.1e}"
        '3.0e-04'
    """
    n = size.instructions
    job = 5e-3 * qubits + 1e-4 * qubits**2 + 2e-5 * n
    return Speed(job, 3e-4 + 4e-6 * n, 8e-5 + 2.2e-6 * n)
