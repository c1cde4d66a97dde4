# SPDX-License-Identifier: Apache-2.0
"""``ascmcu bench`` on an export: labels, resuming, wrong firmware, sizes, and what the compiler cannot do."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from ascmcu import boards
from ascmcu.benchmark import run as bench
from ascmcu.benchmark.clips import Clips, from_tensors
from ascmcu.cli import cli
from ascmcu.errors import BoardError, BuildError, DataError, InputError, LinkError, ToolError
from ascmcu.results.summarize import summarize
from ascmcu.runners.base import Target
from ascmcu.runners.host import HostRunner
from ascmcu.runners.serial import SerialRunner
from ascmcu.toolchain import gcc
from ascmcu.toolchain.size import sizes
from tests.support.mixer import ROW_BYTES, ROWS, changed, mixed, mixer_target
from tests.support.patience import HANG_S

needs_cross = pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no cross compiler")


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Target:
    made = mixer_target(tmp_path_factory.mktemp("bench"))
    (made.folder / "manifest.json").write_text(made.manifest.to_json())
    return made


@pytest.fixture
def tensors(tmp_path: Path) -> Path:
    array = np.random.default_rng(1).integers(-128, 128, (6, 1, ROWS, ROW_BYTES), dtype=np.int8)
    np.save(tmp_path / "in.npy", array)
    return tmp_path / "in.npy"


@pytest.fixture
def clips(target: Target, tensors: Path) -> Clips:
    return from_tensors(target.manifest, tensors, None)


def test_tensors_go_in_and_outputs_come_out(target: Target, tensors: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.npy"
    arguments = [
        "bench",
        str(target.folder),
        "--on",
        "host",
        "--tensors",
        str(tensors),
        "--save-outputs",
        str(out),
    ]
    done = CliRunner().invoke(cli, [*arguments, "--json"], catch_exceptions=False)
    report = json.loads(done.stdout)
    assert (report["runner"], report["clips"], report["accuracy"]) == ("host", 6, None)
    assert "cycles" not in report and "instructions" not in report
    expected = [mixed(x.tobytes()) for x in np.load(tensors)]
    assert [x.tobytes() for x in np.load(out)] == [e[:10] for e in expected]
    assert [x.tobytes() for x in np.load(out.with_suffix(".1.npy"))] == [e[10:] for e in expected]


class Broken(HostRunner):
    """Ends after some clips, as an unplugged cable does."""

    after_bytes = 4 * ROWS * ROW_BYTES

    def write(self, data: bytes, timeout_s: float) -> None:
        self.after_bytes -= len(data)
        if self.after_bytes < 0:
            raise LinkError("unplugged")
        super().write(data, timeout_s)


def test_an_interrupted_run_goes_on_where_it_stopped(target: Target, clips: Clips) -> None:
    with pytest.raises(LinkError, match="unplugged"):
        bench.run(target, Broken(target), clips)
    (kept,) = target.folder.glob(f"bench-host-{clips.identity[:8]}.jsonl")
    whole = kept.read_text()
    kept.write_text(whole[:-20])  # the last line was being written
    resumed = bench.run(target, HostRunner(target), clips)
    fresh = bench.run(target, HostRunner(target), clips)
    assert (resumed.resumed, fresh.resumed) == (2, 0)
    assert resumed.clips == fresh.clips


def test_two_runs_of_the_same_benchmark_do_not_mix(target: Target, clips: Clips) -> None:
    class Nosy(HostRunner):
        """Starts the same benchmark a second time while it runs."""

        def read(self, timeout_s: float) -> bytes:
            with pytest.raises(InputError, match="is running"):
                bench.run(target, HostRunner(target), clips)
            return super().read(timeout_s)

    assert len(bench.run(target, Nosy(target), clips).clips) == 6


def test_a_killed_benchmark_leaves_no_emulator(target: Target, tensors: Path) -> None:
    # Days of work: it is killed before its end.
    arguments = ["bench", str(target.folder), "--on", "host", "--tensors", str(tensors), "--repeat", "100000"]
    program = "import sys; from ascmcu.cli import main; sys.argv[0] = 'ascmcu'; main()"
    running = subprocess.Popen([sys.executable, "-c", program, *arguments], stderr=subprocess.DEVNULL)
    marker = str(target.folder / "host" / "firmware").encode()
    assert _wait_until(lambda: _processes(marker) > 0), "the device has not started"
    running.send_signal(signal.SIGTERM)
    assert running.wait(HANG_S) == 128 + signal.SIGTERM
    assert _wait_until(lambda: _processes(marker) == 0), "the device still runs"


def _processes(marker: bytes) -> int:
    count = 0
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            count += command.read_bytes().startswith(marker)
    return count


def _wait_until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + HANG_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_results_of_another_firmware_are_not_resumed(target: Target, clips: Clips) -> None:
    with pytest.raises(LinkError, match="unplugged"):
        bench.run(target, Broken(target), clips)
    (kept,) = target.folder.glob(f"bench-host-{clips.identity[:8]}.jsonl")
    kept.write_text(kept.read_text().replace('"model_sha256": "0', '"model_sha256": "1'))
    assert bench.run(target, HostRunner(target), clips).resumed == 0


def test_a_device_with_another_model_is_refused(target: Target, clips: Clips) -> None:
    other = dataclasses.replace(target, manifest=dataclasses.replace(target.manifest, model_sha256="f" * 64))
    with pytest.raises(LinkError, match="its model is not the export's"):
        bench.run(other, HostRunner(target), clips)


def test_accuracy_and_confusion_are_counted_from_the_labels(target: Target, clips: Clips) -> None:
    truth = [int(np.argmax(np.frombuffer(mixed(c.load())[:10], np.int8))) for c in clips.clips]
    given = [*truth[:-2], (truth[-2] + 1) % 10, (truth[-1] + 1) % 10]
    labelled = [dataclasses.replace(c, label=y) for c, y in zip(clips.clips, given, strict=True)]
    known = dataclasses.replace(clips, clips=tuple(labelled))
    report = summarize(
        target.manifest, target.board, known, bench.run(target, HostRunner(target), known), target.folder
    )
    assert report.accuracy == pytest.approx(4 / 6)
    assert report.confusion is not None
    assert sum(map(sum, report.confusion)) == 6
    assert report.confusion[given[-1]][truth[-1]] >= 1


@pytest.mark.parametrize(
    "array",
    [np.zeros((2, 1, ROWS, 46), np.int8), np.zeros((2, 1, ROWS, ROW_BYTES), np.float32)],
    ids=["shape", "dtype"],
)
def test_tensors_of_another_network_are_refused(target: Target, tmp_path: Path, array: np.ndarray) -> None:  # type: ignore[type-arg]
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(DataError, match="does not hold inputs of this network"):
        from_tensors(target.manifest, tmp_path / "x.npy", None)


@pytest.mark.parametrize(("limit", "count"), [(None, 6), (4, 4), (6, 6), (7, 6)])
def test_at_most_so_many_tensors_are_taken(
    limit: int | None, count: int, target: Target, tensors: Path
) -> None:
    found = from_tensors(target.manifest, tensors, limit)
    assert [clip.name for clip in found.clips] == [str(n) for n in range(count)]
    assert [clip.load() for clip in found.clips] == [x.tobytes() for x in np.load(tensors)[:count]]


TRUTHS: dict[str, tuple[object, str]] = {
    "numbers": ([0, 9, 3, 1, 2, 4], ""), "a column": ([[0], [9], [3], [1], [2], [4]], ""),
    "names": ([f"class{n}" for n in (0, 9, 3, 1, 2, 4)], ""), "too few": ([0, 9, 3], "do not fit"),
    "fractions": ([0.0, 9.0, 3.0, 1.0, 2.0, 4.0], "do not fit"), "below": ([0, -1, 3, 1, 2, 4], "does not have"),
    "beyond": ([0, 10, 3, 1, 2, 4], "does not have"), "two columns": ([[0, 1]] * 6, "do not fit"),
}  # fmt: skip


@pytest.mark.parametrize("case", TRUTHS)
def test_what_is_right_is_read_from_an_array(case: str, target: Target, tensors: Path) -> None:
    values, message = TRUTHS[case]
    np.save(tensors.with_name("truth.npy"), np.array(values))
    if message:
        with pytest.raises(DataError, match=message):
            from_tensors(target.manifest, tensors, None, truth=tensors.with_name("truth.npy"))
        return
    found = from_tensors(target.manifest, tensors, 4, truth=tensors.with_name("truth.npy"))
    assert [clip.label for clip in found.clips] == [0, 9, 3, 1]
    assert found.labels == target.manifest.labels


@pytest.fixture
def port(target: Target) -> Iterator[str]:
    """A TCP port behind which the host build runs, as ser2net offers a board."""
    # Compiled and started before anybody waits for its hello.
    with HostRunner(target) as device, socket.create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            client, _ = door.accept()
            with client:
                client.settimeout(0.01)
                while True:
                    try:
                        data = client.recv(4096)
                        if not data:
                            return
                        device.write(data, HANG_S)
                    except TimeoutError:
                        pass
                    answer = device.read(0.001)
                    if answer:
                        client.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"socket://127.0.0.1:{door.getsockname()[1]}"
        thread.join(HANG_S)


def test_the_serial_runner_speaks_through_a_socket(target: Target, clips: Clips, port: str) -> None:
    done = bench.run(target, SerialRunner(target, port), clips)
    assert [c.outputs for c in done.clips] == [mixed(c.load()) for c in clips.clips]


def test_a_port_that_is_not_there_is_named(target: Target, clips: Clips) -> None:
    with pytest.raises(LinkError, match="cannot be opened"):
        bench.run(target, SerialRunner(target, "/dev/no-such-port"), clips)


@needs_cross
@pytest.mark.parametrize("board", boards.names())
def test_every_board_builds_and_its_sizes_add_up(board: str, tmp_path: Path) -> None:
    target = mixer_target(tmp_path, board, frontend=True)
    report = gcc.build_firmware(target.folder, target.board, frontend=True, optimize="flash")
    for parts in (report.ram_bytes, report.flash_bytes):
        assert parts["total"] == sum(v for k, v in parts.items() if k != "total")
    assert report.flash_bytes["total"] == (target.folder / "firmware.bin").stat().st_size
    assert report.ram_bytes["stack"] == target.board.stack_bytes
    assert report.ram_bytes["features"] >= 13 and report.ram_bytes["activations"] >= 48 + 8 + 10
    assert (report.ram_bytes, report.flash_bytes) == sizes(target.elf)


@needs_cross
def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    made = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        target = mixer_target(tmp_path / name)
        gcc.build_firmware(target.folder, target.board, frontend=False)
        made.append(target.elf.read_bytes())
    assert made[0] == made[1]


@needs_cross
def test_a_firmware_that_does_not_fit_says_what_would(tmp_path: Path) -> None:
    target = mixer_target(tmp_path, "nucleo-f401")
    source = target.folder / "model.c"
    large = (
        "static IN_MODEL volatile uint8_t model_huge[100000];\n"
        "void *model_input(void) { model_huge[model_rows] = 1;"
    )
    changed(source, "void *model_input(void) {", large)
    with pytest.raises(BoardError) as caught:
        gcc.build_firmware(target.folder, target.board, frontend=False)
    error = caught.value
    assert "98304" in str(error.expected) and "activations 1000" in str(error.found)
    assert "nucleo-f446" in (error.hint or "") and "nucleo-f401" not in (error.hint or "")
    assert not list(target.folder.glob("firmware.elf")), "nothing half-made may stay"


def test_a_compiler_error_is_shown_whole(tmp_path: Path) -> None:
    target = mixer_target(tmp_path)
    (target.folder / "model.c").write_text("this is no C\n")
    with pytest.raises(BuildError) as caught:
        gcc.build_host(target.folder, frontend=False)
    assert "this is no C" in (caught.value.details or "")


def test_a_missing_compiler_names_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = mixer_target(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError) as caught:
        gcc.build_firmware(target.folder, target.board, frontend=False)
    assert "apt-get install gcc-arm-none-eabi" in (caught.value.hint or "")
    done = CliRunner().invoke(cli, ["doctor", "--json"])
    missing = {row["name"] for row in json.loads(done.stdout) if row["found"] is None}
    assert done.exit_code == 2
    assert {"gcc", "arm-none-eabi-gcc", "newlib", "qemu-system-arm"} <= missing
