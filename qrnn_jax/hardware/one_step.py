"""One step that was written elsewhere, as a `Circuit`: which symbol is what, where it is read."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeAlias

from qrnn_jax.circuit import AbstractOperation, Circuit, Data, Measure, Read, Reset, Slot, Weight

Choice: TypeAlias = Callable[[str], bool] | Iterable[str]


class Measured(NamedTuple):
    """A measurement in the computational basis that somebody else wrote."""

    wire: int


Item: TypeAlias = AbstractOperation | Measured


def symbols_of(names: Sequence[str], data: Choice, weights: Choice | None) -> dict[str, Slot]:
    """Which symbol is which slot.

    Arguments:
        names: the symbols of the circuit, in its own order.
        data: names in the order of `Data(0)`, `Data(1)`, ..; or a function of a name.
        weights: the same for `Weight`; None for all that is no data.

    Raises:
        ValueError: a name that the circuit does not have, one named twice, one left out.
    """
    found = {name: Data(index) for index, name in enumerate(_chosen(names, data, "data"))}
    others = [name for name in names if name not in found]
    wanted = others if weights is None else _chosen(names, weights, "weights")
    for index, name in enumerate(wanted):
        if name in found:
            raise ValueError(f"Argument `weights` must name no data, but names {name!r}.")
        found[name] = Weight(index)
    missing = [name for name in names if name not in found]
    if missing:
        raise ValueError(
            f"Arguments `data` and `weights` must name every symbol, but leave out {missing}; try "
            "`weights=None` for all the others."
        )
    return found


def _chosen(names: Sequence[str], choice: Choice, argument: str) -> list[str]:
    """The names in their order."""
    if callable(choice):
        return [name for name in names if choice(name)]
    chosen = [choice] if isinstance(choice, str) else list(choice)
    for name in chosen:
        if name not in names:
            raise ValueError(
                f"Argument `{argument}` must name symbols of the circuit, but names {name!r}; try "
                f"some of {list(names)[:20]}."
            )
    if len(set(chosen)) != len(chosen):
        raise ValueError(f"Argument `{argument}` must name each symbol once, but is {chosen}.")
    return chosen


def one_step(wires: int, items: Sequence[Item], argument: str) -> Circuit:
    """A circuit whose read-out stands where the other program measured.

    Equation: measured wires that are reset next are read without a trace; where one is not, the
    measurement is part of the model: `Read(measure=True)`.

    Arguments:
        wires: of the circuit.
        items: operations and measurements, in order.
        argument: what to blame.

    Raises:
        ValueError: measurements that do not fit into one read-out.
    """
    places = [place for place, item in enumerate(items) if isinstance(item, Measured)]
    first = places[0] if places else len(items)
    touched: set[int] = set()  # since the first measurement
    waiting: dict[int, int] = {}  # measured wires, and where, until their next operation
    kept: dict[int, int] = {}
    for place, item in enumerate(items[first:]):
        wires_of = (item.wire,) if isinstance(item, Measured) else item.wires
        if isinstance(item, Measured):
            _check_untouched(item.wire, touched, argument)
        for wire in waiting.keys() & set(wires_of):
            where = waiting.pop(wire)
            if not isinstance(item, Reset):
                kept[where] = wire
        if isinstance(item, Measured):
            waiting[item.wire] = place
        touched.update(wires_of)
    kept |= {where: wire for wire, where in waiting.items()}
    made = [item for item in items[:first] if isinstance(item, AbstractOperation)]
    made += [Read(measure=bool(kept))] * bool(places)
    for place, item in enumerate(items[first:]):
        if isinstance(item, AbstractOperation):
            made.append(item)
        elif place in kept:
            made.append(Measure(item.wire))
    return Circuit(wires, made)


def _check_untouched(wire: int, touched: set[int], argument: str) -> None:
    """Refuse a measurement that could not as well stand where the first one does."""
    if wire in touched:
        raise ValueError(
            f"Argument `{argument}` must be one step that measures its outputs at one point, but "
            f"wire {wire} is used between the first measurement and its own; try leaving out "
            "measurements that are no outputs, or giving a single step."
        )
