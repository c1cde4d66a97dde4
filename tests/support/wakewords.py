# SPDX-License-Identifier: Apache-2.0
"""microWakeWord's models, and what the package pymicro-wakeword makes of a recording.

The front end is that of the package (pymicro-features, TensorFlow's library); it quantizes with NumPy, half to even,
and calls the network with every three frames. Here LiteRT's reference kernels are the network; the package ships with
optimized ones, whose int8 convolutions round otherwise (docs/bit-exactness.md).
"""

from __future__ import annotations

import csv
import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from ascmcu.features import spec as specs
from ascmcu.features.pcm import to_pcm
from tests.support import outside, speech
from tests.support.litert import Reference

RECORDINGS = outside.dataset("esc10") / "audio"
RATE_HZ = 16000
_CHUNK = 160


def model(name: str) -> Path:
    """The published ``.tflite`` of that name; it need not be there."""
    return outside.model(f"microwakeword_v2_{name}.tflite")


def described(folder: Path, name: str, cutoff: float = 0.85, window: int = 5) -> Path:
    """A copy of the model with its description beside it, as they are published; returns the description."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(model(name), folder / f"{name}.tflite")
    micro = {"probability_cutoff": cutoff, "sliding_window_size": window, "feature_step_size": 10}
    description = {
        "type": "micro", "wake_word": name, "author": "somebody", "model": f"{name}.tflite", "version": 2,
        "trained_languages": ["en"], "micro": {**micro, "tensor_arena_size": 30000},
    }  # fmt: skip
    path = folder / f"{name}.json"
    path.write_text(json.dumps(description))
    return path


def write(folder: Path, text: str, voices: int, cut: int, seconds: int = 5) -> int:
    """Write recordings, a folder for each kind: ``text`` by several voices, and the first seconds of ESC-10's.

    Of ESC-10 the classes take turns, so that ``cut`` recordings have as many of each as they can.

    Returns:
        how many there are.
    """
    for number, voice in enumerate(speech.VOICES[:voices]):
        silence = np.zeros(RATE_HZ // 2, np.int16)
        _store(
            folder / "spoken" / f"{number}.wav", np.concatenate([silence, speech.say(text, voice), silence])
        )
    for path in _in_turns(RECORDINGS)[:cut]:
        pcm = to_pcm(*soundfile.read(path, dtype="float64", always_2d=True), specs.load("microwakeword"))
        _store(folder / "other" / f"{path.stem}.wav", pcm[: seconds * RATE_HZ, 0])
    return voices + cut


def _in_turns(folder: Path) -> list[Path]:
    """ESC-10's recordings, one of each class after the other, as ``meta.csv`` beside them tells the classes."""
    classes: dict[str, list[Path]] = {}
    for row in csv.DictReader((folder.parent / "meta.csv").read_text().splitlines()):
        classes.setdefault(row["category"], []).append(folder / row["filename"])
    turns = itertools.zip_longest(*(sorted(paths) for paths in classes.values()))
    return [path for turn in turns for path in turn if path is not None]


def _store(path: Path, samples: npt.NDArray[np.int16]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, RATE_HZ, subtype="PCM_16")


def files(folder: Path) -> list[Path]:
    """The recordings in the order in which a benchmark of the folder runs them."""
    return sorted(folder.glob("*/*.wav"))


def outputs_of(name: str, path: Path, resolver: str = "BUILTIN_REF") -> npt.NDArray[np.uint8]:
    """The network's raw output at every step of a recording: uint8 (steps,)."""
    samples, _ = soundfile.read(path, dtype="int16")
    network = Reference(model(name).read_bytes(), resolver)
    scale, zero_point = network.input_quantization
    frames = _frames(samples)
    found = []
    for first in range(0, len(frames) - 2, 3):
        values = np.round(frames[first : first + 3] / scale + zero_point).astype(np.int8)
        found.append(network([values[None]])[0].reshape(-1)[0])
    return np.array(found, np.uint8)


def _frames(samples: npt.NDArray[np.int16]) -> npt.NDArray[np.float64]:
    """The package's features, float64 (frames, 40)."""
    import pymicro_features

    frontend = pymicro_features.MicroFrontend()
    raw, rows, at = samples.astype("<i2").tobytes(), [], 0
    while at + 2 * _CHUNK <= len(raw):
        output = frontend.process_samples(raw[at : at + 2 * _CHUNK])
        at += 2 * output.samples_read
        if output.features:
            rows.append(output.features)
    return np.array(rows)
