# SPDX-License-Identifier: Apache-2.0
"""TF-SepNet-64: separate paths along bands and along time (Cai et al., ICASSP 2024 and DCASE 2024 task 1).

Two strided convolutions, then blocks whose channels are shuffled and halved: one half is filtered along the bands and
becomes its mean over them, the other along time, each added to what came in. Residual normalisation by band between
stages. 126,858 parameters and 29,413,888 MACs; the challenge's counter adds one for each offset and normalisation,
29,419,648.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from ascmcu.zoo._layers import ResidualNormalization

# Widths of the blocks in every stage, in the first block's; a pool stands before each stage but the first.
_STAGES = ((1.0, 1.0), (1.5, 1.5), (2.0, 2.0), (2.5, 2.5, 2.5))


def build(
    shape: tuple[int, ...],
    classes: int,
    *,
    base: int = 64,
    stages: Sequence[Sequence[float]] = _STAGES,
    kernel: int = 3,
    dropout: float = 0.1,
) -> keras.Model:
    """A network (time, mel, 1) → (classes,) probabilities.

    Args:
        shape: input shape without the batch; (64, 512, 1) in the challenge.
        classes: how many.
        base: channels of the first blocks, even.
        stages: for every stage the widths of its blocks, as multiples of ``base``.
        kernel: of the depthwise filters.
        dropout: rate in each path.
    """
    inputs = keras.Input(shape, name="features")
    x = layers.ZeroPadding2D(1, name="stem1_pad")(inputs)
    x = layers.Conv2D(base // 2, 3, 2, use_bias=False, name="stem1")(x)
    x = layers.ZeroPadding2D(1, name="stem2_pad")(_activated(x, "stem1"))
    x = layers.DepthwiseConv2D(3, 2, depth_multiplier=4, use_bias=False, name="stem2")(x)
    x = _activated(x, "stem2")
    number = 0
    for stage, widths in enumerate(stages):
        x = ResidualNormalization(name=f"stage{stage + 1}_residual")(x)
        if stage:
            x = layers.MaxPooling2D(2, name=f"stage{stage + 1}_pool")(x)
        for width in widths:
            number += 1
            x = _block(x, int(width * base), kernel, dropout, f"block{number}")
    x = ResidualNormalization(name="last_residual")(x)
    x = layers.Conv2D(classes, 1, name="classifier")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(inputs, layers.Softmax(name="probabilities")(x), name="tf_sepnet")


def _activated(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def _block(x: keras.KerasTensor, width: int, kernel: int, dropout: float, name: str) -> keras.KerasTensor:
    if x.shape[-1] != width:
        x = _activated(layers.Conv2D(width, 1, use_bias=False, name=f"{name}_width")(x), f"{name}_width")
    rows, bands = x.shape[1:3]
    half = width // 2
    # Channel 2 × group + place comes to place × half + group; each half then is one path's.
    x = layers.Reshape((rows, bands, 2, half), name=f"{name}_groups")(x)
    x = layers.Permute((1, 2, 4, 3), name=f"{name}_shuffle")(x)
    x = layers.Reshape((rows, bands, width), name=f"{name}_shuffled")(x)
    along_bands = _path(x[..., :half], (1, kernel), (1, bands), dropout, f"{name}_bands")
    along_time = _path(x[..., half:], (kernel, 1), (rows, 1), dropout, f"{name}_time")
    return layers.Concatenate(name=f"{name}_both")([along_bands, along_time])


def _path(
    x: keras.KerasTensor, kernel: tuple[int, int], pool: tuple[int, int], dropout: float, name: str
) -> keras.KerasTensor:
    inside = layers.DepthwiseConv2D(kernel, padding="same", use_bias=False, name=f"{name}_depth")(x)
    inside = layers.AveragePooling2D(pool, name=f"{name}_mean")(_activated(inside, f"{name}_depth"))
    inside = layers.Conv2D(x.shape[-1], 1, use_bias=False, name=f"{name}_point")(inside)
    inside = layers.Dropout(dropout, name=f"{name}_dropout")(_activated(inside, f"{name}_point"))
    return layers.Add(name=f"{name}_add")([inside, x])
