# SPDX-License-Identifier: Apache-2.0
"""The command line in this process, and small models to give it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from ascmcu.cli import main
from tests.support.snapshots import Snapshot as Snapshot
from tests.support.tflite_builder import OperatorSpec, TensorSpec, build


@dataclass(frozen=True)
class Done:
    """What one call left behind."""

    status: int
    stdout: str
    stderr: str


Ascmcu = Callable[..., Done]


@pytest.fixture
def ascmcu(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Ascmcu:
    """``ascmcu(*arguments)`` in an empty folder of its own, through the real entry point."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("signal.signal", lambda number, handler: None)

    def call(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["ascmcu", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        seen = capsys.readouterr()
        status = ended.value.code
        assert isinstance(status, int)
        return Done(status, seen.out, seen.err)

    return call


def dense(inputs: int, outputs: int, batch: int = 1, *, behind: int = 0) -> bytes:
    """An int8 model of one fully connected layer, (batch, inputs) → (batch, outputs), or of two: ``behind`` outputs
    behind those."""
    rng, tensors, operators = np.random.default_rng(1), [TensorSpec("x", (batch, inputs), scales=(0.1,))], []
    for layer, channels in enumerate((outputs, behind) if behind else (outputs,)):
        x, name = len(tensors) - 1, str(layer or "")
        weights = rng.integers(-127, 128, (channels, tensors[x].shape[1]), dtype=np.int8)
        bias, y_scale = np.zeros(channels, np.int32), 0.5
        tensors += [
            TensorSpec(f"weights{name}", weights.shape, scales=(0.01,), data=weights),
            TensorSpec(f"bias{name}", (channels,), "int32", scales=(0.01 * tensors[x].scales[0],), data=bias),
            TensorSpec(f"y{name}", (batch, channels), scales=(y_scale,)),
        ]
        operators.append(OperatorSpec("FULLY_CONNECTED", [x, x + 1, x + 2], [x + 3]))
    return build(tensors, operators, [0], [len(tensors) - 1])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model that fits every board."""
    (tmp_path / "small.tflite").write_bytes(dense(16, 4))
    return tmp_path / "small.tflite"
