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


def dense(inputs: int, outputs: int, batch: int = 1) -> bytes:
    """An int8 model of one fully connected layer, (batch, inputs) → (batch, outputs)."""
    weights = np.random.default_rng(1).integers(-127, 128, (outputs, inputs), dtype=np.int8)
    tensors = [
        TensorSpec("x", (batch, inputs), scales=(0.1,)),
        TensorSpec("weights", weights.shape, scales=(0.01,), data=weights),
        TensorSpec("bias", (outputs,), "int32", scales=(0.001,), data=np.zeros(outputs, np.int32)),
        TensorSpec("y", (batch, outputs), scales=(0.5,)),
    ]
    return build(tensors, [OperatorSpec("FULLY_CONNECTED", [0, 1, 2], [3])], [0], [3])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model that fits every board."""
    (tmp_path / "small.tflite").write_bytes(dense(16, 4))
    return tmp_path / "small.tflite"
