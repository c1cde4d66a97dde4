# SPDX-License-Identifier: Apache-2.0
"""Formats with float32 activations: int8 weights per output channel (``dynamic``), or half-precision ones (``fp16``).

Both by AI Edge Quantizer, which takes any float ``.tflite``; TensorFlow's converter would need the Keras model.
"""

from __future__ import annotations

import importlib
from typing import Any

from ascmcu import extras, zoo
from ascmcu.errors import ModelError

# Names as AI Edge Quantizer has them: dynamic, weights int8 per channel, activations float32.
_DYNAMIC = "dynamic_wi8_afp32"
_HALF = [
    {
        "regex": ".*",
        "operation": "*",
        "algorithm_key": "float_casting",
        "op_config": {
            "weight_tensor_config": {
                "num_bits": 16,
                "symmetric": True,
                "granularity": "TENSORWISE",
                "dtype": "FLOAT",
            },
            "compute_precision": "FLOAT",
            "explicit_dequantize": True,
            "skip_checks": False,
        },
    }
]


def dynamic(model: bytes) -> bytes:
    """int8 weights of convolutions and dense layers; everything else stays float32.

    Raises:
        ToolError: AI Edge Quantizer is not installed.
        ModelError: it cannot rewrite the model.
    """
    return _rewrite(model, getattr(_module("recipe"), _DYNAMIC)())


def fp16(model: bytes) -> bytes:
    """Half-precision weights behind DEQUANTIZE operators.

    Raises:
        ToolError: AI Edge Quantizer is not installed.
        ModelError: it cannot rewrite the model.
    """
    return _rewrite(model, _HALF)


def _rewrite(model: bytes, recipe: Any) -> bytes:
    quantizer = _module("quantizer")
    try:
        with zoo.quiet():
            return bytes(quantizer.Quantizer(bytes(model), recipe).quantize().quantized_model)
    except Exception as error:
        raise ModelError("AI Edge Quantizer cannot rewrite the model", details=str(error)) from error


def _module(name: str) -> Any:
    try:
        with zoo.quiet():
            return importlib.import_module(f"ai_edge_quantizer.{name}")
    except ModuleNotFoundError as error:
        raise extras.missing("quantize", "this format needs AI Edge Quantizer", error) from error
