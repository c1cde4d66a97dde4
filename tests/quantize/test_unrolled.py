# SPDX-License-Identifier: Apache-2.0
"""Recurrent layers of a ``.keras`` are unrolled for calibration, and left as they were."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from ascmcu.errors import ModelError
from ascmcu.quantize import flatbuffer, source
from tests.support.tflite_builder import OperatorSpec, TensorSpec, VariableSpec, build


def test_loops_of_keras_are_unrolled() -> None:
    layers = [keras.Input((4, 3)), keras.layers.GRU(2), keras.layers.Dense(2)]
    model = keras.Sequential(layers)
    assert flatbuffer.subgraphs(source.of_keras(model).tflite) == 1
    assert not model.layers[0].unroll


def test_loops_of_a_file_are_named() -> None:
    with pytest.raises(ModelError, match="a model with loops or variables cannot be quantized") as refused:
        flatbuffer.parse(_of_two_graphs())
    assert refused.value.found == 2


def _of_two_graphs() -> bytes:
    """A network with a variable, whose initial value stands in a graph of its own."""
    tensors = [TensorSpec(name, (1, 2), "float32") for name in ("x", "state", "y")]
    variable = VariableSpec("state", 1, 2, np.zeros((1, 2), np.float32))
    return build(tensors, [OperatorSpec("ADD", [0, 1], [2])], [0], [2], variables=[variable])
