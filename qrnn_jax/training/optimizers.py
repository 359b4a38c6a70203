"""Optimizers by name: every optax recipe that takes a learning rate."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import optax

ALIASES = {"bfgs": "lbfgs"}


@lru_cache(maxsize=1)
def optimizer_names() -> tuple[str, ...]:
    """The names that `make_optimizer` knows: optax's public optimizers, and `bfgs` for `lbfgs`.

    Example:
        >>> from qrnn_jax import training
        >>> {"adam", "sgd", "lbfgs", "bfgs"} <= set(training.optimizer_names())
        True
    """
    recipes = [name for name in dir(optax) if _is_recipe(name)]
    return tuple(sorted([*recipes, *ALIASES]))


def make_optimizer(
    name: str, *, learning_rate: float | None = None, **options: Any
) -> optax.GradientTransformationExtraArgs:
    """An optax optimizer by its name.

    Arguments:
        name: one of `optimizer_names()`, for example "adam" or "lbfgs" (or "bfgs").
        learning_rate: step size; None leaves optax's default, and for `lbfgs` the line search
            decides.
        options: further keyword arguments of the optax function, such as `b1` of adam.

    Raises:
        ValueError: an unknown name or option (near matches are listed), a missing learning rate, or
            whatever optax refuses.

    Example:
        >>> from qrnn_jax import training
        >>> training.make_optimizer("adam", learning_rate=0.01, b1=0.8).init([]) is not None
        True
        >>> training.make_optimizer("lbfg")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        ValueError: Optimizer must be one that optax has, but is 'lbfg'; try 'lbfgs', ...
    """
    if name not in optimizer_names():
        raise ValueError(
            f"Optimizer must be one that optax has, but is {name!r}; "
            f"try {_near(name, optimizer_names())}."
        )
    recipe = getattr(optax, ALIASES.get(name, name))
    arguments = dict(options)
    if learning_rate is not None:
        arguments[_rate_argument(recipe) or "learning_rate"] = learning_rate
    _check_arguments(name, recipe, arguments)
    try:
        return optax.with_extra_args_support(recipe(**arguments))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Optimizer `{name}` must get options that optax accepts, but optax says: {error}"
        ) from None


def _is_recipe(name: str) -> bool:
    """Whether optax.<name> is a function that makes an optimizer from a learning rate."""
    function = getattr(optax, name)
    if name.startswith(("_", "scale_by_")) or not inspect.isfunction(function):
        return False
    return _rate_argument(function) is not None


def _rate_argument(recipe: Callable) -> str | None:
    """`learning_rate`, or what a recipe calls it instead (`max_learning_rate`)."""
    for name in inspect.signature(recipe).parameters:
        if name in ("learning_rate", "max_learning_rate"):
            return name
    return None


def _check_arguments(name: str, recipe: Callable, arguments: Mapping[str, Any]) -> None:
    known = inspect.signature(recipe).parameters
    for option in arguments:
        if option not in known:
            raise ValueError(
                f"Optimizer `{name}` must get options that it has, but `{option}` is none; "
                f"try {_near(option, tuple(known))}."
            )
    for option, parameter in known.items():
        if parameter.default is parameter.empty and option not in arguments:
            raise ValueError(
                f"Optimizer `{name}` must get `{option}`, but it is missing; try `{option}=0.01`."
            )


def _near(word: str, choices: tuple[str, ...]) -> str:
    """Near matches, or all choices where none is near."""
    near = difflib.get_close_matches(word, choices, n=3, cutoff=0.5) or choices
    return ", ".join(repr(choice) for choice in near)
