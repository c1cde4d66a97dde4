# SPDX-License-Identifier: Apache-2.0
"""A long recording through a firmware that listens: the same events on host and simulator, and a page of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ascmcu import api
from ascmcu.api import streaming
from ascmcu.errors import DataError, InputError
from ascmcu.listening import truths
from tests.listening.test_listen_h import DECISIONS
from tests.support import listening, recipes_flat


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("stream")
    (place / "net.tflite").write_bytes(recipes_flat.make(listening.keyword_network(same=True, channels=8)))
    (place / "spec.toml").write_text(listening.features(bands=40))
    (place / "decisions.toml").write_text(DECISIONS)
    api.export(
        place / "net.tflite", "nucleo-f446", place / "build", features=place / "spec.toml", listen=True, hop_s=0.1,
        decisions=place / "decisions.toml",
    )  # fmt: skip
    rng = np.random.default_rng(5)
    for label in ("8", "5"):
        (place / "clips" / label).mkdir(parents=True)
        for number in range(3):
            tone = np.sin(2 * np.pi * rng.uniform(100, 5000) * np.arange(12000) / 16000) * 0.5
            soundfile.write(
                place / "clips" / label / f"{number}.wav", tone + rng.normal(0, 0.1, 12000), 16000
            )
    count = streaming.mix_stream(
        place / "clips",
        place / "long.wav",
        place / "long.csv",
        folder=place / "build",
        minutes=0.5,
        snrs_db=[30],
    )
    assert count == len(truths.read(place / "long.csv")) > 3
    return place


def test_host_and_simulator_report_the_same_events(place: Path) -> None:
    found = {
        on: streaming.bench_stream(place / "build", place / "long.wav", place / "long.csv", on=on)
        for on in ("host", "sim")
    }
    host, sim = found["host"], found["sim"]
    assert host.rules == sim.rules and host.lost_samples == sim.lost_samples == 0
    assert sum(len(rule.reports) for rule in host.rules) > 0
    assert (host.counts, sim.counts) == ("none", "cycles") and sim.worst_count > sim.mean_count > 10_000
    stored = json.loads((place / "build" / "stream-sim.json").read_text())
    assert stored["rules"][0]["judged"]["f1"] == sim.rules[0].judged.f1
    page = (place / "build" / "stream-host.html").read_text()
    assert page.count('<rect class="truth"') == len(host.truths)
    shown = sum(page.count(f'<rect class="{kind}"') for kind in ("right", "wrong"))
    assert shown == sum(len(rule.reports) for rule in host.rules)


def test_what_cannot_be_streamed(place: Path, tmp_path: Path) -> None:
    api.export(place / "net.tflite", "nucleo-f446", tmp_path / "clip", features=place / "spec.toml")
    with pytest.raises(InputError, match="this export has no events"):
        streaming.bench_stream(tmp_path / "clip", place / "long.wav", place / "long.csv", on="host")
    soundfile.write(tmp_path / "short.wav", np.zeros(1000), 16000)
    with pytest.raises(DataError, match="too short"):
        streaming.bench_stream(place / "build", tmp_path / "short.wav", place / "long.csv", on="host")
