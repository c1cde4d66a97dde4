# SPDX-License-Identifier: Apache-2.0
"""Small FCNN of Hu et al. (DCASE 2020, task 1b): VGG-like convolutions and attention over the classes.

Input (mel, time, channels). ``widths`` (36, 72, 96) with ``wide_last`` are the released weights' (234,166
parameters on (128, 461, 6)); (48, 84, 120) without it the training script's (350,470).
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers


def build(
    shape: tuple[int, ...],
    classes: int,
    *,
    widths: Sequence[int] = (36, 72, 96),
    wide_last: bool = True,
    dropout: float = 0.3,
) -> keras.Model:
    """A network (mel, time, channels) → (classes,) probabilities.

    Args:
        shape: input shape without the batch.
        classes: how many.
        widths: output channels of the three pairs of convolutions.
        wide_last: pad the last convolution's input by two in place of one, as the released file does.
        dropout: rate within the last pair.
    """
    inputs = keras.Input(shape, name="features")
    x = layers.BatchNormalization(name="input_norm")(inputs)
    x = _conv(x, widths[0], 5, 2, 2, "conv1")
    x = _conv(x, widths[0], 3, 1, 1, "conv2")
    x = layers.MaxPooling2D(2, name="pool1")(x)
    x = _conv(x, widths[1], 3, 1, 1, "conv3")
    x = _conv(x, widths[1], 3, 1, 1, "conv4")
    x = layers.MaxPooling2D(2, name="pool2")(x)
    x = _conv(x, widths[2], 3, 1, 1, "conv5")
    x = layers.Dropout(dropout, name="dropout")(x)
    x = _conv(x, widths[2], 3, 1, 2 if wide_last else 1, "conv6")
    x = layers.MaxPooling2D(2, name="pool3")(x)
    x = layers.Conv2D(classes, 1, use_bias=False, kernel_initializer="he_normal", name="classes")(x)
    x = layers.BatchNormalization(center=False, scale=False, name="classes_norm")(x)
    x = layers.ReLU(name="classes_relu")(x)
    x = layers.BatchNormalization(center=False, scale=False, name="classes_norm2")(x)
    x = _channel_attention(x, max(classes // 2, 1))
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(inputs, layers.Softmax(name="probabilities")(x), name="small_fcnn")


def _conv(
    x: keras.KerasTensor, width: int, kernel: int, stride: int, pad: int, name: str
) -> keras.KerasTensor:
    x = layers.ZeroPadding2D(pad, name=f"{name}_pad")(x)
    x = layers.Conv2D(width, kernel, stride, use_bias=False, kernel_initializer="he_normal", name=name)(x)
    x = layers.BatchNormalization(name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def _channel_attention(x: keras.KerasTensor, hidden: int) -> keras.KerasTensor:
    """CBAM's channel part (Woo et al. 2018): one small network on mean and maximum of each channel."""
    channels = x.shape[-1]
    squeeze = layers.Dense(
        hidden, activation="relu", kernel_initializer="he_normal", name="attention_squeeze"
    )
    expand = layers.Dense(channels, kernel_initializer="he_normal", name="attention_expand")
    mean = layers.GlobalAveragePooling2D(keepdims=True, name="attention_mean")(x)
    peak = layers.GlobalMaxPooling2D(keepdims=True, name="attention_max")(x)
    gate = layers.Add(name="attention_add")([expand(squeeze(mean)), expand(squeeze(peak))])
    gate = layers.Activation("sigmoid", name="attention_gate")(gate)
    return layers.Multiply(name="attention")([x, gate])
