# SPDX-License-Identifier: Apache-2.0
"""Sizes that file headers state: of unfinished WAV files and of truncated files.

libsndfile takes a size of zero for no samples, and says nothing of samples that are missing. The forms: WAV from
Microsoft's *Multimedia Programming Interface and Data Specifications* 1.0, RF64 from EBU Tech 3306, AIFF from Apple's
*Audio Interchange File Format*, AU from Sun's ``audio_fileheader``, Ogg from RFC 3533, Wave64 as libsndfile reads it.
"""

from __future__ import annotations

import io
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

# A pipe cannot go back to write the size. Programs leave 0 (most), 0xFFFFFFFF (FFmpeg), 0x7FFFF000 and the like
# (SoX) or 0x80000000 less a header (arecord) there.
_OPEN_FROM = 0x7FFF0000
_OGG_PAGE_BYTES, _OGG_END = 65307, 4


@dataclass(frozen=True)
class DataChunk:
    """Where the samples of a WAV file lie.

    Args:
        at: of the first sample, in bytes from the file's start.
        promised_bytes: the size that the header gives.
        there_bytes: what follows the header.
    """

    at: int
    promised_bytes: int
    there_bytes: int
    is_open: bool

    @property
    def is_cut(self) -> bool:
        """Whether the header promises more than there is."""
        return not self.is_open and self.promised_bytes > self.there_bytes


def data_chunk(path: Path) -> DataChunk | None:
    """The samples' place in a RIFF WAVE file; None for any other file.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return None
        size_bytes = os.fstat(file.fileno()).st_size
        while len(chunk := file.read(8)) == 8:
            (promised,) = struct.unpack("<I", chunk[4:])
            if chunk[:4] == b"data":
                at = file.tell()
                there = size_bytes - at
                return DataChunk(at, promised, there, _is_open(file, promised, there))
            file.seek(promised + promised % 2, os.SEEK_CUR)
    return None


def cut_off(path: Path) -> str:
    """How much is there of what the header promises, in words; empty where all is, or nothing is promised.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(40)
        there = os.fstat(file.fileno()).st_size
        if head[:4] == b"OggS":
            file.seek(max(0, there - _OGG_PAGE_BYTES))
            tail = file.read()
            last = tail.rfind(b"OggS")
            ends = last >= 0 and len(tail) > last + 5 and bool(tail[last + 5] & _OGG_END)
            return "" if ends else "the stream has no end"
    promised = _file_bytes(head)
    return f"{there} of {promised} bytes" if promised > there else ""


def _file_bytes(head: bytes) -> int:
    """The size of the file by its first 40 bytes; 0 where they do not say."""
    if len(head) < 40:
        return 0
    if head[:4] == b"FORM":
        return int(struct.unpack_from(">I", head, 4)[0]) + 8
    if head[:4] == b"RF64" and head[12:16] == b"ds64":
        return int(struct.unpack_from("<Q", head, 20)[0]) + 8
    if head[:4] == b"riff":
        return int(struct.unpack_from("<Q", head, 16)[0])
    if head[:4] == b".snd":
        at, size = struct.unpack_from(">II", head, 4)
        return int(at + size) if size < _OPEN_FROM else 0
    return 0


def mended(path: Path, chunk: DataChunk) -> io.BytesIO:
    """The file with the sizes that it should have."""
    raw = bytearray(path.read_bytes())
    struct.pack_into("<I", raw, 4, min(len(raw) - 8, 0xFFFFFFFF))
    struct.pack_into("<I", raw, chunk.at - 4, min(chunk.there_bytes, 0xFFFFFFFF))
    return io.BytesIO(bytes(raw))


def _is_open(file: BinaryIO, promised: int, there: int) -> bool:
    if promised == 0:
        return there > 0 and not _only_chunks(file.read(there))
    return promised >= _OPEN_FROM and promised > there


def _only_chunks(rest: bytes) -> bool:
    """Whether what follows an empty data chunk are chunks to the end, and so no samples."""
    at = 0
    while at + 8 <= len(rest):
        name, size = struct.unpack_from("<4sI", rest, at)
        if not (name.isascii() and name.decode("ascii").isprintable()):
            return False
        at += 8 + size + size % 2
    return at in (len(rest), len(rest) + 1)
