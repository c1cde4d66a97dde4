# SPDX-License-Identifier: Apache-2.0
"""Tables of events: what is read, what is refused, and what of them is said not to be judged."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ascmcu.errors import DataError, InputError
from ascmcu.listening import truths
from ascmcu.listening.judging import Truth

HEAD = "onset,offset,label\n"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", "other columns"),
        ("onset,offset\n1,2\n", "other columns"),
        (HEAD + "1,x,a\n", "line 2, offset\n.*0 or more\n.*x$"),
        (HEAD + "nan,2,a\n", "line 2, onset\n.*0 or more\n.*nan$"),
        (HEAD + "1,nan,a\n", "line 2, offset\n.*0 or more\n.*nan$"),
        (HEAD + "1,inf,a\n", "line 2, offset\n.*0 or more\n.*inf$"),
        (HEAD + "-1,2,a\n", "line 2, onset\n.*0 or more\n.*-1$"),
        (HEAD + "1,2,a\n2,1,a\n", "ends before it begins\n.*line 3"),
        (HEAD + "1,2\n", "lacks a field\n.*line 2\n.*\n.*no label$"),
        (HEAD + "1,2, \n", "lacks a field\n.*line 2\n.*\n.*no label$"),
        (HEAD + "1\n", "lacks a field\n.*line 2\n.*\n.*no offset$"),
        (HEAD + ",2,a\n", "lacks a field\n.*line 2\n.*\n.*no onset$"),
    ],
)
def test_tables_that_are_none(table: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text(table)
    with pytest.raises(DataError) as caught:
        truths.read(tmp_path / "events.csv")
    assert re.search(message, str(caught.value))
    assert "{" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "found"), [("none.csv", "No such file or directory"), (".", "Is a directory")]
)
def test_tables_that_are_no_files(name: str, found: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read the events") as caught:
        truths.read(tmp_path / name)
    assert caught.value.found == found


def test_tables_of_events_as_they_are_found(tmp_path: Path) -> None:
    for name, text in (
        ("a.csv", "onset,offset,label\n3,4,b\n1,2,a\n"),
        ("marked.csv", "\ufeffonset,offset,label\n3,4,b\n1,2,a\n"),
        ("b.tsv", "filename\tonset\toffset\tevent_label\nx\t1\t2\ta\nx\t3\t4\tb\n"),
    ):
        (tmp_path / name).write_text(text, encoding="utf-8")
        found = truths.read(tmp_path / name)
        assert [t.label for t in found] == ["a", "b"]
        (tmp_path / "again.csv").write_text(truths.table(found))
        assert truths.read(tmp_path / "again.csv") == found


YES, NO, LATE = Truth(1, 2, "yes"), Truth(3, 4, "no"), Truth(60, 61, "yes")


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([], []),
        ([YES, Truth(9.5, 12, "yes")], []),
        ([YES, NO], ["1 event is of a class without a rule: no; a report during one is a false accept"]),
        ([YES, LATE], ["1 event is behind the end of the recording at 10 s: not judged"]),
        ([YES, LATE, LATE], ["2 events are behind the end of the recording at 10 s: not judged"]),
    ],
)
def test_what_is_said_of_a_table(events: list[Truth], said: list[str]) -> None:
    assert list(truths.notices(events, ["yes", "up"], 10.0, "t.csv")) == said


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([NO], "no event is of a class that the firmware has a rule for"),
        ([Truth(1, 2, "Yes")], "did you mean yes"),
        ([LATE], "all events lie behind the end"),
        ([LATE, NO], "all events lie behind the end"),
    ],
)
def test_tables_that_no_report_can_match(events: list[Truth], message: str) -> None:
    with pytest.raises(InputError, match=message):
        truths.notices(events, ["yes", "up"], 10.0, "t.csv")
