# SPDX-License-Identifier: Apache-2.0
"""The array that Python and native code share: no word is numbered by hand, and no stale code meets a changed table."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest

from ascmcu.sim import jit, words

SIM = Path(words.__file__).parent
SHARED = {"m", "words", "region"}


def _numbered(path: Path) -> list[str]:
    """Places where a word is named by a number: a literal summand of an index; pairs (``2 * i + 1``) are none."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Subscript) or isinstance(node.slice, ast.Slice):
            continue
        base = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
        if base not in SHARED:
            continue
        for part in ast.walk(node.slice):
            number = part.value if isinstance(part, ast.Constant) else 0
            if isinstance(number, int) and number > 2:
                found.append(f"{path.name}:{node.lineno}: {ast.unparse(node)}")
        if isinstance(node.slice, ast.Constant):
            found.append(f"{path.name}:{node.lineno}: {ast.unparse(node)}")
    return found


@pytest.mark.parametrize(
    "name", ["hook", "flash", "engine", "automaton", "machine", "stm32", "nrf52", "kinetis", "profile"]
)
def test_no_word_is_numbered_by_hand(name: str) -> None:
    assert _numbered(SIM / f"{name}.py") == []


def test_every_list_of_the_table_is_without_gap_or_overlap() -> None:
    """The first of each list is 0, and each name is behind the one before it."""
    tree = ast.parse((SIM / "words.py").read_text())
    last: dict[str, int] = {}
    for node in tree.body:
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
            continue
        call = node.value.func
        if isinstance(call, ast.Attribute) and isinstance(call.value, ast.Name):
            name, at = call.value.id, getattr(words, ast.unparse(node.targets[0]))
            assert at == 0 if name not in last else at > last[name]
            last[name] = at
    assert set(last) == {"_site", "_header", "_record", "_mark", "_cache", "_region", "_port", "_array"}
    assert words.TOTAL - words.PORTS == words.PORT_COUNT * words.PORT_STRIDE


@pytest.mark.parametrize("name", ["sim/words.py", "sim/hook.py", "sim/jit.py", "m4/costs.py", "sim/flash.py"])
def test_compiled_code_is_kept_under_the_sources_that_it_is_made_of(name: str, tmp_path: Path) -> None:
    for folder in ("sim", "m4"):
        shutil.copytree(SIM.parent / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    assert jit.cache_folder(tmp_path) == jit.cache_folder(SIM.parent)
    with (tmp_path / name).open("a") as file:
        file.write("# changed\n")
    assert jit.cache_folder(tmp_path) != jit.cache_folder(SIM.parent)


def test_every_native_function_is_in_that_cache() -> None:
    from ascmcu.sim import flash, hook

    kept = jit.cache_folder(SIM.parent)
    for function in (hook.port_take, flash.stalls_behind):
        assert Path(function.stats.cache_path).is_relative_to(kept)
