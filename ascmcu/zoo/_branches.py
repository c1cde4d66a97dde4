# SPDX-License-Identifier: Apache-2.0
"""Convolutions that are trained as parallel branches and become one (RepVGG, Ding et al. 2021; MobileOne, Vasu et al.
2023). ``zoo.load_tensorflow`` registers them.

Every branch is linear: a convolution, or nothing, and a normalisation. By the statistics of training its output is a
convolution with an offset, and so is the sum of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers

Kernel = npt.NDArray[np.float64]


@keras.saving.register_keras_serializable(package="ascmcu")
class Branches(layers.Layer):  # type: ignore[misc]
    """The sum of normalised convolutions of one input, zeros at its edges as ``same`` pads them.

    They are ``copies`` of the whole kernel; one of 1 × 1, where the kernel is larger; and the input itself, where it
    has the shape of the output.

    Args:
        filters: channels of the output; 0: each channel is filtered by itself (depthwise).
        kernel: (rows, bands).
        strides: (rows, bands).
        copies: of the whole kernel, one or more.
        momentum, epsilon: of the normalisations.
    """

    def __init__(
        self,
        filters: int,
        kernel: Sequence[int] = (3, 3),
        strides: Sequence[int] = (1, 1),
        copies: int = 1,
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        **more: Any,
    ) -> None:
        super().__init__(**more)
        if copies < 1 or filters < 0:
            raise ValueError(
                f"branches need a copy or more and no negative width, not {copies} and {filters}"
            )
        self.filters, self.copies = filters, copies
        self.kernel_size, self.strides = tuple(kernel), tuple(strides)
        self.momentum, self.epsilon = momentum, epsilon

    def build(self, input_shape: Any) -> None:
        """Create the branches; the sizes of the map say where a strided 1 × 1 lies in the kernel."""
        self.map_size, self.width = tuple(input_shape[1:3]), input_shape[-1]
        wide = [self.kernel_size] * self.copies
        kernels = [*wide, (1, 1)] if self.kernel_size != (1, 1) else wide
        self.convolutions = [self._convolution(kernel, use_bias=False) for kernel in kernels]
        for layer in self.convolutions:
            layer.build(input_shape)
        keeps = self.strides == (1, 1) and self.filters in (0, self.width)
        self.normalisations = [
            layers.BatchNormalization(momentum=self.momentum, epsilon=self.epsilon)
            for _ in range(len(kernels) + keeps)
        ]
        for layer in self.normalisations:
            layer.build((*input_shape[:3], self.filters or self.width))

    def call(self, x: Any, training: bool = False) -> Any:
        """The sum of the branches."""
        results = [layer(x) for layer in self.convolutions]
        results += [x] * (len(self.normalisations) - len(results))
        normalised = [
            layer(result, training=training)
            for layer, result in zip(self.normalisations, results, strict=True)
        ]
        return sum(normalised[1:], normalised[0])

    def compute_output_shape(self, input_shape: Any) -> Any:
        """That of the convolution."""
        return self._convolution(self.kernel_size).compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        """The arguments, for a saved model."""
        own = {
            "filters": self.filters,
            "kernel": self.kernel_size,
            "strides": self.strides,
            "copies": self.copies,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
        }
        return {**super().get_config(), **own}

    def one_convolution(self) -> layers.Layer:
        """The convolution with an offset that computes the same; its weights are given by ``one_kernel``."""
        return self._convolution(self.kernel_size, name=self.name)

    def one_kernel(self) -> list[npt.NDArray[np.float32]]:
        """Kernel and offset of that convolution, float32, computed in float64."""
        kernel: Kernel = np.zeros(())
        offset: Kernel = np.zeros(())
        for number, normalisation in enumerate(self.normalisations):
            gamma, beta, mean, variance = (
                weight.numpy().astype(np.float64)
                for weight in (
                    normalisation.gamma,
                    normalisation.beta,
                    normalisation.moving_mean,
                    normalisation.moving_variance,
                )
            )
            scale = gamma / np.sqrt(variance + self.epsilon)
            # By channel of the output: the last axis, or the last but one of a depthwise kernel.
            by_channel = scale if self.filters else scale[:, None]
            kernel = kernel + self._of_branch(number) * by_channel
            offset = offset + beta - mean * scale
        return [kernel.astype(np.float32), offset.astype(np.float32)]

    def _of_branch(self, number: int) -> Kernel:
        """A branch's kernel at the whole one's size."""
        inputs, outputs = self.width, self.filters or 1
        whole = np.zeros((*self.kernel_size, inputs, outputs))
        row, band = (
            _before(*sizes) for sizes in zip(self.map_size, self.kernel_size, self.strides, strict=True)
        )
        if number < len(self.convolutions):
            mine = self.convolutions[number].kernel.numpy().astype(np.float64)
            if mine.shape == whole.shape:
                return np.asarray(mine)
            whole[row, band] = mine[0, 0]
        else:
            whole[row, band] = np.eye(inputs) if self.filters else 1.0
        return whole

    def _convolution(self, kernel: tuple[int, ...], **more: Any) -> layers.Layer:
        if self.filters:
            return layers.Conv2D(self.filters, kernel, self.strides, padding="same", **more)
        return layers.DepthwiseConv2D(kernel, self.strides, padding="same", **more)


def _before(size: int, kernel: int, stride: int) -> int:
    """Zeros before a map as ``same`` puts them: where the kernel holds the first position."""
    positions = -(-size // stride)
    return max((positions - 1) * stride + kernel - size, 0) // 2


def folded(model: keras.Model) -> keras.Model:
    """The model with one convolution in place of each layer of branches; the model itself where it has none.

    Its answers are those of the model, but for the rounding of float32.
    """
    if not any(isinstance(layer, Branches) for layer in model._flatten_layers(include_self=False)):
        return model

    def copied(layer: layers.Layer) -> layers.Layer:
        if isinstance(layer, Branches):
            return layer.one_convolution()
        if isinstance(layer, keras.Model):
            return folded(layer)
        return layer.__class__.from_config(layer.get_config())

    copy = keras.models.clone_model(model, clone_function=copied)
    for layer in model.layers:
        if isinstance(layer, Branches):
            copy.get_layer(layer.name).set_weights(layer.one_kernel())
        elif layer.get_weights() and not isinstance(layer, keras.Model):
            copy.get_layer(layer.name).set_weights(layer.get_weights())
    return copy
