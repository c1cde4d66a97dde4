# SPDX-License-Identifier: Apache-2.0
"""Wrong situations around a bench: another firmware, another board, other classes, a device that says what cannot be.

Each row is a command; it ends with a message that names what differs, status 2, and nothing written.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ascmcu import api, boards
from ascmcu.benchmark import wire
from ascmcu.benchmark.run import check_firmware
from ascmcu.benchmark.session import Session
from ascmcu.errors import LinkError
from ascmcu.features.spec import FeatureSpec
from ascmcu.quantize import metadata
from ascmcu.runners.base import Target
from ascmcu.runners.host import HostRunner
from ascmcu.toolchain.manifest import Manifest
from tests.cli.conftest import Ascmcu, dense
from tests.support import recipes_flat
from tests.support.recipes import Recipe, Step
from tests.support.socket_device import answering, served

pytestmark = pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no cross compiler")
CLASSES = ("cat", "dog", "owl")
SPEC = FeatureSpec(
    sample_rate_hz=8000,
    clip_samples=2048,
    n_fft=256,
    win_length=256,
    hop_length=256,
    n_mels=8,
    fmax_hz=4000.0,
)


def _network(seed: int) -> bytes:
    steps = (
        Step("mean", (0,), {"axes": [1, 2], "keep": False}),
        Step(
            "dense", (1,), {"units": len(CLASSES), "flatten": False, "act": "none", "bias": True, "dead": 0}
        ),
    )
    return recipes_flat.make(Recipe((1, *SPEC.shape), "int8", seed, steps))


def _recordings(folder: Path, *names: str) -> None:
    for number, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        tone = np.sin(np.arange(2048) * (0.1 + 0.2 * number)) / 2
        soundfile.write(folder / name / "a.wav", tone, 8000, subtype="PCM_16")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Exports that differ in one thing each, data sets that differ in their classes, files of labels."""
    here = tmp_path_factory.mktemp("identity")
    (here / "named.tflite").write_bytes(metadata.embedded(_network(7), SPEC, CLASSES))
    (here / "unnamed.tflite").write_bytes(metadata.embedded(_network(7), SPEC, ()))
    (here / "short.tflite").write_bytes(metadata.embedded(_network(7), SPEC, CLASSES[:2]))
    (here / "twice.tflite").write_bytes(metadata.embedded(_network(7), SPEC, ("cat", "dog", "cat")))
    for name in ("named", "unnamed", "short", "twice"):
        api.export(here / f"{name}.tflite", "nucleo-f446", here / name)
    (here / "small.tflite").write_bytes(dense(16, 4))
    api.export(here / "small.tflite", "nucleo-f446", here / "layers", features=False, schedule="layers")
    np.save(here / "in.npy", np.ones((4, 1, 16), np.int8))
    _recordings(here / "whole", *CLASSES)
    _recordings(here / "fewer", "dog", "owl")
    _recordings(here / "more", *CLASSES, "yak")
    _recordings(here / "others", "Cat", "dogs", "owl")
    _recordings(here / "numbers", *map(str, range(12)))
    _recordings(here / "swapped", "owl", "dog", "cat")
    for name, lines in {
        "right.txt": CLASSES, "rotated.txt": ("owl", "cat", "dog"),
        "reversed.txt": CLASSES[::-1], "few.txt": CLASSES[:2], "many.txt": (*CLASSES, "yak"),
        "double.txt": ("cat", "dog", "cat"), "hole.txt": ("cat", "", "owl"), "foreign.txt": ("a", "b", "c"),
        "four.txt": ("a", "b", "c", "d"),
    }.items():  # fmt: skip
        (here / name).write_text("\n".join(lines) + "\n")
    arrays = {
        "truth": [0, 1, 2, 3], "short_truth": [0, 1], "beyond": [0, 1, 2, 4], "negative": [0, -1, 1, 2],
        "halves": [0.5, 1.0, 0.0, 2.0], "words": ["a", "b", "c", "d"], "strangers": ["a", "b", "c", "x"],
    }  # fmt: skip
    for name, values in arrays.items():
        np.save(here / f"{name}.npy", np.array(values))
    np.save(here / "objects.npy", np.array(["a", None, 1, 2], object), allow_pickle=True)
    return here


REFUSED = {
    "bench named --on host --data more": ("classes are not the network's", "unknown are yak", "cat, dog, owl (3)"),
    "bench named --on host --data others": ("unknown are Cat, dogs (2)", "Cat: did you mean cat?"),
    "bench named --on host --data numbers": ("unknown are 0, 1, 2", "(12)"),
    "bench named --on host --data whole --labels reversed.txt": ("labels in another order", "owl, dog, cat (3)"),
    "bench named --on host --data whole --labels foreign.txt": ("unknown are cat, dog, owl (3)", "(foreign.txt)"),
    "bench unnamed --on host --data fewer": ("classes are not known", "dog, owl (2)", "--labels FILE"),
    "bench unnamed --on host --data more": ("classes are not known", "cat, dog, owl, yak (4)"),
    "bench unnamed --on host --data numbers": ("classes are not known", "0, 1, 2, 3", "(12)"),
    "bench unnamed --on host --data whole --labels few.txt": ("number of labels differs", "cat, dog (2)", "3 classes"),
    "bench unnamed --on host --data whole --labels many.txt": ("number of labels differs", "cat, dog, owl, yak (4)"),
    "bench unnamed --on host --data whole --labels double.txt": ("named twice", "cat of cat, dog, cat (3)"),
    "bench unnamed --on host --data whole --labels hole.txt": ("has no name", "number 1"),
    "bench unnamed --on host --data whole --labels absent.txt": ("cannot be read", "absent.txt"),
    "bench unnamed --on host --data whole --labels right.txt --labels few.txt": ("two files of one kind",),
    "bench unnamed --on host --data whole --labels truth.npy": ("needs --tensors",),
    "bench short --on host --data whole": ("number of labels differs", "cat, dog (2)"),
    "bench twice --on host --data whole": ("named twice", "cat"),
    "bench layers --on host --tensors in.npy --labels short_truth.npy": ("do not fit the tensors", "(2,)"),
    "bench layers --on host --tensors in.npy --labels beyond.npy": ("class that the network does not have", "0 … 4"),
    "bench layers --on host --tensors in.npy --labels negative.npy": ("does not have", "-1 … 2"),
    "bench layers --on host --tensors in.npy --labels halves.npy": ("do not fit", "float64"),
    "bench layers --on host --tensors in.npy --labels objects.npy": ("not a readable .npy",),
    "bench layers --on host --tensors in.npy --labels strangers.npy --labels four.txt": ("unknown are x",),
    "bench layers --on host --tensors in.npy --counts cycles": ("--counts goes with --serial",),
}  # fmt: skip


def _tree(folder: Path) -> dict[str, bytes | None]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


@pytest.mark.parametrize("command", REFUSED)
def test_classes_that_do_not_fit_are_refused(
    command: str, place: Path, ascmcu: Ascmcu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    before = _tree(place)
    done = ascmcu(*shlex.split(command))
    assert (done.status, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ") and "Traceback" not in done.stderr
    assert all(part in done.stderr for part in REFUSED[command]), done.stderr
    assert _tree(place) == before


NATURAL = "the data's classes in natural order"
ALLOWED = {
    "bench named --on host --data whole": (CLASSES, "the model's metadata", ""),
    "bench named --on host --data swapped": (CLASSES, "the model's metadata", ""),
    "bench named --on host --data fewer": (CLASSES, "the model's metadata", "no recording of cat"),
    "bench unnamed --on host --data whole": (CLASSES, NATURAL, "0 = cat, 1 = dog, 2 = owl"),
    "bench unnamed --on host --data fewer --labels reversed.txt": (CLASSES[::-1], "reversed.txt", "no recording of"),
    "bench layers --on host --tensors in.npy --labels truth.npy": (
        ("0", "1", "2", "3"), "the numbers of the outputs", "",
    ),
    "bench layers --on host --tensors in.npy --labels words.npy --labels four.txt": (tuple("abcd"), "four.txt", ""),
    "bench layers --on host --tensors in.npy --labels words.npy": (tuple("abcd"), NATURAL, "0 = a, 1 = b"),
}  # fmt: skip


@pytest.mark.parametrize("command", ALLOWED)
def test_the_order_of_the_classes_is_told(
    command: str, place: Path, ascmcu: Ascmcu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    done = ascmcu(*shlex.split(command), "--json")
    assert done.status == 0, done.stderr
    result = json.loads(done.stdout)
    labels, source, notice = ALLOWED[command]
    assert (tuple(result["labels"]), result["labels_source"]) == (labels, source)
    assert (notice in done.stderr) and done.stderr.startswith("note: " if notice else "")
    assert [notice in text for text in result["notices"]] == ([True] if notice else [])
    truth = [clip["truth"] for clip in result["clip_results"]]
    right = [clip["truth"] == clip["predicted"] for clip in result["clip_results"]]
    assert result["accuracy"] == pytest.approx(sum(right) / len(truth))
    assert np.array(result["confusion"]).sum() == len(truth)
    if "--data" in command:
        assert [labels[i] for i in truth] == [
            Path(clip["name"]).parent.name for clip in result["clip_results"]
        ]


def test_the_same_answers_under_another_order_are_another_accuracy(
    place: Path, ascmcu: Ascmcu, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wrong order is what a number hides best: the notice is all that tells it."""
    monkeypatch.chdir(place)
    answers = {}
    for labels in ("right.txt", "rotated.txt"):
        done = ascmcu(*shlex.split(f"bench unnamed --on host --data whole --labels {labels} --json"))
        clips = json.loads(done.stdout)["clip_results"]
        answers[labels] = {clip["name"] for clip in clips if clip["truth"] == clip["predicted"]}
        assert len(answers[labels]) == json.loads(done.stdout)["accuracy"] * len(clips)
    assert answers["right.txt"] != answers["rotated.txt"]


# ------------------------------------------------------------------ firmware


@pytest.fixture(scope="module")
def device(place: Path) -> Iterator[str]:
    """The firmware of the export ``layers`` behind a port."""
    with served(HostRunner(_target(place / "layers"))) as url:
        yield url


def _target(folder: Path) -> Target:
    manifest = Manifest.load(folder)
    return Target(folder, boards.load(manifest.board), manifest, manifest.features is not None)


FIRMWARE: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "another schedule": (
        {"schedule": "rows"},
        ("its schedule and flags", "schedule rows", "schedule layers", "build "),
    ),
    "other compiler flags": ({"optimize": "flash"}, ("its flags and build", "-Os", "-O2")),
    "another board": ({"board": "nucleo-l476"}, ("its board", "board nucleo-l476", "board nucleo-f446")),
}


@pytest.mark.parametrize("what", FIRMWARE)
def test_another_build_is_refused_before_anything_is_sent(
    what: str, place: Path, device: str, ascmcu: Ascmcu
) -> None:
    options, parts = FIRMWARE[what]
    here = place / what.replace(" ", "_")
    board = options.get("board", "nucleo-f446")
    others = {key: value for key, value in options.items() if key != "board"}
    api.export(place / "small.tflite", board, here, features=False, **{"schedule": "layers", **others})  # type: ignore[arg-type]
    before = _tree(here)
    done = ascmcu("bench", str(here), "--serial", device, "--tensors", str(place / "in.npy"))
    assert done.status == 2
    assert all(part in done.stderr for part in ("runs another firmware", f"ascmcu flash {here}", *parts)), (
        done.stderr
    )
    assert _tree(here) == before


def test_the_export_s_own_firmware_is_taken(place: Path, device: str, ascmcu: Ascmcu) -> None:
    done = ascmcu(
        "bench", str(place / "layers"), "--serial", device, "--tensors", str(place / "in.npy"), "--json"
    )
    assert done.status == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["provenance"]["build_sha256"] == Manifest.load(place / "layers").build_sha256
    assert not {"cycles", "instructions", "counts"} & set(result)


@pytest.fixture(scope="module")
def hello(place: Path) -> wire.Hello:
    with HostRunner(_target(place / "named")) as link:
        return Session(link, response_s=60.0).hello


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"board": "nucleo-f401"}, ("its board is not", "board nucleo-f446", "board nucleo-f401")),
        ({"model_sha256": "ab" * 32}, ("its model is not", "model abababababab")),
        ({"features_sha256": "cd" * 32}, ("its feature spec is not", "feature spec cdcdcdcdcdcd")),
        ({"features_sha256": wire.NO_SHA256}, ("its feature spec is not", "feature spec none")),
        ({"schedule": "rows"}, ("its schedule is not", "schedule rows")),
        ({"layers": 9}, ("its layers is not", "layers 9")),
        ({"rows": 5}, ("its input is not", "5 ×")),
        ({"build_sha256": "ef" * 32}, ("build efefefefefef",)),
        ({"build_sha256": wire.NO_SHA256}, ("build none",)),
        ({"build_sha256": "ef" * 32, "tool_version": "0.0.1"}, ("ascmcu 0.0.1", "build efefefefefef")),
        ({"capabilities": wire.Capability(0)}, ("its front end is not",)),
    ],
)
def test_every_fact_of_a_firmware_counts(
    change: dict[str, object], parts: tuple[str, ...], place: Path, hello: wire.Hello
) -> None:
    target = _target(place / "named")
    check_firmware(hello, target)
    with pytest.raises(LinkError, match="another firmware") as refused:
        check_firmware(replace(hello, **change), target)  # type: ignore[arg-type]
    assert all(part in str(refused.value) for part in parts), str(refused.value)


def _says(layers: int = 3, version: int = wire.PROTOCOL_VERSION, **changes: int) -> bytes:
    """A HELLO's body, made by hand from docs/protocol.md."""
    flow = (changes.get("credits", 1), changes.get("chunk", 1024), changes.get("receive", 4096))
    head = struct.pack("<BBBBIHHH", version, 0, 0, 0, 0, *flow)
    shape = struct.pack("<IIIIHHII", 61, 47, 0, 0, 0, 1, 4, layers)
    texts = b"".join(bytes([len(t)]) + t for t in (b"m", b"nucleo-f446", b"layers", b"0", b""))
    return head + bytes(32) + shape + bytes(64) + bytes(12) + texts + bytes(26)


HOSTILE = {
    "an older protocol": (
        _says(version=1),
        ("another version of the protocol", "expected: 3", "found:    1"),
    ),
    "a later protocol": (_says(version=9), ("another version of the protocol", "found:    9")),
    "more layers than can be asked for": (_says(layers=65_536), ("is invalid", "65536 layers")),
    "layers without end": (_says(layers=0xFFFFFFFF), ("is invalid", "4294967295 layers")),
    "no credits": (_says(credits=0), ("is invalid", "0 credits")),
    "no room for a chunk": (_says(receive=100), ("is invalid", "room for 100")),
    "empty chunks": (_says(chunk=0), ("is invalid", "0 bytes in a chunk")),
    "a hello cut off": (_says()[:70], ("does not understand",)),
    "texts that are longer than the message": (_says()[:-3] + b"\xff", ("does not understand",)),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_device_that_says_what_cannot_be_is_refused(what: str, place: Path, ascmcu: Ascmcu) -> None:
    body, parts = HOSTILE[what]

    def answer(data: bytes) -> bytes:
        asked = wire.Decoder().feed(data)
        return b"".join(wire.encode(wire.Type.IS_HELLO, 0, frame.request, body) for frame in asked)

    before = _tree(place / "layers")
    with answering(answer) as url:
        done = ascmcu("bench", str(place / "layers"), "--serial", url, "--tensors", str(place / "in.npy"))
    assert done.status == 2
    assert done.stderr.startswith("error: ") and all(part in done.stderr for part in parts), done.stderr
    assert _tree(place / "layers") == before


# ------------------------------------------------------------------ builds and results


def test_the_same_inputs_give_the_same_identity_anywhere(place: Path, tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    copy = tmp_path / "deep" / "er" / "named.tflite"
    shutil.copy(place / "named.tflite", copy)
    again = api.export(copy, "nucleo-f446", tmp_path / "deep" / "out").manifest
    first = Manifest.load(place / "named")
    assert (again.build_sha256, again.features_sha256) == (first.build_sha256, first.features_sha256)
    elves = [
        (folder / "firmware.elf").read_bytes() for folder in (place / "named", tmp_path / "deep" / "out")
    ]
    assert elves[0] == elves[1]
    others = [Manifest.load(place / name).build_sha256 for name in ("unnamed", "layers", "short")]
    assert len({first.build_sha256, *others}) == 4


def test_a_page_shows_no_other_export(place: Path, ascmcu: Ascmcu, tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    api.bench(place / "layers", on="host", tensors=place / "in.npy")
    shutil.copy(place / "layers" / "bench-host.json", result)
    page = str(tmp_path / "page.html")
    assert ascmcu("report", str(result), "--export", str(place / "layers"), "-o", page).status == 0
    done = ascmcu("report", str(result), "--export", str(place / "named"), "-o", page)
    assert done.status == 2 and "another export" in done.stderr and "model" in done.stderr
    shutil.copy(result, place / "named" / "bench-other.json")
    try:
        page_of_another = api.report(
            place / "named" / "bench-other.json", tmp_path / "other.html"
        ).read_text()
    finally:
        (place / "named" / "bench-other.json").unlink()
    assert (place / "named" / "memory.svg").read_text()[:200] not in page_of_another


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"version": 2}', '{"version": 1}', '{"version": 2, "inputs": 3}']
)
def test_a_manifest_that_is_damaged_is_named(text: str, place: Path, ascmcu: Ascmcu, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(text)
    done = ascmcu("bench", str(tmp_path), "--tensors", str(place / "in.npy"))
    assert done.status == 2 and "manifest.json" in done.stderr


def test_a_firmware_that_was_put_into_another_export_is_refused(
    place: Path, ascmcu: Ascmcu, tmp_path: Path
) -> None:
    mixed = tmp_path / "mixed"
    shutil.copytree(place / "short", mixed, ignore=shutil.ignore_patterns("host", "bench-*"))
    shutil.copy(place / "named" / "firmware.elf", mixed / "firmware.elf")
    done = ascmcu(
        "bench",
        str(mixed),
        "--on",
        "sim",
        "--data",
        str(place / "whole"),
        "--labels",
        str(place / "right.txt"),
    )
    assert done.status == 2 and "its model and build are not the export's" in done.stderr


def test_a_host_program_of_other_sources_is_built_anew(place: Path, ascmcu: Ascmcu, tmp_path: Path) -> None:
    """Sources that were edited, also with an older time, are what runs."""
    here = tmp_path / "edited"
    shutil.copytree(place / "layers", here, ignore=shutil.ignore_patterns("bench-*"))
    command = ("bench", str(here), "--on", "host", "--tensors", str(place / "in.npy"), "--json")
    first = json.loads(ascmcu(*command).stdout)
    stamp = (here / "model.c").stat().st_mtime_ns
    text = (here / "model.c").read_text()
    (here / "model.c").write_text(
        text.replace("model_output(unsigned index)\n{", "model_output(unsigned index)\n{ index = 9;", 1)
    )
    assert (here / "model.c").read_text() != text
    os.utime(here / "model.c", ns=(stamp - 10**12, stamp - 10**12))
    built = (here / "host" / "firmware.made-of").read_text()
    ascmcu(*command)
    assert (here / "host" / "firmware.made-of").read_text() != built
    assert first["clips"] == 4
