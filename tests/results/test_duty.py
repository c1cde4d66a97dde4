# SPDX-License-Identifier: Apache-2.0
"""Energy of a clip every so often: work and waiting from measured currents, and no figure without a source."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from ascmcu import boards
from ascmcu.boards.checks import check_power
from ascmcu.boards.records import IdleCurrent
from ascmcu.cli import cli
from ascmcu.errors import BoardError, InputError
from ascmcu.results import duty
from ascmcu.results.schema import Benchmark, Energy

# 100 µA/MHz at 3 V are 300 pJ a cycle; 50 µA at 3 V are 150 µJ a second.
ENERGY = Energy(0.0, 0.0, 100, 200, 3000, "a lab", 50.0, 60.0, "the same lab, asleep")


@pytest.fixture
def result(benchmark_result: Benchmark) -> Benchmark:
    assert benchmark_result.counts is not None
    counts = dataclasses.replace(benchmark_result.counts, network=9_000_000, frontend=1_000_000)
    return dataclasses.replace(
        benchmark_result, count_kind="cycles", counts=counts, clock_hz=100_000_000, energy=ENERGY
    )


def test_work_and_waiting_add_up(result: Benchmark) -> None:
    found = duty.of(result, 1.0)
    assert found.busy == pytest.approx(0.1)
    assert found.active == pytest.approx((3000.0, 6000.0))
    assert found.idle == pytest.approx((135.0, 162.0))
    assert found.whole == pytest.approx((3135.0, 6162.0))
    assert found.average_ua == pytest.approx((1045.0, 2054.0))
    first, second = duty.sentences(found, "clip")
    assert first == "a clip every 1.00 s: 10 % busy, 3.00–6.00 mJ for the work"
    assert second.startswith(
        "135–162 µJ for waiting (the same lab, asleep); 3.13–6.16 mJ together, 1,045–2,054 µA"
    )
    for layer, (name, energy) in zip(result.layers, found.layers, strict=True):
        assert name == layer.name and energy[0] == pytest.approx((layer.count or 0) * 300e-6)


def test_a_chip_that_nobody_measured_asleep_has_no_whole(result: Benchmark) -> None:
    awake = dataclasses.replace(ENERGY, idle_ua_low=None, idle_ua_high=None, idle_source="")
    found = duty.of(dataclasses.replace(result, energy=awake), 10.0)
    assert (found.idle, found.whole, found.average_ua) == (None, None, None)
    assert "nobody has measured it" in duty.sentences(found, "clip")[1]
    own = duty.of(dataclasses.replace(result, energy=awake), 10.0, idle_ua=2.0)
    assert own.idle == pytest.approx((2.0 * 3.0 * 9.9, 2.0 * 3.0 * 9.9)) and own.idle_source == "as given"


@pytest.mark.parametrize(
    ("change", "every", "told"),
    [
        ({"energy": None}, 1.0, "nobody has measured"),
        ({"count_kind": "instructions"}, 1.0, "no energy"),
        ({}, 0.05, "takes longer"),
    ],
)
def test_what_cannot_be_told_is_refused(result: Benchmark, change: dict, every: float, told: str) -> None:
    with pytest.raises(InputError, match=told):
        duty.of(dataclasses.replace(result, **change), every)


@pytest.mark.parametrize(
    ("text", "expected"), [("500ms", 0.5), ("1s", 1.0), ("1.5 min", 90.0), ("2h", 7200.0)]
)
def test_times(text: str, expected: float) -> None:
    assert duty.seconds(text) == expected


@pytest.mark.parametrize("text", ["1", "s", "-1s", "0s", "1d", "1e3s"])
def test_no_times(text: str) -> None:
    with pytest.raises(InputError, match="not a time"):
        duty.seconds(text)


def test_the_command_line(result: Benchmark, tmp_path: Path) -> None:
    path = tmp_path / "bench-sim.json"
    path.write_text(json.dumps(result.to_dict()))
    told = CliRunner().invoke(cli, ["report", str(path), "--every", "1s", "--json"])
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout)["duty"]["active"] == pytest.approx([3000.0, 6000.0])
    text = CliRunner().invoke(
        cli, ["report", str(path), "--every", "1s", "--idle-ua", "5", "--format", "text"]
    )
    assert "10 % busy" in text.output and "as given" in text.output
    page = CliRunner().invoke(cli, ["report", str(path), "--every", "1s", "--idle-ua", "5"])
    assert page.exit_code == 0 and "10 % busy" in (tmp_path / "report.html").read_text(encoding="utf-8")
    comment = CliRunner().invoke(cli, ["report", str(path), "--every", "1s", "--format", "markdown"])
    assert "\n\na clip every 1.00 s: 10 % busy" in comment.output
    assert CliRunner().invoke(cli, ["report", str(path), "--every", "1s", "--format", "junit"]).exit_code == 2
    assert CliRunner().invoke(cli, ["report", str(path), "--idle-ua", "5", "--json"]).exit_code == 2


@pytest.mark.parametrize(
    "idle", [IdleCurrent((2.0, 1.0), "x"), IdleCurrent((1.0, 2.0), ""), IdleCurrent((-1.0, 2.0), "x")]
)
def test_an_idle_current_needs_its_source_and_order(idle: IdleCurrent) -> None:
    board = boards.load("nucleo-l4r5")
    measured = board.chip.power.measured
    assert measured is not None
    power = dataclasses.replace(board.chip.power, measured=dataclasses.replace(measured, idle=idle))
    with pytest.raises(BoardError, match="idle current"):
        check_power(dataclasses.replace(board, chip=dataclasses.replace(board.chip, power=power)), "x")
