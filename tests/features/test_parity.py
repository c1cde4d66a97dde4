# SPDX-License-Identifier: Apache-2.0
"""The generated C against librosa by the bounds that are promised, on recordings and on extremes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from ascmcu.benchmark import parity
from ascmcu.cli import cli
from ascmcu.errors import DataError
from ascmcu.features import extract
from ascmcu.features import spec as specs
from tests.features.signals import ESC10, LOG_MEL, extremes, fitted, needs_esc10, noise, recordings

RECORDINGS = 6

# DC under this spec leaves nothing but rounding in librosa itself (its offset is 2e-16, thirteen decades below
# the energy of a band): nothing is above the floor, and nothing can be equal.
# Rows of a periodic signal are nearly equal, and Edge Impulse's MFCCs are multiples of their deviation.
REPEATS = {("edge_impulse_mfcc", signal) for signal in ("DC", "full-scale square wave", "1-LSB noise")}
BELOW_ALL_FLOORS = {("tmsic", "DC"), *REPEATS}


@needs_esc10
@pytest.mark.parametrize("name", LOG_MEL)
def test_recordings(name: str) -> None:
    spec = specs.load_log_mel(name)
    clips = recordings(spec, RECORDINGS)
    spec = fitted(spec, clips)
    report = parity.check(spec, clips, parity.quantization_for(extract.extract(x, spec) for x in clips))
    assert report.error_db_max <= 0.01
    assert report.equal_percent >= 99.9
    assert report.worst_step <= 1
    assert report.values_above > 0.3 * report.values


@pytest.mark.parametrize("name", LOG_MEL)
def test_extremes(name: str) -> None:
    spec = fitted(specs.load_log_mel(name))
    signals = dict(extremes(spec))
    # The range of a network's input that has heard loud and silent clips.
    heard = [extract.extract(signals[x], spec) for x in ("silence", "clipping")] + [
        extract.extract(noise(spec), spec)
    ]
    quantization = parity.quantization_for(heard)
    assert signals
    for signal, pcm in signals.items():
        report = parity.check(spec, [pcm], quantization)
        assert report.error_db_max <= 0.01, signal
        if (name, signal) not in BELOW_ALL_FLOORS:
            assert report.equal_percent >= 99.9, signal


def test_the_measure_sees_an_error() -> None:
    """A front end for another spec is told apart."""
    spec = specs.load_log_mel("default").unnormalized()
    pcm = noise(spec)
    wrong = spec.replace(window="hamming")
    assert not _against(spec, wrong, pcm).holds
    right = _against(spec, spec, pcm)
    assert right.holds and 99.9 <= right.equal_percent <= 100
    assert 0 < right.error_db_rms < right.error_db_max <= right.error_db_max_anywhere
    assert 0 < right.values_above <= right.values and (right.clips, right.inputs) == (1, right.values)


def _against(spec: specs.FeatureSpec, other: specs.FeatureSpec, pcm: object) -> parity.Parity:
    quantization = parity.quantization_for([extract.extract(pcm, spec)])  # type: ignore[arg-type]
    original = parity.NativeFrontend
    try:
        parity.NativeFrontend = lambda _, **kw: original(other, **kw)  # type: ignore[assignment,misc]
        return parity.check(spec, [pcm], quantization)  # type: ignore[list-item]
    finally:
        parity.NativeFrontend = original  # type: ignore[misc]


@needs_esc10
def test_command_line() -> None:
    runner = CliRunner()
    # A folder of recordings without classes will do, as long as no part of them is asked for.
    for data in (ESC10, ESC10.parent):
        found = runner.invoke(cli, f"features check --spec default --data {data} --limit 2 --json".split())
        assert found.exit_code == 0, found.output
        report = json.loads(found.output)["default"]
        assert report["clips"] == 2
        assert report["holds"]
    arguments = f"features check --spec default --data {ESC10} --split 1"
    assert isinstance(runner.invoke(cli, arguments.split()).exception, DataError)
    assert report["inputs"] == 2 * 32 * 64


def test_list_and_show() -> None:
    runner = CliRunner()
    rows = json.loads(runner.invoke(cli, ["features", "list", "--json"]).output)
    assert {row["name"] for row in rows} == set(specs.names())
    stored = json.loads((Path(__file__).parents[2] / "docs" / "results" / "frontends.json").read_text())
    by_name = {row["spec"]: row for row in stored}
    assert set(by_name) == set(specs.names())
    for row in rows:
        known = by_name[row["name"]]
        assert row["equals"] == known["against"] and row["equal_percent"] == round(known["equal_percent"], 3)
        assert [row["cycles"], row["cycles_at_5_wait_states"]] == (known["cycles"] or [None, None])
    shown = json.loads(runner.invoke(cli, ["features", "show", "dsmn"]).output)
    assert specs.FeatureSpec.from_dict(shown) == specs.load_log_mel("dsmn")
