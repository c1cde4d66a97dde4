# SPDX-License-Identifier: Apache-2.0
"""Decisions are in Python, shape is in Jinja: templates of C hold no arithmetic and no assembly of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import jinja2
import pytest
from jinja2 import nodes

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
C = sorted(
    path
    for path in TEMPLATES.rglob("*.j2")
    if path.parent.name in ("kernels", "frontend", "micro") or path.name.endswith((".c.j2", ".h.j2"))
)
ARITHMETIC = (
    nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow, nodes.Neg, nodes.Pos,
)  # fmt: skip
# No instruction: the compiler keeps what is before it before it.
BARRIER = re.compile(r'__asm__ volatile\("" ::')
# Where the listings of ascmcu.m4.asm become C.
ASSEMBLY = TEMPLATES / "kernels" / "_asm.j2"


def arithmetic(source: str) -> Iterator[str]:
    """The line and kind of each arithmetic operator in Jinja's expressions."""
    for node in jinja2.Environment().parse(source).find_all(ARITHMETIC):
        yield f"line {node.lineno}: {type(node).__name__}"


def assembly(source: str) -> Iterator[str]:
    """The lines of a template's own text that are assembly: in ``__asm__``, or a string that ends an instruction."""
    for node in jinja2.Environment().parse(source).find_all(nodes.TemplateData):
        for line in node.data.splitlines():
            if ("__asm__" in line and not BARRIER.search(line)) or '\\n"' in line:
                yield line.strip()


@pytest.mark.parametrize("path", C, ids=lambda p: str(p.relative_to(TEMPLATES)))
def test_a_template_has_no_arithmetic_and_no_assembly(path: Path) -> None:
    source = path.read_text()
    assert not list(arithmetic(source))
    if path != ASSEMBLY:
        assert not list(assembly(source))


FOUND = [
    "{{ k.a + 1 }}", "{{ 2 * k.a }}", "{% if k.a % 4 %}{% endif %}", "{{ k.a // 4 }}", '{{ "%d" % k.a }}',
    "{% set a = 2 ** k.a %}", "{{ -k.a }}", "{% macro m(k) %}{{ k.a - k.b }}{% endmacro %}", "{{ k.a / 2 }}",
]  # fmt: skip


@pytest.mark.parametrize("text", FOUND)
def test_arithmetic_is_found(text: str) -> None:
    assert list(arithmetic(text))


@pytest.mark.parametrize(
    "text", ['        "smlad r3, {{ x }}, r12, r3\\n"', '__asm__ volatile("{{ line }}");', '"2:\\n"']
)
def test_assembly_is_found(text: str) -> None:
    assert list(assembly(text))


@pytest.mark.parametrize(
    "text",
    [
        "{{ k.a }} + 1",
        '{{ name ~ "_gemm" }}',
        "x[{{ k.a }} * 4] // {{ k.b }}",
        '__asm__ volatile("" ::: "memory")',
    ],
)
def test_arithmetic_of_c_is_not_jinjas(text: str) -> None:
    assert not list(arithmetic(text)) and not list(assembly(text))
