# SPDX-License-Identifier: Apache-2.0
"""A small network over audio: front end, one convolution, a mean and a dense layer; and the clips to feed it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ascmcu.features.spec import FeatureSpec, load_log_mel
from tests.support import outside
from tests.support.tflite_builder import OperatorSpec, TensorSpec, build

ESC10 = outside.dataset("esc10")
CLASSES = 10


def specification(seconds: float) -> str:
    """A front end (TOML) for clips of that length at 8 kHz: 16 bands every 32 ms."""
    return f"""sample_rate_hz = 8000
duration_s = {seconds}
n_fft = 256
hop_length = 256
n_mels = 16
fmin_hz = 50.0
fmax_hz = 4000.0
log = "ln"
log_offset = 1e-6
layout = "time_mel"
"""


def network(spec: FeatureSpec, channels: int = 4) -> bytes:
    """The ``.tflite`` for features of that shape: (1, frames, bands, 1) to ten scores."""
    rng = np.random.default_rng(5)
    _, frames, bands, _ = spec.input_shape
    kernel = rng.integers(-127, 128, (channels, 3, 3, 1), dtype=np.int8)
    weights = rng.integers(-127, 128, (CLASSES, channels), dtype=np.int8)
    half = ((frames - 3) // 2 + 1, (bands - 3) // 2 + 1)
    tensors = [
        TensorSpec("x", (1, frames, bands, 1), scales=(0.08,), zero_point=20),
        TensorSpec("kernel", kernel.shape, scales=(0.01,) * channels, data=kernel),
        TensorSpec(
            "bias", (channels,), "int32", scales=(0.0008,) * channels, data=np.zeros(channels, np.int32)
        ),
        TensorSpec("map", (1, *half, channels), scales=(0.2,)),
        TensorSpec("axes", (2,), "int32", data=np.array([1, 2], np.int32)),
        TensorSpec("mean", (1, channels), scales=(0.05,)),
        TensorSpec("weights", weights.shape, scales=(0.01,), data=weights),
        TensorSpec("bias2", (CLASSES,), "int32", scales=(0.0005,), data=np.zeros(CLASSES, np.int32)),
        TensorSpec("scores", (1, CLASSES), scales=(0.02,)),
    ]
    strides = {"padding": 1, "strideH": 2, "strideW": 2, "dilationHFactor": 1, "dilationWFactor": 1}
    operators = [
        OperatorSpec("CONV_2D", [0, 1, 2], [3], strides),
        OperatorSpec("MEAN", [3, 4], [5], {"keepDims": False}),
        OperatorSpec("FULLY_CONNECTED", [5, 6, 7], [8]),
    ]
    return build(tensors, operators, [0], [8])


def write(folder: Path, seconds: float) -> tuple[Path, Path]:
    """``small.tflite`` and ``small.toml`` in ``folder``."""
    spec, model = folder / "small.toml", folder / "small.tflite"
    spec.write_text(specification(seconds))
    model.write_bytes(network(load_log_mel(spec)))
    return model, spec
