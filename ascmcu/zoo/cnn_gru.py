# SPDX-License-Identifier: Apache-2.0
"""The CNN-GRU of SNTL-NTU, second of DCASE 2025 task 1 (Tan et al., technical report and arXiv 2509.09931).

Convolutions with depthwise pairs along bands and along time, squeeze and excitation, two paths (one behind a maximum,
one behind a mean) that learned shares join, and a GRU that reads the channels one after another. 58,171 parameters,
which are the published 116,342 bytes at 16 bits. The published 10,902,300 MACs are 10,889,944 and 12,356 of offsets
and normalisations, one for each.

The channel shuffles of the original lie between a 1×1 convolution and filters by channel: they change the order of
filters and nothing else, and are left out. Its convolution of twelve groups of two is two depthwise ones and a sum.
"""

from __future__ import annotations

import keras
from keras import layers

from ascmcu.zoo._layers import Blend


def build(
    shape: tuple[int, ...],
    classes: int,
    *,
    stem: int = 7,
    base: int = 24,
    multiplier: float = 1.5,
    expansion: int = 2,
    divisor: int = 5,
    units: int = 64,
) -> keras.Model:
    """A network (time, mel, 1) → (classes,) probabilities.

    Args:
        shape: input shape without the batch; (33, 256, 1) in the report.
        classes: how many.
        stem: channels of the first convolution.
        base: channels behind the first stage; divisible by 2.
        multiplier: of the width from the first stage to the second.
        expansion: of the width in each depthwise pair.
        divisor: of the width before the GRU.
        units: of the GRU.
    """
    inputs = keras.Input(shape, name="features")
    x = _convolution(inputs, stem, (3, 3), "stem")
    x = _convolution(x, base // 2, (1, 1), "mix")
    x = _excited(_silu(_pairs(x), "pairs"), "pairs")
    inside = int(base * multiplier)
    loud = _path(layers.MaxPooling2D(2, name="loud_in")(x), inside, expansion, "loud")
    mean = _path(layers.AveragePooling2D(2, name="mean_in")(x), inside, expansion, "mean")
    x = _joined(loud, mean)
    x = layers.Add(name="stage3_add")([_convolution(x, x.shape[-1], (1, 1), "stage3"), x])
    x = _depthwise(x, (1, 5), "narrow", stride=(1, 2), multiplier=expansion)
    x = layers.SpatialDropout2D(0.3, name="narrow_dropout")(_silu(x, "narrow"))
    x = _silu(_convolution(x, int(x.shape[-1] / divisor), (1, 5), "last"), "last")
    x = _read(x, units)
    x = layers.Dense(classes, name="classifier")(x)
    return keras.Model(inputs, layers.Softmax(name="probabilities")(x), name="cnn_gru")


def _convolution(x: keras.KerasTensor, width: int, kernel: tuple[int, int], name: str) -> keras.KerasTensor:
    return _normalised(layers.Conv2D(width, kernel, padding="same", use_bias=False, name=name)(x), name)


def _normalised(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_norm")(x)


def _silu(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    gate = layers.Activation("sigmoid", name=f"{name}_gate")(x)
    return layers.Multiply(name=f"{name}_silu")([x, gate])


def _depthwise(
    x: keras.KerasTensor,
    kernel: tuple[int, int],
    name: str,
    *,
    stride: tuple[int, int] = (1, 1),
    multiplier: int = 1,
) -> keras.KerasTensor:
    """Half a kernel of zeros on either side, as PyTorch pads: with a stride, "same" would pad otherwise."""
    padding = "same"
    if stride != (1, 1):
        x = layers.ZeroPadding2D((kernel[0] // 2, kernel[1] // 2), name=f"{name}_pad")(x)
        padding = "valid"
    x = layers.DepthwiseConv2D(
        kernel, stride, padding, depth_multiplier=multiplier, use_bias=False, name=name
    )(x)
    return _normalised(x, name)


def _pairs(x: keras.KerasTensor) -> keras.KerasTensor:
    """Two filters along the bands for each channel, and two along time for each of these pairs."""
    pairs = []
    for name in ("left", "right"):
        along_bands = _depthwise(x, (1, 3), f"{name}_bands")
        pairs.append(
            layers.DepthwiseConv2D(
                (3, 1), padding="same", depth_multiplier=2, use_bias=False, name=f"{name}_time"
            )(along_bands)
        )
    return _normalised(layers.Add(name="pairs_add")(pairs), "pairs")


def _excited(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Squeeze and excitation of the channels (Hu et al. 2018)."""
    channels = x.shape[-1]
    gate = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)
    gate = layers.Conv2D(channels // 2, 1, activation="relu", name=f"{name}_reduce")(gate)
    gate = layers.Conv2D(channels, 1, activation="sigmoid", name=f"{name}_excite")(gate)
    return layers.Multiply(name=f"{name}_scale")([x, gate])


def _path(x: keras.KerasTensor, width: int, expansion: int, name: str) -> keras.KerasTensor:
    x = _convolution(x, width, (1, 1), f"{name}_mix")
    x = _depthwise(x, (1, 5), f"{name}_bands", multiplier=expansion)
    x = _depthwise(x, (5, 1), f"{name}_time", stride=(2, 2))
    return _excited(_silu(x, name), name)


def _joined(loud: keras.KerasTensor, mean: keras.KerasTensor) -> keras.KerasTensor:
    """Maxima and means of both paths, blended crosswise and then into one."""
    maxima = [layers.MaxPooling2D(2, name=f"{name}_peaks")(x) for name, x in (("loud", loud), ("mean", mean))]
    means = [
        layers.AveragePooling2D(2, name=f"{name}_means")(x) for name, x in (("loud", loud), ("mean", mean))
    ]
    soft = Blend(name="soft")([means[1], means[0]])
    hard = Blend(name="hard")([maxima[0], maxima[1]])
    return Blend(name="joined")([soft, hard])


def _read(x: keras.KerasTensor, units: int) -> keras.KerasTensor:
    """The mean over time, read channel by channel: what the GRU makes of it, blended with its mean over the bands."""
    rows, bands, channels = x.shape[1:]
    x = layers.AveragePooling2D((rows, 1), name="time_mean")(x)
    x = layers.Permute((2, 1), name="by_channel")(layers.Reshape((bands, channels), name="bands")(x))
    read = layers.GRU(units, return_sequences=True, name="gru")(x)
    read = layers.Dropout(0.5, noise_shape=(None, channels, 1), name="gru_dropout")(read)
    plain = layers.GlobalAveragePooling1D("channels_first", name="band_mean")(x)
    read = layers.GlobalAveragePooling1D("channels_first", name="gru_mean")(read)
    return _silu(Blend(name="read")([plain, read]), "read")
