# SPDX-License-Identifier: Apache-2.0
"""Static int8: a float ``.tflite`` with ranges becomes one with int8 weights (per output channel) and activations.

The rewriting is TensorFlow's own, the one that its converter applies after calibration; only the ranges are ours.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import tensorflow as tf
from tensorflow.lite.python import convert

from ascmcu import zoo
from ascmcu.errors import ModelError
from ascmcu.quantize import calibrate, flatbuffer
from ascmcu.quantize.calibrate import Array
from ascmcu.quantize.flatbuffer import Range


def int8(
    model: bytes,
    inputs: Array,
    method: str = "minmax",
    percentile: float = calibrate.DEFAULT_PERCENTILE,
    *,
    per_channel: bool = True,
) -> bytes:
    """Calibrate on real inputs and quantize everything, input and output included.

    Args:
        model: a float ``.tflite``.
        inputs: float32 (clips, *input shape).
        method: a calibrator.
        percentile: of that calibrator.
        per_channel: a scale for each output channel's weights; else one for each layer's.

    Raises:
        DataError: the inputs do not fit the model.
        ModelError: the model has an operator that cannot be int8.
    """
    return apply(model, calibrate.ranges(model, inputs, method, percentile), per_channel=per_channel)


def apply(model: bytes, ranges: Mapping[int, Range], *, per_channel: bool = True) -> bytes:
    """int8 throughout, by these ranges.

    Raises:
        ModelError: the model has an operator that cannot be int8.
    """
    return _quantize(flatbuffer.with_ranges(model, ranges), tf.int8, everything=True, per_channel=per_channel)


def apply_only(model: bytes, ranges: Mapping[int, Range], float_layers: Collection[str]) -> bytes:
    """int8 but for the layers whose output tensor has one of these names; input and output stay float32."""
    return _quantize(
        flatbuffer.with_ranges(model, ranges), tf.float32, everything=False, float_layers=set(float_layers)
    )


def _quantize(
    model: bytes,
    io_type: tf.DType,
    *,
    everything: bool,
    per_channel: bool = True,
    float_layers: set[str] | None = None,
) -> bytes:
    try:
        with zoo.quiet():
            return bytes(
                convert.mlir_quantize(
                    model,
                    disable_per_channel=not per_channel,
                    disable_per_channel_for_dense_layers=not per_channel,
                    fully_quantize=everything,
                    input_data_type=io_type,
                    output_data_type=io_type,
                    denylisted_nodes=float_layers,
                )
            )
    except Exception as error:
        raise ModelError("TensorFlow Lite cannot quantize the model", details=str(error)) from error
