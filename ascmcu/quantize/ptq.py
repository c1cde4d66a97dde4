# SPDX-License-Identifier: Apache-2.0
"""Post-training quantization: a Keras model becomes a fully int8 ``.tflite``."""

from __future__ import annotations

import keras
import numpy as np
import numpy.typing as npt

from ascmcu.quantize import calibrate, source, static

CALIBRATION_CLIPS = calibrate.CLIPS


def int8(model: keras.Model, calibration: npt.NDArray[np.float32], method: str = "minmax") -> bytes:
    """Convert to int8 weights (per output channel) and activations, input and output included.

    Args:
        model: one input (rows, bands, channels) or any other fixed shape.
        calibration: real inputs, float32 (clips, *input shape); up to 256 evenly chosen ones set the ranges
            of the activations.
        method: how, see ``ascmcu.quantize.calibrate``.

    Raises:
        DataError: the calibration data does not have the model's input shape.
        ModelError: the model has an operator that TensorFlow Lite cannot quantize.
    """
    calibrate.check(calibration, tuple(model.input_shape[1:]))
    return static.int8(source.to_float_tflite(model), calibration, method)
