"""Bad input is refused by name; under jit it gives NaN, under checkify an error with its name."""

import jax
import numpy as np
import pytest
from jax.experimental import checkify

import qrnn_jax as qj
from qrnn_jax.engines.state_vector import StateVectorPlan
from tests.helpers import (
    ALL_CELLS,
    DENSITY_PLANS,
    STEPS,
    Forced,
    cell_inputs,
    quick_jit,
    random_cell,
)

TAKAKI = ALL_CELLS["takaki"]
VIQUEIRA = ALL_CELLS["viqueira-emcz3"]  # two features
PARAMS, XS = cell_inputs(TAKAKI, 0)
FLAT, PAIRS = cell_inputs(VIQUEIRA, 0)


def with_entry(xs: jax.Array, row: int, column: int, value: float) -> np.ndarray:
    changed = np.array(xs)
    changed[row, column] = value
    return changed


BAD_XS = {
    "one axis": (TAKAKI, XS[:, 0], r"`xs` must have shape \(T, 1\), but has shape \(4,\).*None"),
    "a batch": (
        TAKAKI,
        XS[None],
        r"`xs` must have shape \(T, 1\), but has shape \(1, 4, 1\).*vmap",
    ),
    "features": (VIQUEIRA, XS, r"`xs` must have shape \(T, 2\), but has shape \(4, 1\)"),
    "scalar": (TAKAKI, 0.5, r"`xs` must have shape \(T, 1\), but has shape \(\)"),
    "no steps": (TAKAKI, np.zeros((0, 1)), r"`xs` must have at least one time step, but T = 0"),
    "complex": (TAKAKI, XS * 1j, r"`xs` must be real, but is complex"),
    "nan": (
        VIQUEIRA,
        with_entry(PAIRS, 2, 1, np.nan),
        r"`xs` must be finite, but row 2, column 1 is nan; try a mask",
    ),
    "infinity": (
        VIQUEIRA,
        with_entry(PAIRS, 3, 0, -np.inf),
        r"`xs` must be finite, but row 3, column 0 is -inf",
    ),
    "domain": (
        TAKAKI,
        with_entry(XS, 1, 0, -1.25),
        r"`xs` must be in \[-1, 1\], but row 1, column 0 is -1.25; try rescaling",
    ),
}
PARAMS_OF = {TAKAKI: PARAMS, VIQUEIRA: FLAT}


@pytest.mark.parametrize("name", BAD_XS)
@pytest.mark.parametrize("verb", [qj.run, qj.simulate, qj.forecast], ids=lambda v: v.__name__)
def test_bad_inputs_are_named(name: str, verb: object) -> None:
    cell, xs, message = BAD_XS[name]
    more = (3,) if verb is qj.forecast else ()
    with pytest.raises(ValueError, match=message):
        verb(cell, PARAMS_OF[cell], xs, *more)


@pytest.mark.parametrize("name", ["one axis", "a batch", "features", "no steps", "complex"])
def test_shapes_are_named_under_jit_too(name: str) -> None:
    cell, xs, message = BAD_XS[name]
    with pytest.raises(ValueError, match=message):
        jax.jit(lambda x: qj.run(cell, PARAMS_OF[cell], x))(xs)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (PARAMS["angles"], r"`params` must have the structure .*angles.*but has .*init"),
        ({"angle": PARAMS["angles"]}, r"`params` must have the structure .*but has .*'angle'"),
        (
            {"angles": PARAMS["angles"][0]},
            r"leaves of shapes \[\(1, 3, 3\)\], but .*\(3, 3\).*vmap",
        ),
        ({"angles": 0.5}, r"leaves of shapes \[\(1, 3, 3\)\], but one has shape \(\)"),
        ({"angles": PARAMS["angles"] + 0j}, r"`params` must have real leaves, but one is complex"),
    ],
    ids=["no dict", "wrong key", "wrong shape", "scalar", "complex"],
)
def test_bad_params_are_named(params: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        qj.run(TAKAKI, params, XS)


@pytest.mark.parametrize(
    ("cell", "carry", "shape"),
    [
        (TAKAKI, np.eye(4) / 4, r"\(2, 2\), but has shape \(4, 4\)"),
        (TAKAKI, np.array([1.0, 0.0]), r"\(2, 2\), but has shape \(2,\)"),
        (ALL_CELLS["circuit-unitary"], np.eye(8) / 8, r"\(8,\), but has shape \(8, 8\)"),
    ],
    ids=["size", "vector", "matrix"],
)
def test_a_bad_carry_is_named(cell: qj.AbstractCell, carry: np.ndarray, shape: str) -> None:
    with pytest.raises(ValueError, match=rf"`carry` must have shape {shape}; try .*`simulate`"):
        qj.simulate(cell, *cell_inputs(cell, 0), carry=carry)


@pytest.mark.parametrize("engine", [qj.DensityMatrix, "density", qj.Backprop()])
def test_something_that_is_no_engine_is_named(engine: object) -> None:
    with pytest.raises(TypeError, match=r"`engine` must be an engine, but is .*DensityMatrix\(\)"):
        qj.run(TAKAKI, PARAMS, XS, engine=engine)


@pytest.mark.parametrize("gradient", [qj.Backprop, "shift", qj.StateVector()])
def test_something_that_is_no_rule_is_named(gradient: object) -> None:
    with pytest.raises(TypeError, match=r"`gradient` must be a gradient rule, but is .*Backprop"):
        qj.run(TAKAKI, PARAMS, XS, gradient=gradient)


def test_something_that_is_no_cell_is_named() -> None:
    with pytest.raises(TypeError, match=r"`cell` must be a cell, but is .*CircuitCell"):
        qj.run(TAKAKI.circuit, PARAMS, XS)


@pytest.mark.parametrize("steps", [0, -1, 2.0, True, None, "3"])
def test_bad_forecast_lengths_are_named(steps: object) -> None:
    with pytest.raises(ValueError, match=r"`steps` must be an integer of 1 or more, but is"):
        qj.forecast(TAKAKI, PARAMS, XS, steps)


def test_a_forecast_that_cannot_feed_back_is_named() -> None:
    cell = random_cell(1, kind="unitary", gates=1)
    with pytest.raises(ValueError, match=r"feed back as many outputs as there are inputs.*6 outp"):
        qj.forecast(cell, *cell_inputs(cell, 1), 3)


PLANS = {
    "automatic": (ALL_CELLS["circuit-noisy"], None),
    "takaki": (TAKAKI, None),
    "state-vector": (random_cell(5, kind="unitary"), qj.StateVector()),
    **{kind.__name__: (random_cell(5, kind="encoder"), Forced(kind)) for kind in DENSITY_PLANS},
    "kraus, data in the body": (random_cell(5, kind="reset"), Forced(DENSITY_PLANS[1])),
    "dense, noisy": (random_cell(5, kind="noisy"), Forced(DENSITY_PLANS[0])),
}


POISONS = [(name, bad) for name in PLANS for bad in (np.nan, np.inf)] + [("takaki", 1.5)]


@pytest.mark.parametrize(("name", "bad"), POISONS)
def test_bad_traced_inputs_give_nan_from_then_on(name: str, bad: float) -> None:
    cell, engine = PLANS[name]
    params, xs = cell_inputs(cell, 1)
    xs = xs.at[2].set(bad)
    ys, carry, _, drift = quick_jit(lambda x: qj.simulate(cell, params, x, engine=engine))(xs)
    assert ys.shape[0] == STEPS
    assert np.isfinite(ys[:2]).all()
    assert np.isnan(ys[2:]).all()
    assert np.isnan(carry).any()
    assert np.isnan(drift)


def test_the_poisoned_plans_are_all_of_them() -> None:
    named = {type(e.plan(c.circuit, c.observables)) for c, e in PLANS.values() if e is not None}
    assert named == {StateVectorPlan, *DENSITY_PLANS}


@pytest.mark.parametrize(("cell", "bad"), [(TAKAKI, 1.5), (TAKAKI, np.nan), (VIQUEIRA, np.inf)])
def test_checkify_names_the_argument(cell: qj.AbstractCell, bad: float) -> None:
    params, xs = PARAMS_OF[cell], {TAKAKI: XS, VIQUEIRA: PAIRS}[cell]
    checked = checkify.checkify(lambda x: qj.run(cell, params, x), errors=checkify.user_checks)
    checked = quick_jit(checked)
    error, ys = checked(xs)
    error.throw()
    assert np.isfinite(ys).all()
    error, _ = checked(xs.at[1, 0].set(bad))
    with pytest.raises(checkify.JaxRuntimeError, match="Argument `xs` must be finite and within"):
        error.throw()
