# SPDX-License-Identifier: Apache-2.0
"""Shared by the tests of the link: an export of the mixer, and what its outputs must be."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

from ascmcu import boards
from ascmcu.codegen import board as board_files
from ascmcu.runners.base import Target
from ascmcu.toolchain.identity import UNIDENTIFIED
from ascmcu.toolchain.manifest import MANIFEST_VERSION, Layer, Manifest, TensorSpec

MIXER = Path(__file__).parents[1] / "firmware" / "mixer"
ROWS, ROW_BYTES = 61, 47
CHANNELS, CLIP_SAMPLES, HOP = 2, 6050, 100
FEATURES_SHA256 = "89abcdef01234567" * 4


def mixer_manifest(board: str, *, frontend: bool = False) -> Manifest:
    """The manifest that an export of the mixer would have."""
    return Manifest(
        version=MANIFEST_VERSION,
        tool_version="0",
        model="mixer",
        model_sha256="0123456789abcdef" * 4,
        board=board,
        schedule="rows",
        inputs=(TensorSpec("in", (1, ROWS, ROW_BYTES), "int8", 1.0, 0, ROWS, ROW_BYTES, (0, 1, 2)),),
        outputs=(
            TensorSpec("scores", (1, 10), "int8", 1.0, 0, 1, 10, (0, 1)),
            TensorSpec("state", (1, 1), "int32", 1.0, 0, 1, 4, (0, 1)),
        ),
        layers=tuple(Layer(i, f"layer{i}", "mix", 100, 0, 0, (1,)) for i in range(3)),
        labels=tuple(f"class{i}" for i in range(10)),
        features_sha256=FEATURES_SHA256 if frontend else UNIDENTIFIED,
        ram_bytes={"total": 6224},
        flash_bytes={"total": 7094},
    )


def mixer_target(folder: Path, board_name: str = "nucleo-f446", *, frontend: bool = False) -> Target:
    """An export folder of the mixer, not yet compiled."""
    board = boards.load(board_name)
    for name in ["model.c", "model.h"] + (["frontend.c", "frontend.h"] if frontend else []):
        shutil.copy(MIXER / name, folder / name)
    for name, text in board_files.files(board).items():
        (folder / name).write_text(text)
    return Target(folder, board, mixer_manifest(board.name, frontend=frontend), frontend)


def changed(source: Path, marker: str, text: str) -> None:
    """Put a text where the mixer's C has the marker, which is there once."""
    before, *after = source.read_text().split(marker)
    assert len(after) == 1, f"{marker!r} is in {source.name} {len(after)} times"
    source.write_text(before + text + after[0])


def mixed(rows: bytes) -> bytes:
    """What the mixer puts out for its input rows (FNV-1a over all bytes)."""
    state = 2166136261
    for byte in rows:
        state = ((state ^ byte) * 16777619) & 0xFFFFFFFF
    scores = bytes((state >> (2 * i)) & 0xFF for i in range(10))
    return scores + struct.pack("<I", state)


def audio_rows(pcm: bytes) -> bytes:
    """The rows that the mixer's front end makes of interleaved int16 samples."""
    samples = struct.unpack(f"<{len(pcm) // 2}H", pcm)
    left, right, rows = 1, 2, bytearray()
    for at in range(0, len(samples) // CHANNELS, HOP):
        for frame in range(at, min(at + HOP, len(samples) // CHANNELS)):
            left = (left * 31 + samples[2 * frame]) & 0xFFFFFFFF
            right = (right * 37 + samples[2 * frame + 1]) & 0xFFFFFFFF
        rows += bytes(((left >> (i % 25)) ^ (right >> (i % 23))) & 0xFF for i in range(ROW_BYTES))
    return bytes(rows)
