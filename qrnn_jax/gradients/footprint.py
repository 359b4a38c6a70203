"""What a program takes, read off its trace: the bytes alive at once, and its arithmetic.

Nothing is compiled. The rules by which bytes are counted are few, and hold for XLA on a CPU to
a quarter (`tests/gradients/test_footprint.py` compares them with its own report):

    a value is alive from the operation that makes it to the last one that uses it;
    element-wise operations that only feed each other are one: nothing in between is written,
    and what several of them need is made again in each if it is made from far fewer bytes;
    they, scatters and loops write over an operand that nobody needs any more;
    what waits for no argument (zeros to scatter into, the stacks that a loop fills) is there first;
    a loop takes, besides, what one turn of it takes.

Arguments are not counted. What native code holds for itself is not seen.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal

_SUMS = {"add", "sub", "add_any", "neg", "sign", "conj", "select_n"}
_PRODUCTS = {"mul", "div", "square", "integer_pow", "pow", "sqrt", "rsqrt", "abs", "max", "min"}
_PRODUCTS |= {"one_minus_square"}  # since JAX 0.11, in the slopes of arc functions and tanh
_CURVES = {"exp", "log", "sin", "cos", "tan", "tanh", "asin", "acos", "atan2"}
_ARITHMETIC = _SUMS | _PRODUCTS | _CURVES
_MOVES = {"slice", "split", "concatenate", "stack", "gather", "transpose", "iota", "xor"}
_CASTS = {"convert_element_type", "broadcast_in_dim", "real", "imag", "complex"}
_ELEMENTWISE = _ARITHMETIC | _MOVES | _CASTS
_OVERWRITING = {"scatter", "scatter-add", "dynamic_update_slice"}
_RENAMING = {"reshape", "squeeze", "expand_dims", "stop_gradient", "copy", "broadcast_in_dim"}
_LOOPS = {"scan", "while", "cond"}
_CHEAP = 256  # times fewer bytes; chosen on the committed workloads


class Footprint(NamedTuple):
    """What a program takes.

    Arguments:
        peak_bytes: the most that is alive at once, without the arguments.
        flops: real additions and multiplications; a complex product counts 6, a sum 2.
    """

    peak_bytes: int
    flops: int


def footprint(function: Callable, *shapes: Any) -> Footprint:
    """The footprint of a function of arrays, given as `jax.ShapeDtypeStruct`."""
    traced = jax.make_jaxpr(function)(*shapes).jaxpr
    return Footprint(_peak(traced), _flops(traced))


@dataclass(eq=False)
class _Value:
    """An array in a program: where it is kept, and until when."""

    size: int
    source: int = 0  # bytes that element-wise operations make it from
    is_constant: bool = False  # depends on no argument
    is_given: bool = False
    last: int = -1  # the last operation that needs it
    buffer: "list[int] | None" = None  # [bytes, first, last]; None where it takes no memory


class _Operation(NamedTuple):
    equation: JaxprEqn
    inputs: list[_Value | None]  # None for a number written in the program
    outputs: list[_Value]

    @property
    def name(self) -> str:
        return self.equation.primitive.name

    @property
    def values(self) -> list[_Value]:
        return [value for value in self.inputs if value is not None]


def _peak(program: Jaxpr, carried: int = 0) -> int:
    """Bytes alive at once; the first `carried` results are written over the loop's own carry."""
    given = [_given(atom) for atom in (*program.invars, *program.constvars)]
    operations: list[_Operation] = []
    names = dict(zip((*program.invars, *program.constvars), given))
    results = _inline(program, names, operations)
    operations = _needed(operations, results)
    fused = _place(operations, results)
    on_carry = {id(value) for value in results[:carried] if value is not None}
    for index, operation in enumerate(operations):
        for value in operation.outputs:
            in_place = id(value) in on_carry and operation.name in _ARITHMETIC
            if id(value) not in fused and not in_place:
                value.buffer = _buffer(operation, index, value)
    alive = np.zeros(len(operations) + 2, np.int64)
    buffers = {id(v.buffer): v.buffer for o in operations for v in o.outputs if v.buffer}
    for size, first, last in buffers.values():
        alive[first] += size
        alive[last + 1] -= size
    inside = [_inside(operation) for operation in operations]
    return int(max(np.cumsum(alive)[: len(operations)] + inside, default=0))


def _inline(
    program: Jaxpr, names: dict[Any, _Value], found: list[_Operation]
) -> list[_Value | None]:
    """All operations in order, those of called programs among them; the program's results."""

    def value_of(atom: Any) -> _Value | None:
        return None if isinstance(atom, Literal) else names[atom]

    for equation in program.eqns:
        inputs = [value_of(atom) for atom in equation.invars]
        called = [] if equation.primitive.name in _LOOPS else list(_programs(equation))
        if called and len(called[0].invars) == len(inputs):
            # a literal argument is a constant of its own
            inner = {v: i or _Value(0, is_constant=True) for v, i in zip(called[0].invars, inputs)}
            inner |= {v: _given(v) for v in called[0].constvars}
            results = _inline(called[0], inner, found)
            outputs = [value or _Value(0, is_constant=True) for value in results]
        elif _renames(equation) and inputs[0] is not None:
            outputs = [inputs[0]]
        else:
            constant = all(value is None or value.is_constant for value in inputs)
            constant = constant and equation.primitive.name not in _LOOPS
            made_here = equation.primitive.name in _ELEMENTWISE
            source = sum(value.source for value in inputs if value is not None)
            outputs = [
                _Value(_bytes(atom), source if made_here else _bytes(atom), constant)
                for atom in equation.outvars
            ]
            apart = equation.primitive.name == "split"  # each part on its own, as slices are
            together = [[value] for value in outputs] if apart else [outputs]
            found += [_Operation(equation, inputs, group) for group in together]
        names.update(zip(equation.outvars, outputs))
    return [value_of(atom) for atom in program.outvars]


def _given(atom: Any) -> _Value:
    """An argument: it takes no memory of the program."""
    return _Value(0, _bytes(atom), is_given=True)


def _programs(equation: JaxprEqn) -> Iterator[Jaxpr]:
    """The programs that an equation calls."""
    for value in equation.params.values():
        for item in value if isinstance(value, (tuple, list)) else [value]:
            if isinstance(item, (Jaxpr, ClosedJaxpr)):
                yield item.jaxpr if isinstance(item, ClosedJaxpr) else item


def _renames(equation: JaxprEqn) -> bool:
    """Whether the result is the operand under another shape."""
    if equation.primitive.name not in _RENAMING or len(equation.invars) != 1:
        return False
    return _count(equation.invars[0]) == _count(equation.outvars[0])


def _needed(operations: Sequence[_Operation], results: Sequence[_Value | None]) -> list[_Operation]:
    """Without the operations whose results nobody uses."""
    wanted = {id(value) for value in results}
    kept = []
    for operation in reversed(operations):
        if any(id(value) in wanted for value in operation.outputs):
            kept.append(operation)
            wanted |= {id(value) for value in operation.values}
    return kept[::-1]


def _place(operations: Sequence[_Operation], results: Sequence[_Value | None]) -> set[int]:
    """Set the last use of every value; the values that are never written, by id."""
    users: dict[int, set[int]] = {}
    for index, operation in enumerate(operations):
        for value in operation.values:
            users.setdefault(id(value), set()).add(index)
    returned = {id(value) for value in results}
    fused, when = set(), list(range(len(operations)))
    for index in reversed(range(len(operations))):
        operation, value = operations[index], operations[index].outputs[0]
        own = users.get(id(value), set())
        feeds = bool(own) and all(operations[user].name in _ELEMENTWISE for user in own)
        cut = operation.name == "concatenate" and all(operations[u].name == "slice" for u in own)
        feeds = feeds and (len(own) == 1 or cut or _CHEAP * value.source <= value.size)
        if operation.name in _ELEMENTWISE and feeds and id(value) not in returned:
            when[index] = max(when[user] for user in own)
            fused.add(id(value))
    for index, operation in enumerate(operations):
        constant = all(value.is_constant for value in operation.outputs)
        for value in operation.values:
            if not (value.is_constant and constant):
                value.last = max(value.last, when[index])
    for result in results:
        if result is not None:
            result.last = len(operations)
    return fused


def _buffer(operation: _Operation, index: int, value: _Value) -> list[int] | None:
    """Where a value is kept: over an operand that dies here, or in memory of its own."""
    if value.last < 0 and (value.is_constant or _is_stack(operation, value)):
        return None  # a constant of constants, made in place; a stack that nobody reads
    for old, new in _pairs(operation):
        if new is not value or old is None or old.buffer is None or old.size != value.size:
            continue
        if old.last == index == old.buffer[2] and (old.is_constant or not value.is_constant):
            old.buffer[2] = max(value.last, index)
            return old.buffer
    first = 0 if value.is_constant or _is_stack(operation, value) else index
    return [value.size, first, max(value.last, index)]


def _pairs(operation: _Operation) -> list[tuple[_Value | None, _Value]]:
    """Which operand may be overwritten by which result."""
    if operation.name in _ARITHMETIC:
        return [(value, operation.outputs[0]) for value in operation.inputs]
    if operation.name in _OVERWRITING:
        return [(operation.inputs[0], operation.outputs[0])]
    if operation.name == "scan":
        first = _carry_of(operation.equation)[0]
        return list(zip(operation.inputs[first:], _carry(operation)))
    return []


def _carry(operation: _Operation) -> list[_Value]:
    return operation.outputs[: _carry_of(operation.equation)[1]]


def _carry_of(scan: JaxprEqn) -> tuple[int, int]:
    """Where a scan's carry begins among its operands, and how many arrays it has.

    Told by the shapes, whose names differ between versions of JAX: the carry and what comes before
    it have the same rank inside and outside, and what runs over the steps has one more outside.
    """
    (body,) = _programs(scan)
    whole = sum(_rank(a) == _rank(b) for a, b in zip(scan.invars, body.invars))
    carried = sum(_rank(a) == _rank(b) for a, b in zip(scan.outvars, body.outvars))
    return whole - carried, carried


def _rank(atom: Any) -> int:
    return len(getattr(atom.aval, "shape", ()))


def _is_stack(operation: _Operation, value: _Value) -> bool:
    """Whether a loop fills the value step by step."""
    return operation.name == "scan" and all(value is not item for item in _carry(operation))


def _inside(operation: _Operation) -> int:
    """What one turn of a loop takes."""
    if operation.name not in _LOOPS:
        return 0
    carried = _carry_of(operation.equation)[1] if operation.name == "scan" else 0
    return max(_peak(program, carried) for program in _programs(operation.equation))


def _count(atom: Any) -> int:
    return math.prod(getattr(atom.aval, "shape", (0,)))  # a token has no numbers


def _bytes(atom: Any) -> int:
    return _count(atom) and _count(atom) * atom.aval.dtype.itemsize


def _flops(program: Jaxpr) -> int:
    """Arithmetic of a program; the turns of a `while` are not known, and count once."""
    return sum(map(_flops_of, program.eqns))


def _flops_of(equation: JaxprEqn) -> int:
    if not equation.outvars:
        return 0
    name, result = equation.primitive.name, equation.outvars[0]
    inner = [_flops(program) for program in _programs(equation)]
    if name == "scan":
        return int(equation.params["length"]) * inner[0]
    if inner:
        return max(inner) if name == "cond" else sum(inner)  # a `while` has a test and a body
    is_complex = np.issubdtype(getattr(result.aval, "dtype", np.float32), np.complexfloating)
    if name == "dot_general":
        (left, _), _ = equation.params["dimension_numbers"]
        operand: Any = equation.invars[0].aval
        terms = math.prod(operand.shape[axis] for axis in left)
        return _count(result) * terms * (8 if is_complex else 2)
    if name in _ARITHMETIC:
        cost = (6 if name not in _SUMS else 2) if is_complex else 1
        return _count(result) * cost
    return 0
