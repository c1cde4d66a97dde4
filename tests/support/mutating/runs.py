# SPDX-License-Identifier: Apache-2.0
"""Tests run on an edited copy of the tree: which of them reach a line, and whether any of them turns red."""

from __future__ import annotations

import fnmatch
import functools
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import time
import tomllib
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ascmcu import paths
from tests.support.mutating import edits, reaching, warm
from tests.support.mutating.edits import Edit
from tests.support.mutating.reaching import Reached

HERE = Path(__file__).parent
# What a test may take on a copy, and how much longer than on the first run; more is a loop without an end.
LEAST_S, FACTOR = 60.0, 8.0
# Hypothesis and others are imported before pytest could rewrite their assertions.
_OPTIONS = (
    "-q",
    "-n0",
    "-p",
    "no:cacheprovider",
    "--no-header",
    "-W",
    "ignore::pytest.PytestAssertRewriteWarning",
)
# pytest's exit status for names that are not there, and for no test at all: nothing was asked, unless the edit keeps
# a file of tests from being collected.
_ASKED_NOTHING = (4, 5)
# What neither a copy's Python nor its C may change for the others: results that are kept by their content.
_SHARED_CACHES = ("native", "templates", "cmsis-dsp", "packs")


@dataclass(frozen=True)
class Room:
    """Files by pattern, and the tests to ask, both as paths below the root. ``reached``: whether a first run tells
    which of them reach a line; else all are asked. ``budget_s``: an edit is given so many seconds of tests at least."""

    name: str
    files: tuple[str, ...]
    tests: tuple[str, ...]
    reached: bool = True
    budget_s: float = 0.0


def rooms(path: Path = HERE / "rooms.toml") -> dict[str, Room]:
    """The rooms of a table of them."""
    table = tomllib.loads(path.read_text())
    return {
        name: Room(
            name,
            tuple(room["files"]),
            tuple(test for suite in room["tests"] for test in table["tests"][suite]),
            room.get("reached", True),
            room.get("budget_s", 0.0),
        )
        for name, room in table["room"].items()
    }


@dataclass(frozen=True)
class Equivalent:
    """An edit that changes nothing that anybody could see, and why; known by its line's text, wherever that moves."""

    path: str
    text: str
    before: str
    after: str
    why: str

    def is_of(self, edit: Edit) -> bool:
        """Whether this is the edit."""
        return (self.path, self.text, self.before, self.after) == (
            edit.path,
            edit.text,
            edit.before,
            edit.after,
        )


def equivalents(path: Path = HERE / "equivalent.toml") -> list[Equivalent]:
    """The edits that were read and found to be without effect."""
    return [Equivalent(**row) for row in tomllib.loads(path.read_text()).get("edit", [])]


@dataclass(frozen=True)
class Chosen:
    """An edit that somebody chose, and the tests that are there for it; none are those of its room that reach it."""

    edit: Edit
    tests: tuple[str, ...]


def chosen(root: Path, path: Path = HERE / "chosen.toml") -> list[Chosen]:
    """The edits of a file: ``path``, ``text`` (which the file holds once), ``before``, ``after``, and maybe ``tests``.

    Raises:
        ValueError: a file does not hold a text once.
    """
    found = []
    for row in tomllib.loads(path.read_text())["edit"]:
        source, text = (root / row["path"]).read_text(), row["text"]
        if source.count(text) != 1 or row["before"] not in text:
            raise ValueError(f"{row['path']} does not hold once: {text}")
        at = source.index(text) + text.index(row["before"])
        start, line = len(source[:at].encode()), source.count("\n", 0, at) + 1
        edit = Edit(row["path"], start, row["before"], row["after"], line, text.strip())
        found.append(Chosen(edit, tuple(row.get("tests", ()))))
    return found


# --------------------------------------------------------------- a copy of the tree


class Copy:
    """The files of a checkout, to be edited: those that git knows, and new ones that it does not ignore. What an
    earlier run has left at the same place is brought up to date."""

    def __init__(self, root: Path, to: Path) -> None:
        self.root, self.cache = to, paths.cache()
        listed = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=root, capture_output=True, check=True
        ).stdout
        names = {name for name in listed.decode().split("\0") if name and (root / name).is_file()}
        before = to / ".names"
        for gone in set(before.read_text().split("\0") if before.is_file() else ()) - names:
            (to / gone).unlink(missing_ok=True)
        to.mkdir(parents=True, exist_ok=True)
        before.write_text("\0".join(sorted(names)))
        changed = [name for name in names if _brought(root / name, to / name)]
        for cached in root.glob("ascmcu/sim/__pycache__/*.nb[ci]"):  # compiled for minutes
            (to / cached.relative_to(root)).parent.mkdir(exist_ok=True)
            shutil.copy2(cached, to / cached.relative_to(root))
        _link((root / ".venv"), to / ".venv")
        _link(root.parent / "shared", to.parent / "shared")
        # Byte code that goes by the source's content: an edit of the same size within a second would be missed.
        compiling = ["-m", "compileall", "-q", "--invalidation-mode", "checked-hash", "-i", "-"]
        subprocess.run(
            [sys.executable, *compiling], cwd=to, check=False, stdout=subprocess.DEVNULL,
            input="\n".join(name for name in changed if name.endswith(".py")), text=True,
        )  # fmt: skip

    def pytest(
        self, arguments: Sequence[str], log: Path, *, prepare: Callable[[], None] = lambda: None
    ) -> int:
        """Start pytest here, in a child of this process; its number. What is imported already need not be again."""
        sys.stdout.flush()
        child = os.fork()
        if child:
            return child
        status = 70
        try:
            os.setsid()
            file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(file, 1)
            os.dup2(file, 2)
            # Whoever reads what this process prints gets nothing of what the child does.
            sys.stdout, sys.stderr = (os.fdopen(fd, "w", closefd=False) for fd in (1, 2))
            os.chdir(self.root)
            for name in [n for n in sys.modules if n.split(".")[0] in ("tests", "ascmcu")]:
                del sys.modules[name]
            sys.dont_write_bytecode = True
            sys.path[:] = [str(self.root), *(p for p in sys.path if p != str(Path(__file__).parents[3]))]
            os.environ.update(
                PYTHONPATH=str(self.root), PYTHONDONTWRITEBYTECODE="1", **_caches(log.parent, self.cache)
            )
            prepare()
            import pytest

            status = int(pytest.main([*_OPTIONS, *arguments]))
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)


def _brought(source: Path, to: Path) -> bool:
    """Copy a file where it is another; whether it was."""
    if to.is_file() and to.read_bytes() == source.read_bytes():
        return False
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, to)
    return True


def _link(source: Path, to: Path) -> None:
    if source.exists() and not to.exists():
        to.symlink_to(source.resolve())


def _caches(folder: Path, real: Path) -> dict[str, str]:
    """A cache of one run alone, but for what the ``real`` one keeps by its content."""
    cache = folder / "cache"
    shutil.rmtree(cache, ignore_errors=True)
    cache.mkdir(parents=True)
    for name in _SHARED_CACHES:
        (real / name).mkdir(parents=True, exist_ok=True)
        (cache / name).symlink_to(real / name)
    return {"ASCMCU_CACHE": str(cache)}


# --------------------------------------------------------------- one edit after the other


@dataclass
class Verdict:
    """What became of an edit: ``killed`` by ``by``, ``survived``, or ``not reached`` by any test; in seconds."""

    edit: Edit
    result: str
    by: str = ""
    seconds: float = 0.0


def candidates(root: Path, room: Room) -> list[Edit]:
    """All edits of a room."""
    paths = sorted({path for pattern in room.files for path in root.glob(pattern)})
    return [
        edit
        for path in paths
        if path.name != "__init__.py" or path.stat().st_size
        for edit in edits.of(str(path.relative_to(root)), path.read_bytes())
    ]


def sample(found: Sequence[Edit], count: int, seed: int) -> list[Edit]:
    """So many of them, always the same."""
    chosen = random.Random(seed).sample(range(len(found)), min(count, len(found)))
    return [found[n] for n in sorted(chosen)]


class Attempts:
    """Edits in a copy, each tried by tests of some suites: by a child of a session that is warm where that is sound,
    else by one that imports and collects for itself.

    Attributes:
        reached: what the tests reach; ``None`` where all are asked.
        tests: the names of those that were collected.
    """

    def __init__(self, copy: Copy, suites: Sequence[str], folder: Path, keep: Path | None) -> None:
        """``folder`` is for what the tests print, ``keep`` a file of what they reach; ``None`` asks all."""
        folder.mkdir(parents=True, exist_ok=True)
        self._copy, self._log = copy, folder / "log.txt"
        self._session: warm.Session | None = None
        self.reached: Reached | None = None
        self.tests: list[str] = list(suites)
        if keep is not None:
            main = functools.partial(_main, ["-x", *suites])
            self._session = warm.Session(self._start, main, functools.partial(_caches, folder, copy.cache))
            self.tests = self._session.tests
            self.reached = _measured(copy, self.tests, folder, keep)

    def _start(self, serve: Callable[[], None]) -> int:
        return self._copy.pytest([], self._log.with_name("session.txt"), prepare=serve)

    def close(self) -> None:
        """End the session."""
        if self._session is not None:
            self._session.close()

    def attempt(self, edit: Edit, tests: Sequence[str], limit_s: float) -> Verdict:
        """Try one edit; the copy is whole again afterwards."""
        began, path = time.monotonic(), self._copy.root / edit.path
        collected = self._collected(tests)
        if collected and self._is_warm(edit):
            assert self._session is not None
            status, by = self._session.attempt(path, edit, collected, limit_s)
        else:
            status, by = self._cold(path, edit, tests, limit_s)
        if self._asked_nothing(status) and {*tests} <= {*self.tests}:
            # The edit gives cases other names: their files are asked instead.
            status, by = self._cold(
                path, edit, [*dict.fromkeys(t.partition("::")[0] for t in tests)], limit_s
            )
        seconds = round(time.monotonic() - began, 2)
        if self._asked_nothing(status):
            raise RuntimeError(f"pytest finds no such tests: {', '.join(tests)}; see {self._log}")
        if status is None:
            return Verdict(edit, "killed", "it does not end", seconds)
        if status == 0:
            return Verdict(edit, "survived", "", seconds)
        return Verdict(edit, "killed", by or "a crash", seconds)

    def _asked_nothing(self, status: int | None) -> bool:
        return status in _ASKED_NOTHING and "ERROR collecting" not in self._log.read_text(errors="replace")

    def _collected(self, tests: Sequence[str]) -> list[str]:
        """The names of the tests, each a name, a function or a file; empty where one was not collected."""
        if {*tests} <= {*self.tests}:
            return [*tests]
        found = [[n for n in self.tests if n == t or n.startswith((f"{t}::", f"{t}["))] for t in tests]
        return [name for names in found for name in names] if all(found) else []

    def _is_warm(self, edit: Edit) -> bool:
        if self._session is None or self.reached is None or not edit.path.endswith(".py"):
            return False
        path = self._copy.root / edit.path
        functions = warm.edited_functions(str(path), path.read_bytes(), edit)
        return functions is not None and not self.reached.at_import(self._copy.root, edit)

    def _cold(self, path: Path, edit: Edit, tests: Sequence[str], limit_s: float) -> tuple[int | None, str]:
        original = path.read_bytes()
        try:
            path.write_bytes(edit.apply(original))
            status = warm.waited(self._copy.pytest(["-x", *tests], self._log), limit_s)
        finally:
            path.write_bytes(original)
        return status, _first_failure(self._log)


def _measured(copy: Copy, tests: Sequence[str], folder: Path, keep: Path) -> Reached:
    """What the tests reach; those that are not kept run.

    Raises:
        RuntimeError: none passes.
    """
    reached = Reached.load(keep)
    reached.move(copy.root)
    unknown = reached.unknown(copy.root, tests)
    if unknown:
        found_in, names, log = folder / "found.json", folder / "names.txt", folder / "measured.txt"
        folder.mkdir(parents=True, exist_ok=True)
        names.write_text("\n".join(unknown))

        def measured() -> None:
            reaching.measure(copy.root, [*_OPTIONS, f"@{names}"]).save(found_in)
            sys.stdout.flush()
            os._exit(0)

        os.waitpid(copy.pytest([], log, prepare=measured), 0)
        if not found_in.is_file():
            raise RuntimeError(f"the tests end without a result: see {log}")
        reached.add(copy.root, Reached.load(found_in))
        reached.save(keep)
    if not {*tests} & {*reached.seconds}:
        raise RuntimeError("no test passes without any edit")
    return reached


def _main(arguments: Sequence[str], plugin: object) -> int:
    import pytest

    return int(pytest.main([*_OPTIONS, *arguments], plugins=[plugin]))


def _first_failure(log: Path) -> str:
    for line in log.read_text(errors="replace").splitlines():
        if line.startswith(("FAILED ", "ERROR ")):
            return line.split(" - ")[0].split(" ", 1)[1]
    return ""


class Journal:
    """Verdicts as they come, in a file, for a run that goes on where another ended."""

    def __init__(self, path: Path, root: Path) -> None:
        self._path, self._root = path, root
        rows = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
        self._rows: dict[str, dict[str, Any]] = {row["key"]: row for row in rows}

    def known(self, edit: Edit, tests: Sequence[str]) -> Verdict | None:
        """What became of the edit, if the test that killed it is still asked, or none of those asked is new."""
        row = self._rows.get(self._key(edit))
        if row is None:
            return None
        stays = row["by"] in tests or row["asked"] == self._asked(tests)
        return Verdict(edit, row["result"], row["by"], row["seconds"]) if stays else None

    def add(self, verdict: Verdict, tests: Sequence[str]) -> None:
        """Keep one."""
        row = {"key": self._key(verdict.edit), "asked": self._asked(tests), "result": verdict.result}
        row |= {"by": verdict.by, "seconds": verdict.seconds}
        self._rows[row["key"]] = row
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a") as file:
            file.write(json.dumps(row) + "\n")

    def _key(self, edit: Edit) -> str:
        source = (self._root / edit.path).read_bytes()
        return _digest(source, *(str(part).encode() for part in vars(edit).values()))

    def _asked(self, tests: Sequence[str]) -> str:
        files = sorted({self._root / test.partition("::")[0] for test in tests})
        return _digest(*(t.encode() for t in sorted(tests)), *(p.read_bytes() for p in files if p.is_file()))


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:24]


def within(reached: Reached, tests: Iterable[str], budget_s: float) -> tuple[list[str], float]:
    """The first of the tests, one at least, that take no longer than a budget, and the time to wait for them."""
    chosen: list[str] = []
    taken_s = wall_s = 0.0
    for test in tests:
        if chosen and taken_s + reached.seconds[test] > budget_s:
            break
        chosen.append(test)
        taken_s += reached.seconds[test]
        wall_s += reached.wall[test]
    return chosen, LEAST_S + FACTOR * max(taken_s, wall_s)


def matching(files: Iterable[str], patterns: Iterable[str]) -> list[str]:
    """The files that one of the patterns names."""
    return [f for f in files if any(fnmatch.fnmatch(f, p) for p in patterns)]


def tests_of_template(reached: Reached, root: Path, edit: Edit) -> list[str]:
    """The tests that lower to the kernel of a template, or to those that include it."""
    stems, partial = {Path(edit.path).name.partition(".")[0]}, Path(edit.path).name
    while any(stem.startswith("_") or "/kernels/quant" in edit.path for stem in stems):
        users = {
            path.name.partition(".")[0]
            for path in (root / "templates" / "kernels").glob("*.j2")
            if any(f"{stem}.j2" in path.read_text() for stem in stems) or partial == "quant.h"
        }
        if users <= stems:
            break
        stems |= users
    found: dict[str, None] = {}
    for stem in sorted(stems):
        # The last lines of a kernel's module make its parameters: who reaches them has chosen it.
        inside = [names for names in reached.lines.get(f"ascmcu/kernels/{stem}.py", {}).values() if names]
        few = min(inside, key=len, default=set()) - {*reached.left_out}
        found |= dict.fromkeys(sorted(few, key=lambda name: (reached.seconds[name], name)))
    return list(found)
