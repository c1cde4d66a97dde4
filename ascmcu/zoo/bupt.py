# SPDX-License-Identifier: Apache-2.0
"""ResNet of Zhang, Ren and Li, BUPT (DCASE 2020, task 1b): five residual blocks, the first four on few taps.

Input (time, mel, channels), published (280, 256, 2): 1,059,590 trained parameters (a normalisation's statistics
are not counted). The submission is this network after pruning to 83,974, by widths that the report does not give;
``widths=(36, 72)`` is a uniform one of nearly that size, 86,046. Order of layers and the padding of the first
convolution follow CP-ResNet (Koutini et al. 2019), which has the report's list of kernels; the pools follow the
report.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

# Kernel sizes of each block's two convolutions.
KERNELS = ((3, 1), (3, 3), (3, 3), (3, 1), (1, 1))


def build(shape: tuple[int, ...], classes: int, *, widths: Sequence[int] = (128, 256)) -> keras.Model:
    """A network (time, mel, channels) → (classes,) probabilities.

    Args:
        shape: input shape without the batch.
        classes: how many.
        widths: channels of the first four blocks, and of the last.
    """
    inputs = keras.Input(shape, name="features")
    x = layers.ZeroPadding2D(1, name="stem_pad")(inputs)
    x = layers.Conv2D(widths[0], 5, 2, use_bias=False, kernel_initializer="he_normal", name="stem")(x)
    x = layers.BatchNormalization(name="stem_norm")(x)
    x = layers.ReLU(name="stem_relu")(x)
    for number, kernels in enumerate(KERNELS, start=1):
        width = widths[1] if number == len(KERNELS) else widths[0]
        x = _residual(x, width, kernels, f"block{number}")
        x = layers.MaxPooling2D(2, name=f"pool{number}")(x)
    x = _conv_norm(x, classes, 1, "classes")
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(inputs, layers.Softmax(name="probabilities")(x), name="bupt")


def _residual(x: keras.KerasTensor, width: int, kernels: tuple[int, int], name: str) -> keras.KerasTensor:
    shortcut = x if x.shape[-1] == width else _conv_norm(x, width, 1, f"{name}_shortcut")
    y = _conv_norm(x, width, kernels[0], f"{name}_first")
    y = layers.ReLU(name=f"{name}_first_relu")(y)
    y = _conv_norm(y, width, kernels[1], f"{name}_second")
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([y, shortcut]))


def _conv_norm(x: keras.KerasTensor, width: int, kernel: int, name: str) -> keras.KerasTensor:
    x = layers.Conv2D(
        width, kernel, padding="same", use_bias=False, kernel_initializer="he_normal", name=name
    )(x)
    return layers.BatchNormalization(name=f"{name}_norm")(x)
