# SPDX-License-Identifier: Apache-2.0
"""DSMN of Wang, Wu and Li (DCASE 2023, task 1): depthwise cross-shaped convolutions on halves of the mel axis.

Input (time, mel, channels), published (44, 256, 2). ``plain_from`` and ``filters`` give the published variants,
trained parameters in the published sense (a normalisation's statistics are not counted):

- ``model1``: the default, 45,164.
- ``model3``: ``plain_from=1``, 56,172 (its authors' table calls it model2).
- ``model2``: ``plain_from=0``, 56,556 (the table's model3).
- ``model4``: ``filters=(24, 128, 128, 128, 128)``, ``hidden=64``, 121,812.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

STEM_FILTERS = 16
# The arms of the cross skip one row (or band) between two taps.
_DILATION = 2


def build(
    shape: tuple[int, ...],
    classes: int,
    *,
    groups: int = 3,
    filters: Sequence[int] = (24, 32, 64, 64, 64),
    plain_from: int | None = None,
    hidden: int = 100,
    dropout: float = 0.3,
) -> keras.Model:
    """A network (time, mel, channels) → probabilities (classes,) and, unless ``groups`` is 0, (groups,).

    Args:
        shape: input shape without the batch; every block halves both axes.
        classes: of the first classifier: the scenes.
        groups: of the second: indoor, outdoor, transportation. 0 leaves it out.
        filters: output channels of each block, even but for the last.
        plain_from: index of the first block that does not split the mel axis; none does so by default.
        hidden: width of the dense layer before the classifiers.
        dropout: rate behind it.
    """
    inputs = keras.Input(shape, name="features")
    x = layers.Conv2D(STEM_FILTERS, 1, name="stem")(inputs)
    scales = []
    for index, width in enumerate(filters):
        block = _split_block if plain_from is None or index < plain_from else _plain_block
        x = block(x, width, f"block{index + 1}")
        if index:
            scales.append(layers.GlobalAveragePooling2D(name=f"scale{index + 1}")(x))
    x = layers.Concatenate(name="scales")(scales)
    x = layers.Dense(hidden, activation="relu", name="embedding")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    outputs = [_classifier(x, classes, "scene")]
    if groups:
        outputs.append(_classifier(x, groups, "group"))
    return keras.Model(inputs, outputs if groups else outputs[0], name="dsmn")


def _split_block(x: keras.KerasTensor, filters: int, name: str) -> keras.KerasTensor:
    """Low and high bands mixed into one map of half the bands and channels, weighed, then mixed and halved in time."""
    bands, half = x.shape[2] // 2, x.shape[3] // 2
    low = layers.Cropping2D(((0, 0), (0, x.shape[2] - bands)), name=f"{name}_low")(x)
    high = layers.Cropping2D(((0, 0), (bands, x.shape[2] - 2 * bands)), name=f"{name}_high")(x)
    _, deep = _cross_chain(low, name)
    # The low bands' summands first: a schedule that streams along mel then stores their sum alone.
    x = layers.Add(name=f"{name}_low_sum")([layers.Conv2D(half, 1, name=f"{name}_low_mix")(low), deep])
    x = layers.Add(name=f"{name}_sum")([x, layers.Conv2D(half, 1, name=f"{name}_high_mix")(high)])
    return _finished(x, filters, (2, 1), name)


def _plain_block(x: keras.KerasTensor, filters: int, name: str) -> keras.KerasTensor:
    """The same chain on all bands; input, first and last link beside each other; both axes halved."""
    half = x.shape[3] // 2
    first, deep = _cross_chain(x, name)
    mixed = [
        layers.Conv2D(half, 1, name=f"{name}_input_mix")(x),
        layers.Conv2D(half, 1, name=f"{name}_first_mix")(first),
    ]
    x = layers.Concatenate(name=f"{name}_concat")([*mixed, deep])
    return _finished(x, filters, (2, 2), name)


def _cross_chain(x: keras.KerasTensor, name: str) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Three crosses, of which the last halves the channels: the first's and the last's output."""
    first = _cross(_scaled(x, f"{name}_1"), f"{name}_1")
    second = _cross(_scaled(first, f"{name}_2"), f"{name}_2")
    return first, _cross(_paired(second, f"{name}_3"), f"{name}_3")


def _scaled(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """A grouped 1 × 1 convolution with as many groups as channels: one factor per channel."""
    return layers.DepthwiseConv2D(1, use_bias=False, name=f"{name}_factor")(x)


def _paired(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """A grouped 1 × 1 convolution from two channels to one, as factors and a sum.

    Channels c and c + C/2 make a pair, where the authors' grouping takes neighbours: the order of channels means
    nothing in front of a trained mixture. Grouped kernels have no gradient on TensorFlow's CPU backend.
    """
    half = x.shape[3] // 2
    y = _scaled(x, name)
    return layers.Add(name=f"{name}_pairs")([y[..., :half], y[..., half:]])


def _cross(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Three taps in time plus three taps in mel, normalised and rectified.

    The dilation along an axis with a single tap has no effect; TensorFlow Lite converts only equal ones.
    """
    arms = [
        layers.DepthwiseConv2D(
            kernel, padding="same", dilation_rate=_DILATION, use_bias=False, name=f"{name}_{axis}"
        )(x)
        for kernel, axis in (((3, 1), "time"), ((1, 3), "mel"))
    ]
    x = layers.Add(name=f"{name}_cross")(arms)
    x = layers.BatchNormalization(name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def _finished(x: keras.KerasTensor, filters: int, pool: tuple[int, int], name: str) -> keras.KerasTensor:
    x = _channel_attention(x, name)
    x = layers.Conv2D(filters, 1, name=f"{name}_mix")(x)
    x = layers.BatchNormalization(name=f"{name}_norm")(x)
    x = layers.ReLU(name=f"{name}_relu")(x)
    return layers.AveragePooling2D(pool, name=f"{name}_pool")(x)


def _channel_attention(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """ECA (Wang et al. 2020): three taps along the channels' means, a sigmoid, and every channel times its own."""
    channels = x.shape[3]
    gate = layers.GlobalAveragePooling2D(name=f"{name}_mean")(x)
    gate = layers.Reshape((channels, 1), name=f"{name}_means")(gate)
    gate = layers.Conv1D(1, 3, padding="same", use_bias=False, name=f"{name}_neighbours")(gate)
    gate = layers.Activation("sigmoid", name=f"{name}_gate")(gate)
    gate = layers.Reshape((1, 1, channels), name=f"{name}_gates")(gate)
    return layers.Multiply(name=f"{name}_attention")([x, gate])


def _classifier(x: keras.KerasTensor, classes: int, name: str) -> keras.KerasTensor:
    x = layers.Dense(classes, name=f"{name}_classes")(x)
    return layers.Softmax(name=f"{name}_probabilities")(x)
