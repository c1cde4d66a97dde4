# SPDX-License-Identifier: Apache-2.0
"""The teacher of AI4EDGE's TMSIC: one network per class, that class against all others, and a classifier above.

Every member is a TMSIC without its last layer. In the joint training behind the members' own, the normalisations
keep their statistics, and nothing is dropped.
"""

from __future__ import annotations

import keras
from keras import layers

from ascmcu.zoo import tmsic


def build(shape: tuple[int, ...], classes: int, *, hidden: int = 256) -> keras.Model:
    """A network (mel, time, channels) → (classes,) probabilities; its members are called ``member0`` and so on.

    Args:
        shape: input shape without the batch.
        classes: how many, and as many members.
        hidden: width of each member's embedding.
    """
    inputs = keras.Input(shape, name="features")
    embeddings = [member(shape, hidden, number)(inputs, training=False) for number in range(classes)]
    x = layers.Concatenate(name="embeddings")(embeddings)
    x = layers.Dense(classes, name="classifier")(x)
    return keras.Model(inputs, layers.Softmax(name="probabilities")(x), name="tmsic_teacher")


def member(shape: tuple[int, ...], hidden: int, number: int) -> keras.Model:
    """One member up to its embedding."""
    whole = tmsic.build(shape, 2, hidden=hidden)
    return keras.Model(whole.inputs, whole.get_layer("dropout5").output, name=f"member{number}")


def against_all(shape: tuple[int, ...], hidden: int = 256) -> keras.Model:
    """What a member is trained as: its class (1) or any other (0)."""
    return tmsic.build(shape, 2, hidden=hidden)
