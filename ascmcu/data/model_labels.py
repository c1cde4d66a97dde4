# SPDX-License-Identifier: Apache-2.0
"""The class names that a ``.tflite`` carries in TensorFlow Lite's own way.

A zip archive behind the flatbuffer holds files; the metadata buffer ``TFLITE_METADATA`` (a flatbuffer of its own, by
metadata_schema.fbs of tflite-support) says which of them names the values of an output.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterator

from flatbuffers import encode, number_types
from flatbuffers.table import Table

BUFFER = "TFLITE_METADATA"
_BYTES_MAX = 1 << 20
# Field numbers of metadata_schema.fbs.
_MODEL_SUBGRAPHS, _SUBGRAPH_OUTPUTS, _TENSOR_FILES = 3, 3, 6
_FILE_NAME, _FILE_TYPE, _FILE_LOCALE = 0, 2, 3
_AXIS_LABELS = 2
_CORRUPT = (
    struct.error,
    IndexError,
    ValueError,
    TypeError,
    OverflowError,
    KeyError,
    zipfile.BadZipFile,
    RuntimeError,
)


def in_file(model: bytes, described: bytes | None, values: int) -> tuple[tuple[str, ...], str]:
    """The names of the first output's values, and the file in the model that has them; nothing where it has none.

    Args:
        model: the whole ``.tflite``.
        described: its metadata buffer ``BUFFER``.
        values: of the first output. Of files that no metadata describes, the only one with as many lines is taken.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(model)) as archive:
            texts = {
                entry.filename: tuple(archive.read(entry).decode().strip().splitlines())
                for entry in archive.infolist()
                if entry.filename.endswith((".txt", ".csv")) and entry.file_size <= _BYTES_MAX
            }
    except _CORRUPT:
        return (), ""
    named = _named(described) if described else []
    fitting = [name for name, lines in texts.items() if len(lines) == values]
    chosen = [name for name in named if name in fitting][:1] or (fitting if len(fitting) == 1 else [])
    return (tuple(line.strip() for line in texts[chosen[0]]), chosen[0]) if chosen else ((), "")


def _named(described: bytes) -> list[str]:
    """The label files of the first output, those of no particular language first."""
    try:
        root = Table(described, encode.Get(number_types.UOffsetTFlags.packer_type, described, 0))
        subgraph = next(_tables(root, _MODEL_SUBGRAPHS))
        output = next(_tables(subgraph, _SUBGRAPH_OUTPUTS))
        found = []
        for file in _tables(output, _TENSOR_FILES):
            if file.GetSlot(4 + 2 * _FILE_TYPE, 0, number_types.Int8Flags) == _AXIS_LABELS:
                found.append((bool(_text(file, _FILE_LOCALE)), _text(file, _FILE_NAME)))
    except (*_CORRUPT, StopIteration):
        return []
    return [name for _, name in sorted(found, key=lambda pair: pair[0])]


def _tables(table: Table, field: int) -> Iterator[Table]:
    offset = table.Offset(4 + 2 * field)
    if offset:
        start = table.Vector(offset)
        for number in range(min(table.VectorLen(offset), len(table.Bytes))):
            yield Table(table.Bytes, table.Indirect(start + 4 * number))


def _text(table: Table, field: int) -> str:
    offset = table.Offset(4 + 2 * field)
    return table.String(offset + table.Pos).decode() if offset else ""
