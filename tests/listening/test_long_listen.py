# SPDX-License-Identifier: Apache-2.0
"""The tool that lets host and simulator hear long audio: seconds of it here, and the figures that it stored."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.listening.test_listen_h import DECISIONS
from tests.support import listening, recipes_flat

TOOL = Path(__file__).resolve().parents[2] / "tools" / "long_listen"


def test_seconds_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.tflite").write_bytes(recipes_flat.make(listening.keyword_network(same=True, channels=8)))
    (tmp_path / "spec.toml").write_text(listening.features(bands=40))
    (tmp_path / "decisions.toml").write_text(DECISIONS)
    rng = np.random.default_rng(5)
    for label in ("8", "5"):
        (tmp_path / "clips" / label).mkdir(parents=True)
        tone = np.sin(2 * np.pi * rng.uniform(100, 5000) * np.arange(12000) / 16000) * 0.5
        soundfile.write(tmp_path / "clips" / label / "1.wav", tone, 16000)
    tool = runpy.run_path(str(TOOL))
    names = [str(tmp_path / name) for name in ("net.tflite", "clips", "decisions.toml", "work")]
    minutes = ["--minutes", "0.2", "--sim-minutes", "0.05", "--clip-minutes", "0.1"]
    tool["main"]([*names, "--features", str(tmp_path / "spec.toml"), "--hop-ms", "100", *minutes])
    said = capsys.readouterr().out
    found = json.loads(said[said.index("{") :])
    assert found["sim_hops"] > 20 and found["sim_lost_samples"] == 0 and found["clip_windows"] > 40
    assert found["host_hops"] > 100 and 0 < found["sim_worst_load"] < 1


def test_stored_figures() -> None:
    result = runpy.run_path(str(TOOL))["RESULT"]
    if not result.is_file():
        pytest.skip("tools/long_listen --store has not been run yet")
    found = json.loads(result.read_text())
    assert found["host_minutes"] >= 60 and found["sim_minutes"] >= 10 and found["sim_lost_samples"] == 0
    assert found["clip_windows"] * found["hop_ms"] > 50_000
