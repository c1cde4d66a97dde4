# SPDX-License-Identifier: Apache-2.0
"""Tests that can fail: each comes to an assertion, whatever it finds; and the page on tests names every folder."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
FILES = sorted(TESTS.rglob("test_*.py"))
# Functions of tests/support and of the package that raise what is wrong.
_CHECKS = re.compile(r"(check|assert|verify|require)\w*|snapshot")
_CONSTANT = re.compile(r"(\w+\.)*(_?[A-Z][A-Z0-9_]*|__all__)")


class _Reader:
    """Which statements of a module certainly come to an assertion."""

    def __init__(self, tree: ast.Module) -> None:
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        self.functions = {node.name: node for node in functions}
        self._asked: set[str] = set()

    def checks(self, node: ast.AST) -> bool:
        """Whether an expression calls something that asserts."""
        for call in (n for n in ast.walk(node) if isinstance(n, ast.Call)):
            name = ast.unparse(call.func).rpartition(".")[2]
            checked = any(k.arg == "check" and ast.unparse(k.value) == "True" for k in call.keywords)
            if checked or _CHECKS.fullmatch(name.lstrip("_")) or self._helper(name):
                return True
        return False

    def _helper(self, name: str) -> bool:
        if name not in self.functions or name in self._asked:
            return False
        self._asked.add(name)
        found = any(isinstance(n, ast.Assert) for n in ast.walk(self.functions[name])) or any(
            "raises" in ast.unparse(n) for n in ast.walk(self.functions[name]) if isinstance(n, ast.withitem)
        )
        found = found or self.checks(self.functions[name])
        self._asked.discard(name)
        return found

    def asserts(self, statements: list[ast.stmt]) -> bool:
        """Whether these come to an assertion whatever the data are."""
        return any(self._one(statement) for statement in statements)

    def _one(self, statement: ast.stmt) -> bool:
        if isinstance(statement, ast.Assert | ast.Raise):
            return True
        if isinstance(statement, ast.With):
            heads = " ".join(ast.unparse(item.context_expr) for item in statement.items)
            return "raises(" in heads or self.asserts(statement.body) or self.checks(statement.items[0])
        if isinstance(statement, ast.Try):
            return self.asserts(statement.body) or self.asserts(statement.finalbody)
        if isinstance(statement, ast.If):
            return self.asserts(statement.body) and self.asserts(statement.orelse)
        if isinstance(statement, ast.For):
            return _has_turns(statement.iter) and self.asserts(statement.body)
        if isinstance(statement, ast.While):
            return self.asserts(statement.body)
        return not isinstance(statement, ast.FunctionDef | ast.ClassDef) and self.checks(statement)


def _has_turns(iterable: ast.expr) -> bool:
    """Whether it is something with elements: written down here, a constant, a counted range, the words of a text."""
    if isinstance(iterable, ast.Tuple | ast.List | ast.Set | ast.Dict):
        return bool(ast.unparse(iterable).strip("()[]{}"))
    if isinstance(iterable, ast.Call):
        name = ast.unparse(iterable.func)
        if name in ("zip", "enumerate", "sorted", "list", "reversed", "itertools.product"):
            return any(_has_turns(argument) for argument in iterable.args)
        if name == "range" or name.endswith(".split"):
            return True
        return name.endswith((".items", ".values")) and _has_turns(iterable.func.value)  # type: ignore[attr-defined]
    if isinstance(iterable, ast.Subscript):
        return _has_turns(iterable.value)
    return bool(_CONSTANT.fullmatch(ast.unparse(iterable)))


def _early_returns(reader: _Reader, statements: list[ast.stmt], before: bool = False) -> list[int]:
    """Lines of returns that no assertion stands before."""
    found = []
    for number, statement in enumerate(statements):
        done = before or reader.asserts(statements[:number])
        if isinstance(statement, ast.Return) and not done:
            found.append(statement.lineno)
        for block in ("body", "orelse", "finalbody"):
            if not isinstance(statement, ast.FunctionDef | ast.ClassDef):
                found += _early_returns(reader, getattr(statement, block, []), done)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(TESTS)))
def test_every_test_comes_to_an_assertion(path: Path) -> None:
    reader = _Reader(ast.parse(path.read_text()))
    found = {name: f for name, f in reader.functions.items() if name.startswith("test_")}
    assert found, "a file without tests"
    wrong = {name: f.lineno for name, f in found.items() if not reader.asserts(f.body)}
    assert not wrong, (
        "these may end without having asserted anything: say first that there is something to go through"
    )
    early = {name: lines for name, f in found.items() if (lines := _early_returns(reader, f.body))}
    assert not early, "these return before anything is asserted"


@pytest.mark.parametrize(
    ("body", "right"),
    [
        ("assert x", True), ("pass", False), ("for a in found():\n  assert a", False),
        ("for a in (1, 2):\n  assert a", True),
        ("for a in CASES.items():\n  assert a", True), ("if x:\n  assert x", False),
        ("if x:\n  assert x\n else:\n  assert y", True), ("with pytest.raises(E):\n  f()", True),
        ("assert found()\n for a in found():\n  assert a", True), ("chain.check(x)", True), ("f(x)", False),
        ("if x:\n  return\n assert x", False), ("assert y\n if x:\n  return\n assert x", True), ("helper()", True),
        ("for a in ():\n  assert a", False),
    ],
)  # fmt: skip
def test_the_reader_sees_what_may_not_assert(body: str, right: bool) -> None:
    reader = _Reader(ast.parse(f"def helper():\n assert y\n\ndef test_it():\n {body}\n"))
    test = reader.functions["test_it"]
    assert (reader.asserts(test.body) and not _early_returns(reader, test.body)) == right


def test_names_of_files_are_unique() -> None:
    """Without packages pytest knows a module by its file's name."""
    plain = [path for path in FILES if not (path.parent / "__init__.py").exists()]
    names = [path.name for path in plain]
    assert len(names) > 20 and sorted(set(names)) == sorted(names)


def test_the_page_names_every_folder() -> None:
    """And no other: one row of its table or several together."""
    page = (TESTS.parent / "docs" / "tests.md").read_text()
    table = "\n".join(line.split("|")[1] for line in page.splitlines() if line.startswith("| `tests/"))
    named = re.findall(r"`tests/([\w]+)`", table)
    folders = {path.name for path in TESTS.iterdir() if any(path.rglob("test_*.py"))}
    assert sorted(named) == sorted(folders)


@pytest.mark.parametrize("path", FILES, ids=str)
def test_verbs_are_called_by_the_command_line_that_has_them(path: Path) -> None:
    """A command that is invoked by itself keeps its own ``--help`` for good, and the snapshots of help then differ."""
    called = [
        ast.unparse(call.args[0])
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("Runner().invoke") and call.args
    ]
    assert all(name in ("cli", "ascmcu.cli.cli") for name in called), called
