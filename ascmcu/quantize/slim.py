# SPDX-License-Identifier: Apache-2.0
"""Network slimming (Liu et al. 2017): an L1 penalty on normalization scales, then removal of small channels.

Channels that are added to each other, or pass through the same layer one by one, can only go together. Those groups
are found from the graph: every layer's output is a run of segments, each of one group; additions and everything that
works channel by channel keep them, concatenations put them side by side, convolutions and dense layers begin a new one.
A group that reaches the network's output, or a layer that is not understood, stays whole.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers

from ascmcu.errors import InputError, ModelError
from ascmcu.quantize import layer_graph
from ascmcu.train import checkpoint, loop
from ascmcu.train.examples import Examples
from ascmcu.train.loop import Epoch
from ascmcu.train.recipe import Augment, Recipe, Training

# Of the loss, per unit of |scale|; Liu et al. use 1e-5 to 1e-4.
PENALTY = 1e-4
# Widths stay multiples of the channels that the kernels compute side by side.
MULTIPLE = 4
PHASES = ("penalised", "fine-tuned")
_CHANNELWISE = (
    layers.BatchNormalization, layers.ReLU, layers.LeakyReLU, layers.Dropout, layers.SpatialDropout2D, layers.Identity,
    layers.MaxPooling2D, layers.AveragePooling2D, layers.ZeroPadding2D, layers.Cropping2D,
    layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D, layers.UpSampling2D,
)  # fmt: skip
_ZERO_KEEPING = ("linear", "relu", "relu6", "tanh", "silu", "swish", "leaky_relu", "elu", "gelu")
_MIXING = (layers.Conv2D, layers.Dense)

Mask = npt.NDArray[np.bool_]
Segments = tuple[int, ...]


@dataclass(frozen=True)
class Group:
    """Channels that live and die together.

    Attributes:
        width: how many.
        producers: the layers that write them: kernels and biases by output channel.
        normalisations: the layers whose scales weigh them.
        fixed: whether they must stay.
    """

    width: int
    producers: tuple[str, ...]
    normalisations: tuple[str, ...]
    fixed: bool


@dataclass(frozen=True)
class Groups:
    """The groups of a model, and each layer's output as a run of them (by index)."""

    groups: tuple[Group, ...]
    outputs: dict[str, Segments]

    def kept(self, layer: str, keep: dict[int, Mask]) -> Mask:
        """Which channels of a layer's output stay."""
        parts = [keep.get(g, np.ones(self.groups[g].width, bool)) for g in self.outputs[layer]]
        return np.concatenate(parts)


def penalise(model: keras.Model, penalty: float = PENALTY) -> None:
    """Put the L1 penalty on every normalisation's scales that could free a channel; 0 takes it off."""
    regularizer = keras.regularizers.L1(penalty) if penalty else None
    found = groups(model)
    for group in found.groups:
        for name in () if group.fixed else group.normalisations:
            model.get_layer(name).gamma.regularizer = regularizer


def slim(
    model: keras.Model,
    recipe: Recipe,
    train: Examples,
    parameters: int,
    *,
    penalty: float = PENALTY,
    epochs: int | None = None,
    progress: Callable[[str, Epoch], None] = lambda phase, epoch: None,
    states: Path | None = None,
) -> keras.Model:
    """Train with the penalty, prune to at most so many parameters, fine-tune; ``model`` is trained in place.

    Args:
        model: functional, trained by the recipe or fresh.
        recipe: how it is trained.
        train: on what.
        parameters: trainable ones, at most.
        penalty: of the loss, per unit of a scale's size.
        epochs: of each training; by default half the recipe's.
        progress: called after every epoch with the phase.
        states: a folder that keeps the trainings' states, and from which a run that was cut off goes on.

    Raises:
        InputError: the network cannot become that small.
    """
    require_slimmable(model)
    prune(model, parameters, MULTIPLE)  # what cannot be is known before anything is trained
    each = epochs or epochs_of(recipe)
    name = checkpoint.digest(
        [recipe.to_dict(), parameters, penalty, checkpoint.of_weights(model), len(train.y)]
    )

    def fit(phase: str, network: keras.Model) -> None:
        state = state_file(states, phase) if states else None
        plan = loop.Plan(
            _whole_clips(recipe.augment), _shortened(recipe, each), state_file=state, run=f"{name} {phase}"
        )
        loop.fit(network, train, None, plan, lambda epoch: progress(phase, epoch))

    penalise(model, penalty)
    fit(PHASES[0], model)
    penalise(model, 0.0)
    pruned = prune(model, parameters, MULTIPLE)
    fit(PHASES[1], pruned)
    return pruned


def epochs_of(recipe: Recipe) -> int:
    """Epochs of each training, where nothing else is said: half the recipe's."""
    return max(recipe.training.epochs // 2, 1)


def state_file(folder: Path, phase: str) -> Path:
    """Where the state of a phase is kept."""
    return folder / f"state-{phase}.npz"


def _shortened(recipe: Recipe, epochs: int) -> Training:
    """The recipe's training over fewer epochs: what it does at certain epochs would fall elsewhere."""
    return dataclasses.replace(
        recipe.training,
        epochs=epochs,
        warmup_epochs=min(recipe.training.warmup_epochs, epochs),
        restart_epochs=(),
        snapshot_from=0,
        snapshot_epochs=(),
        early_stop_epochs=0,
    )


def _whole_clips(augment: Augment) -> Augment:
    return dataclasses.replace(augment, crop_rows=0)


def prune(model: keras.Model, parameters: int, multiple: int = 1) -> keras.Model:
    """The model without its channels of smallest scale, at most so many trained parameters in all.

    Args:
        model: functional.
        parameters: trainable ones, as the published systems count them.
        multiple: the width of each group stays a multiple of this, as far as it was one.

    Raises:
        InputError: even one channel per group is more.
        ModelError: the model is not functional.
    """
    found = groups(model)
    return pruned(model, found, chosen(model, found, parameters, multiple))


def groups(model: keras.Model) -> Groups:
    """The dependency groups of a functional model."""
    return _Builder(model).run()


def chosen(model: keras.Model, found: Groups, parameters: int, multiple: int = 1) -> dict[int, Mask]:
    """Per group that may lose channels, which stay: the least important go until the network is small enough.

    A channel's importance is the largest absolute scale of the normalisations in its group.
    """
    free = [(index, group) for index, group in enumerate(found.groups) if not group.fixed]
    scores = {index: _scores(model, group) for index, group in free}
    # Among equals, channels of the first group go first: a count, not a threshold, decides.
    owners = (
        np.concatenate([np.full(len(v), index) for index, v in scores.items()]) if scores else np.zeros(0)
    )
    order = np.argsort(np.concatenate([*scores.values()]), kind="stable") if scores else np.zeros(0, int)

    def keep(count: int) -> dict[int, Mask]:
        gone = owners[order[:count]]
        return {
            index: _largest(values, len(values) - int((gone == index).sum()), multiple)
            for index, values in scores.items()
        }

    low, high = 0, len(order)
    if _parameters(model, found, keep(high)) > parameters:
        raise InputError(
            "pruning channels cannot make the network that small",
            expected=f"≥ {_parameters(model, found, keep(high))} parameters",
            found=parameters,
        )
    while low < high:
        middle = (low + high) // 2
        if _parameters(model, found, keep(middle)) <= parameters:
            high = middle
        else:
            low = middle + 1
    return keep(high)


def masked(model: keras.Model, found: Groups, keep: dict[int, Mask]) -> keras.Model:
    """The same network with everything zero that writes a channel which goes."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    for name in found.outputs:
        layer = copy.get_layer(name) if _has_weights(model, name) else None
        if layer is not None:
            gone = ~found.kept(name, keep)
            layer.set_weights(
                [
                    w if variable.name == "moving_variance" else _zeroed(layer, w, gone)
                    for variable, w in zip(layer.weights, layer.get_weights(), strict=True)
                ]
            )
    return copy


def pruned(model: keras.Model, found: Groups, keep: dict[int, Mask]) -> keras.Model:
    """The smaller network with the weights that stay."""
    graph = layer_graph.of(model)

    def clone(layer: keras.Layer) -> keras.Layer:
        config = layer.get_config()
        if isinstance(layer, layers.Dense):
            config["units"] = int(found.kept(layer.name, keep).sum())
        elif isinstance(layer, layers.Conv2D):
            config["filters"] = int(found.kept(layer.name, keep).sum())
        return layer.__class__.from_config(config)

    smaller = keras.models.clone_model(model, clone_function=clone)
    for layer in model.layers:
        if layer.get_weights():
            before = graph.before[layer.name]
            inside = found.kept(before[0], keep)
            outside = found.kept(layer.name, keep)
            taken = [_taken(layer, w, inside, outside) for w in layer.get_weights()]
            smaller.get_layer(layer.name).set_weights(taken)
    return smaller


class _Builder:
    """Walks the graph once; groups are merged as joins are met."""

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self.graph = layer_graph.of(model)
        self.parent: list[int] = []
        self.width: list[int] = []
        self.fixed: set[int] = set()
        self.outputs: dict[str, Segments] = {}

    def run(self) -> Groups:
        for name in self.graph.order:
            self.outputs[name] = self._segments(name)
        for tensor in self.model.outputs:
            self._fix(self.outputs[tensor._keras_history.operation.name])
        return self._result()

    def _new(self, width: int, *, fixed: bool = False) -> Segments:
        self.parent.append(len(self.parent))
        self.width.append(width)
        if fixed:
            self.fixed.add(len(self.parent) - 1)
        return (len(self.parent) - 1,)

    def _root(self, group: int) -> int:
        while self.parent[group] != group:
            group = self.parent[group]
        return group

    def _join(self, a: int, b: int) -> None:
        a, b = self._root(a), self._root(b)
        if a != b:
            self.parent[b] = a
            if b in self.fixed:
                self.fixed.add(a)

    def _fix(self, segments: Segments) -> None:
        self.fixed.update(self._root(g) for g in segments)

    def _segments(self, name: str) -> Segments:
        layer, sources = self.graph.layers[name], [self.outputs[s] for s in self.graph.before[name]]
        width = int(layer.output.shape[-1] or 0) if hasattr(layer.output, "shape") else 0
        if not sources:
            return self._new(width, fixed=True)
        if not _keeps_zero(layer):
            self._fix(sum(sources, ()))
        if isinstance(layer, layers.DepthwiseConv2D) and layer.depth_multiplier == 1:
            return sources[0]
        if isinstance(layer, _MIXING) and getattr(layer, "groups", 1) == 1:
            return self._new(width)
        if isinstance(layer, _CHANNELWISE) or _is_channelwise_activation(layer):
            return sources[0]
        if isinstance(layer, layers.Flatten):
            return sources[0] * (width // sum(self.width[g] for g in sources[0]))
        if isinstance(layer, layers.Concatenate) and layer.axis in (-1, len(layer.output.shape) - 1):
            return sum(sources, ())
        if isinstance(layer, (layers.Add, layers.Subtract, layers.Maximum, layers.Concatenate)):
            return self._joined(sources)
        for source in sources:
            self._fix(source)
        return self._new(width, fixed=True)

    def _joined(self, sources: list[Segments]) -> Segments:
        first = sources[0]
        for other in sources[1:]:
            if [self.width[g] for g in first] != [self.width[g] for g in other]:
                for source in sources:
                    self._fix(source)
                return self._new(sum(self.width[g] for g in first), fixed=True)
            for a, b in zip(first, other, strict=True):
                self._join(a, b)
        return first

    def _result(self) -> Groups:
        roots = sorted({self._root(g) for g in range(len(self.parent))})
        place = {root: index for index, root in enumerate(roots)}
        outputs = {name: tuple(place[self._root(g)] for g in run) for name, run in self.outputs.items()}
        fixed = {place[self._root(g)] for g in self.fixed}
        made = []
        for index, root in enumerate(roots):
            named = [n for n, run in outputs.items() if index in run and _has_weights(self.model, n)]
            # Scales of a normalisation over several groups, behind a concatenation, belong to none of them alone.
            norms = [n for n in named if _is_scaled(self.graph.layers[n]) and outputs[n] == (index,)]
            makers = [n for n in named if not isinstance(self.graph.layers[n], layers.BatchNormalization)]
            made.append(Group(self.width[root], tuple(makers), tuple(norms), index in fixed or not norms))
        return Groups(tuple(made), outputs)


def _scores(model: keras.Model, group: Group) -> npt.NDArray[np.float64]:
    scales = [np.abs(np.asarray(model.get_layer(name).gamma)) for name in group.normalisations]
    return np.asarray(np.max(scales, axis=0), np.float64)


def _largest(values: npt.NDArray[np.float64], count: int, multiple: int) -> Mask:
    """The ``count`` largest, at least one, rounded up to a multiple where the whole is one."""
    step = multiple if len(values) % multiple == 0 else 1
    count = min(max(-(-count // step) * step, step), len(values))
    mask = np.zeros(len(values), bool)
    mask[np.argsort(-values, kind="stable")[:count]] = True
    return mask


def _parameters(model: keras.Model, found: Groups, keep: dict[int, Mask]) -> int:
    """Trainable parameters of the pruned network."""
    graph, total = layer_graph.of(model), 0
    for layer in model.layers:
        if not layer.trainable_weights:
            continue
        inside = found.kept(graph.before[layer.name][0], keep)
        outside = found.kept(layer.name, keep)
        total += sum(_size(layer, tuple(w.shape), inside, outside) for w in layer.trainable_weights)
    return int(total)


def _size(layer: keras.Layer, shape: tuple[int, ...], inside: Mask, outside: Mask) -> int:
    taps = int(np.prod(shape[:-2])) if len(shape) > 1 else 1
    if len(shape) == 1:
        return int(outside.sum())
    if isinstance(layer, layers.DepthwiseConv2D):
        return taps * int(outside.sum())
    return (
        taps * int(inside.sum()) * int(outside.sum()) if isinstance(layer, _MIXING) else int(np.prod(shape))
    )


def _taken(layer: keras.Layer, weights: Any, inside: Mask, outside: Mask) -> Any:
    if weights.ndim == 1 and len(weights) == len(outside):
        return weights[outside]
    if isinstance(layer, layers.DepthwiseConv2D):
        return weights[:, :, inside, :]
    if isinstance(layer, _MIXING):
        return weights[..., inside, :][..., outside]
    return weights


def _zeroed(layer: keras.Layer, weights: Any, gone: Mask) -> Any:
    if weights.ndim == 1 and len(weights) != len(gone):
        return weights
    if weights.ndim > 1 and not isinstance(layer, (layers.DepthwiseConv2D, *_MIXING)):
        return weights
    copy = np.array(weights)
    if isinstance(layer, layers.DepthwiseConv2D) and copy.ndim > 1:
        copy[:, :, gone, :] = 0
    else:
        copy[..., gone] = 0
    return copy


def _has_weights(model: keras.Model, name: str) -> bool:
    return any(layer.name == name and layer.get_weights() for layer in model.layers)


def _is_scaled(layer: Any) -> bool:
    return isinstance(layer, layers.BatchNormalization) and bool(layer.scale)


def _is_channelwise_activation(layer: Any) -> bool:
    return isinstance(layer, layers.Activation) and _keeps_zero(layer)


def _keeps_zero(layer: Any) -> bool:
    """Whether a channel of zeros stays zero under the layer's activation."""
    function = getattr(layer, "activation", None)
    if isinstance(layer, layers.Softmax):
        return False
    return function is None or str(getattr(function, "__name__", "?")) in _ZERO_KEEPING


def require_slimmable(model: keras.Model) -> None:
    """Refuse a model without a channel that could go.

    Raises:
        ModelError: there is none.
    """
    if all(group.fixed for group in groups(model).groups):
        raise ModelError(
            "no channel of the network can be pruned",
            expected="normalisations with a scale behind convolutions",
        )
