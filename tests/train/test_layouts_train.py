# SPDX-License-Identifier: Apache-2.0
"""Published layouts from the folder to a benchmark: an epoch of training, an export, the part that was not learned."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from ascmcu.cli import cli
from ascmcu.data import datasets
from tests.data import layouts_made as layouts

RECIPE = """
[data]
train = {train}
test = {test}

[features]
sample_rate_hz = 8000
duration_s = 0.25
n_fft = 256
hop_length = 256
center = false
n_mels = 16
log_offset = 1e-6
normalization = "mean_std"

[network]
name = "dscnn"
stem_filters = 8
filters = [8]
strides = [2]
residual = false

[training]
epochs = 1
batch = 4
learning_rate = 0.01
seed = 7
"""

# Layout → parts to train and to test on, more options, recordings that the bench judges, and its notice.
CASES: dict[str, tuple[layouts.Make, list[str], str, list[str], int, str]] = {
    "speech_commands": (
        layouts.speech_commands, ["train", "validation"], "test", ["--classes", "yes,no,_silence_,_unknown_"], 5,
        "3 other words count as '_unknown_'",
    ),
    "urbansound8k": (layouts.urbansound8k, ["1"], "2", [], 4, ""),
    "esc50": (layouts.esc50, ["1"], "2", [], 4, ""),
    "tau, a quarter": (layouts.tau_subsets, ["split25"], "test", [], 2, ""),
    "edge_impulse": (layouts.edge_impulse, ["train"], "test", [], 4, ""),
    "audiofolder": (layouts.audiofolder, ["train"], "test", [], 4, ""),
    "biodcase": (layouts.biodcase, ["train", "validation"], "test", [], 4, ""),
    "audioset": (layouts.audioset, ["train"], "test", ["--set", "training.task=multi_label"], 6, ""),
    "a table of tags": (layouts.tagged_table, ["train"], "test", ["--set", "training.task=multi_label"], 6, ""),
}  # fmt: skip


def _run(*arguments: str) -> str:
    done = CliRunner().invoke(cli, list(arguments))
    assert done.exit_code == 0, f"{done.output}\n{done.exception}"
    return str(done.stdout)


@pytest.mark.parametrize("name", CASES)
def test_layout_to_bench(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make, train, test, more, judged, notice = CASES[name]
    monkeypatch.chdir(tmp_path)
    root = make(tmp_path / "data")
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(RECIPE.format(train=json.dumps(train), test=json.dumps([test])))
    _run("train", str(recipe), "--data", str(root), "-o", "run", *more)
    _run("export", "run/model.tflite", "--board", "nucleo-f446", "-o", "build")
    found = json.loads(_run("bench", "build", "--on", "host", "--data", str(root), "--split", test, "--json"))
    assert found["clips"] == judged
    score = found["accuracy"] if found["tagging"] is None else found["tagging"]["mean_average_precision"]
    assert 0.0 <= score <= 1.0
    assert notice in " ".join(found.get("notices", []))


def test_speakers_are_dealt_to_bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """AudioMNIST has no parts: `train FOLDER` deals the speakers, and none trains and tests."""
    monkeypatch.chdir(tmp_path)
    root = layouts.audiomnist(tmp_path / "data")
    narrow = [
        "--set",
        "network.stem_filters=8",
        "--set",
        "network.filters=[8]",
        "--set",
        "network.strides=[2]",
    ]
    _run("train", str(root), "-o", "run", "--epochs", "1", *narrow)
    dealt = datasets.load(tmp_path / "run" / "split.csv")
    speakers = {part: {r.path.parent.name for r in dealt.only([part]).recordings} for part in dealt.parts}
    assert set(speakers) == {"train", "validate", "test"}
    assert sum(map(len, speakers.values())) == len(set().union(*speakers.values())) == 4
    _run("export", "run/model.tflite", "--board", "nucleo-f446", "-o", "build")
    told = _run("bench", "build", "--on", "host", "--data", "run/split.csv", "--split", "test", "--json")
    assert json.loads(told)["clips"] == len(dealt.only(["test"]).recordings)
