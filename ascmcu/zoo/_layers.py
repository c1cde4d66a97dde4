# SPDX-License-Identifier: Apache-2.0
"""Layers that published networks have and Keras lacks; ``zoo.load_tensorflow`` registers them."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="ascmcu")
class Blend(keras.layers.Layer):  # type: ignore[misc]
    """share × a + (1 − share) × b of two inputs of one shape, with one learned share, 0.5 at first."""

    def build(self, input_shape: Any) -> None:
        """Create the share."""
        self.share = self.add_weight(name="share", shape=(), initializer=keras.initializers.Constant(0.5))

    def call(self, inputs: Any) -> Any:
        """The blend."""
        a, b = inputs
        return self.share * a + (1.0 - self.share) * b

    def compute_output_shape(self, input_shape: Any) -> Any:
        """That of either input."""
        return input_shape[0]


@keras.saving.register_keras_serializable(package="ascmcu")
class ResidualNormalization(keras.layers.Layer):  # type: ignore[misc]
    """λ × x + (x − mean) / √(variance + ε), statistics of each band over time and channels (Kim et al. 2021).

    Computed as x × (λ + r) − mean × r with r = 1 / √(variance + ε), so that one map beside x is enough.

    Args:
        identity: λ.
        epsilon: ε.
        axes: of x that the statistics are taken over: (batch, time, band, channel) → time and channel.
    """

    def __init__(
        self, identity: float = 0.1, epsilon: float = 1e-5, axes: tuple[int, ...] = (1, 3), **more: Any
    ) -> None:
        super().__init__(**more)
        self.identity, self.epsilon, self.axes = identity, epsilon, tuple(axes)

    def call(self, x: Any) -> Any:
        """The normalized map."""
        mean = tf.reduce_mean(x, self.axes, keepdims=True)
        variance = tf.reduce_mean(tf.math.squared_difference(x, mean), self.axes, keepdims=True)
        inverse = tf.math.rsqrt(variance + self.epsilon)
        return x * (inverse + self.identity) - mean * inverse

    def compute_output_shape(self, input_shape: Any) -> Any:
        """That of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments, for a saved model."""
        own = {"identity": self.identity, "epsilon": self.epsilon, "axes": self.axes}
        return {**super().get_config(), **own}
