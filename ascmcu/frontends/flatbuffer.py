# SPDX-License-Identifier: Apache-2.0
"""Safe reading of TensorFlow Lite flatbuffers: damaged bytes give a DamagedError."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import tflite
from flatbuffers import number_types

from ascmcu.errors import AscmcuError, DamagedError
from ascmcu.ir.types import Array

_IDENTIFIER = b"TFL3"
_BUILTIN_NAMES = {v: k for k, v in vars(tflite.BuiltinOperator).items() if k.isupper()}
_OPTION_CLASSES = {v: k for k, v in vars(tflite.BuiltinOptions).items() if isinstance(v, int) and v > 0}
# What reading offsets of a corrupt file can raise inside flatbuffers and numpy.
CORRUPT = (
    struct.error,
    IndexError,
    ValueError,
    TypeError,
    OverflowError,
    AttributeError,
    KeyError,
    MemoryError,
)


def root(data: bytes, name: str) -> Any:
    """The model table of a file.

    Raises:
        DamagedError: it is no TensorFlow Lite model.
    """
    if len(data) < 16 or data[4:8] != _IDENTIFIER:
        raise DamagedError(
            "the file is not a TensorFlow Lite model",
            where=name,
            expected=f"flatbuffer identifier {_IDENTIFIER.decode()}",
            found=f"{len(data)} bytes beginning {data[:8]!r}",
        )
    with corruption(name):
        return tflite.Model.GetRootAsModel(data, 0)


@contextmanager
def corruption(name: str) -> Iterator[None]:
    """What reading a corrupt file raises inside becomes one DamagedError."""
    try:
        yield
    except AscmcuError:
        raise
    except CORRUPT as error:
        raise DamagedError(
            "the model file is truncated or corrupt",
            where=name,
            found=f"{type(error).__name__}: {error}"[:200],
            hint="copy or convert the model again",
        ) from error


def indices(count: int, data: bytes) -> range:
    """``range(count)``, refused where the file could not hold that many entries."""
    if not 0 <= count <= len(data) // 4:
        raise ValueError(f"a vector claims {count} entries")
    return range(count)


def buffer_of(model: Any, index: int, name: str) -> Array | None:
    """The bytes of a buffer; ``None`` where it has none.

    Raises:
        DamagedError: there is no such buffer, or it lies beyond the file.
    """
    if not 0 <= index < model.BuffersLength():
        raise DamagedError(
            "buffer index is out of range", where=name, expected=model.BuffersLength(), found=index
        )
    buffer = model.Buffers(index)
    raw: Any = buffer.DataAsNumpy()
    if not isinstance(raw, int) and len(raw):
        return np.asarray(raw)
    # schema.fbs: behind offset 1 a buffer's bytes lie in the file beyond the flatbuffer.
    start, size = buffer.Offset(), buffer.Size()
    if start <= 1:
        return None
    content = model._tab.Bytes
    if start + size > len(content):
        raise DamagedError(
            "a buffer lies beyond the end of the file",
            where=name,
            expected=f"≤ {len(content)}",
            found=start + size,
        )
    return np.frombuffer(content, np.uint8, size, start)


def options_of(raw: Any) -> Any:
    """The builtin options of an operator; ``None`` where it has none."""
    class_name = _OPTION_CLASSES.get(raw.BuiltinOptionsType())
    table = raw.BuiltinOptions()
    if class_name is None or table is None or not hasattr(tflite, class_name):
        return None
    options = getattr(tflite, class_name)()
    options.Init(table.Bytes, table.Pos)
    return options


def builtin_name(model: Any, raw: Any, where: str) -> str:
    """An operator's name; that of a custom one is ``custom`` and what the file calls it.

    Raises:
        DamagedError: the operator's code is not one of the file.
    """
    index = raw.OpcodeIndex()
    if not 0 <= index < model.OperatorCodesLength():
        raise DamagedError("operator code is out of range", where=where, found=index)
    code = model.OperatorCodes(index)
    # schema.fbs: the larger of the old 8-bit field and the new one is valid.
    value = max(code.DeprecatedBuiltinCode(), _new_builtin_code(code))
    if value == tflite.BuiltinOperator.CUSTOM:
        return f"custom {(code.CustomCode() or b'?').decode('utf-8', 'replace')}"
    return str(_BUILTIN_NAMES.get(value, f"builtin {value}"))


def _new_builtin_code(code: Any) -> int:
    """The newer of the two fields; the package's accessor prefers the older one even where a writer left it out."""
    offset = int(code._tab.Offset(10))
    return int(code._tab.Get(number_types.Int32Flags, offset + code._tab.Pos)) if offset else 0
