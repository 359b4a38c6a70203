"""Simultaneous perturbation: all parameters at once, along random directions."""

from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from qrnn_jax.devices import check_devices
from qrnn_jax.gradients.perturbation import TARGETS, AbstractPerturbation
from qrnn_jax.gradients.settings import check_choice, check_count, check_positive


@final
@dataclass(frozen=True, kw_only=True)
class SPSA(AbstractPerturbation):
    """Simultaneous perturbation: two runs per random direction, for all weights together.

    Equation: g = (1/m) sum_d D_d [f(w + c D_d) - f(w - c D_d)] / (2c), D_d in {-1, +1}^P at random.

    Cost: 2m runs for m directions, whatever P and T. Bias of entry i to leading order:
    (c^2 / 6) (f_iii + 3 sum_{j != i} f_ijj). Variance of entry i with S shots a run:
    [sum_{j != i} g_j^2 + sigma^2 / (2 c^2 S)] / m: the first part is there in exact runs, too.

    Use it for many weights and few shots, in place of `FiniteDifference`: it is about as good per
    shot and needs far fewer circuits. Not where a gradient must be trusted entry by entry, nor on a
    simulator (`Backprop`), nor with coherent memory over long runs (`ParameterShift`).

    Arguments:
        step: c; None takes eps^(1/3) of the number type, in exact runs only. Under shots 0.1 to 0.3
            is a usual start.
        directions: m, averaged.
        on: "outputs" (then the chain rule), or "loss" for `estimate_gradient`. Outputs are
            perturbed in the weights, and in data where these are differentiated.
        chunk: runs simulated at a time, which bounds the memory; None chooses.
        devices: over how many devices the runs are divided, see `docs/devices.md`.

    Raises:
        ValueError: a setting out of range; shots without a step; `on="loss"` outside of
            `estimate_gradient`; second derivatives.

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> cell = qj.CircuitCell(qj.Circuit(1, (qj.RX(0, qj.Weight(0)),)), (qj.Z(0),))
        >>> options = {"gradient": qj.SPSA(), "key": jax.random.key(0)}
        >>> f = lambda w: qj.run(cell, w, jnp.zeros((1, 0)), **options)[0, 0]
        >>> bool(abs(jax.grad(f)(jnp.array([0.8]))[0] + jnp.sin(0.8)) < 1e-3)  # P = 1: no spread
        True

    Source: Spall, IEEE Trans. Autom. Control 37, 332 (1992).
    """

    step: float | None = None
    directions: int = 1
    on: str = "outputs"
    chunk: int | None = None
    devices: int = 1

    draws_setting = "directions"

    def __post_init__(self) -> None:
        check_positive("step", self.step)
        check_choice("on", self.on, TARGETS)
        check_count("directions", self.directions)
        check_count("chunk", self.chunk)
        check_devices(self.devices)
        if self.directions is None:
            raise ValueError("Argument `directions` must be an integer of 1 or more, but is None.")

    def sampled_refusal(self) -> str | None:
        if self.step is not None:
            return None
        return (
            "Argument `step` of `SPSA` must be given under shots, but is None: the tiny step of "
            "exact runs would divide the shot noise by it; try `step=0.2`."
        )

    def step_for(self, dtype: DTypeLike) -> float:
        return self.step or float(jnp.finfo(dtype).eps) ** (1 / 3)

    def runs(self, size: int) -> int:
        del size
        return 2 * self.directions

    def offsets(self, size: int, dtype: DTypeLike, key: Any) -> tuple[Array, Array]:
        step = self.step_for(dtype)
        signs = jax.random.rademacher(key, (self.directions, size), dtype)
        both = jnp.stack([signs, -signs], axis=1).reshape(-1, size)
        return step * both, both.T / (2 * step * self.directions)

    def split(self, size: int, dtype: DTypeLike) -> Array | None:
        del size, dtype
        return None
