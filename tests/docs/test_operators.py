# SPDX-License-Identifier: Apache-2.0
"""docs/operators.md says what the registry says."""

from __future__ import annotations

import pytest

from ascmcu.ir import registry
from ascmcu.ops.conv2d import Conv2D
from ascmcu.ops.mean import Mean
from tests.support import tool

table = tool.load("operators_table")


def test_the_page_is_current(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["tools/operators_table", "--check"])
    assert table.main() == 0, capsys.readouterr().err


def test_every_operator_has_a_line() -> None:
    lines = table.operators().splitlines()
    named = {line.split("`")[1] for line in lines[2:]}
    assert named == {*registry.supported_builtins(), *registry.supported_builtins(floats=True)}
    for line in lines[2:]:
        integers, floats = line.split("|")[2:4]
        assert integers.strip() or floats.strip(), f"no element type is supported: {line}"


def test_limits_are_found_through_bases_and_through_functions_that_are_passed_on() -> None:
    assert "weights must be constant" in table.messages(Conv2D)
    assert any(message.startswith(table.QUANTIZED_ONLY) for message in table.messages(Mean))
