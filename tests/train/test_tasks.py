# SPDX-License-Identifier: Apache-2.0
"""Multi-label and anomaly detection from the folder to the page: trained, quantized, benched on host and simulator.

The figures of the benchmark are computed anew here, by scikit-learn, from the device's saved outputs.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from ascmcu import api, zoo
from ascmcu.cli import cli
from ascmcu.data import datasets
from ascmcu.quantize import metadata, ptq
from ascmcu.results import schema
from ascmcu.toolchain.manifest import Manifest
from tests.data import layouts_made as layouts

zoo.load_tensorflow()

import keras  # noqa: E402  (after TensorFlow was told to be quiet)

metrics = pytest.importorskip("sklearn.metrics")
cross = pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no cross compiler")

FEATURES = """
[features]
sample_rate_hz = 8000
duration_s = {seconds}
n_fft = 256
hop_length = 256
center = false
n_mels = 16
log_offset = 1e-6
normalization = "mean_std"
"""
TAGS = (
    """
[data]
train = ["train"]
test = ["test"]
long = "windows"
"""
    + FEATURES.format(seconds=0.5)
    + """
[network]
name = "dscnn"
stem_filters = 16
filters = [16, 16]
strides = [2, 1]
dropout = 0.0

[training]
task = "multi_label"
epochs = {epochs}
batch = 8
learning_rate = 0.02
seed = 3
"""
)
MACHINES = (
    """
[data]
train = ["train"]
test = ["test"]
only = ["normal"]
long = "windows"
"""
    + FEATURES.format(seconds=0.128)
    + """
[network]
name = "autoencoder"
width = 16

[training]
task = "reconstruction"
epochs = {epochs}
batch = 8
learning_rate = 0.01
seed = 3
"""
)


def run(*arguments: str) -> str:
    """A command that succeeds."""
    done = CliRunner().invoke(cli, list(arguments))
    assert done.exit_code == 0, f"{done.output}\n{done.exception}"
    return str(done.stdout)


def benched(root: Path, on: str, *more: str) -> tuple[dict[str, Any], np.ndarray[Any, Any]]:
    """The result of ``build`` on the test part, and the device's outputs as real numbers."""
    text = run(
        "bench", "build", "--on", on, "--data", str(root), "--split", "test", "--long", "windows",
        "--save-outputs", f"{on}.npy", "--json", *more,
    )  # fmt: skip
    out = Manifest.load(Path("build")).outputs[0]
    raw = np.load(f"{on}.npy").astype(np.float64)
    return json.loads(text), ((raw - out.zero_point) * out.scale).reshape(len(raw), -1)


@pytest.fixture
def tags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    root = layouts.fsd50k(tmp_path / "FSD50K")
    Path("tags.toml").write_text(TAGS.format(epochs=60))
    run("train", "tags.toml", "--data", str(root), "-o", "run")
    run("export", "run/model.tflite", "--board", "nucleo-f446", "-o", "build")
    return root


@cross
def test_multi_label_end_to_end(tags: Path) -> None:
    told = json.loads(Path("run/metrics.json").read_text())
    assert told["task"] == "multi_label" and told["labels"] == ["Dog", "Rain", "Siren", "Wind"]
    assert told["int8"]["mean_average_precision"] > 0.9, "tones that each class has alone"
    assert not Path("run/confusion.png").exists() and Path("run/curves.png").is_file()
    host, scores = benched(tags, "host")
    test = datasets.load(tags).only(["test"])
    truth = test.targets()
    # 1.2 s are three clips of half a second; their scores' mean is the recording's.
    mean = scores.reshape(len(truth), 3, -1).mean(axis=1).round(6)
    heard = [n for n in range(4) if truth[:, n].any()]
    assert host["labels"][3] == "Wind" and heard == [0, 1, 2]
    expected = np.mean([metrics.average_precision_score(truth[:, n], mean[:, n]) for n in heard])
    assert host["tagging"]["mean_average_precision"] == pytest.approx(expected, abs=1e-9)
    assert host["tagging"]["by_class"]["Wind"]["average_precision"] is None
    for n in heard:
        of = host["tagging"]["by_class"][host["labels"][n]]
        best = max(metrics.f1_score(truth[:, n], mean[:, n] >= at) for at in np.unique(mean[:, n]))
        assert of["f1"] == pytest.approx(best) and of["positives"] == truth[:, n].sum()
        assert of["f1"] == pytest.approx(metrics.f1_score(truth[:, n], mean[:, n] >= of["threshold"]))
    assert host["accuracy"] is None and host["confusion"] is None
    # What the training said of the int8 network is what the firmware does.
    assert told["int8"]["mean_average_precision"] == pytest.approx(expected, abs=1e-6)
    sim, again = benched(tags, "sim", "--limit", "3")
    assert sim["clips"] == 3 and sim["cycles"]["network"] > 0
    names = [clip["name"] for clip in host["clip_results"]]
    rows = [names.index(clip["name"]) for clip in sim["clip_results"]]
    assert np.array_equal(again.reshape(3, 3, -1), scores.reshape(len(names), 3, -1)[rows])
    page = api.report("build").read_text()
    assert "Average precision by class" in page and "mAP" in page
    assert "mAP" in run("bench", "build", "--on", "host", "--data", str(tags), "--split", "test")
    assert schema.load(Path("build/bench-host.json")).tagging is not None
    told = json.loads(run("quantize", "run", "--data", str(tags), "-o", "again.tflite", "--json"))
    assert told["accuracy"] is None and 0 <= told["agreement"] <= 1
    refused = CliRunner().invoke(
        cli, ["quantize", "run", "--data", str(tags), "--to", "qat", "-o", "qat.tflite"]
    )
    assert "one class a clip" in str(refused.exception or refused.output)


def test_task_and_data_must_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    several, one = layouts.tagged_table(tmp_path / "several"), layouts.esc50(tmp_path / "one")
    Path("tags.toml").write_text(TAGS.format(epochs=1))
    for data, more, words in (
        (several, ["--set", "training.task=single_label"], "multi-label"),
        (one, ["--set", 'data.train=["1"]', "--set", 'data.test=["2"]'], "has one"),
        (several, ["--set", 'data.only=["Cat"]'], "no such class"),
        (several, ["--set", "training.task=multilabel"], "multi_label"),
        (several, ["--set", "training.balance=true"], "balance"),
        (several, ["--set", "training.task=reconstruction"], "not a network for this task"),
    ):
        done = CliRunner().invoke(cli, ["train", "tags.toml", "--data", str(data), "-o", "run", *more])
        assert done.exit_code != 0 and words in f"{done.output} {done.exception}", (
            words,
            done.output,
            done.exception,
        )
        assert not Path("run").exists()


def test_a_plain_folder_of_several_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without parts: dealt, kept in split.csv with its classes, and a second run takes the same."""
    monkeypatch.chdir(tmp_path)
    root = layouts.tagged_table(tmp_path / "several")
    text = (root / "meta.csv").read_text()
    (root / "meta.csv").write_text(text.replace("split", "unused"))
    more = ("--epochs", "1", "--set", "network.filters=[8]", "--set", "network.strides=[2]")
    run("train", str(root), "-o", "run", *more)
    first = datasets.load(Path("run/split.csv"))
    assert first.multi_label and first.labels == ("Dog", "Rain", "Siren")
    assert set(first.parts) == {"train", "validate", "test"}
    run("train", str(root), "-o", "run", *more)
    assert datasets.load(Path("run/split.csv")) == first


@cross
def test_anomalies_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    root = layouts.toy_car(tmp_path / "ToyCar")
    for take in range(2, 6):
        layouts.tone(root / "train" / f"normal_id_01_0000000{take}.wav", 0, take)
    Path("machines.toml").write_text(MACHINES.format(epochs=60))
    run("train", "machines.toml", "--data", str(root), "-o", "run")
    told = json.loads(Path("run/metrics.json").read_text())
    assert told["task"] == "reconstruction" and told["int8"]["auc"] == 1.0, "another tone is an anomaly"
    run("export", "run/model.tflite", "--board", "nucleo-f446", "-o", "build")
    host, _ = benched(root, "host")
    truth = [clip["truth"] for clip in host["clip_results"]]
    errors = [clip["error"] for clip in host["clip_results"]]
    assert host["labels"] == ["normal", "anomaly"] and sorted(truth) == [0, 0, 1, 1]
    assert host["anomalies"]["auc"] == metrics.roc_auc_score(truth, errors)
    assert host["anomalies"]["partial_auc"] == pytest.approx(
        metrics.roc_auc_score(truth, errors, max_fpr=0.1)
    )
    assert list(host["anomalies"]["by_machine"]) == ["ToyCar id_01"]
    assert host["accuracy"] is None and host["confusion"] is None
    assert [clip["predicted"] for clip in host["clip_results"]] == truth, "at the best threshold"
    sim, _ = benched(root, "sim", "--limit", "2")
    known = {clip["name"]: clip["error"] for clip in host["clip_results"]}
    assert all(clip["error"] == known[clip["name"]] for clip in sim["clip_results"])
    page = api.report("build").read_text()
    assert "Area under the ROC curve by machine" in page and "AUC" in page
    assert "AUC" in run(
        "bench", "build", "--on", "host", "--data", str(root), "--split", "test", "--long", "windows"
    )


@cross
def test_sections_and_domains_to_bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Task 2 since 2021: an area for each machine's section and domain."""
    monkeypatch.chdir(tmp_path)
    root = layouts.machines(tmp_path / "dev")
    Path("machines.toml").write_text(MACHINES.format(epochs=1))
    run("train", "machines.toml", "--data", str(root), "-o", "run")
    run("export", "run/model.tflite", "--board", "nucleo-f446", "-o", "build")
    assert Manifest.load(Path("build")).task == "reconstruction"
    host, _ = benched(root, "host")
    assert sorted(host["anomalies"]["by_machine"]) == [
        f"{machine} section_00_{domain}" for machine in ("ToyCar", "fan") for domain in ("source", "target")
    ]


@cross
def test_as_many_outputs_as_inputs_are_no_reconstruction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A denoiser's file that says nothing of its task: nothing is said of anomalies unless the data speak of them.
    A file that names its task is believed: a network of classes has no errors, whatever its sizes are."""
    monkeypatch.chdir(tmp_path)
    inputs = keras.Input((4, 4, 1))
    network = keras.Model(inputs, keras.layers.Conv2D(1, 3, padding="same")(inputs))
    plain = ptq.int8(network, np.random.default_rng(1).standard_normal((4, 4, 4, 1)).astype(np.float32))
    x = np.random.default_rng(2).integers(-128, 128, (4, 4, 4, 1), dtype=np.int8)
    np.save("x.npy", x)
    np.save("truth.npy", np.array([0, 1, 1, 0]))
    found = {}
    for task in ("", "single_label", "reconstruction"):
        model = metadata.embedded(plain, None, (), task) if task else plain
        Path("net.tflite").write_bytes(model)
        run("export", "net.tflite", "--board", "nucleo-f446", "-o", "build")
        tensors = ["bench", "build", "--on", "host", "--tensors", "x.npy", "--json"]
        alone = json.loads(run(*tensors))
        judged = json.loads(run(*tensors, "--labels", "truth.npy"))
        errors = [any(clip["error"] is not None for clip in told["clip_results"]) for told in (alone, judged)]
        found[task] = (*errors, judged["anomalies"] is not None)
    assert found == {
        "": (False, True, True),
        "single_label": (False, False, False),
        "reconstruction": (True, True, True),
    }


@cross
def test_errors_are_those_of_input_and_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of tensors: N windows of M recordings; the error is computed here from what was sent and what came back."""
    monkeypatch.chdir(tmp_path)
    root = layouts.toy_car(tmp_path / "ToyCar")
    Path("machines.toml").write_text(MACHINES.format(epochs=1))
    run("train", "machines.toml", "--data", str(root), "-o", "run")
    run("export", "run/model.tflite", "--board", "nucleo-f446", "-o", "build", "--features", "none")
    manifest = Manifest.load(Path("build"))
    x = np.random.default_rng(1).integers(-128, 128, (4, 3, *manifest.inputs[0].shape[1:]), dtype=np.int8)
    np.save("x.npy", x)
    np.save("truth.npy", np.array([0, 1, 1, 0]))
    told = json.loads(
        run(
            "bench",
            "build",
            "--on",
            "host",
            "--tensors",
            "x.npy",
            "--labels",
            "truth.npy",
            "--json",
            "--save-outputs",
            "y.npy",
        )
    )
    (i,), (o,) = manifest.inputs, manifest.outputs
    sent = (x.reshape(12, -1).astype(float) - i.zero_point) * i.scale
    came = (np.load("y.npy").reshape(12, -1).astype(float) - o.zero_point) * o.scale
    expected = ((sent - came) ** 2).mean(axis=1).reshape(4, 3).mean(axis=1)
    assert [clip["error"] for clip in told["clip_results"]] == pytest.approx(expected.tolist())
    assert told["anomalies"]["auc"] == metrics.roc_auc_score([0, 1, 1, 0], expected)
    np.save("truth.npy", np.array([0, 1, 2, 0]))
    done = CliRunner().invoke(
        cli, ["bench", "build", "--on", "host", "--tensors", "x.npy", "--labels", "truth.npy"]
    )
    assert done.exit_code != 0 and "0 (normal) and 1 (anomaly)" in str(done.exception)
