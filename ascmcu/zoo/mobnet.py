# SPDX-License-Identifier: Apache-2.0
"""Mobnet of Hu et al. (DCASE 2020, task 1b): inverted residuals on two halves of the mel axis, a common head.

Input (mel, time, channels). The published weights have ``alpha`` 1 on (128, 461, 6): 152,838 parameters.
"""

from __future__ import annotations

import keras
from keras import layers

STEM_FILTERS = 32
STAGE_FILTERS = (32, 40, 48)
UNITS = 3
EXPANSION = 2


def build(
    shape: tuple[int, ...],
    classes: int,
    *,
    alpha: float = 1.0,
    units: int = UNITS,
    head_filters: int = 48,
    dropout: float = 0.3,
    weight_decay: float = 1e-3,
) -> keras.Model:
    """A network (mel, time, channels) → (classes,) probabilities.

    Args:
        shape: input shape without the batch; an even number of mel bands.
        classes: how many.
        alpha: scales the widths of the stages.
        units: inverted residuals in each stage.
        head_filters: width of the head's first convolution.
        dropout: rate within the head.
        weight_decay: L2 of the head's two convolutions, the only ones that have it.
    """
    inputs = keras.Input(shape, name="features")
    half = shape[0] // 2
    low = branch(layers.Cropping2D(((0, half), (0, 0)), name="low_bands")(inputs), alpha, units, "low")
    high = branch(layers.Cropping2D(((half, 0), (0, 0)), name="high_bands")(inputs), alpha, units, "high")
    x = layers.Concatenate(axis=1, name="bands")([low, high])
    x = trunk(x, head_filters, dropout, weight_decay)
    return keras.Model(inputs, classifier(x, classes, weight_decay, "scene"), name="mobnet")


def branch(x: keras.KerasTensor, alpha: float, units: int, name: str) -> keras.KerasTensor:
    """Stem, three stages of inverted residuals, and a 1 × 1 convolution; both axes are halved four times."""
    x = layers.Conv2D(STEM_FILTERS, 3, 2, padding="same", name=f"{name}_stem")(x)
    x = _norm_relu(x, f"{name}_stem")
    for stage, filters in enumerate(STAGE_FILTERS, start=1):
        for unit in range(1, units + 1):
            stride = 2 if unit == 1 else 1
            x = _inverted_residual(x, int(filters * alpha), stride, f"{name}_{stage}_{unit}")
    last = 56 if alpha <= 1 else _divisible(80 * alpha)
    x = layers.Conv2D(last, 1, padding="same", name=f"{name}_last")(x)
    return _norm_relu(x, f"{name}_last")


def trunk(x: keras.KerasTensor, filters: int, dropout: float, weight_decay: float) -> keras.KerasTensor:
    """What the classifiers share: normalise, rectify, mix the channels, normalise."""
    x = _plain_norm(x, "head")
    x = layers.ReLU(name="head_relu")(x)
    x = _regularised(filters, weight_decay, "head_conv")(x)
    x = layers.Dropout(dropout, name="head_dropout")(x)
    return _plain_norm(x, "head_out")


def classifier(x: keras.KerasTensor, classes: int, weight_decay: float, name: str) -> keras.KerasTensor:
    """A 1 × 1 convolution to the classes, a normalisation, the mean over the map, softmax."""
    x = _regularised(classes, weight_decay, f"{name}_conv")(x)
    x = _plain_norm(x, f"{name}_out")
    x = layers.GlobalAveragePooling2D(name=f"{name}_mean")(x)
    return layers.Softmax(name=f"{name}_probabilities")(x)


def _inverted_residual(x: keras.KerasTensor, filters: int, stride: int, name: str) -> keras.KerasTensor:
    shortcut = x
    y = layers.Conv2D(EXPANSION * x.shape[-1], 1, padding="same", name=f"{name}_expand")(x)
    y = _norm_relu(y, f"{name}_expand")
    y = layers.DepthwiseConv2D(3, stride, padding="same", name=f"{name}_depth")(y)
    y = _norm_relu(y, f"{name}_depth")
    y = layers.Conv2D(filters, 1, padding="same", name=f"{name}_project")(y)
    y = layers.BatchNormalization(name=f"{name}_project_norm")(y)
    return y if stride == 2 else layers.Add(name=f"{name}_add")([y, shortcut])


def _norm_relu(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.ReLU(name=f"{name}_relu")(layers.BatchNormalization(name=f"{name}_norm")(x))


def _plain_norm(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.BatchNormalization(center=False, scale=False, name=f"{name}_norm")(x)


def _regularised(filters: int, weight_decay: float, name: str) -> layers.Conv2D:
    return layers.Conv2D(
        filters,
        1,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        kernel_regularizer=keras.regularizers.L2(weight_decay) if weight_decay else None,
        name=name,
    )


def _divisible(width: float, by: int = 8) -> int:
    """Rounded to a multiple of ``by``, never more than a tenth below (MobileNetV2's rule)."""
    rounded = max(by, int(width + by / 2) // by * by)
    return rounded + by if rounded < 0.9 * width else rounded
