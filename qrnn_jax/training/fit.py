"""The training loop: many steps per compiled call, resumable to the bit."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax
from numpy.typing import NDArray

import qrnn_jax as qj

from .errors import NumericalError
from .loss import Batch, check_windows
from .step import Step, StepMetrics, TrainState, init_state, make_step

PATIENCE = 4  # unusable steps in a row after which training stops
CALL_SECONDS = 0.5  # aim for compiled calls no longer than this, so that signals are answered


class Progress(NamedTuple):
    """What a callback sees after each compiled call.

    Arguments:
        state: after the call's last step.
        steps: (n,), the numbers of the call's steps, counted from 1.
        losses, gradient_norms: (n,), at the parameters before each step.
        used: (n,) bool, False where a step was skipped.
        train_s: seconds of training so far in this `fit`, compilation excluded.
        columns: further numbers for the metrics, name -> (n,).

    Example:
        >>> from qrnn_jax import training
        >>> training.Progress._fields[:3]
        ('state', 'steps', 'losses')
    """

    state: TrainState
    steps: NDArray[np.int64]
    losses: NDArray[np.floating]
    gradient_norms: NDArray[np.floating]
    used: NDArray[np.bool_]
    train_s: float
    columns: Mapping[str, Sequence[float]] | None = None


class FitResult(NamedTuple):
    """What `fit` returns.

    Arguments:
        params: trained parameters.
        state: to go on from, with `fit(..., state=...)`.
        losses, gradient_norms: one entry per step of this call, at the parameters before the step.
        compile_s, train_s: seconds.

    Example:
        >>> from qrnn_jax import training
        >>> training.FitResult._fields[:3]
        ('params', 'state', 'losses')
    """

    params: Any
    state: TrainState
    losses: NDArray[np.floating]
    gradient_norms: NDArray[np.floating]
    compile_s: float
    train_s: float


def fit(
    cell: qj.AbstractCell,
    params: Any,
    windows: qj.tasks.Windows,
    *,
    optimizer: optax.GradientTransformation,
    steps: int,
    key: Array,
    batch: int | None = None,
    engine: qj.AbstractEngine | None = None,
    gradient: qj.AbstractGradient | None = None,
    chunk: int = 50,
    callback: Callable[[Progress], None] | None = None,
    state: TrainState | None = None,
) -> FitResult:
    """Train a cell on windows by any optax optimizer.

    Equation: minimise sum mask (y - target)^2 / sum mask over params; see `mean_squared_error`.

    Stopping at any step and going on with `state` gives the same parameters, bit for bit, as not
    stopping: the order of batches depends on `key` and the step's number alone.

    Arguments:
        cell, engine, gradient: as in `qrnn_jax.run`.
        params: initial parameters, from `cell.init(key)`; unused where `state` is given.
        windows: training sequences with targets and a mask.
        optimizer: any optax transformation, `optax.lbfgs()` included (then leave `batch=None`).
        steps: the number of the last step, counted from the very first one, 0 or more.
        key: decides the order of batches.
        batch: sequences per step, drawn without replacement; None means all.
        chunk: greatest number of steps per compiled call; calls end at its multiples.
        callback: called with a `Progress` after each compiled call; what it raises ends the fit.
        state: from an earlier `FitResult`, a `NumericalError` or a checkpoint, to go on.

    Returns:
        `FitResult(params, state, losses, gradient_norms, compile_s, train_s)`.

    Raises:
        ValueError: a count out of range, or windows that do not suit the cell.
        NumericalError: 4 steps in a row were unusable (see `make_step`); parameters stay finite.

    Example:
        >>> import jax, optax, qrnn_jax as qj
        >>> from qrnn_jax import tasks, training
        >>> cell, task = qj.cells.Takaki(inputs=1, memory=1, depth=1), tasks.cosine(steps=20)
        >>> result = training.fit(cell, cell.init(jax.random.key(0)), task.train,
        ...                       optimizer=optax.adam(0.1), steps=5, key=jax.random.key(1))
        >>> result.losses.shape, bool(result.losses[-1] < result.losses[0])
        ((5,), True)
    """
    _check_counts(windows, steps=steps, batch=batch, chunk=chunk)
    check_windows(cell, windows)
    step = make_step(cell, optimizer, engine=engine, gradient=gradient)
    state = init_state(params, optimizer) if state is None else forgiven(state)
    advance = partial(_advance, step, batch, chunk, data=Batch.of(windows), key=key)
    start = time.perf_counter()
    jax.block_until_ready(advance(state, count=0))  # no step: compiles, and changes nothing
    compile_s = time.perf_counter() - start
    log: list[Progress] = []
    start = time.perf_counter()
    for progress in _calls(advance, state, steps, chunk, start):
        log.append(progress)
        state = progress.state
        if callback is not None:
            callback(progress)
        stop_if_hopeless(progress)
    train_s = time.perf_counter() - start
    losses = np.concatenate([np.zeros(0), *(entry.losses for entry in log)])
    norms = np.concatenate([np.zeros(0), *(entry.gradient_norms for entry in log)])
    return FitResult(state.params, state, losses, norms, compile_s, train_s)


def _calls(advance: Callable, state: TrainState, steps: int, chunk: int, start: float) -> Any:
    """Compiled calls up to step `steps`: short ones first, longer ones if they prove fast."""
    done, size = int(state.step), 1
    while done < steps and int(state.streak) < PATIENCE:
        count = min(size, steps - done, chunk - done % chunk)
        called = time.perf_counter()
        state, metrics = jax.block_until_ready(advance(state, count=count))
        now = time.perf_counter()
        ran = int(state.step) - done
        loss, norm, used = (np.asarray(column)[:ran] for column in metrics)
        yield Progress(state, done + 1 + np.arange(ran), loss, norm, used, now - start)
        done += ran
        size = min(2 * size, chunk) if now - called < CALL_SECONDS / 2 else max(1, size // 2)


@partial(jax.jit, static_argnums=(0, 1, 2))
def _advance(
    step: Step,
    batch: int | None,
    chunk: int,
    state: TrainState,
    *,
    data: Batch,
    key: Array,
    count: Array,
) -> tuple[TrainState, StepMetrics]:
    """`count` steps (a traced number: one compilation for all), fewer if they are hopeless."""
    blank = jnp.zeros(chunk, data.inputs.dtype)
    log = StepMetrics(blank, blank, jnp.zeros(chunk, bool))

    def go_on(carry: tuple[Array, TrainState, StepMetrics]) -> Array:
        done, state, _ = carry
        return (done < count) & (state.streak < PATIENCE)

    def body(
        carry: tuple[Array, TrainState, StepMetrics],
    ) -> tuple[Array, TrainState, StepMetrics]:
        done, state, log = carry
        state, metrics = step(state, draw(data, key, state.step, batch))
        log = jax.tree.map(lambda column, entry: column.at[done].set(entry), log, metrics)
        return done + 1, state, log

    _, state, log = lax.while_loop(go_on, body, (jnp.zeros((), jnp.int32), state, log))
    return state, log


def draw(data: Batch, key: Array, step: Array, size: int | None) -> Batch:
    """The batch of a step: the next `size` sequences of its epoch's permutation.

    Example:
        >>> from qrnn_jax.training.fit import draw
        >>> callable(draw)
        True
    """
    if size is None:
        return data
    total = data.inputs.shape[0]
    epoch, place = jnp.divmod(step, total // size)
    order = jax.random.permutation(jax.random.fold_in(key, epoch), total)
    chosen = lax.dynamic_slice(order, (place * size,), (size,))
    return jax.tree.map(lambda array: array[chosen], data)


def forgiven(state: TrainState) -> TrainState:
    """A state to go on from: one that was given up gets its full patience again.

    Example:
        >>> from qrnn_jax.training.fit import forgiven
        >>> callable(forgiven)
        True
    """
    if int(state.streak) < PATIENCE:
        return state
    return state._replace(streak=jnp.zeros_like(state.streak))


def stop_if_hopeless(progress: Progress) -> None:
    """Give up where the latest steps changed nothing, several in a row.

    Raises:
        NumericalError: naming the steps.

    Example:
        >>> from qrnn_jax.training.fit import stop_if_hopeless
        >>> callable(stop_if_hopeless)
        True
    """
    streak = int(progress.state.streak)
    if streak < PATIENCE:
        return
    last = int(progress.state.step)
    raise NumericalError(
        f"Training must make usable steps, but steps {last - streak + 1} to {last} gave losses, "
        f"gradients or parameters that are not finite or absurdly large (last loss "
        f"{progress.losses[-1]:g}, gradient norm {progress.gradient_norms[-1]:g}); the parameters "
        f"are those of step {last - streak}; try a smaller learning rate.",
        state=progress.state,
    )


def _check_counts(windows: qj.tasks.Windows, *, steps: int, batch: int | None, chunk: int) -> None:
    for name, value, least in (("steps", steps, 0), ("batch", batch, 1), ("chunk", chunk, 1)):
        if value is None and name == "batch":
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(
                f"Argument `{name}` must be a whole number of at least {least}, but it is "
                f"{value!r}; try `{name}={max(least, 1)}`."
            )
    if batch is not None and batch > len(windows):
        raise ValueError(
            f"Argument `batch` must be at most the {len(windows)} training windows, but it is "
            f"{batch}; try `batch=None` for all of them."
        )
