# SPDX-License-Identifier: Apache-2.0
"""CP-Mobile as the baseline of DCASE 2024 and 2025 task 1 has it (Schmid et al., DCASE 2023 workshop, 2024 challenge).

Two strided convolutions, then inverted bottlenecks in three stages: expansion, depthwise convolution, projection, with
the input added where the widths agree. Where such a block has a stride, the input goes through an average pool whose
zeros at the edges count, as in PyTorch. The classifier is a 1×1 convolution with a normalisation before the mean.

With ``branches`` every convolution but the classifier is trained as parallel ones that become one in the export, as
Rep-Mobile does (Han et al., first of DCASE 2024 task 1, arXiv 2410.20775), whose widths are its own: parameters and
MACs stay those of the network without.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from ascmcu.zoo._branches import Branches


def build(
    shape: tuple[int, ...],
    classes: int,
    *,
    base: int = 32,
    multiplier: float = 1.8,
    expansion: float = 2.1,
    blocks: Sequence[int] = (3, 2, 1),
    strides: Sequence[Sequence[int]] = ((1, 1), (1, 1), (2, 1), (1, 2), (1, 1), (1, 1)),
    branches: int = 0,
) -> keras.Model:
    """A network (time, mel, channels) → (classes,) probabilities.

    Args:
        shape: input shape without the batch; (65, 256, 1) in the baseline.
        classes: how many.
        base: channels behind the first two convolutions.
        multiplier: of the width from one stage to the next.
        expansion: of the width within a block, before rounding to a multiple of eight.
        blocks: in every stage.
        strides: of every block, (time, mel).
        branches: copies of each whole kernel in training, beside one of 1×1 and the input; 0: plain convolutions.
    """
    base = _divisible(base)
    widths = [_divisible(base * multiplier**stage) for stage in range(len(blocks))]
    inputs = keras.Input(shape, name="features")
    x = _convolution(inputs, base // 4, 3, (2, 2), "stem1", branches)
    x = _convolution(x, base, 3, (2, 2), "stem2", branches)
    number = 0
    for width, count in zip(widths, blocks, strict=True):
        for _ in range(count):
            x = _block(x, width, expansion, tuple(strides[number]), f"block{number + 1}", branches)
            number += 1
    x = layers.Conv2D(classes, 1, use_bias=False, name="classifier")(x)
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name="classifier_norm")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(inputs, layers.Softmax(name="probabilities")(x), name="cp_mobile")


def _divisible(width: float, by: int = 8) -> int:
    """The nearest multiple of eight, at least 90 % of the width (MobileNetV2's rule)."""
    rounded = max(by, int(width + by / 2) // by * by)
    return rounded + by if rounded < 0.9 * width else rounded


def _convolution(
    x: keras.KerasTensor,
    width: int,
    kernel: int,
    stride: tuple[int, ...],
    name: str,
    branches: int,
    relu: bool = True,
) -> keras.KerasTensor:
    """Normalised; width 0 filters each channel by itself."""
    if branches:
        x = Branches(width, (kernel, kernel), stride, branches, name=name)(x)
    else:
        if width:
            layer = layers.Conv2D(width, kernel, stride, padding="same", use_bias=False, name=name)
        else:
            layer = layers.DepthwiseConv2D(kernel, stride, padding="same", use_bias=False, name=name)
        x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_norm")(layer(x))
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x


def _block(
    x: keras.KerasTensor, width: int, expansion: float, stride: tuple[int, ...], name: str, branches: int
) -> keras.KerasTensor:
    channels = x.shape[-1]
    inside = _convolution(x, _divisible(channels * expansion), 1, (1, 1), f"{name}_expand", branches)
    inside = _convolution(inside, 0, 3, stride, f"{name}_depth", branches)
    inside = _convolution(inside, width, 1, (1, 1), f"{name}_project", branches, relu=False)
    if channels == width:
        inside = layers.Add(name=f"{name}_add")([inside, _shortcut(x, stride, name)])
    return layers.ReLU(name=f"{name}_relu")(inside)


def _shortcut(x: keras.KerasTensor, stride: tuple[int, ...], name: str) -> keras.KerasTensor:
    if tuple(stride) == (1, 1):
        return x
    x = layers.ZeroPadding2D(1, name=f"{name}_shortcut_pad")(x)
    return layers.AveragePooling2D(3, stride, padding="valid", name=f"{name}_shortcut")(x)
