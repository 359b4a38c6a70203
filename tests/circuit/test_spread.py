"""What is spread over the tape, and what of it is left out."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxprs_in_params

import qrnn_jax as qj
from qrnn_jax.circuit.spread import rest_row, spread

CIRCUIT = qj.Circuit(
    2,
    (
        qj.RX(0, qj.Weight(0)),
        qj.RY(1, 0.5 * qj.Data(1) + 0.1),
        qj.RZ(0, qj.Weight(1) * qj.Data(0)),
        qj.RX(1, 0.3),
        qj.RY(0, qj.Weight(1)),
    ),
)
WEIGHTS, DATA = jnp.array([0.4, -0.7]), jnp.array([0.2, 0.9])


def test_the_rest_of_a_row_is_that_of_the_whole_row():
    whole = np.asarray(spread(CIRCUIT, WEIGHTS, DATA))
    found = rest_row(CIRCUIT, WEIGHTS, DATA, frozenset({0, 3, 4}))
    np.testing.assert_array_equal(found, whole * [0, 1, 1, 0, 0])
    np.testing.assert_array_equal(rest_row(CIRCUIT, WEIGHTS, DATA, frozenset()), whole)
    np.testing.assert_array_equal(
        rest_row(CIRCUIT, WEIGHTS, DATA, frozenset(range(5))), np.zeros(5)
    )


def test_data_are_not_made_for_every_angle_of_weights():
    """Fifty gates with weights must not have a copy of each value of the data each."""
    gates = [qj.RX(0, qj.Weight(i)) for i in range(50)]
    encoder = [qj.RY(wire, qj.Data(0)) for wire in (1, 2, 3)]
    meeting = [qj.CNOT(wire, 0) for wire in (1, 2, 3)]
    resets = [qj.Reset(wire) for wire in (1, 2, 3)]
    circuit = qj.Circuit(4, (*encoder, *meeting, *gates, *resets))
    cell, steps = qj.CircuitCell(circuit, (qj.Z(0),)), 400

    def run(weights, data):
        return qj.run(cell, weights, jnp.sin(data), gradient=qj.Backprop())

    shapes = [jax.ShapeDtypeStruct(shape, float) for shape in ((50,), (steps, 1))]
    jaxpr = jax.make_jaxpr(run)(*shapes)
    gathered = [
        e.outvars[0].aval.size for e in equations(jaxpr.jaxpr) if e.primitive.name == "gather"
    ]
    assert 3 * steps in gathered
    assert max(gathered) < 50 * steps


def equations(jaxpr):
    for equation in jaxpr.eqns:
        yield equation
        for program in jaxprs_in_params(equation.params):
            yield from equations(program)
