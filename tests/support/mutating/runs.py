# SPDX-License-Identifier: Apache-2.0
"""Tests run on an edited copy of the tree: which of them reach a line, and whether any of them turns red."""

from __future__ import annotations

import fnmatch
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.support.mutating import edits
from tests.support.mutating.edits import Edit

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
# What neither a copy's Python nor its C may change for the others: results that are kept by their content.
_SHARED_CACHES = ("native", "templates", "cmsis-dsp", "packs")


@dataclass(frozen=True)
class Room:
    """Files by pattern, and the tests to ask, both as paths below the root. ``reached``: whether a first run tells
    which of them reach a line; else all are asked."""

    name: str
    files: tuple[str, ...]
    tests: tuple[str, ...]
    reached: bool = True


def rooms(path: Path = HERE / "rooms.toml") -> dict[str, Room]:
    """The rooms of a table of them."""
    table = tomllib.loads(path.read_text())
    return {
        name: Room(
            name,
            tuple(room["files"]),
            tuple(test for suite in room["tests"] for test in table["tests"][suite]),
            room.get("reached", True),
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
    """An edit that somebody chose, and the tests that are there for it."""

    edit: Edit
    tests: tuple[str, ...]


def chosen(root: Path, path: Path = HERE / "chosen.toml") -> list[Chosen]:
    """The edits of a file: ``path``, ``text`` (which the file holds once), ``before``, ``after``, ``tests``.

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
        found.append(Chosen(edit, tuple(row["tests"])))
    return found


# --------------------------------------------------------------- a copy of the tree


class Copy:
    """The files of a checkout, to be edited: those that git knows, and new ones that it does not ignore."""

    def __init__(self, root: Path, to: Path) -> None:
        self.root = to
        listed = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=root, capture_output=True, check=True
        ).stdout
        for name in filter(None, listed.decode().split("\0")):
            if (root / name).is_file():
                (to / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / name, to / name)
        for cached in root.glob("ascmcu/sim/__pycache__/*.nb[ci]"):  # compiled for minutes
            (to / cached.relative_to(root)).parent.mkdir(exist_ok=True)
            shutil.copy2(cached, to / cached.relative_to(root))
        if (root / ".venv").exists():
            (to / ".venv").symlink_to((root / ".venv").resolve())
        # Byte code that goes by the source's content: an edit of the same size within a second would be missed.
        compiling = ["-m", "compileall", "-q", "--invalidation-mode", "checked-hash", "."]
        subprocess.run([sys.executable, *compiling], cwd=to, check=False, stdout=subprocess.DEVNULL)

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
            os.environ.update(PYTHONPATH=str(self.root), PYTHONDONTWRITEBYTECODE="1", **_caches(log.parent))
            prepare()
            import pytest

            status = int(pytest.main([*_OPTIONS, *arguments]))
            sys.stdout.flush()
        finally:
            os._exit(status)


def _caches(folder: Path) -> dict[str, str]:
    """A cache of this run alone, but for what is kept by its content."""
    from ascmcu import paths

    cache, real = folder / "cache", paths.cache()
    shutil.rmtree(cache, ignore_errors=True)
    cache.mkdir(parents=True)
    for name in _SHARED_CACHES:
        (real / name).mkdir(parents=True, exist_ok=True)
        (cache / name).symlink_to(real / name)
    return {"ASCMCU_CACHE": str(cache)}


# --------------------------------------------------------------- the first run


@dataclass
class Reached:
    """Which tests are there, how long each takes, and which reach a line (by number in ``tests``); ``left_out`` failed
    on the tree as it is."""

    tests: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    lines: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def of(self, edit: Edit) -> list[int]:
        """Tests of the edit's line, the quick first. Of a line that runs while it is imported those of its file, and
        then all others: who only reads a constant runs no line of it."""
        lines = self.lines.get(edit.path, {})
        found = set(lines.get(str(edit.line), []))
        if found or str(-edit.line) not in lines:
            return sorted(found, key=lambda n: self.seconds[n])
        found = {n for numbers in lines.values() for n in numbers}
        return sorted(
            range(len(self.tests)), key=lambda n: (n not in found and self.seconds[n] > 1, self.seconds[n])
        )


class _Plugin:
    """Names the test for coverage, and takes its time."""

    def __init__(self, cov: object) -> None:
        self.cov = cov
        self.seconds: dict[str, float] = {}
        self.failed: list[str] = []

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.cov.switch_context(nodeid)  # type: ignore[attr-defined]

    def pytest_runtest_logreport(self, report: object) -> None:
        if report.outcome != "skipped":  # type: ignore[attr-defined]
            name: str = report.nodeid  # type: ignore[attr-defined]
            self.seconds[name] = self.seconds.get(name, 0.0) + report.duration  # type: ignore[attr-defined]
        if report.outcome == "failed":  # type: ignore[attr-defined]
            self.failed.append(report.nodeid)  # type: ignore[attr-defined]


def first_run(copy: Copy, tests: Sequence[str], folder: Path) -> Reached:
    """Run the tests on the tree as it is.

    Those that fail are left out: nothing can be learnt from them.

    Raises:
        RuntimeError: none passes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log, to = folder / "log.txt", folder / "reached.json"

    def measured() -> None:
        import coverage
        import pytest

        cov = coverage.Coverage(data_file=None, source=[str(copy.root / "ascmcu")], config_file=False)
        cov.start()
        plugin = _Plugin(cov)
        pytest.main([*_OPTIONS, *tests], plugins=[plugin])
        cov.stop()
        found = Reached()
        taken = {name: s for name, s in plugin.seconds.items() if name not in plugin.failed}
        numbers = {name: n for n, name in enumerate(taken)}
        found.tests, found.seconds = list(taken), list(taken.values())
        found.left_out = plugin.failed
        data = cov.get_data()
        for path in data.measured_files():
            by_line = data.contexts_by_lineno(path)
            lines: dict[str, list[int]] = {}
            for line, contexts in by_line.items():
                lines[str(line)] = sorted(numbers[c] for c in contexts if c in numbers)
                if "" in contexts:  # while it was imported
                    lines[str(-line)] = []
            found.lines[str(Path(path).relative_to(copy.root))] = lines
        to.write_text(json.dumps(asdict(found)))
        sys.stdout.flush()
        os._exit(0)

    os.waitpid(copy.pytest([], log, prepare=measured), 0)
    reached = Reached(**json.loads(to.read_text())) if to.is_file() else Reached()
    if not reached.tests:
        raise RuntimeError(f"no test passes without any edit: see {log}")
    return reached


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


@dataclass
class _Running:
    edit: Edit
    copy: Copy
    child: int
    began: float
    limit_s: float
    log: Path
    original: bytes


def judge(
    edits_: Iterable[Edit],
    copies: Sequence[Copy],
    asked: Callable[[Edit], tuple[list[str], float]],
    folder: Path,
    tell: Callable[[Verdict], None],
) -> list[Verdict]:
    """Every edit on a copy of its own time, as many at once as there are copies.

    Args:
        edits_: what to try.
        copies: trees that are as the original; they are so again afterwards.
        asked: the tests of an edit, and how long they may take; none is "not reached".
        folder: for what the tests print.
        tell: called with every verdict.
    """
    waiting, free, running, done = list(edits_)[::-1], list(copies), [], []  # type: ignore[var-annotated]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        while waiting or running:
            while waiting and free:
                edit = waiting.pop()
                tests, limit_s = asked(edit)
                if not tests:
                    done.append(Verdict(edit, "not reached"))
                    tell(done[-1])
                    continue
                running.append(_begin(edit, free.pop(), tests, limit_s, folder))
            for one in list(running):
                verdict = _ended(one)
                if verdict is not None:
                    running.remove(one)
                    free.append(one.copy)
                    done.append(verdict)
                    tell(verdict)
            time.sleep(0.05)
    finally:
        for one in running:
            os.killpg(one.child, signal.SIGKILL)
            (one.copy.root / one.edit.path).write_bytes(one.original)
    return done


def _begin(edit: Edit, copy: Copy, tests: Sequence[str], limit_s: float, folder: Path) -> _Running:
    path = copy.root / edit.path
    original = path.read_bytes()
    path.write_bytes(edit.apply(original))
    place = folder / copy.root.name
    place.mkdir(parents=True, exist_ok=True)
    log = place / "log.txt"
    child = copy.pytest(["-x", *tests], log)
    return _Running(edit, copy, child, time.monotonic(), limit_s, log, original)


def _ended(one: _Running) -> Verdict | None:
    child, status = os.waitpid(one.child, os.WNOHANG)
    seconds = time.monotonic() - one.began
    late = seconds > one.limit_s
    if not child and not late:
        return None
    if not child:
        os.killpg(one.child, signal.SIGKILL)
        os.waitpid(one.child, 0)
    (one.copy.root / one.edit.path).write_bytes(one.original)
    if late and not child:
        return Verdict(one.edit, "killed", "it does not end", seconds)
    if os.waitstatus_to_exitcode(status) == 0:
        return Verdict(one.edit, "survived", "", seconds)
    return Verdict(one.edit, "killed", _first_failure(one.log), seconds)


def _first_failure(log: Path) -> str:
    for line in log.read_text(errors="replace").splitlines():
        if line.startswith(("FAILED ", "ERROR ")):
            return line.split(" - ")[0].split(" ", 1)[1]
    return "a crash"


def reached_tests(reached: Reached, edit: Edit, budget_s: float) -> tuple[list[str], float]:
    """The tests of an edit within a budget of seconds, and the time to wait for them."""
    chosen: list[int] = []
    for number in reached.of(edit):
        if chosen and (sum(reached.seconds[n] for n in chosen) + reached.seconds[number] > budget_s):
            break
        chosen.append(number)
    seconds = sum(reached.seconds[n] for n in chosen)
    return [reached.tests[n] for n in chosen], LEAST_S + FACTOR * seconds


def matching(files: Iterable[str], patterns: Iterable[str]) -> list[str]:
    """The files that one of the patterns names."""
    return [f for f in files if any(fnmatch.fnmatch(f, p) for p in patterns)]


def tests_of_template(reached: Reached, root: Path, edit: Edit, budget_s: float) -> tuple[list[str], float]:
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
    numbers: dict[int, None] = {}
    for stem in sorted(stems):
        lines = reached.lines.get(f"ascmcu/kernels/{stem}.py", {})
        # The last lines of a kernel's module make its parameters: who reaches them has chosen it.
        inside = [set(found) for line, found in lines.items() if int(line) > 0 and found]
        few = min(inside, key=len, default=set())
        numbers |= dict.fromkeys(sorted(few, key=lambda n: reached.seconds[n]))
    chosen: list[int] = []
    for number in numbers:
        if chosen and sum(reached.seconds[n] for n in chosen) + reached.seconds[number] > budget_s:
            break
        chosen.append(number)
    return [reached.tests[n] for n in chosen], LEAST_S + FACTOR * sum(reached.seconds[n] for n in chosen)
