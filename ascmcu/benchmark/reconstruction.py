# SPDX-License-Identifier: Apache-2.0
"""How far a network's reconstruction lies from its input: the mean squared error, in real numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ascmcu.benchmark import answers
from ascmcu.benchmark.clips import outputs
from ascmcu.benchmark.wire import Kind
from ascmcu.toolchain.manifest import Manifest, TensorSpec


def errors(manifest: Manifest, kind: Kind) -> Callable[[bytes, bytes], float]:
    """What makes the error of the bytes that were sent and the bytes that came back.

    The network's input is what the firmware's own front end makes of the samples, compiled for this machine: the same
    bits as on the device.
    """
    read = answers.reader(manifest, kind)

    def error(sent: bytes, answered: bytes) -> float:
        x = _real(read(sent, False)[0], manifest.inputs[0])
        y = _real(outputs(manifest, answered)[0], manifest.outputs[0])
        return float(np.mean((x - y) ** 2))

    return error


def _real(values: npt.NDArray[Any], spec: TensorSpec) -> npt.NDArray[np.float64]:
    return np.asarray((values.reshape(-1).astype(np.float64) - spec.zero_point) * spec.scale)
