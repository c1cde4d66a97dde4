"""Post-training quantization: a Keras model becomes a fully int8 ``.tflite``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from ascmcu import zoo
from ascmcu.errors import DataError, ModelError

CALIBRATION_CLIPS = 256


def int8(model: keras.Model, calibration: npt.NDArray[np.float32]) -> bytes:
    """Convert to int8 weights (per output channel) and activations, input and output included.

    Args:
        model: one input (rows, bands, channels) or any other fixed shape.
        calibration: real inputs, float32 (clips, *input shape); up to 256 evenly chosen ones set the ranges
            of the activations (minimum and maximum).

    Raises:
        DataError: the calibration data does not have the model's input shape.
        ModelError: the model has an operator that TensorFlow Lite cannot quantize.
    """
    shape = tuple(model.input_shape[1:])
    if len(calibration) == 0 or calibration.shape[1:] != shape:
        raise DataError(
            "the calibration data does not fit the model",
            expected=f"(clips, {shape})",
            found=calibration.shape,
        )
    # Frozen at batch one, so that no shape is computed at run time and every constant is foldable.
    frozen = convert_variables_to_constants_v2(_forward(model, shape))
    try:
        with zoo.quiet():
            converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: _evenly(calibration)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = tf.int8
            converter.inference_output_type = tf.int8
            return bytes(converter.convert())
    except Exception as error:
        raise ModelError("TensorFlow Lite cannot quantize the model", details=str(error)) from error


def load(path: Path) -> keras.Model:
    """A saved Keras model (``.keras``, or Keras' legacy ``.h5``).

    Raises:
        ModelError: it cannot be read.
    """
    try:
        with zoo.quiet():
            return keras.saving.load_model(path, compile=False)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError("this is no Keras model", where=str(path), found=str(error)) from error


def _forward(model: keras.Model, shape: tuple[int, ...]) -> tf.types.experimental.ConcreteFunction:
    function = tf.function(lambda features: model(features, training=False), autograph=False)
    return function.get_concrete_function(tf.TensorSpec((1, *shape), tf.float32, name="features"))


def _evenly(calibration: npt.NDArray[np.float32]) -> Iterator[list[npt.NDArray[np.float32]]]:
    count = min(CALIBRATION_CLIPS, len(calibration))
    for index in np.linspace(0, len(calibration) - 1, count).round().astype(int):
        yield [calibration[index : index + 1].astype(np.float32)]
