# SPDX-License-Identifier: Apache-2.0
"""The activations that TFLite fuses into operators."""

from __future__ import annotations

from ascmcu.ir.importing import ImportContext

# tflite.ActivationFunctionType
_NAMES = {0: "none", 1: "relu", 2: "relu_n1_to_1", 3: "relu6"}
# Lowest and highest value, where there is one.
BOUNDS: dict[str, tuple[float | None, float | None]] = {
    "none": (None, None),
    "relu": (0.0, None),
    "relu_n1_to_1": (-1.0, 1.0),
    "relu6": (0.0, 6.0),
}


def import_activation(ctx: ImportContext) -> str:
    """The name of the operator's fused activation.

    Raises:
        ModelError: it is not one of none, RELU, RELU6, RELU_N1_TO_1.
    """
    code = int(ctx.option("FusedActivationFunction", 0))
    if code not in _NAMES:
        raise ctx.error("fused activation is not supported", expected=list(_NAMES.values()), found=code)
    return _NAMES[code]
