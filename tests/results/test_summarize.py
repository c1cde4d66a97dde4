# SPDX-License-Identifier: Apache-2.0
"""Raw results of a run, made by hand, become the figures that they should."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import math
import re
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from ascmcu import boards
from ascmcu.benchmark import wire
from ascmcu.benchmark.clips import Clip, Clips
from ascmcu.benchmark.counts import Counts, of_repetitions
from ascmcu.benchmark.journal import ClipResult
from ascmcu.benchmark.run import RunResult
from ascmcu.benchmark.session import Repairs
from ascmcu.features import extract
from ascmcu.features.spec import FeatureSpec
from ascmcu.results import summarize as made
from ascmcu.results import table
from ascmcu.results.schema import Benchmark, Symbol
from ascmcu.results.summarize import summarize
from ascmcu.runners.base import RunnerFacts
from ascmcu.toolchain.manifest import Layer, Manifest, Prediction, TensorSpec

SPEC = FeatureSpec(
    sample_rate_hz=16000, clip_samples=16000, n_fft=512, win_length=512, hop_length=256, n_mels=20
)
INPUT = TensorSpec("x", (1, 61, 20, 1), "int8", 1.0, 0, 61, 20, (0, 1, 2, 3))
OUTPUT = TensorSpec("y", (1, 2), "int8", 1 / 256, -128, 1, 2, (0, 1), probabilities=True)
LAYERS = (
    Layer(0, "net/conv/Relu", "conv2d", 1000, 10, 40, (1, 4, 2), 16, 0),
    Layer(1, "Identity", "softmax", 0, 0, 0, (1, 2), 4, 2),
)
MANIFEST = Manifest(
    1, "0.1.0", "net", "ab" * 32, "nucleo-f446", "layers", (INPUT,), (OUTPUT,), LAYERS, ("low", "high"),
    SPEC.to_dict(), 1000, 10, {"total": 100}, {"total": 200},
)  # fmt: skip


def _tone(hz: float) -> bytes:
    return np.rint(8000 * np.sin(2 * np.pi * hz * np.arange(16000) / 16000)).astype("<i2").tobytes()


def _clip(name: str, label: int | None, hz: float, device: str) -> Clip:
    return Clip(name, label, lambda: _tone(hz), device)


def _result(name: str, label: int | None, high: int, network: int) -> ClipResult:
    """Answers ``high`` / 256 for the second class."""
    outputs = np.array([256 - high - 128, high - 128]).clip(-128, 127).astype(np.int8)
    return ClipResult(
        name, label, int(high > 128), outputs.tobytes(), Counts(network, 50, 7, 9), 1, (network - 10, 10)
    )


CLIPS = Clips(
    wire.Kind.AUDIO, "/recordings/scenes", ("low", "high"),
    (_clip("a", 0, 200, "x"), _clip("b", 0, 3000, "y"), _clip("c", 1, 3000, "x")),
)  # fmt: skip
RESULTS = (_result("a", 0, 64, 1000), _result("b", 0, 192, 1010), _result("c", 1, 192, 1020))


def _hello() -> wire.Hello:
    values: dict[str, object] = {}
    kinds = {"int": 1, "str": "x", "bool": True, "Probe": wire.Probe(0, 0, 0)}
    for field in dataclasses.fields(wire.Hello):
        values[field.name] = kinds.get(str(field.type), 1)
    values |= {"clock_hz": 180_000_000, "wait_states": 5, "clock": wire.ClockState.AS_CONFIGURED}
    return wire.Hello(**values)  # type: ignore[arg-type]


def _run(kind: str = "cycles", results: tuple[ClipResult, ...] = RESULTS) -> RunResult:
    statistics = wire.Statistics(4096, 300, *([0] * 8))
    facts = RunnerFacts("sim", kind, "a model", 1.0, 0)  # type: ignore[arg-type]
    return RunResult(facts, _hello(), statistics, Repairs(), results, 0)


@pytest.fixture
def summary(tmp_path: Path) -> Benchmark:
    return summarize(MANIFEST, boards.load("nucleo-f446"), CLIPS, _run(), tmp_path)


def test_answers(summary: Benchmark) -> None:
    assert summary.accuracy == pytest.approx(2 / 3)
    assert summary.macro_accuracy == pytest.approx((1 / 2 + 1) / 2)
    assert summary.log_loss == pytest.approx(-(math.log(0.75) + math.log(0.25) + math.log(0.75)) / 3)
    assert summary.confusion == ((1, 1), (0, 1))
    assert summary.class_accuracy == {"low": 0.5, "high": 1.0}
    assert summary.device_accuracy == {"x": 1.0, "y": 0.0}
    assert [c.probabilities for c in summary.clip_results] == [(0.75, 0.25), (0.25, 0.75), (0.25, 0.75)]


def test_counts(summary: Benchmark) -> None:
    assert summary.counts is not None
    assert (summary.counts.network, summary.counts.network_min, summary.counts.network_max) == (
        1010,
        1000,
        1020,
    )
    assert [layer.count for layer in summary.layers] == [1000, 10]
    assert summary.seconds == pytest.approx(1060 / 180e6)
    assert (summary.wait_states, summary.link["disturbed_chunks"]) == (0, 3)
    assert summary.ram_bytes == {"total": 100, "stack_peak": 300}


def test_when_and_with_what_it_was_measured(summary: Benchmark) -> None:
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", summary.provenance.measured_at)
    assert {"python", "ascmcu", "numpy", "librosa", "soxr"} <= set(summary.provenance.tools)
    assert (summary.provenance.repetitions, summary.provenance.firmware_sha256) == (1, "")
    assert summary.clock_state == "as_configured"


def test_who_has_no_clock_has_no_state_of_it(tmp_path: Path) -> None:
    run = _run()
    silent = dataclasses.replace(run, hello=dataclasses.replace(run.hello, clock_hz=0))
    assert summarize(MANIFEST, boards.load("nucleo-f446"), CLIPS, silent, tmp_path).clock_state == "none"


def test_what_was_sent_of_several_windows_has_one_hash() -> None:
    assert made._joined(["ab"]) == "ab"
    assert made._joined(["ab", "cd"]) == hashlib.sha256(b"abcd").hexdigest()
    assert made._joined(["ab", ""]) == "ab", "of older results not every window has one"


def test_answers_without_every_truth_are_not_scored(summary: Benchmark) -> None:
    first, *rest = summary.clip_results
    unknown = (dataclasses.replace(first, truth=None), *rest)
    assert made._confusion(unknown, 2) is None and made._log_loss(unknown) is None
    assert made._confusion((), 2) is None and made._log_loss(()) is None
    assert made._device_accuracy(unknown) == {"x": 1.0, "y": 0.0}
    nowhere = tuple(dataclasses.replace(c, device="") for c in summary.clip_results)
    assert made._device_accuracy(nowhere) is None


def test_layers_are_counted_where_every_clip_has_them(tmp_path: Path) -> None:
    board = boards.load("nucleo-f446")
    for results in ((*RESULTS[:2], dataclasses.replace(RESULTS[2], layers=())), (), RESULTS):
        run = _run(results=results)
        clips = dataclasses.replace(CLIPS, clips=CLIPS.clips[: len(results)])
        found = summarize(MANIFEST, board, clips, run, tmp_path)
        assert [layer.count for layer in found.layers] == ([1000, 10] if results is RESULTS else [None, None])
        assert (found.clips, found.counts is None) == (len(results), not results)


def test_where_the_data_lay_is_not_told(summary: Benchmark) -> None:
    assert summary.source == "scenes"


def test_the_mistake_is_shown_where_it_sounds(summary: Benchmark) -> None:
    (mistake,) = summary.mistakes
    levels = np.frombuffer(base64.b64decode(mistake.levels), np.uint8).reshape(mistake.bands, mistake.frames)
    assert (mistake.clip, mistake.bands) == (1, 20)
    loud = int(levels.mean(axis=1).argmax())
    edges_hz = np.linspace(*(2595 * np.log10(1 + f / 700) for f in (0, 8000)), 22)
    assert abs(edges_hz[loud + 1] - 2595 * np.log10(1 + 3000 / 700)) < 300, "3 kHz lies in the loudest band"
    assert levels.max() == 255 and mistake.high_db - mistake.low_db <= 80.01


def test_a_network_without_softmax_gets_one(tmp_path: Path) -> None:
    logits = dataclasses.replace(
        MANIFEST,
        layers=LAYERS[:1],
        outputs=(dataclasses.replace(OUTPUT, scale=0.1, zero_point=0, probabilities=False),),
    )
    results = (dataclasses.replace(RESULTS[0], outputs=np.array([10, -10], np.int8).tobytes(), layers=(1,)),)
    clips = dataclasses.replace(CLIPS, clips=CLIPS.clips[:1])
    b = summarize(logits, boards.load("nucleo-f446"), clips, _run(results=results), tmp_path)
    assert b.clip_results[0].probabilities == pytest.approx(
        (1 / (1 + math.exp(-2)), 1 / (1 + math.exp(2))), abs=1e-6
    )


@pytest.mark.parametrize("level", [-2000.0, 0.0, 2000.0])
def test_scores_of_any_size_have_probabilities(level: float) -> None:
    """Their exponentials alone are beyond all numbers, or all nothing."""
    output = TensorSpec("y", (1, 2), "float32", 1.0, 0, 1, 8, (0, 1))
    manifest = dataclasses.replace(MANIFEST, outputs=(output,))
    raw = np.array([level, level + 1], np.float32).tobytes()
    found = made._scores(manifest, dataclasses.replace(_result("a", 1, 192, 100), outputs=raw))
    assert tuple(found) == pytest.approx((1 / (1 + math.e), math.e / (1 + math.e)))


@pytest.mark.parametrize("kind", [("int8", 1 / 256, -128), ("float32", 1.0, 0)])
def test_behind_a_softmax_answers_are_probabilities(kind: tuple[str, float, int]) -> None:
    output = TensorSpec("y", (1, 2), *kind, 1, 8, (0, 1), probabilities=True)
    manifest = dataclasses.replace(MANIFEST, outputs=(output,))
    raw = {"int8": np.array([-64, 64], np.int8), "float32": np.array([0.25, 0.75], np.float32)}[kind[0]]
    result = dataclasses.replace(_result("a", 1, 192, 100), outputs=raw.tobytes())
    assert tuple(made._scores(manifest, result)) == (0.25, 0.75)


def test_who_counts_nothing_has_no_counts(tmp_path: Path) -> None:
    b = summarize(MANIFEST, boards.load("nucleo-f446"), CLIPS, _run("none"), tmp_path)
    assert (b.counts, b.energy, b.seconds) == (None, None, None)


def test_energy_is_cycles_times_measured_current_times_supply(tmp_path: Path) -> None:
    """1,060 cycles of 194 to 216 pC (µA/MHz) at 3.0 V: 617 to 687 nJ, by hand."""
    b = summarize(MANIFEST, boards.load("nucleo-l4r5"), CLIPS, _run("cycles"), tmp_path)
    assert b.counts is not None and b.counts.network + b.counts.frontend == 1060
    assert b.energy is not None
    assert (b.energy.microjoules_low, b.energy.microjoules_high) == (0.617, 0.687)
    assert (b.energy.ua_per_mhz_low, b.energy.ua_per_mhz_high, b.energy.supply_mv) == (194, 216, 3000)
    assert "MLPerf Tiny" in b.energy.source
    assert b.energy.figure() == ("0.617–0.687", "µJ")
    assert b.energy.basis().startswith("cycles × 194–216 µA/MHz at 3 V, core alone (MLPerf")
    millions = dataclasses.replace(b.energy, microjoules_low=3014.8, microjoules_high=3356.6)
    assert millions.figure() == ("3.01–3.36", "mJ")


@pytest.mark.parametrize("name", ["nucleo-f446", "nucleo-f411"])
def test_no_measured_current_no_energy(name: str, tmp_path: Path) -> None:
    """A data sheet's first page is no measurement: the F411 has such a figure, the F446 has none."""
    board = boards.load(name)
    assert (board.chip.power.datasheet is None) == (name == "nucleo-f446")
    assert summarize(MANIFEST, board, CLIPS, _run("cycles"), tmp_path).energy is None


def test_instructions_have_no_energy(tmp_path: Path) -> None:
    assert (
        summarize(MANIFEST, boards.load("nucleo-l4r5"), CLIPS, _run("instructions"), tmp_path).energy is None
    )


def test_long_clips_are_shown_in_fewer_frames() -> None:
    power = np.arange(1000.0)[:, None] * np.ones((1, 3))
    fewer = made._fewer_frames(power)
    assert fewer.shape == (200, 3) and fewer[0, 0] == 2.0


@pytest.mark.parametrize(
    ("symbol", "part", "layer"),
    [
        ("weights_0", "weights", 0), ("constants_2", "weights", 1), ("conv2d_0_gemm_2x4", "code", 0),
        ("softmax_2", "code", 1), ("armBitRevIndexTable512", "dsp_tables", None), ("model_push", "code", None),
        ("conv2d_7", "code", None), ("twiddleCoef_512", "dsp_tables", None), ("weights_9", "weights", None),
        ("other_0", "code", None),
    ],
)  # fmt: skip
def test_symbols_find_their_layer(symbol: str, part: str, layer: int | None) -> None:
    assert made._layer_of(symbol, part, LAYERS) == layer


def test_the_terminal_shows_it_all(summary: Benchmark, benchmark_result: Benchmark) -> None:
    def shown(b: Benchmark) -> str:
        text = io.StringIO()
        table.show(b, Console(file=text, width=120))
        return text.getvalue()

    text = shown(summary)
    for expected in ("accuracy 66.67 %", "log loss 0.654", "x 100.00 %", "disturbed chunks 3", "conv "):
        assert expected in text, expected
    text = shown(benchmark_result)
    for expected in (
        "0.15 % of real time",
        "about 41.5–46.2 µJ per clip, an estimate",
        "limits kept: dcase2020-1b",
    ):
        assert expected in text, expected
    silent = dataclasses.replace(benchmark_result, clock_state="hsi_alone")
    assert "16 MHz HSI" in shown(silent)


def test_a_class_without_clips_has_no_say_in_the_mean_of_classes() -> None:
    assert made._macro_accuracy(((1, 1, 0), (0, 0, 0), (1, 0, 3))) == pytest.approx((0.5 + 0.75) / 2)
    assert made._accuracy(((1, 1, 0), (0, 0, 0), (1, 0, 3))) == pytest.approx(4 / 6)
    assert made._class_accuracy(((1, 1), (0, 0)), ("a", "b")) == {"a": 0.5, "b": None}
    assert (made._accuracy(None), made._macro_accuracy(None), made._class_accuracy(None, ())) == (
        None, None, None,
    )  # fmt: skip


def test_counts_of_clips_that_differ_in_everything() -> None:
    """Means of the work, the least and the most, and the worst of what must not be late."""
    clips = tuple(
        dataclasses.replace(RESULTS[0], counts=Counts(network, frontend, hop, latency))
        for network, frontend, hop, latency in ((1000, 50, 9, 3), (1010, 54, 7, 8), (1050, 61, 8, 5))
    )
    counted = made._counts(clips)
    assert (counted.network, counted.network_min, counted.network_max) == (1020, 1000, 1050)
    assert (counted.frontend, counted.worst_hop, counted.latency) == (55, 9, 8)


def test_repetitions_give_the_median_and_the_worst_hop() -> None:
    runs = [Counts(n, 10 * n, 100 - n, 1000 + n) for n in (5, 1, 4, 2, 3)]
    assert of_repetitions(runs) == Counts(3, 30, 99, 1003)
    assert of_repetitions(runs[:4]) == Counts(4, 40, 99, 1004), "of an even number the higher one"
    assert of_repetitions(runs[:1]) == runs[0]


def test_decibels_of_a_mistake_are_of_power() -> None:
    """Ten times the amplitude are 20 dB; what is more than 80 dB below the loudest is black."""
    mistakes = [
        made._mistake(0, Clip("a", 0, lambda amplitude=a: _sine(amplitude), "x"), SPEC) for a in (300, 3000)
    ]
    quiet, loud = mistakes
    assert loud.high_db - quiet.high_db == pytest.approx(20.0, abs=0.05)
    powers = extract.mel_power(np.frombuffer(_sine(3000), "<i2").astype(np.int16), SPEC)
    level_db = 10 * np.log10(np.maximum(made._fewer_frames(powers), 1e-12))
    assert loud.high_db == pytest.approx(level_db.max(), abs=0.01)
    assert all(value == round(value, 2) for m in mistakes for value in (m.low_db, m.high_db))
    assert loud.low_db == pytest.approx(max(level_db.min(), level_db.max() - 80), abs=0.01)
    expected = np.rint(255 * np.clip((level_db - loud.low_db) / (loud.high_db - loud.low_db), 0, 1)).T
    levels = np.frombuffer(base64.b64decode(loud.levels), np.uint8).reshape(loud.bands, loud.frames)
    assert np.abs(levels - expected).max() <= 1


def _sine(amplitude: int) -> bytes:
    return np.rint(amplitude * np.sin(np.arange(16000) * 0.7)).astype("<i2").tobytes()


def test_flash_of_a_layer_is_its_symbols_else_its_weights() -> None:
    symbols = (
        Symbol("weights_0", "weights", 0, 33), Symbol("conv2d_0", "code", 0, 500), Symbol("push", "code", None, 9),
    )  # fmt: skip
    layers = made._layers(MANIFEST, RESULTS, symbols, predicted=False)
    assert [x.flash_bytes for x in layers] == [533, 0] and [x.weights_bytes for x in layers] == [40, 0]
    assert [x.flash_bytes for x in made._layers(MANIFEST, RESULTS, (), predicted=False)] == [40, 0]
    told = dataclasses.replace(
        MANIFEST, layers=(dataclasses.replace(LAYERS[0], predicted_cycles=7), LAYERS[1])
    )
    for predicted, cycles in ((True, 7), (False, None)):
        assert made._layers(told, RESULTS, (), predicted=predicted)[0].predicted_cycles == cycles


@pytest.mark.parametrize(("wait_states", "told"), [(0, 900), (5, None)])
def test_a_prediction_is_for_its_wait_states(wait_states: int, told: int | None, tmp_path: Path) -> None:
    """The run was at none."""
    manifest = dataclasses.replace(MANIFEST, predicted=Prediction("layers", 900, 5, 100, wait_states))
    board = boards.load("nucleo-f446")
    assert summarize(manifest, board, CLIPS, _run(), tmp_path).predicted_cycles == told
    assert summarize(manifest, board, CLIPS, _run("instructions"), tmp_path).predicted_cycles is None


def test_windows_of_a_recording_are_answered_by_their_mean(tmp_path: Path) -> None:
    """The first window alone would be class 1; the mean of 160, 16 and 70 of 256 is class 0."""
    windows = tuple(dataclasses.replace(_clip(f"a[{n}/3]", 0, 200, "x"), recording="a") for n in (1, 2, 3))
    results = tuple(_result(f"a[{n + 1}/3]", 0, high, 1000 + n) for n, high in enumerate((160, 16, 70)))
    clips = dataclasses.replace(CLIPS, clips=(*windows, CLIPS.clips[2]))
    b = summarize(MANIFEST, boards.load("nucleo-f446"), clips, _run(results=(*results, RESULTS[2])), tmp_path)
    first, second = b.clip_results
    assert (first.name, first.predicted, second.name, second.predicted) == ("a", 0, "c", 1)
    assert first.probabilities == (round(1 - 82 / 256, 6), round(82 / 256, 6))
    assert (b.clips, b.accuracy, first.counts.network) == (2, 1.0, 1001)
    assert results[0].predicted == 1
