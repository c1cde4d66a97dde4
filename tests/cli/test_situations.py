# SPDX-License-Identifier: Apache-2.0
"""Wrong and odd situations of the first hour: what is typed, the status, a word of what is said; never a traceback.

``test_wrong.py`` has every verb's wrong arguments with whole messages; here is what surrounds them: files of other
kinds, names of other worlds, outputs that cannot be written, other encodings, narrow terminals, readers that go.
"""

from __future__ import annotations

import io
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from ascmcu import api, scratch
from ascmcu.data import synth
from tests.cli.conftest import Ascmcu, dense
from tests.results.conftest import benchmark_result as benchmark_result

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = f"{shlex.quote(sys.executable)} -m ascmcu"


@dataclass(frozen=True)
class Row:
    """A command, its exit status, and a part of what it prints (standard output and error together)."""

    typed: str
    status: int
    said: str


ROWS = [
    # help, and what is typed by mistake
    Row("", 2, "Usage: ascmcu"),
    Row("help", 0, "Commands:"),
    Row("help bench", 0, "Usage: ascmcu bench"),
    Row("help boards show", 0, "Usage: ascmcu boards show"),
    Row("help bench --help", 0, "Usage: ascmcu bench"),
    Row("help frob", 2, "unknown verb"),
    Row("exprot small.tflite", 2, "did you mean export"),
    Row("--version", 0, "ascmcu"),
    Row("bench --hlep", 2, "no such option"),
    Row("export", 2, "missing argument"),
    # models that are none
    Row("export missing.tflite --board nucleo-f446", 2, "No such file"),
    Row("export cut.tflite --board nucleo-f446", 2, "truncated or corrupt"),
    Row("try cut.tflite --no-open", 2, "truncated or corrupt"),
    Row("inspect cut.tflite", 2, "truncated or corrupt"),
    Row("export net.keras --board nucleo-f446", 2, "ascmcu quantize net.keras"),
    Row("inspect net.keras", 2, "ascmcu quantize net.keras"),
    Row("try net.h5 --no-open", 2, "ascmcu quantize net.h5"),
    Row("export photo.tflite --board nucleo-f446", 2, "photo.tflite"),
    Row("export scenes --board nucleo-f446", 2, "the folder holds no model"),
    Row("export empty.tflite --board nucleo-f446", 2, "empty.tflite"),
    # boards by other names
    Row("boards show NUCLEO-F446RE", 0, "nucleo-f446"),
    Row("boards show nucleo_f446re", 0, "nucleo-f446"),
    Row("boards show 'Nucleo F446'", 0, "nucleo-f446"),
    Row("boards show STM32F446RET6", 0, "nucleo-f446"),
    Row("boards show nRF52840-QIAA", 2, "one of nano-33-ble, nrf52840-dk"),
    Row("boards show stm32f412", 2, "nucleo-f411"),
    Row("boards show stm32f4", 2, "did you mean"),
    Row("boards show stm32h743", 2, "unknown board"),
    Row("export small.tflite --board zx81", 2, "ascmcu boards list"),
    Row("export small.tflite --board ''", 2, "unknown board"),
    # outputs that cannot be
    Row("export small.tflite --board nucleo-f446 -o notes.txt/build", 2, "notes.txt"),
    Row("export small.tflite --board nucleo-f446 -o foreign", 2, "not an export"),
    Row("try small.tflite --no-open -o foreign", 2, "not an export"),
    Row("train demo --data scenes -o foreign", 2, "not a training run"),
    Row("train scenes -o foreign", 2, "not a training run"),
    Row("train demo --data scenes -o notes.txt", 2, "the folder of the training run cannot be made"),
    Row("data synth foreign", 2, "other files"),
    Row("report result.json -o nowhere/page.html", 2, "does not exist"),
    Row("report result.json -o foreign", 2, "is a folder"),
    Row("compare result.json other.json --pareto plot.gif", 2, ".svg or .png"),
    # outputs that would destroy what they should not
    Row("compare result.json other.json --pareto build/memory.svg --y ram", 2, "a file of the export"),
    Row("profile --flame build/memory.svg", 2, "a file of the export"),
    Row("report result.json --format json -o result.json", 2, "replace an input"),
    Row("report result.json --format json -o build/manifest.json", 2, "a file of the export"),
    Row("bench --on host --tensors in.npy --save-outputs in.npy", 2, "replace an input"),
    Row("bench --on host --tensors in.npy --save-outputs build/plan.txt", 2, "a file of the export"),
    Row("bench --on host --data scenes --save-outputs scenes/meta.csv", 2, "replace an input"),
    Row("quantize net.keras --calibration in.npy -o net.keras", 2, "replace an input"),
    Row("quantize net.keras --calibration in.npy -o in.npy", 2, "replace an input"),
    Row("quantize net.keras --calibration in.npy -o build/model.c", 2, "a file of the export"),
    Row("quantize net.keras --calibration net_int8.tflite --to all -o .", 2, "replace an input"),
    Row("features fit --data scenes --reference in.npy -o in.npy", 2, "replace an input"),
    Row("data synth crowded --clips 1", 2, "mine.txt"),
    # outputs where nothing can be written, told before the work
    Row("features fit --data scenes --reference in.npy -o /proc/spec.toml", 2, "cannot be written"),
    Row("sim build/firmware.elf --profile --flame /proc/flame.svg", 2, "cannot be written"),
    Row("bench --every 1s", 2, "nobody has measured"),
    Row("bench --every soon", 2, "not a time"),
    Row("bench --every 1s --idle-ua nan", 2, "not a finite number"),
    Row("features fit --data scenes --reference in.npy --duration nan", 2, "no duration"),
    Row("features fit --data scenes --reference in.npy --duration -1", 2, "no duration"),
    Row("sim build/firmware.elf --profile --flame build/firmware.elf", 2, "replace an input"),
    # options that exclude each other, or say nothing
    Row("bench --data scenes --tensors in.npy", 2, "exclude each other"),
    Row("try small.tflite --data scenes --tensors in.npy", 2, "exclude each other"),
    Row("bench --on sim --serial auto", 2, "exclude each other"),
    Row("bench --on host --wait-states 0", 2, "only the simulator"),
    Row("bench --name ''", 2, "printable"),
    Row("bench --name bench --name twice", 2, "given twice"),
    Row("bench --on mars", 2, "unknown runner"),
    Row("bench --on quemu", 2, "did you mean qemu"),
    Row("try small.tflite --labels notes.txt", 2, "--labels goes with"),
    Row("try small.tflite --no-open --limit 1 -o tried", 0, "ascmcu flash tried"),
    Row("bench scenes", 2, "no export found"),
    Row("bench --tensors notes.txt", 2, "not a readable .npy"),
    Row("bench --data scenes", 2, "takes tensors, not audio"),
    # results: what is a limit and what is a mistake
    Row("report result.json --format text --budget ram=1", 1, "budget broken"),
    Row("report result.json --format text --budget ram=9999999", 0, "RAM"),
    Row("report result.json --budget speed=1", 2, "unknown"),
    Row("compare result.json other.json --budget ram=+0", 0, "kept"),
    Row("compare result.json other.json --budget ram=1", 1, "broken"),
    Row("compare result.json", 2, "two results or more"),
    Row("compare result.json notes.txt", 2, "not a readable"),
    Row("compare result.json other.json", 0, "tiny (other.json) against tiny (result.json)"),
    Row("compare result.json other.json --pareto plot.svg --y ram", 0, "plot: plot.svg"),
    # programs on the simulator
    Row("sim notes.txt", 2, "not a readable ELF"),
    Row("sim build/firmware.elf --limit-cycles 1000", 1, "did not end"),
    Row("sim build/firmware.elf", 0, "ascmcu bench --on sim"),
    Row("sim build/firmware.elf --limit-cycles 900000000", 0, "which are no text"),
    Row("sim build/firmware.elf --between model_push model_push", 2, "never executed"),
]  # fmt: skip


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export, recordings, a model, and things that are none of these."""
    if not shutil.which("arm-none-eabi-gcc"):
        pytest.skip("no cross compiler")
    folder = tmp_path_factory.mktemp("desk")
    model = dense(16, 4)
    (folder / "small.tflite").write_bytes(model)
    (folder / "cut.tflite").write_bytes(model[: len(model) // 3])
    (folder / "photo.tflite").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(200)))
    (folder / "empty.tflite").touch()
    (folder / "net_int8.tflite").touch()
    for name in ("net.keras", "net.h5"):
        (folder / name).write_bytes(b"PK\x03\x04")
    (folder / "notes.txt").write_text("these are notes\n")
    (folder / "foreign").mkdir()
    (folder / "foreign" / "thesis.txt").write_text("years of work\n")
    np.save(folder / "in.npy", np.zeros((2, 1, 16), np.int8))
    synth.write(folder / "scenes", synth.SynthSpec(clips_per_scene=2, clip_seconds=0.5))
    synth.write(folder / "crowded", synth.SynthSpec(clips_per_scene=2, clip_seconds=0.5))
    (folder / "crowded" / "audio" / "mine.txt").touch()
    api.export(folder / "small.tflite", "nucleo-f446", folder / "build", features=False)
    return folder


@pytest.fixture
def place(desk: Path, benchmark_result: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The desk with two results on it, as the current folder."""
    for name in ("result.json", "other.json"):
        (desk / name).write_text(benchmark_result.to_json(), encoding="utf-8")  # type: ignore[attr-defined]
    monkeypatch.chdir(desk)
    yield desk
    assert (desk / "foreign" / "thesis.txt").read_text() == "years of work\n"
    assert not [path for path in desk.iterdir() if path.name.startswith(".")], "nothing half-written is left"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.typed or "nothing")
def test_a_situation(row: Row, place: Path, ascmcu: Ascmcu, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    done = ascmcu(*shlex.split(row.typed))
    told = done.stdout + done.stderr
    assert "Traceback" not in told
    assert (done.status, row.said in told) == (row.status, True), told
    if row.status == 2 and row.typed:
        assert done.stderr.startswith("error: "), told


def test_there_are_sixty_of_them() -> None:
    assert len({row.typed for row in ROWS}) == len(ROWS) >= 60


ENCODINGS = (
    {"PYTHONIOENCODING": "latin-1"}, {"PYTHONIOENCODING": "cp1252"}, {"PYTHONIOENCODING": "ascii"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"COLUMNS": "20"},
)  # fmt: skip


@pytest.mark.parametrize("environment", ENCODINGS, ids=lambda e: "-".join(e.values()))
def test_any_encoding_and_width(environment: dict[str, str], place: Path) -> None:
    """In one process, since each takes a second to start: results, tables, help, boards, and an error."""
    program = (
        "import sys\nfrom ascmcu.cli import main\n"
        "for line in sys.argv[1:]:\n"
        "    sys.argv[1:] = line.split()\n"
        "    try: main()\n"
        "    except SystemExit as end: print('status', end.code)\n"
    )
    lines = (
        "compare result.json other.json", "report result.json --format text", "report result.json --format markdown",
        "bench --help", "boards show nucleo-f446", "inspect small.tflite", "boards show zx81",
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", program, *lines],
        cwd=place, env={**os.environ, "PYTHONPATH": str(ROOT), **environment}, capture_output=True, check=False,
    )  # fmt: skip
    assert b"Traceback" not in done.stderr and done.returncode == 0, done.stderr
    codes = [line for line in done.stdout.splitlines() if line.startswith(b"status")]
    assert codes == [b"status 0"] * 6 + [b"status 2"]


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (f"{PROGRAM} report result.json --format markdown | true; exit ${{PIPESTATUS[0]}}", (0, 141)),
        (
            f"{PROGRAM} compare result.json other.json --budget ram=1 | true; exit ${{PIPESTATUS[0]}}",
            (1, 141),
        ),
        (f"{PROGRAM} report result.json --format text > /dev/full", (2,)),
        (f"{PROGRAM} compare result.json other.json --json > /dev/full", (2,)),
        (f"{PROGRAM} boards list >&-", (0,)),
        (f"{PROGRAM} boards show zx81 2>&-", (2,)),
    ],
)
def test_what_reads_the_output(line: str, status: tuple[int, ...], place: Path) -> None:
    if "/dev/full" in line and not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    done = subprocess.run(
        ["bash", "-c", line], cwd=place, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode in status and "Traceback" not in done.stderr, done


@pytest.mark.parametrize(
    "typed",
    [
        "export small.tflite --board nucleo-f446 -o new/build",
        "data synth new/scenes",
        "compare result.json other.json --pareto new/plot.svg --y ram",
        "compare result.json other.json --pareto new/plot.png --y ram",
        "report result.json -o new/page.html",
    ],
)
def test_a_full_disk_names_the_path(typed: str, place: Path) -> None:
    """The limit on a file's size stands for the disk."""
    if "png" in typed:
        pytest.importorskip("matplotlib")
    (place / "new").mkdir(exist_ok=True)
    limited = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); from ascmcu.cli import main; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)); main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited, *shlex.split(typed)], cwd=place, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert "new/" in done.stderr, done.stderr
    assert list((place / "new").iterdir()) == []


def test_a_killed_export_is_cleared_by_the_next(tmp_path: Path) -> None:
    """And what it had moved out of the way comes back."""
    target = tmp_path / "build"
    program = (
        "import os, signal, sys; from pathlib import Path; from ascmcu import scratch\n"
        f"with scratch.folder(Path({str(target)!r})) as place:\n"
        "    (place / 'previous').mkdir(); (place / 'previous' / 'kept').touch(); print(place, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    left = Path(done.stdout.strip())
    assert left.is_dir() and left.name.startswith(".build-ascmcu-")
    with scratch.folder(target) as own, scratch.folder(target) as other:
        assert own != other and own.is_dir(), "a living one stays"
        assert not left.exists()
    assert (target / "kept").is_file() and [path.name for path in tmp_path.iterdir()] == ["build"]


def test_letters_that_an_encoding_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    from ascmcu.cli import plain

    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    plain.install()
    stream.write("a → b, 3 µs, ±1, ✓ é \udcff 日")
    stream.flush()
    assert raw.getvalue() == b"a -> b, 3 us, +/-1, + e ? ?"


def test_json_is_json_in_any_encoding(place: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ascmcu", "report", "result.json", "--json"], cwd=place, capture_output=True, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert json.loads(done.stdout)["schema"] == "ascmcu.bench"
