# SPDX-License-Identifier: Apache-2.0
"""``tools/mutate``: which edits it makes, and that it tells a test that can fail from one that cannot."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest

from tests.support.mutating import edits, reaching, runs
from tests.support.mutating.edits import Edit
from tests.support.patience import HANG_S

ROOT = Path(__file__).resolve().parents[2]

PYTHON = '''
"""A docstring with 1 < 2."""

LIMIT = 10


def clipped(x: int, low: int = 0) -> int:
    """Not 3 + 4."""
    if x < low and not is_odd(x):
        raise ValueError(f"{x} + 1 is low")
    listing.note(f"a comment of {5}")
    return min(x - 1, LIMIT)


def pairs(a, b):
    """An assertion, and a negative number that may be any."""
    return zip(a.reshape(7, -8), b, strict=True)
'''
C = """
/* 1 < 2 */
#define LIMIT 10
static const char *const text = "3 + 4";
int32_t clipped(int32_t x)
{
    note(x);
    return x < {{ low + 1 }} && !odd(x) ? x - 1 : -x;
}
"""


def _changes(found: list[Edit]) -> set[tuple[str, str]]:
    return {(edit.before, edit.after) for edit in found}


def test_edits_of_python() -> None:
    assert _changes(edits.of("a.py", PYTHON.encode())) == {
        ("10", "11"), ("0", "1"), ("<", "<="), ("and", "or"), ("not ", ""), ("min", "max"), ("-", "+"), ("1", "2"),
        ('raise ValueError(f"{x} + 1 is low")', "pass"), ("7", "8"), ("-", ""),
    }  # fmt: skip


def test_edits_of_c() -> None:
    assert _changes(edits.of("a.c", C.encode())) == {
        ("<", "<="), ("&&", "||"), ("!", ""), ("-", "+"), ("1", "2"), ("note(x)", "(void)0"),
    }  # fmt: skip


def test_every_edit_changes_what_its_file_means() -> None:
    """Of the whole package: each parses, and is another program."""
    path = ROOT / "ascmcu" / "ir" / "layout.py"
    source = path.read_bytes()
    before = ast.dump(ast.parse(source))
    found = edits.of("ascmcu/ir/layout.py", source)
    assert len(found) > 40
    for edit in found:
        assert ast.dump(ast.parse(edit.apply(source))) != before, edit
        assert edit.text in source.decode() and edit.before in source.decode().splitlines()[edit.line - 1]


def test_an_edit_of_a_file_that_has_changed_is_refused() -> None:
    (edit, *_) = edits.of("a.py", b"x = 1\n")
    with pytest.raises(ValueError, match="no longer reads '1'"):
        edit.apply(b"xx = 1\n")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with a room of one file, a test that sees half of it, and a loop."""
    root = tmp_path / "checkout"
    (root / "ascmcu").mkdir(parents=True)
    (root / "ascmcu" / "__init__.py").touch()
    (root / "ascmcu" / "toy.py").write_text(
        "LIMIT = 9\n\n\ndef double(x):\n    return 2 * x\n\n\n"
        "def down(x):\n    while x > 0:\n        x -= 1\n    return x\n\n\n"
        "def unseen(x):\n    return x + 1\n\n\ndef unchecked(x):\n    return x - 1\n"
    )
    (root / "test_toy.py").write_text(
        "from ascmcu import toy\n\n\ndef test_double():\n    assert toy.double(3) == 6\n\n\n"
        "def test_down():\n    assert toy.down(3) == 0\n\n\ndef test_nothing():\n    toy.unchecked(3)\n\n\n"
        "def test_limit():\n    assert toy.LIMIT == 9\n"
    )
    for command in (["git", "init", "-q"], ["git", "add", "."]):
        subprocess.run(command, cwd=root, check=True)
    return root


def test_a_room_of_one_file(checkout: Path, tmp_path: Path) -> None:
    """In both ways, warm and cold; and what is known is not tried again."""
    room = runs.Room("toy", ("ascmcu/toy.py",), ("test_toy.py",))
    copy = runs.Copy(checkout, tmp_path / "copy")
    source = copy.root / "ascmcu" / "toy.py"
    before = source.read_bytes()
    attempts = runs.Attempts(copy, room.tests, tmp_path / "logs", tmp_path / "reached.json")
    assert attempts.reached is not None and len(attempts.tests) == 4
    journal = runs.Journal(tmp_path / "verdicts.jsonl", checkout)
    found = set()
    for edit in runs.candidates(checkout, room):
        tests = attempts.reached.of(checkout, edit, attempts.tests)
        assert journal.known(edit, tests) is None
        limit_s = 1.0 if edit.before == "-=" else HANG_S  # the loop has no end
        verdict = attempts.attempt(edit, tests, limit_s) if tests else runs.Verdict(edit, "not reached")
        journal.add(verdict, tests)
        assert source.read_bytes() == before, "the copy is whole again"
        assert runs.Journal(tmp_path / "verdicts.jsonl", checkout).known(edit, tests) == verdict
        found.add((edit.line, edit.before, verdict.result, verdict.by))
    attempts.close()
    double, down, limit = (f"test_toy.py::test_{name}" for name in ("double", "down", "limit"))
    assert found == {
        (1, "9", "killed", limit), (5, "2", "killed", double), (5, "*", "killed", double),
        (9, ">", "killed", down), (9, "0", "killed", down), (10, "1", "killed", down),
        (10, "-=", "killed", "it does not end"), (15, "1", "not reached", ""), (15, "+", "not reached", ""),
        (19, "1", "survived", ""), (19, "-", "survived", ""),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "result"),
    [
        ("test_toy.py", "killed"), ("test_toy.py::test_double", "killed"), ("test_toy.py::test_down", "survived"),
        ("test_other.py", "killed"), ("test_other.py::test_nothing", "survived"),
    ],
)  # fmt: skip
def test_an_edit_asks_its_own_tests(checkout: Path, tmp_path: Path, asked: str, result: str) -> None:
    """By file or by function, of a session that is warm or, where that has not collected them, of another."""
    (checkout / "test_other.py").write_text(
        "from ascmcu import toy\n\n\ndef test_double():\n    assert toy.double(1) == 2\n\n\n"
        "def test_nothing():\n    toy.double(1)\n"
    )
    copy = runs.Copy(checkout, tmp_path / "copy")
    attempts = runs.Attempts(copy, ["test_toy.py"], tmp_path / "logs", tmp_path / "reached.json")
    (edit,) = (
        e for e in edits.of("ascmcu/toy.py", (copy.root / "ascmcu/toy.py").read_bytes()) if e.before == "*"
    )
    verdict = attempts.attempt(edit, [asked], HANG_S)
    assert (verdict.result, verdict.by != "") == (result, result == "killed")
    assert verdict.by != "a crash"
    with pytest.raises(RuntimeError, match=r"no such tests: test_toy\.py::test_gone"):
        attempts.attempt(edit, ["test_toy.py::test_gone"], HANG_S)
    attempts.close()


def test_an_edit_may_give_cases_other_names(checkout: Path, tmp_path: Path) -> None:
    """The cases are named after what they take from the source: none has its name any more."""
    (checkout / "test_toy.py").write_text(
        "import pytest\n\nfrom ascmcu import toy\n\n\n@pytest.mark.parametrize('limit', [toy.LIMIT])\n"
        "def test_limit(limit):\n    assert limit == 9\n"
    )
    copy = runs.Copy(checkout, tmp_path / "copy")
    attempts = runs.Attempts(copy, ["test_toy.py"], tmp_path / "logs", tmp_path / "reached.json")
    assert attempts.tests == ["test_toy.py::test_limit[9]"]
    (edit,) = (
        e for e in edits.of("ascmcu/toy.py", (copy.root / "ascmcu/toy.py").read_bytes()) if e.before == "9"
    )
    assert attempts.attempt(edit, attempts.tests, HANG_S).result == "killed"
    attempts.close()


def test_only_new_tests_are_measured(checkout: Path, tmp_path: Path) -> None:
    """A file of tests that has changed is new; lines move with the source's."""
    toy, tests = checkout / "ascmcu" / "toy.py", checkout / "test_toy.py"

    def reached() -> reaching.Reached:
        copy = runs.Copy(checkout, tmp_path / "copy")
        attempts = runs.Attempts(copy, ["test_toy.py"], tmp_path / "logs", tmp_path / "reached.json")
        attempts.close()
        assert attempts.reached is not None
        return attempts.reached

    first = reached()
    assert first.unknown(checkout, first.seconds) == []
    (edit,) = (e for e in edits.of("ascmcu/toy.py", toy.read_bytes()) if e.before == "+")
    assert first.of(checkout, edit, [*first.seconds]) == []
    toy.write_text("# moved\n" + toy.read_text())
    assert reached().lines["ascmcu/toy.py"][6] == {"test_toy.py::test_double"}
    tests.write_text(tests.read_text() + "\n\ndef test_unseen():\n    assert toy.unseen(1) == 2\n")
    assert len(first.unknown(checkout, [*first.seconds])) == 4
    (edit,) = (e for e in edits.of("ascmcu/toy.py", toy.read_bytes()) if e.before == "+")
    now = reached()
    asked = now.of(checkout, edit, [*now.seconds])
    assert asked[0] == "test_toy.py::test_unseen" and {*asked} == {*now.seconds}, (
        "those beside it come behind it"
    )


def test_what_is_kept_for_several_tests_is_reached_by_all(checkout: Path, tmp_path: Path) -> None:
    """Two tests ask for the same value of a function that keeps it; two share a fixture. In both cases only the second
    looks at what comes of it."""
    toy = checkout / "ascmcu" / "toy.py"
    toy.write_text(
        "import functools\n\n\n@functools.cache\ndef kept(x):\n    return x + 1\n\n\ndef made(x):\n    return x - 1\n"
    )
    (checkout / "test_toy.py").write_text(
        "import pytest\n\nfrom ascmcu import toy\n\n\n@pytest.fixture(scope='module')\ndef found():\n"
        "    return toy.made(3)\n\n\ndef test_kept():\n    toy.kept(3)\n\n\n"
        "def test_made(found):\n    assert found\n\n\n"
        "def test_is_kept():\n    assert toy.kept(3) == 4\n\n\ndef test_is_made(found):\n    assert found == 2\n"
    )
    copy = runs.Copy(checkout, tmp_path / "copy")
    attempts = runs.Attempts(copy, ["test_toy.py"], tmp_path / "logs", tmp_path / "reached.json")
    assert attempts.reached is not None
    by = {}
    for edit in edits.of("ascmcu/toy.py", toy.read_bytes()):
        if edit.before in "+-":
            tests = attempts.reached.of(checkout, edit, attempts.tests)
            by[edit.before] = attempts.attempt(edit, tests, HANG_S).by
    attempts.close()
    assert attempts.reached.lines["ascmcu/toy.py"][6] == {
        "test_toy.py::test_kept",
        "test_toy.py::test_is_kept",
    }
    assert by == {"+": "test_toy.py::test_is_kept", "-": "test_toy.py::test_is_made"}


def test_a_constant_asks_more_than_who_imports_it_first(checkout: Path, tmp_path: Path) -> None:
    (checkout / "test_toy.py").write_text(
        "def test_a():\n    from ascmcu import toy\n\n\n"
        "def test_b():\n    from ascmcu import toy\n\n    assert toy.LIMIT == 9\n"
    )
    copy = runs.Copy(checkout, tmp_path / "copy")
    attempts = runs.Attempts(copy, ["test_toy.py"], tmp_path / "logs", tmp_path / "reached.json")
    (edit,) = (
        e for e in edits.of("ascmcu/toy.py", (copy.root / "ascmcu/toy.py").read_bytes()) if e.before == "9"
    )
    assert attempts.reached is not None
    tests = attempts.reached.of(checkout, edit, attempts.tests)
    assert attempts.attempt(edit, tests, HANG_S).by == "test_toy.py::test_b"
    attempts.close()


def test_who_is_named_after_the_source_is_asked_early(tmp_path: Path) -> None:
    """Of two tests that reach a line and take as long, the one whose name has the module's in it."""
    (tmp_path / "ascmcu").mkdir()
    source = "def f(x):\n    return x + 1\n"
    (tmp_path / "ascmcu" / "_toy.py").write_text(source)
    names = ["test_all.py::test_each[other]", "test_all.py::test_each[toy: a row]", "test_few.py::test_quick"]
    reached = reaching.Reached(
        seconds=dict(zip(names, (1.0, 1.0, 0.5), strict=True)), lines={"ascmcu/_toy.py": {2: set(names)}}
    )
    (edit,) = (e for e in edits.of("ascmcu/_toy.py", source.encode()) if e.before == "+")
    assert reached.of(tmp_path, edit, names) == [names[1], names[2], names[0]]


def test_new_lines_are_reached_as_those_around_them(tmp_path: Path) -> None:
    """Code is edited and its tests are not: what they reach is still known."""
    source = tmp_path / "a.py"
    before = "A = 1\n\n\ndef f(x):\n    y = x\n    return y\n\n\ndef g(x):\n    return x\n"
    lines: dict[int, set[str]] = {1: set(), 4: set(), 5: {"f"}, 6: {"f"}, 9: set(), 10: {"g"}}
    reached = reaching.Reached(lines={"a.py": lines}, imported={"a.py": {1, 4, 9}}, sources={"a.py": before})
    source.write_text(before.replace("y = x", "z = -x\n    y = z").replace("A = 1", "A = 1\nB = 2"))
    reached.move(tmp_path)
    found = reached.lines["a.py"]
    assert (found[6], found[7], found[8], found[12]) == ({"f"}, {"f"}, {"f"}, {"g"})
    assert reached.imported["a.py"] == {1, 2, 5, 11} and not found[2]


def test_a_statement_is_without_those_inside_it(tmp_path: Path) -> None:
    """An edit of a long call is reached where any line of the call is."""
    text = "def f(x):\n    if (\n        x\n        > 1\n    ):\n        g(\n            2,\n        )\n"
    (tmp_path / "a.py").write_text(text)
    found = {e.before: reaching.statement(tmp_path, e) for e in edits.of("a.py", text.encode())}
    assert found[">"] == range(2, 6) and found["2"] == range(6, 9)


def test_a_sample_is_the_same_every_time() -> None:
    found = runs.candidates(ROOT, runs.rooms()["schedule"])
    assert len(found) > 200
    assert runs.sample(found, 30, 1) == runs.sample(found, 30, 1) != runs.sample(found, 30, 2)
    assert len(runs.sample(found, 10**6, 1)) == len(found)


@pytest.mark.parametrize("room", runs.rooms().values(), ids=lambda r: r.name)
def test_rooms_have_files_and_tests(room: runs.Room) -> None:
    assert room.files and room.tests
    for pattern in room.files:
        assert list(ROOT.glob(pattern)), pattern
    for test in room.tests:
        assert (ROOT / test.removeprefix("--ignore=").partition("::")[0]).exists(), test


def test_edits_without_effect_are_of_lines_that_are_there() -> None:
    assert runs.equivalents()
    for known in runs.equivalents():
        assert known.text in [line.strip() for line in (ROOT / known.path).read_text().splitlines()], known
        assert known.before in known.text and len(known.why) > 10


def test_chosen_edits_are_of_lines_that_are_there() -> None:
    found = runs.chosen(ROOT)
    assert len(found) > 40
    for one in found:
        source = (ROOT / one.edit.path).read_bytes()
        assert one.edit.apply(source) != source
        assert all((ROOT / test).exists() for test in one.tests)


def test_some_chosen_edits_are_caught(tmp_path: Path) -> None:
    """A few of each kind that is quick; ``tools/mutate --chosen`` tries them all."""
    quick = [
        c for c in runs.chosen(ROOT) if c.edit.path.startswith(("firmware/app/clip", "ascmcu/ops/_fixed"))
    ]
    some = {c.edit: c.tests for c in quick[::4]}
    assert len(some) >= 3
    copy = runs.Copy(ROOT, tmp_path / "copy")
    for edit, tests in some.items():
        attempts = runs.Attempts(copy, tests, tmp_path / "logs", None)
        assert attempts.attempt(edit, attempts.tests, HANG_S).result == "killed"
