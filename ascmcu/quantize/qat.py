# SPDX-License-Identifier: Apache-2.0
"""Quantization-aware fine-tuning of a trained Keras model.

Normalisations are folded into the convolutions before them as the converter folds them, by the statistics of
training; weights pass through a fake quantization per output channel, every result that the converter quantizes
through one whose two ends are learned (TensorFlow's ``fake_quant_with_min_max_vars`` has gradients for them). The
converter takes the learned ends for the ranges of the int8 model.

What is learned are the float network's own answers, on the training part as training augments it: labels would teach
the network a second time, of clips that it knows by heart.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from ascmcu import zoo
from ascmcu.errors import ModelError
from ascmcu.quantize import calibrate, layer_graph, source
from ascmcu.quantize.layer_graph import LayerGraph
from ascmcu.train import checkpoint, loop
from ascmcu.train.examples import Array, Examples
from ascmcu.train.loop import Epoch
from ascmcu.train.losses import Objective, Tensor, cross_entropy
from ascmcu.train.recipe import Augment, Heads, Recipe, Teacher, Training

# Of Adam, falling to zero. What moves further than this leaves the float network's answers.
LEARNING_RATE = 2e-5
EPOCHS = 15

# These move values or keep their scale; the converter gives them their input's range.
_SAME_SCALE = (
    layers.Dropout, layers.SpatialDropout2D, layers.Flatten, layers.Reshape, layers.Permute, layers.MaxPooling2D,
    layers.GlobalMaxPooling2D, layers.Cropping2D, layers.ZeroPadding2D, layers.UpSampling2D, layers.Identity,
)  # fmt: skip
_DROPOUT = (layers.Dropout, layers.SpatialDropout2D)
_FOLDABLE = (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense)
# The converter gives their results a range of its own.
_FIXED_RANGE = ("softmax", "sigmoid", "tanh")


@dataclasses.dataclass(frozen=True)
class Imitation(Objective):
    """The answers of the first of two networks should be those of the second."""

    def losses(self, outputs: Sequence[Tensor], targets: Tensor) -> list[Tensor]:
        """The cross-entropy of the two; the labels do not matter."""
        learner, model = outputs
        return [cross_entropy(model, learner)]


def schedule(
    recipe: Recipe, epochs: int | None = None, learning_rate: float | None = None
) -> tuple[Augment, Training]:
    """How a recipe's network is fine-tuned: as long and as fast as what is given says, on whole clips."""
    training = Training(
        epochs=epochs or EPOCHS,
        batch=recipe.training.batch,
        learning_rate=learning_rate or LEARNING_RATE,
        warmup_epochs=1,
        weight_decay=0.0,  # would pull the learned ranges towards zero
        seed=recipe.training.seed,
    )
    return dataclasses.replace(recipe.augment, crop_rows=0), training


def fine_tune(
    model: keras.Model,
    train: Examples,
    augment: Augment,
    training: Training,
    progress: Callable[[Epoch], None] = lambda epoch: None,
    state: Path | None = None,
) -> keras.Model:
    """A fake-quantized model with folded normalisations, fine-tuned to ``model``, which stays as it is.

    Args:
        model: functional, trained.
        train: its training part.
        augment: what happens to the examples.
        training: see ``schedule``.
        progress: called after every epoch.
        state: a file that keeps the training's state, and from which a training that was cut off goes on.

    Raises:
        ModelError: the model has a layer that cannot be prepared.
    """
    prepared = prepare(model)
    observe(prepared, train.x)
    inputs = keras.Input(model.input_shape[1:], name="clips")
    both = keras.Model(inputs, [prepared(inputs), Answers(model)(inputs)], name="imitation")
    objective = Imitation(model.output_shape[-1], None, Heads(), Teacher())
    run = checkpoint.digest(
        [
            dataclasses.asdict(augment),
            dataclasses.asdict(training),
            checkpoint.of_weights(model),
            len(train.y),
        ]
    )
    loop.fit(both, train, None, loop.Plan(augment, training, objective, state_file=state, run=run), progress)
    return prepared


def to_int8(prepared: keras.Model) -> bytes:
    """The int8 ``.tflite`` of a fine-tuned model: its weights on their grids, the learned ranges on its tensors.

    Raises:
        ModelError: the converter finds a result without a range.
    """
    quantizing = [layer for layer in prepared.layers if isinstance(layer, _RoundedKernel)]
    trained = [layer.kernel.numpy() for layer in quantizing]
    for layer in quantizing:
        layer.kernel.assign(layer.rounded())
        layer.exporting = True
    try:
        function = source.forward(prepared, tuple(prepared.input_shape[1:]))
        with zoo.quiet():
            converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.inference_input_type = tf.int8
            converter.inference_output_type = tf.int8
            return bytes(converter.convert())
    except Exception as error:
        raise ModelError("TensorFlow Lite cannot convert the fine-tuned model", details=str(error)) from error
    finally:
        for layer, kernel in zip(quantizing, trained, strict=True):
            layer.kernel.assign(kernel)
            layer.exporting = False


def prepare(model: keras.Model) -> keras.Model:
    """The model with folded normalisations and fake quantization; ranges are still to be observed."""
    graph = layer_graph.of(model)
    folded = _folded(graph)
    kept = {norm for _, norm in folded}
    ends = _ends(graph, dict(folded), kept)
    inputs: dict[int, Any] = {}

    def clone(layer: Any) -> Any:
        if layer.name in kept:
            return layers.Identity(name=layer.name)
        if isinstance(layer, layers.BatchNormalization):
            return Affine(name=layer.name)
        if isinstance(layer, _DROPOUT):  # the answers to imitate have none
            return layers.Identity(name=layer.name)
        for kind, rounded in _ROUNDED:
            if type(layer) is kind:
                return rounded.from_config({**layer.get_config(), "use_bias": True})
        return layer.__class__.from_config(layer.get_config())

    def call(layer: keras.Layer, *arguments: Any, **options: Any) -> Any:
        options.pop("mask", None)  # padded sequences do not occur; Keras offers the argument to every layer
        if len(graph.before.get(layer.name, ())) == 1 and not graph.before[graph.before[layer.name][0]]:
            source_name = graph.before[layer.name][0]
            x = arguments[0]
            if id(x) not in inputs:
                inputs[id(x)] = FakeQuant(name=f"{source_name}_range")(x)
            arguments = (inputs[id(x)], *arguments[1:])
        result = layer(*arguments, **options)
        return FakeQuant(name=f"{layer.name}_range")(result) if layer.name in ends else result

    prepared = keras.models.clone_model(model, clone_function=clone, call_function=call)
    _transfer(model, prepared, dict(folded))
    return prepared


def observe(prepared: keras.Model, inputs: Array) -> None:
    """Set every range to the extremes over at most 256 evenly chosen clips."""
    found = [layer for layer in _all_layers(prepared) if isinstance(layer, FakeQuant)]
    for layer in found:
        layer.observing = True
    clips = calibrate.evenly(inputs)
    for start in range(0, len(clips), 16):
        prepared(clips[start : start + 16], training=False)
    for layer in found:
        layer.observing = False


class Answers(layers.Layer):  # type: ignore[misc]
    """What a network answers at inference; its weights are none of this layer's."""

    def __init__(self, model: keras.Model) -> None:
        super().__init__(name="answers", trainable=False)
        # Behind a function: Keras would count the model's weights among this layer's.
        self._answer: Callable[[Any], Any] = lambda x: model(x, training=False)
        self._classes = int(model.output_shape[-1])

    def call(self, x: Any) -> Any:
        """The answers."""
        return tf.stop_gradient(self._answer(x))

    def compute_output_shape(self, shape: Any) -> Any:
        """One probability per class."""
        return (shape[0], self._classes)


@keras.saving.register_keras_serializable("ascmcu")
class FakeQuant(layers.Layer):  # type: ignore[misc]
    """Rounds to 256 levels between two learned ends; passes values through while it is observing them."""

    def build(self, shape: Any) -> None:
        """Two scalars."""
        self.low = self.add_weight(shape=(), initializer="zeros", name="low")
        self.high = self.add_weight(shape=(), initializer="zeros", name="high")
        self.observing = False

    def call(self, x: Any) -> Any:
        """The rounded values."""
        if self.observing:
            self.low.assign(tf.minimum(self.low.value, tf.reduce_min(x)))
            self.high.assign(tf.maximum(self.high.value, tf.reduce_max(x)))
            return x
        # The op wants low < high; a range never closes, and always holds zero.
        low = tf.minimum(self.low.value, 0.0)
        high = tf.maximum(tf.maximum(self.high.value, 0.0), low + 1e-6)
        return tf.quantization.fake_quant_with_min_max_vars(x, low, high, num_bits=8)


@keras.saving.register_keras_serializable("ascmcu")
class Affine(layers.Layer):  # type: ignore[misc]
    """A normalisation that no convolution can take in: a factor and an offset per channel (MUL, then ADD)."""

    def build(self, shape: Any) -> None:
        """A factor and an offset for each channel."""
        self.factor = self.add_weight(shape=(shape[-1],), initializer="ones", name="factor")
        self.offset = self.add_weight(shape=(shape[-1],), initializer="zeros", name="offset")
        self.scaled = FakeQuant(name=f"{self.name}_scaled")
        self.scaled.build(shape)

    def call(self, x: Any) -> Any:
        """x × factor + offset."""
        return self.scaled(x * self.factor.value) + self.offset.value


class _RoundedKernel:
    """A layer whose kernel is rounded to 255 levels per output channel, symmetric about zero."""

    exporting = False
    kernel: Any
    bias: Any

    def rounded(self) -> Any:
        """The kernel on its grid."""
        flat = tf.reshape(self.kernel.value, (-1, self.channels()))
        largest = tf.stop_gradient(tf.maximum(tf.reduce_max(tf.abs(flat), axis=0), 1e-7))
        on_grid = tf.quantization.fake_quant_with_min_max_vars_per_channel(
            flat, -largest, largest, num_bits=8, narrow_range=True
        )
        return tf.reshape(on_grid, self.kernel.shape)

    def channels(self) -> int:
        """Output channels, the last axis (the last two of a depthwise kernel)."""
        return int(self.kernel.shape[-1])

    def used(self) -> Any:
        """What the layer computes with; on export the kernel is on its grid already."""
        return self.kernel.value if self.exporting else self.rounded()


@keras.saving.register_keras_serializable("ascmcu")
class RoundedConv2D(_RoundedKernel, layers.Conv2D):  # type: ignore[misc]
    """Conv2D."""

    def call(self, x: Any) -> Any:
        """As Conv2D."""
        return self.activation(self.convolution_op(x, self.used()) + self.bias.value)


@keras.saving.register_keras_serializable("ascmcu")
class RoundedDepthwiseConv2D(_RoundedKernel, layers.DepthwiseConv2D):  # type: ignore[misc]
    """DepthwiseConv2D."""

    def channels(self) -> int:
        """Channels by multipliers."""
        return int(self.kernel.shape[-1] * self.kernel.shape[-2])

    def call(self, x: Any) -> Any:
        """As DepthwiseConv2D."""
        y = keras.ops.depthwise_conv(
            x, self.used(), strides=self.strides, padding=self.padding, dilation_rate=self.dilation_rate
        )
        return self.activation(y + self.bias.value)


@keras.saving.register_keras_serializable("ascmcu")
class RoundedDense(_RoundedKernel, layers.Dense):  # type: ignore[misc]
    """Dense."""

    def call(self, x: Any) -> Any:
        """As Dense."""
        return self.activation(keras.ops.matmul(x, self.used()) + self.bias.value)


_ROUNDED: tuple[tuple[Any, Any], ...] = (
    (layers.Conv2D, RoundedConv2D),
    (layers.DepthwiseConv2D, RoundedDepthwiseConv2D),
    (layers.Dense, RoundedDense),
)


def _folded(graph: LayerGraph) -> list[tuple[str, str]]:
    """Pairs of a convolution and the normalisation that it takes in."""
    pairs = []
    for name in graph.order:
        layer = graph.layers[name]
        if isinstance(layer, _FOLDABLE) and _linear(layer):
            follower = _beyond_dropout(graph, name)
            if follower and isinstance(graph.layers[follower], layers.BatchNormalization):
                pairs.append((name, follower))
    return pairs


def _ends(graph: LayerGraph, folded: dict[str, str], kept: set[str]) -> set[str]:
    """The layers behind which a range is observed: the last of what the converter fuses into one operator."""
    found = set()
    for name in graph.order:
        layer = graph.layers[name]
        if isinstance(layer, _SAME_SCALE) or name in folded or _fixed_range(layer):
            continue
        follower = _beyond_dropout(graph, name)
        fuses = isinstance(layer, (*_FOLDABLE, layers.BatchNormalization, layers.Add, layers.Multiply))
        if fuses and follower and _linear(layer) and _is_relu(graph.layers[follower]):
            continue
        found.add(name)
    return found


def _transfer(model: keras.Model, prepared: keras.Model, folded: dict[str, str]) -> None:
    for layer in model.layers:
        target = prepared.get_layer(layer.name)
        if isinstance(target, _RoundedKernel):
            kernel, *bias = [np.asarray(w) for w in layer.get_weights()]
            depthwise = isinstance(layer, layers.DepthwiseConv2D)
            width = kernel.shape[-2] * kernel.shape[-1] if depthwise else kernel.shape[-1]
            offset = bias[0] if bias else np.zeros(width, np.float32)
            if layer.name in folded:
                factor, shift = _affine(model.get_layer(folded[layer.name]))
                kernel = kernel * (factor.reshape(kernel.shape[-2:]) if depthwise else factor)
                offset = offset * factor + shift
            target.kernel.assign(kernel)
            target.bias.assign(offset)
        elif isinstance(target, Affine):
            factor, shift = _affine(layer)
            target.factor.assign(factor)
            target.offset.assign(shift)
        elif type(target) is type(layer):
            target.set_weights(layer.get_weights())


def _affine(norm: keras.Layer) -> tuple[Array, Array]:
    """Factor and offset of a normalisation at inference."""
    deviation = np.sqrt(np.asarray(norm.moving_variance) + norm.epsilon)
    factor = (np.asarray(norm.gamma) if norm.scale else np.float32(1.0)) / deviation
    offset = (np.asarray(norm.beta) if norm.center else np.float32(0.0)) - np.asarray(
        norm.moving_mean
    ) * factor
    return factor.astype(np.float32), offset.astype(np.float32)


def _beyond_dropout(graph: LayerGraph, name: str) -> str | None:
    follower = graph.only_consumer(name)
    while follower and isinstance(graph.layers[follower], _DROPOUT):
        follower = graph.only_consumer(follower)
    return follower


def _activation(layer: keras.Layer) -> str:
    if isinstance(layer, layers.Softmax):
        return "softmax"
    function = getattr(layer, "activation", None)
    return "linear" if function is None else str(getattr(function, "__name__", "?"))


def _linear(layer: keras.Layer) -> bool:
    return _activation(layer) == "linear"


def _is_relu(layer: keras.Layer) -> bool:
    if isinstance(layer, layers.ReLU):
        return not layer.negative_slope and not layer.threshold and layer.max_value in (None, 6, 6.0)
    return isinstance(layer, layers.Activation) and _activation(layer) in ("relu", "relu6")


def _fixed_range(layer: keras.Layer) -> bool:
    # A dense layer that ends in a softmax becomes two operators: its own result would have no range.
    if isinstance(layer, _FOLDABLE) and _activation(layer) in _FIXED_RANGE:
        raise ModelError(
            "fake quantization needs each activation as a layer of its own",
            where=layer.name,
            found=_activation(layer),
        )
    return _activation(layer) in _FIXED_RANGE


def _all_layers(model: keras.Model) -> list[keras.Layer]:
    return [layer for outer in model.layers for layer in outer._flatten_layers()]
