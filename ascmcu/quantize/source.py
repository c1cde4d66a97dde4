# SPDX-License-Identifier: Apache-2.0
"""Load a float model of any supported format as a float32 ``.tflite`` with batch size 1."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from ascmcu import zoo
from ascmcu.data import model_kinds, model_labels
from ascmcu.errors import InputError, ModelError
from ascmcu.features.spec import Learned
from ascmcu.quantize import flatbuffer, metadata, onnx
from ascmcu.train.recipe import Recipe
from ascmcu.zoo import _branches as branches


@dataclass(frozen=True)
class Source:
    """A float model.

    Attributes:
        tflite: float32 weights and activations, input shape fixed at batch one.
        format: what the file held: ``keras``, ``saved_model``, ``onnx``, ``float``, ``fp16`` or ``dynamic``.
        keras: the Keras model, where there is one: what training and slimming need.
        features, labels, task: what a ``.tflite`` carried; a run's network has the labels and the task of its run.
        per_layer: the weights lie on int8 grids of one scale per layer.
    """

    tflite: bytes
    format: str
    keras: keras.Model | None = None
    features: Learned | None = None
    labels: tuple[str, ...] = ()
    task: str = ""
    per_layer: bool = False

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Without the batch."""
        return flatbuffer.input_shape(self.tflite)


def load(path: Path, recipe: Recipe | None = None) -> Source:
    """Read a ``.keras``, legacy ``.h5``, SavedModel folder, ``.onnx`` or ``.tflite`` (float, fp16 or dynamic-range).

    Args:
        path: the model.
        recipe: the recipe of the network, for an ``.h5`` that holds only weights or code that cannot be read
            back (a Lambda layer): the weights are then loaded into the recipe's network.

    Raises:
        InputError: there is nothing at the path.
        ModelError: it is no model, or one that is quantized already.
    """
    if not path.exists():
        raise InputError("no such model", where=str(path))
    if path.is_dir():
        return Source(_of_saved_model(path), "saved_model")
    if path.suffix == ".tflite":
        return _of_tflite(path)
    if path.suffix.lower() == ".onnx":
        return Source(onnx.to_tflite(path), "onnx")
    model_kinds.refuse_torch(path)
    labels, task = _told_by_run(path)
    return dataclasses.replace(of_keras(load_keras(path, recipe)), labels=labels, task=task)


def _told_by_run(network: Path) -> tuple[tuple[str, ...], str]:
    """What the network was trained on and for, from the metrics that ``ascmcu train`` writes beside it."""
    try:
        told = json.loads((network.parent / "metrics.json").read_text(encoding="utf-8"))
        labels, task = tuple(map(str, told["labels"])), str(told.get("task", ""))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return (), ""
    return (labels, task) if network.name == "model.keras" else ((), "")


def of_keras(model: keras.Model) -> Source:
    """A Keras model; branches that were trained side by side are one convolution from here on."""
    model = branches.folded(model)
    if any(extent is None for extent in model.input_shape[1:]):
        raise ModelError("the model's input has a dynamic dimension", found=model.input_shape)
    return Source(to_float_tflite(model), "keras", model)


def load_keras(path: Path, recipe: Recipe | None = None) -> keras.Model:
    """A saved Keras model, or a recipe's network with the weights of an ``.h5``.

    Raises:
        ModelError: it cannot be read, or the weights are another network's.
    """
    try:
        with zoo.quiet():
            return keras.saving.load_model(path, compile=False)
    except Exception as error:  # Keras raises whatever its deserialisers happen to raise
        if recipe is None:
            raise ModelError(
                "the Keras model cannot be loaded",
                where=str(path),
                found=str(error).strip().splitlines()[0][:200],
                hint="for weights of a known network (or a file with Lambda layers) give its --recipe",
            ) from error
    return _weights(path, recipe)


def _weights(path: Path, recipe: Recipe) -> keras.Model:
    shape = recipe.features.input_shape[1:]
    try:
        import h5py

        with h5py.File(path) as file:
            weights = file.get("model_weights", file)
            names = [n.decode() if isinstance(n, bytes) else n for n in weights.attrs["layer_names"]]
            last = [n for n in names if len(weights[n].attrs["weight_names"])][-1]
            classes = int(next(iter(_datasets(weights[last]))).shape[-1])
        model = zoo.build(recipe.network.name, shape, classes, recipe.network.options, recipe.training.task)
        with zoo.quiet():
            model.load_weights(path)
    except (OSError, ValueError, KeyError, IndexError, StopIteration) as error:
        raise ModelError(
            "the weights do not fit the recipe's network",
            where=str(path),
            expected=f"weights of {recipe.network.name} in Keras' HDF5",
            found=str(error).strip().splitlines()[0][:200],
        ) from error
    return model


def _datasets(group: Any) -> list[Any]:
    found: list[Any] = []
    group.visititems(lambda _, item: found.append(item) if hasattr(item, "shape") else None)
    return found


def to_float_tflite(model: keras.Model) -> bytes:
    """Convert without quantization; branches are folded, and normalisations where the converter can.

    Raises:
        ModelError: TensorFlow Lite has no such operator.
    """
    model = branches.folded(model)
    shape = tuple(model.input_shape[1:])
    made = _convert(forward(model, shape))
    if flatbuffer.subgraphs(made) == 1:
        return made
    with _unrolled(model):
        return _convert(forward(model, shape))


@contextlib.contextmanager
def _unrolled(model: keras.Model) -> Iterator[None]:
    """Recurrent layers are written turn by turn: the values inside a loop cannot be calibrated."""
    layers = [layer for layer in model._flatten_layers() if getattr(layer, "unroll", True) is False]
    for layer in layers:
        layer.unroll = True
    try:
        yield
    finally:
        for layer in layers:
            layer.unroll = False


def forward(model: keras.Model, shape: tuple[int, ...]) -> tf.types.experimental.ConcreteFunction:
    """Inference at batch one, so that no shape is computed at run time and every constant is foldable."""
    function = tf.function(lambda features: model(features, training=False), autograph=False)
    concrete = function.get_concrete_function(tf.TensorSpec((1, *shape), tf.float32, name="features"))
    return convert_variables_to_constants_v2(concrete)


def _of_saved_model(path: Path) -> bytes:
    try:
        with zoo.quiet():
            loaded = tf.saved_model.load(str(path))
            signature = loaded.signatures["serving_default"]
    except (OSError, KeyError, ValueError) as error:
        raise ModelError("not a SavedModel", where=str(path), found=str(error)[:200]) from error
    (spec, *others) = signature.structured_input_signature[1].items()
    name, tensor = spec
    shape = tensor.shape[1:].as_list()
    if others or None in shape:
        raise ModelError(
            "the model needs one input of a fixed shape",
            where=str(path),
            found=[s for _, s in (spec, *others)],
        )
    names = sorted(signature.structured_outputs)

    def serve(features: tf.Tensor) -> list[tf.Tensor]:
        answers = signature(**{name: features})
        return [answers[output] for output in names]

    function = tf.function(serve, autograph=False)
    concrete = function.get_concrete_function(tf.TensorSpec((1, *shape), tf.float32, name="features"))
    return _convert(convert_variables_to_constants_v2(concrete))


def _of_tflite(path: Path) -> Source:
    content = path.read_bytes()
    carried = metadata.read(content)
    plain, format = flatbuffer.to_float(content, path.name)
    source = Source(plain, format, per_layer=format == "dynamic" and flatbuffer.per_layer_weights(content))
    features, labels = carried or (None, ())
    task = metadata.task(content)
    return dataclasses.replace(source, features=features, labels=labels or _label_file(content), task=task)


def _label_file(content: bytes) -> tuple[str, ...]:
    """The class names in TensorFlow Lite's own label file, which no conversion keeps."""
    tree = metadata.object_tree(content)
    graph = tree.subgraphs[0]
    shape = graph.tensors[graph.outputs[0]].shape
    values = int(shape[-1]) if shape is not None and len(shape) else 1
    return model_labels.in_file(content, metadata.buffer(content, model_labels.BUFFER), values)[0]


def _convert(function: tf.types.experimental.ConcreteFunction) -> bytes:
    try:
        with zoo.quiet():
            converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
            return bytes(converter.convert())
    except Exception as error:
        raise ModelError("TensorFlow Lite cannot convert the model", details=str(error)) from error
