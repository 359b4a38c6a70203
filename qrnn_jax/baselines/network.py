"""One recurrent layer of Equinox and a dense read-out, initialised as Keras does."""

from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any, final

import jax
import jax.numpy as jnp
from jax import Array, lax

from qrnn_jax.baselines.checks import whole

KINDS = ("lstm", "gru", "rnn", "linear")


@final
@dataclass(frozen=True)
class Network:
    """A classical recurrent network: what a quantum one of equal size should be compared with.

    h_t = cell(x_t, h_{t-1}), h_0 = 0;  y_t = W h_t + b.

    The cells "lstm" and "gru" are Equinox's; "rnn" is h_t = tanh(A x_t + B h_{t-1} + a), and
    "linear" h_t = A x_t + B h_{t-1}. Weights on inputs and in the read-out start Glorot-uniform,
    those on h orthogonal, biases at 0, an LSTM's forget bias at 1: Keras's defaults, which such
    papers train from. Each gate has one bias, not the redundant two of some libraries.

    Arguments:
        kind: "lstm", "gru", "rnn" or "linear".
        features: F, inputs of a step.
        hidden: units of the recurrent layer.
        outputs: O, outputs of a step.

    Raises:
        ValueError: if an argument is out of its range.
        ImportError: on use, without the package equinox (extra `baselines`).

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from qrnn_jax import baselines
        >>> network = baselines.Network("lstm", features=1, hidden=4, outputs=1)
        >>> network.parameters
        101
        >>> params = network.init(jax.random.key(0))
        >>> network(params, jnp.zeros((7, 1))).shape
        (7, 1)

    Source: Kidger and Garcia, "Equinox", arXiv:2111.00254; Hochreiter and Schmidhuber, Neural
    Computation 9 (1997); Cho et al., arXiv:1406.1078; Elman, Cognitive Science 14 (1990).
    """

    kind: str
    features: int
    hidden: int
    outputs: int

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(
                f"Argument `kind` must be one of {', '.join(KINDS)}, but it is {self.kind!r}; "
                "try 'lstm'."
            )
        for name in ("features", "hidden", "outputs"):
            whole(name, getattr(self, name), least=1)

    @property
    def parameters(self) -> int:
        """How many numbers are trained."""
        shapes = jax.eval_shape(self.init, jax.random.key(0))
        return sum(leaf.size for leaf in jax.tree.leaves(shapes))

    def init(self, key: Array) -> dict[str, Any]:
        """Initial parameters: the cell and the read-out, both Equinox modules."""
        return _init(self, key)

    def __call__(self, params: dict[str, Any], xs: Array) -> Array:
        """(T, F) -> (T, O); `vmap` for batches."""
        zeros = jnp.zeros(self.hidden, xs.dtype)

        def step(state: Any, x: Array) -> tuple[Any, Array]:
            state = self._step(params["cell"], state, x)
            return state, params["head"](state[0] if self.kind == "lstm" else state)

        return lax.scan(step, (zeros, zeros) if self.kind == "lstm" else zeros, xs)[1]

    def _step(self, cell: Any, state: Any, x: Array) -> Any:
        if self.kind in ("lstm", "gru"):
            return cell(x, state)
        read, keep = cell
        total = read(x) + keep(state)
        return jnp.tanh(total) if self.kind == "rnn" else total


def size_for(parameters: int, kind: str, *, features: int = 1, outputs: int = 1) -> Network:
    """The network whose number of parameters is nearest to a given one.

    Arguments:
        parameters: to come near to, at least 1; of two equally near sizes the larger one is taken.
        kind, features, outputs: as in `Network`.

    Example:
        >>> from qrnn_jax import baselines
        >>> network = baselines.size_for(26, "lstm")
        >>> network.hidden, network.parameters
        (2, 35)
    """
    whole("parameters", parameters, least=1)
    here = Network(kind, features, 1, outputs)
    while here.parameters < parameters:
        above = Network(kind, features, here.hidden + 1, outputs)
        if parameters - here.parameters < above.parameters - parameters:
            return here
        here = above
    return here


def equinox() -> ModuleType:
    """The package equinox, or an error that says how to get it."""
    try:
        import equinox
    except ImportError as error:
        raise ImportError(
            "The classical baselines need the package equinox; try "
            '`pip install "qrnn_jax[baselines]"`.'
        ) from error
    return equinox


@partial(jax.jit, static_argnums=0)
def _init(network: Network, key: Array) -> dict[str, Any]:
    keys = jax.random.split(key, 4)
    nn, unused = equinox().nn, key  # Equinox's own initial values are all replaced
    head = nn.Linear(network.hidden, network.outputs, key=unused)
    make = _gated if network.kind in ("lstm", "gru") else _plain
    cell = make(network, nn, keys[1:], unused)
    return {"cell": cell, "head": _glorot(head, "weight", keys[0])}


def _gated(network: Network, nn: ModuleType, keys: Array, unused: Array) -> Any:
    """An LSTM starts by remembering: Equinox's gates are input, forget, new, output."""
    make = nn.LSTMCell if network.kind == "lstm" else nn.GRUCell
    cell = make(network.features, network.hidden, key=unused)
    cell = _orthogonal(_glorot(cell, "weight_ih", keys[0]), "weight_hh", keys[1])
    if network.kind == "gru":
        return cell
    size = network.hidden
    return _replaced(cell, "bias", cell.bias.at[size : 2 * size].set(1.0))


def _plain(network: Network, nn: ModuleType, keys: Array, unused: Array) -> Any:
    bias = network.kind == "rnn"
    read = nn.Linear(network.features, network.hidden, use_bias=bias, key=unused)
    keep = nn.Linear(network.hidden, network.hidden, use_bias=False, key=unused)
    return _glorot(read, "weight", keys[0]), _orthogonal(keep, "weight", keys[1])


def _replaced(module: Any, name: str, value: Array) -> Any:
    return equinox().tree_at(lambda tree: getattr(tree, name), module, value)


def _glorot(module: Any, name: str, key: Array) -> Any:
    """Glorot-uniform weights (over all gates together, as in Keras), and biases of 0."""
    weight = getattr(module, name)
    draw = jax.nn.initializers.glorot_uniform()
    module = _replaced(module, name, draw(key, weight.shape, weight.dtype))
    for bias in ("bias", "bias_n"):
        if getattr(module, bias, None) is not None:
            module = _replaced(module, bias, jnp.zeros_like(getattr(module, bias)))
    return module


def _orthogonal(module: Any, name: str, key: Array) -> Any:
    weight = getattr(module, name)
    draw = jax.nn.initializers.orthogonal()
    return _replaced(module, name, draw(key, weight.shape, weight.dtype))
