# SPDX-License-Identifier: Apache-2.0
"""A process that is killed, as the kernel kills: what it had done is kept, and the end is that of one left alone."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ascmcu import zoo
from ascmcu.data import cache
from ascmcu.data.datasets import Dataset
from ascmcu.train.recipe import Recipe

zoo.load_tensorflow()

import keras  # noqa: E402  (after TensorFlow was told to be quiet)

TOML = """
[data]
train = ["1", "2", "3"]
validate = ["4"]
test = ["5"]

[features]
sample_rate_hz = 8000
duration_s = 1.0
n_fft = 256
hop_length = 256
center = false
n_mels = 16
log_offset = 1e-6
normalization = "mean_std"

[network]
name = "dscnn"
stem_filters = 8
filters = [12]
strides = [2]
dropout = 0.2

[augment]
mixup_alpha = 0.2
time_roll = true

[training]
epochs = 30
batch = 8
average = 0.9
"""
COMMAND = [sys.executable, "-c", "from ascmcu.cli import main; main()", "train"]
# Only a hang takes as long.
DEADLINE_SECONDS = 600.0

# A training that writes its state after every epoch and dies of SIGKILL at a given one: behind the finished file,
# or with the new file written and not yet in the old one's place. Whoever kills from outside may come too late.
DIES = """
import os, signal, sys
from ascmcu.cli import main
from ascmcu import paths
from ascmcu.train import checkpoint, loop

where, epochs = sys.argv.pop(1), int(sys.argv.pop(1))
written, replace, reached = checkpoint.save, paths.Path.replace, 0
loop.STATE_SECONDS = 0.0

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def save(path, run, model, state, beside=()):
    global reached
    reached = len(state.history)
    written(path, run, model, state, beside)
    if where == "behind" and reached >= epochs:
        die()

def in_place(partial, path):
    if where == "within" and reached >= epochs and path.suffix == ".npz":
        die()
    return replace(partial, path)

checkpoint.save, paths.Path.replace = save, in_place
main()
"""

# Two workers, a clip at a time, and a caller that takes long enough over each to be killed in between.
EXTRACT = """
import json, sys, time
from pathlib import Path
from ascmcu.data import cache, datasets
from ascmcu.features.spec import FeatureSpec

cache.CHUNK_CLIPS = cache.PARALLEL_FROM_CLIPS = 1
spec = FeatureSpec.from_dict(json.loads(sys.argv[2]), "spec")
cache.features(datasets.load(Path(sys.argv[1])), spec, lambda done, total: time.sleep(0.05))
"""


def test_a_killed_training_ends_with_the_bits_of_one_left_alone(scenes: Dataset, tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(TOML)

    def words(folder: str) -> list[str]:
        return [str(recipe), "--data", str(scenes.root), "-o", str(tmp_path / folder), "-q"]

    whole = subprocess.Popen([*COMMAND, *words("whole")])
    state = tmp_path / "cut" / "state1.npz"
    for where, epochs, kept in (("behind", 5, 5), ("within", 12, 11)):
        dies = [sys.executable, "-c", DIES, where, str(epochs), "train", *words("cut")]
        assert subprocess.run(dies, timeout=DEADLINE_SECONDS).returncode == -signal.SIGKILL
        assert _epochs(state) == kept
    assert not (tmp_path / "cut" / "model.keras").exists()
    subprocess.run([*COMMAND, *words("cut")], check=True)
    assert whole.wait(DEADLINE_SECONDS) == 0
    left_alone, resumed = (keras.saving.load_model(tmp_path / f / "model.keras") for f in ("whole", "cut"))
    for a, b in zip(left_alone.get_weights(), resumed.get_weights(), strict=True):
        assert np.array_equal(a, b)
    assert (tmp_path / "whole" / "model.tflite").read_bytes() == (
        tmp_path / "cut" / "model.tflite"
    ).read_bytes()
    histories = [(tmp_path / f / "history.csv").read_text().splitlines() for f in ("whole", "cut")]
    timeless = [[line.split(",")[:5] for line in history] for history in histories]
    assert timeless[0] == timeless[1]
    assert len(timeless[0]) == 31
    metrics = [json.loads((tmp_path / f / "metrics.json").read_text()) for f in ("whole", "cut")]
    assert [m["int8"] for m in metrics[:1]] == [m["int8"] for m in metrics[1:]]
    assert not list((tmp_path / "cut").glob("state*"))


def test_a_killed_extraction_goes_on_and_leaves_no_worker_behind(
    scenes: Dataset, tiny: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASCMCU_CACHE", str(tmp_path))
    spec = tiny.features.unnormalized()
    words = [sys.executable, "-c", EXTRACT, str(scenes.root), json.dumps(spec.to_dict())]
    extraction = subprocess.Popen(words)
    workers: set[int] = set()

    def ready() -> bool:
        workers.update(_children(extraction.pid))
        return _extracted(tmp_path) >= 3

    killed_when(extraction, ready)
    done = _extracted(tmp_path)
    assert workers
    assert 3 <= done < len(scenes.recordings)
    until = time.monotonic() + DEADLINE_SECONDS
    while left := [pid for pid in workers if Path(f"/proc/{pid}").exists()]:
        assert time.monotonic() < until, f"{left} wait for a caller that is dead"
        time.sleep(0.05)
    progress: list[int] = []
    monkeypatch.setattr(cache, "CHUNK_CLIPS", 1)
    resumed = cache.features(scenes, spec, lambda number, total: progress.append(number))
    assert progress[0] == done + 1, "what was done is kept"
    for row, recording in zip(resumed, scenes.recordings, strict=True):
        assert np.array_equal(row, cache.one(str(recording.path), spec))


def _extracted(folder: Path) -> int:
    return sum(int(np.load(path).sum()) for path in folder.glob("features/*/done.npy"))


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _epochs(state: Path) -> int:
    if not state.is_file():
        return 0
    with np.load(state) as stored:
        return len(json.loads(str(stored["about"]))["history"])


def killed_when(process: subprocess.Popen[bytes], ready: Callable[[], bool]) -> None:
    """SIGKILL as soon as it is so; fails when the process ends before."""
    until = time.monotonic() + DEADLINE_SECONDS
    while not ready():
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < until, "it never got there"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
