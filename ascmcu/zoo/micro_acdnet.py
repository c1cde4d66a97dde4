# SPDX-License-Identifier: Apache-2.0
"""Micro-ACDNet: the pruned ACDNet of raw waveforms (Mohaimenuzzaman et al., Pattern Recognition 133, 2023).

Two strided convolutions along the samples and a pool over 10 ms make a map (filters, time), which a VGG of nine 3×3
convolutions reads as a picture. The widths are those of the released pruned network; its table counts 131,474
parameters and 14.82 M operations for 50 classes and 30,225 samples at 20 kHz: 14,286,134 MACs, and 535,961 operations
of pools, activations and the classifier's offsets.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

# 3×3 convolutions by their place in the widths, before each pool.
_STAGES = ((2,), (3, 4), (5, 6), (7, 8), (9, 10))
_FRAME_S = 0.01


def build(
    shape: tuple[int, ...],
    classes: int,
    *,
    widths: Sequence[int] = (7, 20, 10, 14, 22, 31, 35, 41, 51, 67, 69, 48),
    sample_rate_hz: int = 20000,
    dropout: float = 0.2,
) -> keras.Model:
    """A network (1, samples, 1) → (classes,) probabilities.

    Args:
        shape: input shape without the batch; (1, 30225, 1) in the paper.
        classes: how many.
        widths: filters of the twelve convolutions.
        sample_rate_hz: the pool behind the first two convolutions spans 10 ms of it.
        dropout: rate before the last convolution.
    """
    inputs = keras.Input(shape, name="features")
    x = _convolution(inputs, widths[0], (1, 9), (1, 2), "valid", "sfeb1")
    x = _convolution(x, widths[1], (1, 5), (1, 2), "valid", "sfeb2")
    x = layers.MaxPooling2D((1, round(sample_rate_hz * _FRAME_S) // 4), name="sfeb_pool")(x)
    x = layers.Permute((3, 2, 1), name="picture")(x)
    pools = list(zip(_halvings(widths[1]), _halvings(int(shape[1] / sample_rate_hz / _FRAME_S)), strict=True))
    for number, numbers in enumerate(_STAGES):
        for place in numbers:
            x = _convolution(x, widths[place], (3, 3), (1, 1), "same", f"conv{place + 1}")
        x = _pooled(x, pools[number], layers.MaxPooling2D, f"pool{number + 1}")
    x = layers.Dropout(dropout, name="dropout")(x)
    x = _convolution(x, widths[11], (1, 1), (1, 1), "valid", "conv12")
    x = _pooled(x, pools[5], layers.AveragePooling2D, "mean")
    x = layers.Flatten(name="flat")(x)
    x = layers.Dense(classes, name="classifier")(x)
    return keras.Model(inputs, layers.Softmax(name="probabilities")(x), name="micro_acdnet")


def _convolution(
    x: keras.KerasTensor,
    width: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: str,
    name: str,
) -> keras.KerasTensor:
    x = layers.Conv2D(width, kernel, stride, padding=padding, use_bias=False, name=name)(x)
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def _halvings(length: int) -> list[int]:
    """The pools along one axis: five halvings as long as there are two, then all that is left."""
    pools = []
    for _ in range(5):
        pools.append(2 if length >= 2 else 1)
        length = length // 2 if length >= 2 else length
    return [*pools, max(length, 1)]


def _pooled(x: keras.KerasTensor, size: tuple[int, int], kind: type, name: str) -> keras.KerasTensor:
    return kind(size, name=name)(x) if size != (1, 1) else x
