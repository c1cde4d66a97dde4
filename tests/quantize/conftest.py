# SPDX-License-Identifier: Apache-2.0
"""Small networks with uneven statistics, and what the quantization routes take."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ascmcu import zoo

Array = np.ndarray[Any, Any]

# Every layer of the published networks, at sizes that run in a second.
NETWORKS: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "dscnn": ((24, 16, 1), {"residual": True, "filters": (8, 12, 12), "stem_filters": 8}),
    "bupt": ((128, 96, 2), {"widths": (6, 10)}),
    "tmsic": ((20, 8, 1), {}),
    "mobnet": ((32, 48, 6), {"alpha": 0.25}),
    "dsmn": ((32, 64, 2), {"groups": 0}),
    "small_fcnn": ((32, 48, 6), {}),
}
GROUPED = "grouped convolutions"
_GROUPED_SHAPE = (12, 10, 6)


def network(name: str, classes: int = 4) -> Any:
    """A fresh network whose normalisations differ by channel, as trained ones do."""
    import keras

    keras.utils.set_random_seed(3)
    if name == GROUPED:
        return _grouped(classes)
    shape, options = NETWORKS[name]
    rng = np.random.default_rng(3)
    model = zoo.build(name, shape, classes, options)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    return model


def clips(name: str, count: int = 8) -> Array:
    """Inputs for a network."""
    shape = _GROUPED_SHAPE if name == GROUPED else NETWORKS[name][0]
    return np.random.default_rng(5).standard_normal((count, *shape)).astype(np.float32)


def _grouped(classes: int) -> Any:
    """Groups of two, three and six; of six, four and three output channels each, of which the kernels take four."""
    import keras

    inputs = keras.Input(_GROUPED_SHAPE)
    x = keras.layers.Conv2D(12, 3, groups=2, padding="same", activation="relu")(inputs)
    x = keras.layers.Conv2D(12, 1, groups=3)(x)
    x = keras.layers.Conv2D(18, 3, strides=2, groups=6, padding="same", activation="relu6")(x)
    x = keras.layers.Dense(classes)(keras.layers.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, keras.layers.Softmax()(x))
    rng = np.random.default_rng(3)
    model.set_weights([w + rng.uniform(-0.1, 0.1, w.shape) for w in model.get_weights()])
    return model


@pytest.fixture(scope="session", autouse=True)
def _tensorflow() -> None:
    zoo.load_tensorflow()
