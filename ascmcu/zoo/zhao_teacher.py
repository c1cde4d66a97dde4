# SPDX-License-Identifier: Apache-2.0
"""The teacher of Zhao's one-branch Mobnet: an 18-layer pre-activation ResNet on two halves of the mel axis.

After McDonnell and Gao (DCASE 2019, task 1), whose network never halves the mel axis: strides are in time alone,
and where channels double, the shortcut is padded with zeros. Input (mel, time, channels).
"""

from __future__ import annotations

import keras
from keras import layers

STACKS = 4
UNITS = 2


def build(
    shape: tuple[int, ...],
    classes: int,
    *,
    groups: int = 3,
    filters: int = 24,
    units: int = UNITS,
    weight_decay: float = 1e-3,
) -> keras.Model:
    """A network (mel, time, channels) → probabilities (classes,) and, unless ``groups`` is 0, (groups,).

    Args:
        shape: input shape without the batch; an even number of mel bands.
        classes: of the first classifier: the scenes.
        groups: of the second: indoor, outdoor, transportation. 0 leaves it out.
        filters: of the first stack; each further one has twice as many.
        units: residual units in each stack.
        weight_decay: L2 of all convolutions.
    """
    inputs = keras.Input(shape, name="features")
    half = shape[0] // 2
    low = layers.Cropping2D(((0, half), (0, 0)), name="low_bands")(inputs)
    low = _branch(low, filters, units, weight_decay, "low")
    high = layers.Cropping2D(((half, 0), (0, 0)), name="high_bands")(inputs)
    high = _branch(high, filters, units, weight_decay, "high")
    x = layers.Concatenate(axis=1, name="bands")([low, high])
    x = layers.ReLU(name="head_relu")(_norm(x, "head"))
    x = _conv(2 * filters * 2**STACKS, 1, 1, weight_decay, "head_conv")(x)
    x = _norm(x, "head_out")
    outputs = [_classifier(x, classes, weight_decay, "scene")]
    if groups:
        outputs.append(_classifier(x, groups, weight_decay, "group"))
    return keras.Model(inputs, outputs if groups else outputs[0], name="zhao_teacher")


def _branch(
    x: keras.KerasTensor, filters: int, units: int, weight_decay: float, name: str
) -> keras.KerasTensor:
    x = _conv(filters, 3, (1, 2), weight_decay, f"{name}_stem")(_norm(x, f"{name}_input"))
    for stack in range(STACKS):
        for unit in range(units):
            stride = (1, 2) if stack and not unit else (1, 1)
            x = _unit(x, filters * 2**stack, stride, weight_decay, f"{name}_{stack + 1}_{unit + 1}")
    return x


def _unit(
    x: keras.KerasTensor, filters: int, stride: tuple[int, int], weight_decay: float, name: str
) -> keras.KerasTensor:
    shortcut = x
    for number, step in enumerate((stride, (1, 1)), start=1):
        y = layers.ReLU(name=f"{name}_relu{number}")(_norm(x, f"{name}_{number}"))
        x = _conv(filters, 3, step, weight_decay, f"{name}_conv{number}")(y)
    if stride != (1, 1):
        shortcut = layers.AveragePooling2D(3, stride, padding="same", name=f"{name}_pool")(shortcut)
    missing = filters - shortcut.shape[-1]
    if missing:
        # Called channels first, the layer pads the last axis, which holds the channels here.
        pad = layers.ZeroPadding2D(((0, 0), (0, missing)), data_format="channels_first", name=f"{name}_pad")
        shortcut = pad(shortcut)
    return layers.Add(name=f"{name}_add")([x, shortcut])


def _classifier(x: keras.KerasTensor, classes: int, weight_decay: float, name: str) -> keras.KerasTensor:
    x = _norm(_conv(classes, 1, 1, weight_decay, f"{name}_conv")(x), f"{name}_out")
    x = layers.GlobalAveragePooling2D(name=f"{name}_mean")(x)
    return layers.Softmax(name=f"{name}_probabilities")(x)


def _conv(
    filters: int, kernel: int, stride: int | tuple[int, int], weight_decay: float, name: str
) -> layers.Conv2D:
    return layers.Conv2D(
        filters,
        kernel,
        stride,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        kernel_regularizer=keras.regularizers.L2(weight_decay) if weight_decay else None,
        name=name,
    )


def _norm(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.BatchNormalization(center=False, scale=False, name=f"{name}_norm")(x)
