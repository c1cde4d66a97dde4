# SPDX-License-Identifier: Apache-2.0
"""The wrong thing typed, over all verbs: one message in one form, exit status 2, nothing changed.

A verb's rows and what they say are in ``snapshots/wrong-<verb>.txt``, as on a terminal.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ascmcu import api, paths
from ascmcu.data import synth
from ascmcu.toolchain.manifest import MANIFEST_VERSION
from tests.cli.conftest import Ascmcu, Snapshot, dense

ROOT = Path(__file__).resolve().parents[2]
FORM = re.compile(r"error: [^\n]+\n(  (where|expected|found|hint): +[^\n]+\n)+")

WRONG = {
    "train": """
        train
        train no-such --data scenes
        train nowhere
        train dmo
        train demo
        train demo --data nowhere
        train demo --data notes.txt
        train demo --data empty
        train demo --data scenes --hold-out 9
        train demo --data scenes --set training.epochs=many
        train demo --data scenes --set nonsense
        train demo --data scenes --set training.bogus=1
        train demo --data scenes --set bogus.epochs=1
        train demo --data scenes --set training.epochs=2 --set features.bogus=1
        train demo --data scenes --column colour=x
        train demo --data scenes --epochs 0
        train demo --data scenes --limits dcase1999
        train loop --data scenes
        train garbage.toml --data scenes
        train number.toml --data scenes
        train demo --data scenes --set training.epochs=1.5
        train demo --data scenes --set data.train=3
        train demo --data scenes --seed -1
        train demo --data scenes --classes birds,wind,birds
        train demo --data scenes --classes birds,wnid
        train demo --data scenes --classes birds,silence
        train demo --data scenes --start nowhere
        train demo --data scenes --per-device
        train scenes --start nowhere
    """,
    "tune": """
        tune
        tune nothing.toml --data scenes
        tune notes.txt --data scenes
        tune demo --data scenes
        tune study.toml --data scenes
        tune garbage.toml --data scenes
    """,
    "quantize": """
        quantize missing.keras
        quantize small.tflite
        quantize small.tflite --to int4
        quantize small.tflite --data scenes --calibration in.npy
        quantize garbage.toml
        quantize small.tflite --percentile nan
        quantize small.tflite --calibration object.npy
        quantize small.tflite -o small.tflite
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
        data synth new --seconds nan
        data synth new --clips 99999999999
        data synth new --seed -1
        data synth loop
    """,
    "monitor": """
        monitor
        monitor nowhere --input in.npy
        monitor build
        monitor build --input nowhere.wav
        monitor build --input notes.txt --json
        monitor build --input scenes.wav --serial /dev/null
        monitor build --input scenes.wav --seconds 3
        monitor build --input scenes.wav --port 80
        monitor build --live --baud 9600
        monitor build --serial nowhere --seconds 0
        monitor build --input scenes.wav --record build
    """,
    "submit": """
        submit
        submit dcase2014-task1 small.tflite
        submit dcase2024-task1
        submit dcase2024-task1 small.tflite --data scenes --development scenes --info notes.txt
        submit dcase2024-task1 small.tflite --data scenes --development scenes --info nowhere.toml
        submit dcase2024-task1 small.tflite --data scenes --development scenes --info number.toml
        submit dcase2024-task1 --data scenes --development scenes --info number.toml
    """,
    "inspect": """
        inspect
        inspect missing.tflite
        inspect notes.txt
        inspect empty
        inspect garbage.toml
        inspect half.tflite
        inspect loop
        inspect half.tflite --json
        inspect small.tflite --features nope
        inspect small.tflite --features hu2020
    """,
    "plan": """
        plan
        plan missing.tflite
        plan notes.txt
        plan half.tflite
        plan small.tflite --board nope
        plan small.tflite --features nope
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
        features check default --reference in.npy --data scenes
        features check default --reference object.npy --data scenes
        features check default --reference nan.npy --data scenes
        features check default --reference zeros.npy --data scenes
        features check default --reference notes.txt --data scenes
        features check all --reference in.npy --data scenes
        features check --reference in.npy --data scenes
        features show garbage.toml
        features show empty.toml
        features show long.toml
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
        export half.tflite --board nucleo-f446
        export small.tflite --board ./garbage.toml
        export small.tflite --board ./number.toml
        export small.tflite --board nucleo-f446 --board nucleo-f411
        export small.tflite --board nucleo-f446 -o loop
        export small.tflite --board nucleo-f446 --features garbage.toml
        export small.tflite --board nucleo-f446 --max-ram -1 --json
        export small.tflite --board nucleo-f446 --hop 100ms
        export small.tflite --board nucleo-f446 --listen --hop soon
        export small.tflite --board nucleo-f446 --listen --hop 100ms
        export small.tflite --board nucleo-f446 --prefix kws
        export small.tflite --board nucleo-f446 --format library --prefix 9-lives
        export small.tflite --board nucleo-f446 --selftest
    """,
    "flash": """
        flash nowhere
        flash empty
        flash --with hammer
        flash --dry-run --with hammer
        flash damaged --dry-run
        flash nested --dry-run
        flash changed --dry-run
    """,
    "try": """
        try
        try missing.tflite
        try half.tflite
        try small.tflite --board zx81
        try small.tflite --data scenes --tensors in.npy
        try small.tflite --split 5
        try small.tflite --limit 0
        try small.tflite --on moon
        try small.tflite --tensors wide.npy
        try small.tflite --data scenes
        try small.tflite -o occupied
        try small.tflite --features nope
    """,
    "bench": """
        bench --labels notes.txt
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
        bench --tensors in.npy --on host --wait-states 0
        bench --tensors in.npy --on host --save-outputs nowhere/out.npy
        bench --tensors in.npy --limit 0
        bench --tensors in.npy --repeat twice
        bench --tensors in.npy --baud fast
        bench --data scenes
        bench damaged --tensors in.npy --on host
        bench nested --tensors in.npy --on host
        bench --tensors object.npy --on host
        bench --tensors nan.npy --on host --json
        bench --tensors cut.npy --on host
        bench --tensors scalar.npy --on host
        bench --tensors in.npy --on host --on sim
        bench --tensors in.npy --on host --save-outputs empty
        bench --tensors in.npy --on host --save-outputs in.npy
        bench --tensors in.npy --on host --baud 9600
        bench --tensors in.npy --on host --repeat 0 --quiet
        bench --tensors in.npy --on host --jobs 0
        bench --tensors in.npy --on qemu --jobs 2
        bench --tensors in.npy --serial /dev/ttyACM0 --jobs 2
        bench changed --tensors in.npy --on sim
        bench --tensors in.npy --serial socket://
        bench --tensors in.npy --serial notes.txt
    """,
    "profile": """
        profile nowhere
        profile empty
        profile damaged
        profile --function no_such
        profile --flame nowhere/x.svg
        profile --hottest -1
        profile --wait-states 99
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
        report no-total.json
        report no-layers.json --format text
        report nested.json
        report loop
        report result.json --format json -o result.json
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
        compare result.json no-total.json --budget ram=+1%
        compare result.json nested.json
    """,
    "boards": """
        boards
        boards show
        boards show nucleo-f44
        boards show notes.toml
        boards frob
        boards show ./garbage.toml
        boards show ./number.toml
        boards show loop
    """,
    "sim": """
        sim
        sim missing.elf
        sim notes.txt
        sim build/firmware.elf --board zx81
        sim build/firmware.elf --function main_lop
        sim build/firmware.elf --between main nowhere_at_all
        sim build/firmware.elf --wait-states 99
        sim empty
        sim build/firmware.elf --limit-cycles -1
        sim build/firmware.elf --limit-cycles 99999999999999999999
        sim build/firmware.elf --flame nowhere/x.svg
        sim build/firmware.elf --flame empty
        sim build/firmware.elf --flame build/firmware.elf
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
    api.export(folder / "small.tflite", "nucleo-f446", folder / "build", features=False)
    api.bench(folder / "build", on="host", tensors=folder / "in.npy")
    (folder / "build" / "bench-host.json").rename(folder / "result.json")
    synth.write(folder / "scenes", synth.SynthSpec(clips_per_scene=2, clip_seconds=0.5))
    for name in ("notes.txt", "notes.toml"):
        (folder / name).write_text("these are notes\n")
    (folder / "empty").mkdir()
    (folder / "occupied").mkdir()
    (folder / "occupied" / "thesis.txt").write_text("years of work\n")
    _damaged(folder)
    return folder


def _damaged(folder: Path) -> None:
    """Files cut short, of another kind, of other types inside, nested without end."""
    for name in ("small.tflite", "build/firmware.elf", "in.npy"):
        whole = (folder / name).read_bytes()
        cut = {"small.tflite": "half.tflite", "build/firmware.elf": "half.elf", "in.npy": "cut.npy"}[name]
        (folder / cut).write_bytes(whole[: len(whole) - 5 if cut == "cut.npy" else len(whole) // 2])
    (folder / "garbage.toml").write_bytes(bytes(range(128, 256)))
    (folder / "empty.toml").touch()
    (folder / "long.toml").write_text("duration_s = 1e9\n")
    text = (paths.boards() / "nucleo-f446.toml").read_text()
    (folder / "number.toml").write_text(text.replace("usart = 2", 'usart = "2"'))
    study = '[study]\nboard = 3\ntrials = "20"\n[search]\n"training.epochs" = [1]\n'
    (folder / "study.toml").write_text((paths.recipes() / "demo.toml").read_text() + study)
    np.save(folder / "object.npy", np.array([{"a": 1}], dtype=object))
    np.save(folder / "nan.npy", np.full((2, 1, 16), np.nan, np.float32))
    np.save(folder / "scalar.npy", np.int8(3))
    np.save(folder / "zeros.npy", np.zeros((2, 40, 128), np.float32))
    shutil.copytree(folder / "build", folder / "changed")
    image = bytearray((folder / "changed" / "firmware.elf").read_bytes())
    image[len(image) // 2] ^= 1
    (folder / "changed" / "firmware.elf").write_bytes(image)
    (folder / "loop").symlink_to("loop")
    result = json.loads((folder / "result.json").read_text())
    (folder / "no-total.json").write_text(json.dumps({**result, "ram_bytes": {}}))
    (folder / "no-layers.json").write_text(json.dumps({**result, "layers": 3}))
    (folder / "nested.json").write_text("[" * 100_000)
    for name, text in (
        ("damaged", json.dumps({"version": MANIFEST_VERSION, "layers": "x"})),
        ("nested", "[" * 100_000),
    ):
        (folder / name).mkdir()
        (folder / name / "manifest.json").write_text(text)


def _rows(verb: str) -> list[str]:
    return [line.strip() for line in WRONG[verb].strip().splitlines()]


def _tree(folder: Path) -> dict[str, bytes | None]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


def test_a_program_that_sim_refuses_is_no_broken_limit(place: Path, ascmcu: Ascmcu) -> None:
    """Its sizes are the compiler's: not in a snapshot."""
    elf = place / "build" / "firmware.elf"
    for arguments, said in (
        ((elf, "--board", "nrf52840-dk"), "does not fit the machine"),
        ((place / "half.elf",), "not a readable ELF file"),
    ):
        done = ascmcu("sim", *arguments)
        assert (done.status, done.stdout) == (2, "") and FORM.fullmatch(done.stderr), done
        assert said in done.stderr


def test_a_reader_that_has_gone_and_a_full_disk_are_no_broken_budget() -> None:
    """`ascmcu … | true` and `ascmcu … > /dev/full`: status 1 would say that a budget is broken."""
    command = f"{shlex.quote(sys.executable)} -c 'from ascmcu.cli import main; main()'"
    gone = "| (exec 0<&-; sleep 3); exit ${PIPESTATUS[0]}"
    for line, status in (
        (f"{command} boards list --json {gone}", 128 + signal.SIGPIPE),
        (f"{command} boards list {gone}", 128 + signal.SIGPIPE),
        (f"{command} boards list > /dev/full", 2),
        (f"{command} boards show nope 2> /dev/full", 2),
    ):
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
        assert done.returncode == status and "Traceback" not in done.stderr, (line, done)


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
