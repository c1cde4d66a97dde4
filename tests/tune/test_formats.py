# SPDX-License-Identifier: Apache-2.0
"""``quantize --to all``: every format of a trained network, compiled; table, page and files agree with exports."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ascmcu import api
from ascmcu.cli import cli
from ascmcu.data import synth
from ascmcu.errors import InputError
from ascmcu.tune import formats
from tests.tune.test_study import RECIPE


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = synth.SynthSpec(clips_per_scene=10, clip_seconds=1.0, sample_rate_hz=8000)
    return synth.write(tmp_path_factory.mktemp("synth") / "data", spec)


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("formats")
    (folder / "small.toml").write_text(RECIPE[: RECIPE.index("[study]")])
    result = _ascmcu("train", folder / "small.toml", "--data", data, "-o", folder / "small")
    assert result.exception is None, result.exception
    return folder / "small"


def _ascmcu(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], standalone_mode=False)


def test_all_formats(run: Path, data: Path, tmp_path: Path) -> None:
    to = tmp_path / "formats"
    options = ("--data", data, "-o", to, "--limits", "dcase2023", "--epochs", 2, "--json")
    result = _ascmcu("quantize", run, "--to", "all", *options)
    assert result.exception is None, result.exception
    assert {p.name for p in to.iterdir()} == {
        *(f"model_{format}.tflite" for format in formats.FORMATS),
        "formats.html",
    }
    assert not list(run.glob("state*"))
    told = json.loads(result.stdout)
    assert [format["title"] for format in told] == ["float32", "fp16", "dynamic", "int8, min–max", "QAT"]
    by_format = dict(zip(formats.FORMATS, told, strict=True))
    sizes = {format: (to / f"model_{format}.tflite").stat().st_size for format in formats.FORMATS}
    assert {format: made["model_bytes"] for format, made in by_format.items()} == sizes
    assert sizes["fp16"] < sizes["float"]
    # The limit of 2023 asks for int8 weights.
    assert by_format["float"]["exceeded"] and by_format["fp16"]["exceeded"]
    assert not by_format["int8"]["exceeded"] and not by_format["qat"]["exceeded"]
    page = (to / "formats.html").read_text()
    for format, made in by_format.items():
        assert made["clips"] == 12 and 0 <= made["agreement"] <= 1
        for figure in ("model_bytes", "ram_bytes", "flash_bytes", "cycles"):
            assert f"{made[figure]:,}" in page, (format, figure)
    assert by_format["float"]["agreement"] == 1.0 and "http" not in page
    folder = tmp_path / "again"
    manifest = api.export(to / "model_fp16.tflite", "nucleo-f446", folder).manifest
    counts = api.bench(folder, on="sim", data=data, limit=1).counts
    assert counts is not None
    found = (manifest.needed_ram_bytes, manifest.flash_bytes["total"], int(counts.network))
    assert found == tuple(by_format["fp16"][figure] for figure in ("ram_bytes", "flash_bytes", "cycles"))
    # What the export's total has more is told: the page names it, the export lists it.
    copied = manifest.ram_bytes["weights"] + manifest.ram_bytes["code"]
    assert copied and manifest.ram_bytes["total"] == found[0] + copied
    assert "weights and code that start-up copies into free RAM" in page


def test_what_does_not_fit_is_told() -> None:
    large = formats.Format("float32", 80, None, 1.0, 5_000_000, None, None, None, "nucleo-f446", ("a limit",))
    small = formats.Format("int8, MSE", 80, 0.5, 0.9, 100, 10, 20, 30, "nucleo-f446")
    head = formats.columns([large, small])
    assert formats.row(large, head) == (
        "float32", "–", "100.00%", "5,000,000", "too large", "–", "–", "a limit",
    )  # fmt: skip
    table = formats.markdown([large, small]).splitlines()
    assert len(table) == 4 and table[1].count("|") == table[0].count("|") == table[3].count("|")
    assert "too large" in formats.html("<a network>", [large, small])
    assert "<a network>" not in formats.html("<a network>", [large, small])


def _format(title: str, accuracy: float | None, cycles: int | None, **changes: Any) -> formats.Format:
    known = {
        "board_title": "A board",
        "clock_hz": 100_000_000,
        "board_ram_bytes": 1000,
        "board_flash_bytes": 4000,
    }
    made = formats.Format(title, 100, accuracy, 0.9, 100, 500, 2000, cycles, "a-board", **known)
    return dataclasses.replace(made, **changes)


FLOAT = _format("float32", 0.90, 9_000_000)
WINNERS = {
    "as accurate as 100 clips tell, and faster": ([FLOAT, _format("int8", 0.88, 1_000_000)], "int8"),
    "less accurate than the best's interval": ([FLOAT, _format("int8", 0.80, 1_000_000)], "float32"),
    "too large": ([_format("float32", 0.9, None, ram_bytes=None), _format("int8", 0.5, 1)], "int8"),
    "against a limit": ([_format("float32", 0.9, 1, exceeded=("a limit",)), _format("int8", 0.5, 9)], "int8"),
    "as fast, with less RAM": ([FLOAT, _format("dynamic", 0.9, 9_000_000, ram_bytes=499)], "dynamic"),
    "as fast, and more accurate": ([_format("int8", 0.88, 1_000_000), _format("QAT", 0.9, 1_019_000)], "QAT"),
    "not as fast": ([_format("int8", 0.88, 1_000_000), _format("QAT", 0.9, 1_021_000)], "int8"),
    "without cycles the smaller": ([_format("a", 0.9, None), _format("b", 0.9, None, flash_bytes=1)], "b"),
    "without classes the agreement": (
        [_format("a", None, 5, agreement=1.0), _format("b", None, 1, agreement=0.5)],
        "a",
    ),
    "nothing fits": ([_format("a", 0.9, None, ram_bytes=None)], None),
}


@pytest.mark.parametrize("name", WINNERS)
def test_the_winner_is_the_fastest_of_those_that_are_as_good(name: str) -> None:
    made, expected = WINNERS[name]
    best = formats.winner(made)
    assert (best and best.title) == expected
    page = formats.html("net", made)
    assert page.count("take this") == (expected is not None)
    told = formats.verdict(made)
    assert told.startswith(f"Take {expected}:" if expected else "No format fits") and told in page
    rows = re.findall(r"<tr[ >].*?</tr>", page.partition("<tbody>")[2], re.DOTALL)
    assert len({row.count("<td") for row in rows}) == 1, "the columns of all rows are the same"


def test_the_page_has_milliseconds_shares_of_the_board_and_intervals() -> None:
    page = formats.html("net", [FLOAT, _format("int8", 0.88, 1_000_000)])
    for expected in (
        "A board at 100 MHz", "90.0 ms", "9,000,000 cycles", "10.0 ms", "50.0 % of the board", "83–94\u00a0%",
        "it answers 88.0 % of the clips right in 10.0 ms, 500 B of RAM, 1.95 KiB of flash.",
        "float32 reaches 90.0 %, whose 95 % interval on 100 clips, 82.6 % to 94.5 %, holds this figure too.",
    ):  # fmt: skip
        assert expected in page, expected
    assert formats.row(FLOAT, formats.columns([FLOAT]))[-1] == "90.0 ms"


def test_stored_forms_come_back(tmp_path: Path) -> None:
    made = [formats.Format("int8, MSE", 80, 0.5, 0.9, 100, 10, 20, None, "nucleo-f446", ("a", "b"))]
    formats.write_json(made, tmp_path / "formats.json")
    assert formats.read_json(tmp_path / "formats.json") == made


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--to", "all"), "no calibration data"),
        (("--to", "all", "--data", "d", "--board", "none"), "unknown board"),
        (("--to", "all", "--data", "d", "--sensitivity"), "a single format"),
        (("--to", "fp16", "--sensitivity"), "no data to measure"),
        (("--to", "fp16", "-o", "/nowhere/at/all.tflite"), "the output's folder does not exist"),
    ],
)
def test_wrong_options(options: tuple[str, ...], message: str, run: Path) -> None:
    result = _ascmcu("quantize", run, *options)
    assert isinstance(result.exception, InputError) and message in str(result.exception)
