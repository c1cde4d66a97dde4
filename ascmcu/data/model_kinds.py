# SPDX-License-Identifier: Apache-2.0
"""Files of networks in other forms than ``.tflite``, and the way from each."""

from __future__ import annotations

from pathlib import Path

from ascmcu.errors import ModelError

_QUANTIZED = (".keras", ".h5", ".hdf5", ".onnx")
_TORCH = (".pt", ".pth", ".pt2", ".ckpt", ".safetensors")
_TO_ONNX = (
    "in Python, torch.onnx.export(model, (example_input,), 'model.onnx'), then `ascmcu quantize model.onnx --data …`; "
    "or litert_torch.convert(model, (example_input,)).export('model.tflite')"
)


def refuse_torch(path: Path) -> None:
    """A PyTorch file holds weights, or a program that only PyTorch reads.

    Raises:
        ModelError: it is one.
    """
    if path.suffix.lower() in _TORCH:
        raise ModelError("a PyTorch file must be exported first", where=str(path), hint=_TO_ONNX)


def refuse_others(path: Path) -> None:
    """Only a ``.tflite`` is compiled.

    Raises:
        ModelError: the name says that it is something else; the hint says what makes a ``.tflite`` of it.
    """
    refuse_torch(path)
    if path.suffix.lower() in _QUANTIZED:
        hint = f"`ascmcu quantize {path} --data …` makes a .tflite of it"
        raise ModelError("not a .tflite file", where=str(path), hint=hint)
