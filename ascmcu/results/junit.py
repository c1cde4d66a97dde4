# SPDX-License-Identifier: Apache-2.0
"""Budgets and limits as JUnit XML, which every CI shows."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass

from ascmcu.results.budgets import Verdict
from ascmcu.results.schema import Benchmark


@dataclass(frozen=True)
class Case:
    """One check; ``failure`` is what is wrong, empty when nothing is."""

    name: str
    failure: str = ""


def cases(b: Benchmark, verdicts: Sequence[Verdict]) -> list[Case]:
    """What a result can fail in: its memories, its budgets."""
    found = []
    for name, parts, board_bytes in (
        ("RAM", b.ram_bytes, b.board_ram_bytes),
        ("flash", b.flash_bytes, b.board_flash_bytes),
    ):
        used = parts["total"]
        found.append(
            Case(f"{name} fits", "" if used <= board_bytes else f"{used:,} bytes of {board_bytes:,}")
        )
    return [*found, *(Case(v.budget.text, "" if v.kept else v.sentence) for v in verdicts)]


def render(suites: Sequence[tuple[str, Sequence[Case]]]) -> str:
    """The XML of named suites."""
    root = ET.Element("testsuites")
    for name, checks in suites:
        failed = sum(bool(case.failure) for case in checks)
        suite = ET.SubElement(root, "testsuite", name=name, tests=str(len(checks)), failures=str(failed))
        for case in checks:
            element = ET.SubElement(suite, "testcase", classname=f"ascmcu.{name}", name=case.name, time="0")
            if case.failure:
                ET.SubElement(element, "failure", message=case.failure)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"
