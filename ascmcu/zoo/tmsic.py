# SPDX-License-Identifier: Apache-2.0
"""TMSIC of AI4EDGE, Politécnico de Leiria (DCASE 2022 and 2023, task 1): four wide-kernel convolutions.

Input (mel, time, 1), published (140, 8, 1): 51,986 parameters, 25,376,896 MACs. Where a layer is rectified
before its normalisation, the normalisation cannot be folded away and stays in the exported network.
"""

from __future__ import annotations

import keras
from keras import layers


def build(shape: tuple[int, ...], classes: int, *, hidden: int = 256) -> keras.Model:
    """A network (mel, time, channels) → (classes,) probabilities.

    Args:
        shape: input shape without the batch.
        classes: how many; 2 gives a one-against-all network of the teacher.
        hidden: width of the dense layer before the classifier, which is the teacher's embedding.
    """
    inputs = keras.Input(shape, name="features")
    x = layers.Conv2D(20, (7, 5), padding="same", name="conv1")(inputs)
    x = layers.BatchNormalization(name="conv1_norm")(x)
    x = layers.ReLU(name="conv1_relu")(x)
    x = _rectified_twice(x, 28, (7, 3), "conv2")
    x = layers.MaxPooling2D((1, 2), name="pool2")(x)
    x = layers.Dropout(0.1, name="dropout2")(x)
    x = _rectified_twice(x, 28, (3, 7), "conv3")
    x = layers.MaxPooling2D((2, 2), name="pool3")(x)
    x = layers.Dropout(0.3, name="dropout3")(x)
    x = _rectified_twice(x, 16, (7, 5), "conv4")
    x = layers.Dropout(0.3, name="dropout4")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    x = layers.Dense(hidden, activation="relu", name="embedding")(x)
    x = layers.Dropout(0.4, name="dropout5")(x)
    x = layers.Dense(classes, name="classifier")(x)
    return keras.Model(inputs, layers.Softmax(name="probabilities")(x), name="tmsic")


def _rectified_twice(
    x: keras.KerasTensor, filters: int, kernel: tuple[int, int], name: str
) -> keras.KerasTensor:
    x = layers.Conv2D(filters, kernel, padding="same", activation="relu", name=name)(x)
    x = layers.BatchNormalization(name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)
