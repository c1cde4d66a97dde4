# SPDX-License-Identifier: Apache-2.0
"""Which tests reach a line. What was once measured is kept: only tests that are new, or whose file has changed, run."""

from __future__ import annotations

import ast
import difflib
import functools
import hashlib
import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.support.mutating.edits import Edit

Lines = dict[str, dict[int, set[str]]]
# So much more time than others have the tests that have a module's name in theirs.
_NEARER = 10.0


@dataclass
class Reached:
    """What tests reach of the source.

    Attributes:
        seconds: what each test takes of the processor, with setup and with the programs that it starts: no more on a
            machine that is busy.
        wall: how long each test takes.
        left_out: tests that fail on the tree as it is, of which nothing can be learnt.
        files: a hash of each test's file.
        lines: of each source file, by line, the tests that run it.
        imported: of each source file, the lines that run before any test does.
        sources: the texts that the lines are of.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    wall: dict[str, float] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    lines: Lines = field(default_factory=dict)
    imported: dict[str, set[int]] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def load(path: Path) -> Reached:
        """What ``save`` wrote; nothing where that is not there."""
        if not path.is_file():
            return Reached()
        kept = json.loads(path.read_text())
        names = kept.pop("names")
        lines = {
            source: {int(line): {names[n] for n in numbers} for line, numbers in of.items()}
            for source, of in kept.pop("lines").items()
        }
        imported = {source: set(found) for source, found in kept.pop("imported").items()}
        return Reached(**kept, lines=lines, imported=imported)

    def save(self, path: Path) -> None:
        """Write it to a file."""
        names = sorted({name for of in self.lines.values() for found in of.values() for name in found})
        numbers = {name: n for n, name in enumerate(names)}
        kept: dict[str, Any] = asdict(self) | {"names": names}
        kept["lines"] = {
            source: {line: sorted(numbers[name] for name in found) for line, found in of.items()}
            for source, of in self.lines.items()
        }
        kept["imported"] = {source: sorted(found) for source, found in self.imported.items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(kept))

    def unknown(self, root: Path, tests: Iterable[str]) -> list[str]:
        """The tests that were not measured as they are."""
        return [test for test in tests if self.files.get(test) != _hash_of(root, test)]

    def add(self, root: Path, found: Reached) -> None:
        """Take over newer measurements of tests at ``root``."""
        self.move(root)
        tests = {*found.seconds, *found.left_out}
        self.seconds = {t: s for t, s in self.seconds.items() if t not in tests} | found.seconds
        self.wall = {t: s for t, s in self.wall.items() if t not in tests} | found.wall
        self.left_out = sorted({*self.left_out} - tests | {*found.left_out})
        self.files |= {test: _hash_of(root, test) for test in tests}
        for of in self.lines.values():
            for names in of.values():
                names -= tests
        for source, of in found.lines.items():
            known = self.lines.setdefault(source, {})
            for line, names in of.items():
                known.setdefault(line, set()).update(names)
        for source, lines in found.imported.items():
            self.imported.setdefault(source, set()).update(lines)
        for source in self.lines:
            if (root / source).is_file():
                self.sources[source] = (root / source).read_text()

    def move(self, root: Path) -> None:
        """Go by the lines of the sources as they are now. Lines that are new are taken to be reached as what they
        replace and the lines beside it: their tests need not have changed."""
        for source, text in list(self.sources.items()):
            now = (root / source).read_text() if (root / source).is_file() else ""
            if now == text:
                continue
            of, imported = self.lines.get(source, {}), self.imported.get(source, set())
            lines: dict[int, set[str]] = {}
            begun: set[int] = set()
            matcher = difflib.SequenceMatcher(None, text.splitlines(), now.splitlines(), autojunk=False)
            for tag, first, last, new_first, new_last in matcher.get_opcodes():
                for new in range(new_first + 1, new_last + 1):
                    same = new - new_first + first
                    olds = [same] if tag == "equal" else [*range(first, last + 2)]
                    if any(old in of for old in olds):
                        lines[new] = {name for old in olds for name in of.get(old, ())}
                    if any(old in imported for old in olds) and (tag == "equal" or not lines.get(new)):
                        begun.add(new)
            self.lines[source], self.imported[source], self.sources[source] = lines, begun, now

    def at_import(self, root: Path, edit: Edit) -> bool:
        """Whether the edit's statement runs before any test does."""
        return bool(self.imported.get(edit.path, set()) & set(statement(root, edit)))

    def of(self, root: Path, edit: Edit, tests: Sequence[str]) -> list[str]:
        """Those of the tests that reach the edit's statement, in turn, and then those beside them: what one test of a
        file made, in a fixture, another may look at. Of a statement that runs while it is imported those of its file,
        and then the quick of all others: who only reads a constant runs no line of it, and who happens to import it
        first need not look at it."""
        asked = {test for test in tests if test in self.seconds and test not in self.left_out}
        lines = self.lines.get(edit.path, {})
        of_file = {name for names in lines.values() for name in names} & asked
        in_turn = partial(self._in_turn, Path(edit.path).stem.strip("_"))
        if not _in_function(root, edit):
            return [*in_turn(of_file), *in_turn(asked - of_file)]
        found = {name for line in statement(root, edit) for name in lines.get(line, ())} & asked
        if not self.at_import(root, edit):
            files = {_file_of(test) for test in found}
            beside = {test for test in asked if _file_of(test) in files} - found
            return [*in_turn(found), *in_turn(beside)]
        return [*in_turn(found), *in_turn(of_file - found), *in_turn(asked - of_file)]

    def _in_turn(self, stem: str, tests: Iterable[str]) -> list[str]:
        """The quick first; each function has as much time as any other, however many cases it has, and one that is
        named after the source more: hundreds of tests may reach a line that few look at."""
        counted = {
            test: self.seconds[test] / (_NEARER if stem and stem in test.lower() else 1.0) for test in tests
        }
        taken: defaultdict[str, float] = defaultdict(float)
        begins = {}
        for test in sorted(counted, key=lambda name: (counted[name], name)):
            function = test.partition("[")[0]
            taken[function] += counted[test]
            begins[test] = taken[function]
        return sorted(begins, key=lambda name: (begins[name], name))


def statement(root: Path, edit: Edit) -> range:
    """The lines of the smallest statement around an edit, without the statements inside it."""
    first, last = edit.line, edit.line
    for node in ast.walk(ast.parse((root / edit.path).read_bytes())):
        if isinstance(node, ast.stmt) and node.end_lineno is not None:
            body = getattr(node, "body", None)
            end = body[0].lineno - 1 if isinstance(body, list) and body else node.end_lineno
            if node.lineno <= edit.line <= max(end, node.lineno) and (first == last or node.lineno >= first):
                first, last = node.lineno, max(end, node.lineno)
    return range(first, last + 1)


def _in_function(root: Path, edit: Edit) -> bool:
    """Whether an edit is in the body of a function, which runs when it is called."""
    functions = (
        n for n in ast.walk(ast.parse((root / edit.path).read_bytes())) if isinstance(n, ast.FunctionDef)
    )
    return any(n.body[0].lineno <= edit.line <= (n.end_lineno or 0) for n in functions)


def _file_of(test: str) -> str:
    return test.partition("::")[0]


def _hash_of(root: Path, test: str) -> str:
    return hashlib.sha256((root / _file_of(test)).read_bytes()).hexdigest()[:16]


def _forget() -> None:
    """Empty the caches of functions: a test reaches what it asks for, although an earlier one has asked for it."""
    for name, module in list(sys.modules.items()):
        if (
            name.partition(".")[0] == "ascmcu"
        ):  # what tests keep may take long, and others of the file are asked too
            for value in list(vars(module).values()):
                if isinstance(value, functools._lru_cache_wrapper):
                    value.cache_clear()


def _taken_s() -> float:
    """What this process and the programs that it started have taken of the processor."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


class _Plugin:
    """Names the test for coverage, and takes its time."""

    def __init__(self, cov: object) -> None:
        self.cov = cov
        self.began_s = 0.0
        self.seconds: dict[str, float] = {}
        self.wall: dict[str, float] = {}
        self.failed: list[str] = []
        self.skipped: list[str] = []

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        _forget()
        self.cov.switch_context(nodeid)  # type: ignore[attr-defined]
        self.began_s = _taken_s()

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.seconds[nodeid] = _taken_s() - self.began_s

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.wall[report.nodeid] = self.wall.get(report.nodeid, 0.0) + report.duration
        if report.outcome in ("failed", "skipped"):
            getattr(self, report.outcome).append(report.nodeid)


def measure(root: Path, arguments: Sequence[str]) -> Reached:
    """Run pytest in this process and see what its tests reach below ``root``."""
    import coverage
    import pytest

    cov = coverage.Coverage(data_file=None, source=[str(root / "ascmcu")], config_file=False)
    cov.start()
    plugin = _Plugin(cov)
    pytest.main([*arguments], plugins=[plugin])
    cov.stop()
    found = Reached(left_out=sorted(set(plugin.failed)))
    # What is skipped here may run another time.
    without = {*plugin.failed, *plugin.skipped}
    found.seconds = {name: s for name, s in plugin.seconds.items() if name not in without}
    found.wall = {name: plugin.wall[name] for name in found.seconds}
    data = cov.get_data()
    for path in data.measured_files():
        of: defaultdict[int, set[str]] = defaultdict(set)
        imported = set()
        for line, contexts in data.contexts_by_lineno(path).items():
            of[line] = {name for name in contexts if name in found.seconds}
            if "" in contexts:
                imported.add(line)
        source = str(Path(path).relative_to(root))
        found.lines[source], found.imported[source] = dict(of), imported
    return found
