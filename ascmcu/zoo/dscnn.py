# SPDX-License-Identifier: Apache-2.0
"""DS-CNN: a strided convolution, then depthwise-separable blocks (Zhang et al., "Hello Edge", 2017).

Small and free of anything but convolutions and one mean, so it runs on any board here. A block whose input
and output shapes agree adds its input to its output when ``residual`` is set (MobileNetV2's shortcut without
the expansion).
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers


def build(
    shape: tuple[int, ...],
    classes: int,
    *,
    stem_filters: int = 16,
    stem_kernel: Sequence[int] = (3, 3),
    stem_stride: Sequence[int] = (2, 2),
    filters: Sequence[int] = (24, 32, 48),
    strides: Sequence[int] = (2, 2, 1),
    residual: bool = False,
    dropout: float = 0.1,
) -> keras.Model:
    """A network (time, mel, channels) → (classes,) probabilities.

    Args:
        shape: input shape without the batch.
        classes: how many.
        stem_filters: output channels of the first convolution.
        stem_kernel: its kernel, (time, mel).
        stem_stride: its stride, (time, mel).
        filters: output channels of each separable block.
        strides: stride of each block's depthwise convolution, equal in time and mel.
        residual: add a block's input to its output where the shapes agree.
        dropout: rate before the classifier.
    """
    inputs = keras.Input(shape, name="features")
    x = layers.Conv2D(
        stem_filters, tuple(stem_kernel), tuple(stem_stride), padding="same", use_bias=False, name="stem"
    )(inputs)
    x = _normalised(x, "stem")
    for index, (width, stride) in enumerate(zip(filters, strides, strict=True), start=1):
        x = _separable(x, width, stride, f"block{index}", residual)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    x = layers.Dense(classes, name="classifier")(x)
    return keras.Model(inputs, layers.Softmax(name="probabilities")(x), name="dscnn")


def _normalised(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    # Some hundred clips give few steps per epoch: the default of 0.99 would lag behind the weights.
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def _separable(x: keras.KerasTensor, width: int, stride: int, name: str, residual: bool) -> keras.KerasTensor:
    shortcut = x if residual and stride == 1 and x.shape[-1] == width else None
    x = layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False, name=f"{name}_depth")(x)
    x = _normalised(x, f"{name}_depth")
    x = layers.Conv2D(width, 1, use_bias=False, name=f"{name}_point")(x)
    x = _normalised(x, f"{name}_point")
    return x if shortcut is None else layers.Add(name=f"{name}_add")([x, shortcut])
