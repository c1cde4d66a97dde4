# SPDX-License-Identifier: Apache-2.0
"""One reader of tables: what fits becomes the dataclass, what does not is named by file and key."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from ascmcu import tables
from ascmcu.errors import DataError, InputError
from ascmcu.tables import Range


@dataclass(frozen=True)
class Inner:
    """A table below another."""

    size: Annotated[int, Range(1, 8)]
    kind: Literal["one", "two"] = "one"


@dataclass(frozen=True)
class Outer:
    """Every type that a table may hold."""

    name: str
    inner: Inner
    share: float = 0.5
    on: bool = False
    most: Annotated[int | None, Range(0)] = None
    pair: tuple[int, int] = (1, 2)
    words: tuple[str, ...] = ()
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    rows: tuple[Inner, ...] = ()
    free: dict[str, Any] | None = None


WHOLE = {"name": "a", "inner": {"size": 3}}


def test_what_fits_becomes_the_dataclass(tmp_path: Path) -> None:
    text = 'name = "a"\nshare = 2\npair = [3, 4]\nwords = ["x"]\n'
    text += '[inner]\nsize = 3\n[groups]\ng = ["y"]\n[[rows]]\nsize = 8\n'
    (tmp_path / "a.toml").write_text(text)
    made = tables.read(tmp_path / "a.toml", Outer)
    assert made == Outer(
        "a", Inner(3), 2.0, pair=(3, 4), words=("x",), groups={"g": ("y",)}, rows=(Inner(8),)
    )
    assert type(made.share) is float
    assert tables.build(Outer, {**WHOLE, "free": {"a": [1, {"b": None}]}, "most": None}, "x").free == {
        "a": [1, {"b": None}]
    }


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"name": 3}, "wrong type", "x, name"),
    ({"on": 1}, "wrong type", "x, on"),
    ({"share": True}, "wrong type", "x, share"),
    ({"share": "0.5"}, "wrong type", "x, share"),
    ({"share": float("nan")}, "must be finite", "x, share"),
    ({"share": float("inf")}, "must be finite", "x, share"),
    ({"share": 10**400}, "wrong type", "x, share"),
    ({"most": -1}, "out of range", "x, most"),
    ({"most": 1.5}, "wrong type", "x, most"),
    ({"most": True}, "wrong type", "x, most"),
    ({"inner": {"size": 9}}, "out of range", "x, inner, size"),
    ({"inner": {}}, "missing key", "x, inner"),
    ({"inner": 3}, "expected a table", "x, inner"),
    ({"inner": {"size": 1, "kind": "tow"}}, "unknown value", "x, inner, kind"),
    ({"pair": [1]}, "expected a list of 2", "x, pair"),
    ({"pair": [1, "2"]}, "wrong type", "x, pair[1]"),
    ({"words": "x"}, "expected a list", "x, words"),
    ({"words": ["x", 3]}, "wrong type", "x, words[1]"),
    ({"groups": []}, "expected a table", "x, groups"),
    ({"groups": {"g": "y"}}, "expected a list", "x, groups, g"),
    ({"rows": [{"size": 0}]}, "out of range", "x, rows[0], size"),
    ({"nmae": "a"}, "unknown key", "x"),
]


@pytest.mark.parametrize(("change", "what", "where"), REFUSED, ids=[str(row[0])[:40] for row in REFUSED])
def test_what_does_not_fit_is_named(change: dict[str, Any], what: str, where: str) -> None:
    with pytest.raises(DataError, match=what) as caught:
        tables.build(Outer, {**WHOLE, **change}, "x", DataError)
    assert caught.value.where == where


def test_near_matches_and_missing_keys() -> None:
    with pytest.raises(InputError) as caught:
        tables.build(Outer, {**WHOLE, "shar": 1}, "x")
    assert (caught.value.found, caught.value.hint) == ("shar", "did you mean share?")
    with pytest.raises(InputError) as caught:
        tables.build(Outer, {}, "x")
    assert caught.value.expected == "name, inner"
    for raw in (None, [], "a", 3):
        with pytest.raises(InputError, match="expected a table"):
            tables.build(Outer, raw, "x")


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"a = ", b"a\0b", b"a = " + b"[" * 5000], ids=["utf8", "half", "nul", "deep"]
)
def test_files_that_are_no_tables(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(content)
    for load in (tables.load, tables.load_json):
        with pytest.raises(InputError, match="not a readable") as caught:
            load(tmp_path / "x")
        assert caught.value.where == str(tmp_path / "x")
        assert ("not a text file" in str(caught.value.found)) == (content == b"\xff\xfe")
    for path in (tmp_path, tmp_path / "none", tmp_path / "x" / "y", Path("a\0b")):
        with pytest.raises(InputError, match="not a readable TOML file"):
            tables.load(path)
