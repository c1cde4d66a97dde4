# SPDX-License-Identifier: Apache-2.0
"""The classes of a network: where their order comes from, and what data fits them."""

from __future__ import annotations

from pathlib import Path

import flatbuffers
import pytest

from ascmcu import api
from ascmcu.data import datasets, labels, model_labels
from ascmcu.data.labels import Classes
from ascmcu.errors import DataError
from tests.cli.conftest import dense
from tests.support.tflite_builder import with_files

KWS = ("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes", "_silence_", "_unknown_")


@pytest.mark.parametrize(
    ("given", "order"),
    [
        ([str(i) for i in range(12)], [str(i) for i in range(12)]),
        (["class10", "class9", "class1"], ["class1", "class9", "class10"]),
        (["b", "a", "b"], ["a", "b"]),
        (["x1y20", "x1y3", "x01y3"], ["x01y3", "x1y3", "x1y20"]),
        (["Zebra", "apple"], ["Zebra", "apple"]),
        (["3", "a", "20"], ["3", "20", "a"]),
        (["é", "e", ""], ["", "e", "é"]),
        (["²", "2"], ["2", "²"]),  # a digit to Python, and no number
    ],
)
def test_natural_order(given: list[str], order: list[str]) -> None:
    assert labels.natural_order(given) == tuple(order)


def test_numeric_folders_are_classes_by_their_number(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "a.wav").write_bytes(b"")
    dataset = datasets.load(tmp_path)
    assert dataset.labels == tuple(str(i) for i in range(12))
    assert [int(r.label) for r in dataset.recordings] == dataset.targets().tolist()


FILES = {
    "labels.txt": "cat\ndog\nowl\n",
    "windows.txt": "\ufeffcat\r\ndog\r\nowl\r\n",
    "numbered.txt": "0 cat\n1 dog\n2 owl\n",
    "colons.txt": "0: cat\n1: dog\n2: owl",
    "labels.json": '["cat", "dog", "owl"]',
    "plain.csv": "cat\ndog\nowl\n",
    "indexed.csv": "1,dog\n0,cat\n2,owl\n",
    "headed.csv": "index,mid,display_name\n2,/m/2,owl\n0,/m/0,cat\n1,/m/1,dog\n",
    "named.csv": "label\ncat\ndog\nowl\n",
}


@pytest.mark.parametrize("name", FILES)
def test_files_of_labels(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(FILES[name], encoding="utf-8")
    assert labels.read(tmp_path / name) == ("cat", "dog", "owl")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "", "is empty"),
        ("a.txt", "cat\n\nowl\n", "has no name"),
        ("a.txt", "cat\ndog\ncat\n", "named twice"),
        ("a.json", '["cat", {"dog": 1}]', "cannot be read"),
        ("a.json", '["cat", ', "cannot be read"),
        ("a.csv", "0,cat\n2,dog\n", "cannot be read"),
        ("a.csv", "index,label\n0,cat\n0,dog\n", "cannot be read"),
        ("a.csv", "x,label\n0,cat\n1\n", "cannot be read"),
        ("absent.txt", None, "cannot be read"),
        ("a.txt", b"\xff\xfe\x00", "cannot be read"),
    ],
)
def test_files_that_name_no_classes(
    name: str, text: str | bytes | None, message: str, tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(DataError, match=message) as refused:
        labels.read(tmp_path / name)
    assert name in str(refused.value)


def _given(tmp_path: Path, names: tuple[str, ...] | None) -> Path | None:
    if names is None:
        return None
    (tmp_path / "labels.txt").write_text("\n".join(names))
    return tmp_path / "labels.txt"


@pytest.mark.parametrize(
    ("carried", "given", "found", "right", "source", "told"),
    [
        (KWS, None, KWS[::-1], KWS, "the model's metadata", ()),
        (KWS, KWS, KWS, KWS, "labels.txt", ()),
        ((), KWS, ("yes",), KWS, "labels.txt", ()),
        ((), None, KWS, labels.natural_order(KWS), "the data's classes in natural order", ("0 = _silence_",)),
        (KWS, tuple(map(str, range(12))), (), tuple(map(str, range(12))), "labels.txt", ("in place of",)),
    ],
)
def test_where_the_order_comes_from(
    carried: tuple[str, ...], given: tuple[str, ...] | None, found: tuple[str, ...], right: tuple[str, ...],
    source: str, told: tuple[str, ...], tmp_path: Path,
) -> None:  # fmt: skip
    classes = labels.of_network(
        12, carried, "the model's metadata", _given(tmp_path, given), found, "kws.tflite"
    )
    assert (classes.labels, classes.source) == (right, source)
    assert len(classes.notices) == len(told)
    assert all(part in notice for part, notice in zip(told, classes.notices, strict=True))


@pytest.mark.parametrize(
    ("carried", "given", "found", "message"),
    [
        (KWS[:10], None, KWS, "number of labels differs"),
        (("yes",) * 12, None, KWS, "named twice"),
        (KWS, KWS[:11], KWS, "number of labels differs"),
        ((), (*KWS, "more"), KWS, "number of labels differs"),
        (KWS, KWS[::-1], KWS, "in another order"),
        ((), None, KWS[:10], "classes are not known"),
        ((), None, (*KWS, "more"), "classes are not known"),
    ],
)
def test_an_order_that_cannot_be(
    carried: tuple[str, ...],
    given: tuple[str, ...] | None,
    found: tuple[str, ...],
    message: str,
    tmp_path: Path,
) -> None:
    with pytest.raises(DataError, match=message):
        labels.of_network(12, carried, "the model's metadata", _given(tmp_path, given), found, "kws.tflite")


def test_data_that_fits() -> None:
    known = Classes(("a", "b", "c"), "x")
    assert labels.matched(known, ("c", "b", "a"), "data") == known
    (notice,) = labels.matched(known, ("a",), "data").notices
    assert "no recording of b, c (2)" in notice and "over the other 1" in notice


@pytest.mark.parametrize(
    ("found", "parts"),
    [
        (("a", "b", "owl"), ("cat, dog, yes (3)", "a, b, owl (3)", "unknown are a, b, owl (3)")),
        (("cat", "dog", "Yes"), ("unknown are Yes", "did you mean yes?")),
        (("cat", "dogs", "yes"), ("unknown are dogs", "did you mean dog?")),
        (("cat", "dog", "yes", "no"), ("unknown are no",)),
    ],
)
def test_data_that_does_not_fit(found: tuple[str, ...], parts: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match="classes are not the network's") as refused:
        labels.matched(Classes(("cat", "dog", "yes"), "the model's metadata"), found, "data")
    assert all(part in str(refused.value) for part in (*parts, "the model's metadata"))


def _described(files: list[tuple[str, int, str]]) -> bytes:
    """TFLITE_METADATA with these files (name, type, locale) at the first output, by metadata_schema.fbs."""
    b = flatbuffers.Builder(256)

    def table(fields: int, **slots: int) -> int:
        b.StartObject(fields)
        for slot, value in slots.items():
            b.PrependUOffsetTRelativeSlot(int(slot[1:]), value, 0)
        return int(b.EndObject())

    def vector(items: list[int]) -> int:
        b.StartVector(4, len(items), 4)
        for item in reversed(items):
            b.PrependUOffsetTRelative(item)
        return int(b.EndVector())

    made = []
    for name, kind, locale in files:
        texts = b.CreateString(name), b.CreateString(locale) if locale else 0
        b.StartObject(5)
        b.PrependUOffsetTRelativeSlot(0, texts[0], 0)
        b.PrependInt8Slot(2, kind, 0)
        if locale:
            b.PrependUOffsetTRelativeSlot(3, texts[1], 0)
        made.append(int(b.EndObject()))
    output = table(7, _6=vector(made))
    subgraph = table(5, _3=vector([output]))
    b.Finish(table(8, _3=vector([subgraph])), b"M001")
    return bytes(b.Output())


LISTED = "cat\ndog\nowl\nfox\n"


@pytest.mark.parametrize(
    ("files", "described", "right"),
    [
        ({"labels.txt": LISTED}, None, "labels.txt"),
        ({"labels.txt": LISTED, "vocab.txt": "a\nb\n"}, None, "labels.txt"),
        ({"a.txt": LISTED, "b.txt": "1\n2\n3\n4\n"}, None, ""),
        ({"a.txt": LISTED, "b.txt": "1\n2\n3\n4\n"}, [("a.txt", 2, "")], "a.txt"),
        ({"de.txt": "1\n2\n3\n4\n", "en.txt": LISTED}, [("de.txt", 2, "de"), ("en.txt", 2, "")], "en.txt"),
        ({"a.txt": "1\n2\n3\n4\n", "b.txt": LISTED}, [("a.txt", 4, ""), ("b.txt", 2, "")], "b.txt"),
        ({"labels.txt": "cat\ndog\n"}, [("labels.txt", 2, "")], ""),
        ({"labels.bin": LISTED}, None, ""),
        ({}, None, ""),
    ],
)
def test_the_label_file_in_a_model(
    files: dict[str, str], described: list[tuple[str, int, str]] | None, right: str
) -> None:
    model = with_files(dense(16, 4), files) if files else dense(16, 4)
    metadata = None if described is None else _described(described)
    found = model_labels.in_file(model, metadata, 4)
    assert found == ((("cat", "dog", "owl", "fox"), right) if right else ((), ""))


@pytest.mark.parametrize("size", [0, 3, 8, 40])
def test_metadata_that_is_cut_off_names_nothing(size: int) -> None:
    model = with_files(dense(16, 4), {"a.txt": LISTED, "b.txt": "1\n2\n3\n4\n"})
    assert model_labels.in_file(model, _described([("a.txt", 2, "")])[:size], 4) == ((), "")


def test_an_export_has_the_model_s_own_names(tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_bytes(
        with_files(dense(16, 4), {"labels.txt": 'cat\ndog "2"\nöl\nfox??/\n'})
    )
    compiled = api.compile_model(tmp_path / "m.tflite", features=False)
    assert compiled.labels == ("cat", 'dog "2"', "öl", "fox??/")
    assert compiled.labels_source == "the model's label file labels.txt"
    (tmp_path / "out").mkdir()
    (candidate,) = api.candidates(compiled, "layers")
    manifest = api.write_sources(compiled, candidate, [candidate], None, tmp_path / "out")
    assert (manifest.labels, manifest.labels_source) == (compiled.labels, compiled.labels_source)
    header = (tmp_path / "out" / "model.h").read_text()
    assert '#define MODEL_LABELS {"cat", "dog \\0422\\042", "\\303\\266l", "fox\\077\\077/"}' in header
