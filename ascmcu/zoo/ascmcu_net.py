# SPDX-License-Identifier: Apache-2.0
"""Our own network: plain 3 × 3 convolutions that shrink the map early, one 1 × 1, a mean.

Made for the row schedule and for the M4. Every convolution has full depth, so that a loaded weight pair serves
two multiplications; widths are multiples of four, the unit of the kernels; each normalisation folds into the
convolution before it. Strides come first: the wide, slow layers see few rows, and their rings stay short.
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
    stem_kernel: Sequence[int] = (5, 5),
    filters: Sequence[int] = (24, 32, 48, 64, 96),
    strides: Sequence[int] = (2, 1, 2, 2, 1),
    head_filters: int = 96,
    dropout: float = 0.2,
) -> keras.Model:
    """A network (time, mel, channels) → (classes,) probabilities.

    Args:
        shape: input shape without the batch.
        classes: how many.
        stem_filters, stem_kernel: the first convolution, of stride two in time and mel.
        filters: output channels of each 3 × 3 convolution that follows.
        strides: the stride of each, equal in time and mel.
        head_filters: width of the 1 × 1 convolution before the mean.
        dropout: rate before the classifier.
    """
    inputs = keras.Input(shape, name="features")
    x = _conv(inputs, stem_filters, tuple(stem_kernel), 2, "stem")
    for index, (width, stride) in enumerate(zip(filters, strides, strict=True), start=1):
        x = _conv(x, width, (3, 3), stride, f"conv{index}")
    x = _conv(x, head_filters, (1, 1), 1, "head")
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    x = layers.Dense(classes, name="classifier")(x)
    return keras.Model(inputs, layers.Softmax(name="probabilities")(x), name="ascmcu_net")


def _conv(
    x: keras.KerasTensor, width: int, kernel: tuple[int, ...], stride: int, name: str
) -> keras.KerasTensor:
    x = layers.Conv2D(width, kernel, stride, padding="same", use_bias=False, name=name)(x)
    # Some hundred clips give few steps per epoch: the default of 0.99 would lag behind the weights.
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)
