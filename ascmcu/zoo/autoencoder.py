# SPDX-License-Identifier: Apache-2.0
"""The dense autoencoder of DCASE 2020 Task 2's baseline and MLPerf Tiny's anomaly detection (Koizumi et al. 2020).

Dense layers with normalisation and ReLU: four of 128, a bottleneck of 8, four of 128, then as many values as the input
has. For five frames of 128 bands: 269,992 parameters (MLPerf Tiny's figure, statistics of the normalisations included)
and 264,192 MACs.
"""

from __future__ import annotations

import math

import keras
from keras import layers


def build(
    shape: tuple[int, ...],
    classes: int,
    *,
    width: int = 128,
    bottleneck: int = 8,
    depth: int = 4,
) -> keras.Model:
    """A network (time, mel, channels) → its input's values, (time × mel × channels,).

    Args:
        shape: input shape without the batch.
        classes: not used: a reconstruction has none.
        width: of the outer layers.
        bottleneck: width of the innermost layer.
        depth: layers before the bottleneck, and behind it.
    """
    inputs = keras.Input(shape, name="features")
    x = layers.Flatten(name="flat")(inputs)
    widths = [*[width] * depth, bottleneck, *[width] * depth]
    for number, units in enumerate(widths, start=1):
        x = layers.Dense(units, name=f"dense{number}")(x)
        x = layers.BatchNormalization(name=f"dense{number}_norm")(x)
        x = layers.ReLU(name=f"dense{number}_relu")(x)
    x = layers.Dense(math.prod(shape), name="reconstruction")(x)
    return keras.Model(inputs, x, name="autoencoder")
