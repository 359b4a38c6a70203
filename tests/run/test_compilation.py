"""What is compiled: a program whose size does not depend on T, once, without host callbacks."""

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.extend.core import ClosedJaxpr, Jaxpr

import qrnn_jax as qj
from tests.helpers import ALL_CELLS, ALL_ENGINES, ALL_RULES, cell_inputs, some

SHORT, LONG = 8, 4096
OPTIMIZER = optax.adam(1e-2)
# chunks that divide the runs at any T; with a remainder there is one more (shorter) loop
RULES = {**ALL_RULES, "parameter-shift": qj.ParameterShift(chunk=SHORT)}


def training_step(cell: qj.AbstractCell, **options: Any) -> Callable:
    """Value and gradient of a mean squared error, and an Adam update."""

    def step(params: Any, state: Any, xs: jax.Array, targets: jax.Array) -> tuple:
        def loss(params: Any) -> jax.Array:
            return jnp.mean((qj.run(cell, params, xs, **options) - targets) ** 2)

        value, gradient = jax.value_and_grad(loss)(params)
        updates, state = OPTIMIZER.update(gradient, state)
        return optax.apply_updates(params, updates), state, value

    return step


def arguments(cell: qj.AbstractCell, steps: int) -> tuple:
    params, xs = cell_inputs(cell, 0, steps=steps)
    return params, OPTIMIZER.init(params), xs, jnp.zeros((steps, cell.outputs_count))


def equations(jaxpr: Jaxpr) -> Iterator:
    """Every equation, those of inner programs too."""
    for equation in jaxpr.eqns:
        yield equation
        for inner in jax.tree.leaves(
            list(equation.params.values()), is_leaf=lambda x: isinstance(x, (Jaxpr, ClosedJaxpr))
        ):
            if isinstance(inner, ClosedJaxpr):
                yield from equations(inner.jaxpr)
            elif isinstance(inner, Jaxpr):
                yield from equations(inner)


def program(cell: qj.AbstractCell, steps: int, **options: Any) -> list:
    traced = jax.make_jaxpr(training_step(cell, **options))(*arguments(cell, steps))
    return list(equations(traced.jaxpr))


def triples() -> list[tuple[str, str, str]]:
    """Every cell, engine and rule that go together."""
    return [
        (cell, engine, rule)
        for cell in ALL_CELLS
        for engine in ALL_ENGINES
        for rule in RULES
        if ALL_ENGINES[engine].refusal(ALL_CELLS[cell].circuit) is None
        and RULES[rule].refusal(ALL_CELLS[cell].circuit) is None
    ]


@pytest.mark.parametrize(("cell", "engine", "rule"), triples())
def test_program_size_does_not_depend_on_the_length(cell: str, engine: str, rule: str) -> None:
    options = {"engine": ALL_ENGINES[engine], "gradient": RULES[rule]}
    short, long = (program(ALL_CELLS[cell], steps, **options) for steps in (SHORT, LONG))
    assert len(short) == len(long) > 100
    names = {equation.primitive.name for equation in long}
    assert names & {"scan", "ffi_call"}  # a native loop is one call
    assert not [name for name in names if "callback" in name]


def test_the_automatic_choice_has_one_size_too() -> None:
    cell = ALL_CELLS["takaki"]
    assert len(program(cell, SHORT)) == len(program(cell, LONG))


def test_the_counter_sees_inner_programs() -> None:
    """An unrolled loop grows: the measure above is no constant."""

    def unrolled(xs: jax.Array) -> jax.Array:
        return jax.jit(lambda xs: sum(jnp.sin(x) for x in xs))(xs)

    counts = [
        len(list(equations(jax.make_jaxpr(unrolled)(jnp.zeros(steps)).jaxpr))) for steps in (8, 9)
    ]
    assert counts[1] > counts[0] > 8


def test_the_lowered_program_calls_no_host() -> None:
    cell = ALL_CELLS["circuit-noisy"]
    text = jax.jit(training_step(cell)).lower(*arguments(cell, SHORT)).as_text()
    assert "while" in text
    assert "callback" not in text


@pytest.fixture
def fresh_compiler() -> Iterator[None]:
    """Without the persistent cache, every compilation really happens."""
    cached = jax.config.jax_enable_compilation_cache
    jax.config.update("jax_enable_compilation_cache", False)
    yield
    jax.config.update("jax_enable_compilation_cache", cached)


@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize("rule", some(RULES, 3))
def test_compile_time_does_not_depend_on_the_length(rule: str) -> None:
    """Interleaved, best of three by processor time, so that a busy machine does no harm."""
    cell = qj.cells.Viqueira(exchange=1, memory=1, layers=1, uploads=0)
    best = dict.fromkeys((SHORT, LONG), np.inf)
    for _ in range(3):
        for steps in best:
            step = jax.jit(training_step(cell, gradient=RULES[rule]))
            lowered = step.lower(*arguments(cell, steps))
            start = time.process_time()
            lowered.compile()
            best[steps] = min(best[steps], time.process_time() - start)
    assert best[LONG] < 1.5 * best[SHORT]


class _Compilations(logging.Handler):
    """Counts the programs that JAX reports to compile."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += record.getMessage().startswith("Compiling ")


@pytest.fixture
def compilations() -> Iterator[_Compilations]:
    handler, logger = _Compilations(), logging.getLogger("jax")
    logger.addHandler(handler)
    with jax.log_compiles():
        yield handler
    logger.removeHandler(handler)


@pytest.mark.parametrize("name", ["takaki", "circuit-unitary"])
def test_a_second_call_does_not_recompile(name: str, compilations: _Compilations) -> None:
    cell = ALL_CELLS[name]
    engine = qj.StateVector() if name == "circuit-unitary" else None
    calls: dict[str, Callable] = {
        "eager": lambda p, x: qj.run(cell, p, x, engine=engine),
        "jitted": jax.jit(lambda p, x: qj.run(cell, p, x, engine=engine)),
        "eager gradient": jax.value_and_grad(lambda p, x: qj.run(cell, p, x, engine=engine).sum()),
    }
    if name == "takaki":
        calls["forecast"] = lambda p, x: qj.forecast(cell, p, x, 3)
    values = [cell_inputs(cell, seed) for seed in (1, 2, 3)]
    for call, function in calls.items():
        before = compilations.count
        jax.block_until_ready(function(*values[0]))
        first = compilations.count
        assert first > before, call  # the counter counts
        for params, xs in values[1:]:
            jax.block_until_ready(function(params, xs))
        assert compilations.count == first, call


def test_equal_descriptions_share_one_program(compilations: _Compilations) -> None:
    """Statics are keyed by value: a cell, engine or rule built anew does not recompile."""

    def call() -> jax.Array:
        cell = qj.cells.Viqueira(exchange=1, memory=1, layers=1, uploads=0)
        params, xs = np.full(6, 0.3), np.full((3, 1), 0.2)
        return qj.run(cell, params, xs, engine=qj.DensityMatrix(), gradient=qj.Checkpointed())

    call()
    before = compilations.count
    assert before > 0
    call()
    assert compilations.count == before


@pytest.mark.parametrize(
    "rule",
    [qj.Backprop(), qj.Checkpointed(), qj.Adjoint(), qj.ParameterShift(route="shared")],
    ids=["backprop", "checkpointed", "adjoint", "shared"],
)
def test_what_depends_on_weights_alone_is_made_once_for_a_batch(rule: qj.AbstractGradient) -> None:
    """Arithmetic of a batch over that of one sequence: most of it is the fused step, made once."""
    cell = qj.cells.Takaki(inputs=2, memory=2, depth=2)
    params, xs = cell_inputs(cell, 0, steps=2)

    def loss(params: Any, batch: jax.Array) -> jax.Array:
        return jnp.sum(jax.vmap(lambda xs: qj.run(cell, params, xs, gradient=rule))(batch) ** 2)

    def flops(size: int) -> float:
        batch = jnp.broadcast_to(xs, (size, *xs.shape))
        return jax.jit(jax.grad(loss)).lower(params, batch).compile().cost_analysis()["flops"]

    assert flops(16) < 5 * flops(1)
