"""The wrong thing typed, over all verbs: one message in one form, exit status 2, nothing changed.

A verb's rows and what they say are in ``snapshots/wrong-<verb>.txt``, as on a terminal.
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from ascmcu import api
from ascmcu.data import synth
from tests.cli.conftest import Ascmcu, Snapshot, dense

ROOT = Path(__file__).resolve().parents[2]
FORM = re.compile(r"error: [^\n]+\n(  (where|expected|found|hint): +[^\n]+\n)+")

WRONG = {
    "train": """
        train
        train no-such --data scenes
        train demo --data nowhere
        train demo --data notes.txt
        train demo --data empty
        train demo --data scenes --hold-out 9
        train demo --data scenes --set training.epochs=many
        train demo --data scenes --set nonsense
        train demo --data scenes --set training.bogus=1
        train demo --data scenes --column colour=x
        train demo --data scenes --epochs 0
        train demo --data scenes --limits dcase1999
    """,
    "tune": """
        tune
        tune nothing.toml --data scenes
        tune notes.txt --data scenes
        tune demo --data scenes
    """,
    "quantize": """
        quantize missing.keras
        quantize small.tflite
        quantize small.tflite --to int4
        quantize small.tflite --data scenes --calibration in.npy
    """,
    "data": """
        data
        data lits scenes
        data list nowhere
        data list notes.txt
        data list empty
        data list scenes --column file
        data check nowhere
        data synth occupied
        data synth notes.txt
        data synth scenes --clips 0
    """,
    "inspect": """
        inspect
        inspect missing.tflite
        inspect notes.txt
        inspect empty
    """,
    "features": """
        features
        features check --data scenes
        features check --spec nope --data scenes
        features check --spec default --data nowhere
        features check --spec default --data empty
        features check --spec default --data scenes --split 9
        features check --model small.tflite --data scenes
        features show nope
        features show notes.txt
    """,
    "export": """
        export
        export small.tflite
        export small.tflite --board nucleo-f446 extra
        export small.tflite --board notes.txt
        export small.tflite --board nucleo-f446 --features notes.txt
        export small.tflite --board nucleo-f446 --max-ram 10
        export small.tflite --board nucleo-f446 --max-ram lots
        export small.tflite --board nucleo-f446 --optimize size
        export small.tflite --board nucleo-f446 --limits nope
        export small.tflite --board nucleo-f446 -o occupied
    """,
    "flash": """
        flash nowhere
        flash empty
        flash --with hammer
        flash --dry-run --with hammer
    """,
    "bench": """
        bench
        bench nowhere --tensors in.npy
        bench --tensors missing.npy
        bench --tensors notes.txt
        bench --tensors wide.npy
        bench --tensors float.npy
        bench --tensors none.npy
        bench --tensors empty
        bench --tensors in.npy --data scenes
        bench --tensors in.npy --split 5
        bench --tensors in.npy --on moon
        bench --tensors in.npy --on host --serial /dev/ttyACM0
        bench --tensors in.npy --on host --wait-states
        bench --tensors in.npy --on host --save-outputs nowhere/out.npy
        bench --tensors in.npy --limit 0
        bench --tensors in.npy --repeat twice
        bench --tensors in.npy --baud fast
        bench --data scenes
    """,
    "report": """
        report nowhere
        report empty
        report notes.txt
        report result.json -o nowhere/page.html
        report result.json --format text -o empty
        report result.json --format pdf
        report result.json --export nowhere
        report result.json --budget speed=1
        report result.json --budget ram
        report result.json --budget ram=lots
    """,
    "compare": """
        compare
        compare result.json
        compare result.json nowhere.json
        compare result.json notes.txt
        compare result.json result.json --budget speed=+1
        compare result.json result.json --pareto plot.pdf
        compare result.json result.json --pareto plot.svg --x colour
        compare result.json result.json --pareto plot.svg --x cycles
        compare result.json result.json --pareto nowhere/plot.svg --x ram --y flash
    """,
    "boards": """
        boards
        boards show
        boards show nucleo-f44
        boards show notes.toml
        boards frob
    """,
    "sim": """
        sim
        sim missing.elf
        sim notes.txt
        sim build/firmware.elf --board zx81
        sim build/firmware.elf --function main_lop
        sim build/firmware.elf --between main nowhere_at_all
        sim build/firmware.elf --wait-states 99
    """,
    "completion": """
        completion
        completion tcsh
    """,
    "doctor": """
        doctor now
        doctor --jsno
    """,
}
PYTHON_EXTRAS = {"train": "tensorflow", "tune": "tensorflow", "quantize": "tensorflow"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A desk with an export, a result, recordings, and things that are none of these."""
    if not shutil.which("arm-none-eabi-gcc"):
        pytest.skip("no cross compiler")
    folder = tmp_path_factory.mktemp("wrong")
    (folder / "small.tflite").write_bytes(dense(16, 4))
    np.save(folder / "in.npy", np.zeros((2, 1, 16), np.int8))
    np.save(folder / "wide.npy", np.zeros((2, 17), np.int8))
    np.save(folder / "float.npy", np.zeros((2, 1, 16), np.float32))
    np.save(folder / "none.npy", np.zeros((0, 1, 16), np.int8))
    api.export(folder / "small.tflite", "nucleo-f446", folder / "build", features="none")
    api.bench(folder / "build", on="host", tensors=folder / "in.npy")
    (folder / "build" / "bench-host.json").rename(folder / "result.json")
    synth.write(folder / "scenes", synth.SynthSpec(clips_per_scene=2, clip_seconds=0.5))
    for name in ("notes.txt", "notes.toml"):
        (folder / name).write_text("these are notes\n")
    (folder / "empty").mkdir()
    (folder / "occupied").mkdir()
    (folder / "occupied" / "thesis.txt").write_text("years of work\n")
    return folder


def _rows(verb: str) -> list[str]:
    return [line.strip() for line in WRONG[verb].strip().splitlines()]


def _tree(folder: Path) -> dict[str, bytes | None]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


@pytest.mark.parametrize("verb", WRONG)
def test_the_wrong_thing_typed(
    verb: str, place: Path, ascmcu: Ascmcu, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    if verb in PYTHON_EXTRAS:
        pytest.importorskip(PYTHON_EXTRAS[verb])
    monkeypatch.chdir(place)
    before = _tree(place)
    said = []
    for row in _rows(verb):
        done = ascmcu(*shlex.split(row))
        assert (done.status, done.stdout) == (2, ""), row
        assert FORM.fullmatch(done.stderr), f"{row}\n{done.stderr}"
        said.append(f"$ ascmcu {row}\n{done.stderr}")
        assert _tree(place) == before, row
    text = "\n".join(said).replace(str(place), "HERE").replace(str(ROOT), "CHECKOUT")
    snapshot(f"wrong-{verb}", text)


def test_there_are_rows_for_every_verb() -> None:
    from ascmcu.cli import VERBS

    assert set(WRONG) == set(VERBS)
    assert sum(len(_rows(verb)) for verb in WRONG) >= 100


def test_no_verb_at_all(ascmcu: Ascmcu) -> None:
    done = ascmcu()
    assert (done.status, done.stdout) == (2, "")
    assert done.stderr == ascmcu("--help").stdout
