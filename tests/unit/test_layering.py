# SPDX-License-Identifier: Apache-2.0
"""Imports point one way: each part may import only what stands above it in the flow."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

FLOW = [
    "errors", "extras", "version", "paths", "scratch", "jinja", "cards", "tables", "boards", "packs", "ir", "ops",
    "features", "data", "zoo", "train", "quantize", "frontends", "m4", "kernels", "passes", "listening", "schedule",
    "codegen", "toolchain", "flash", "sim", "runners", "benchmark", "results", "api", "tune", "challenges", "cli",
    "__main__",
]  # fmt: skip
TENSORFLOW_USERS = {"zoo", "train", "quantize"}
ROOT = Path(__file__).resolve().parents[2] / "ascmcu"
FILES = sorted(p for p in ROOT.rglob("*.py") if p != ROOT / "__init__.py")


def _part(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def _imports(path: Path) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            module = node.module or ""
            found.append((node.lineno, module))
            if module == "ascmcu":
                found += [(node.lineno, f"ascmcu.{alias.name}") for alias in node.names]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_upward(path: Path) -> None:
    here = _part(path)
    assert here in FLOW, f"{here} has no place in the flow"
    for line, module in _imports(path):
        parts = module.split(".")
        if parts[0] == "ascmcu" and len(parts) > 1 and parts[1] != "__version__":
            assert FLOW.index(parts[1]) <= FLOW.index(here), f"{path.name}:{line}: {here} imports {module}"
        if parts[0] in ("tensorflow", "keras"):
            assert here in TENSORFLOW_USERS, f"{path.name}:{line}: {here} imports {module}"
