# SPDX-License-Identifier: Apache-2.0
"""What start-up copies out of the flash: which constants and functions, and with the same answers in fewer cycles."""

from __future__ import annotations

import dataclasses
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import ascmcu
from ascmcu import api, boards
from ascmcu.boards import Board
from ascmcu.codegen import placing
from ascmcu.codegen.model import weight_arrays
from ascmcu.codegen.placing import Function, Placement
from ascmcu.errors import BoardError, InputError
from ascmcu.kernels import Target
from ascmcu.schedule import Plan
from ascmcu.toolchain.size import end_of, sizes
from tests.cli.conftest import dense
from tests.support import outside

needs_gcc = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="no arm-none-eabi-gcc")


def _plan(path: Path, board: Board, *, optimize: str = "cycles") -> Plan:
    compiled = ascmcu.compile(path)
    target = Target(optimize, board.clock.wait_states, board.chip.flash_cache)  # type: ignore[arg-type]
    return api.candidates(compiled, "layers", target)[0].plan


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("network") / "small.tflite"
    path.write_bytes(dense(512, 32))
    return path


@pytest.fixture(scope="module")
def plain(network: Path) -> api.Export:
    """Everything in flash, on a board whose RAM gives no code sooner."""
    return _export(network, "nucleo-f446", network.parent / "plain", weights="flash")


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0, 3.0])
def test_what_gains_most_per_byte_goes_first_as_far_as_there_is_room(network: Path, share: float) -> None:
    plan = _plan(network, boards.load("nucleo-f446"))
    arrays = weight_arrays(plan)
    gains = placing.gained(plan, arrays)
    room_bytes = round(share * placing.needed_bytes(arrays))
    chosen = placing.choose(plan, arrays, room_bytes)
    assert not chosen or placing.needed_bytes(chosen) <= room_bytes
    rates = [gains[array.symbol] / array.size_bytes for array in chosen]
    assert rates == sorted(rates, reverse=True)
    if share >= 1.0:
        assert {a.symbol for a in chosen} == {symbol for symbol, gain in gains.items() if gain > 0}
    after = placing.placed(plan, arrays, Placement(chosen))
    spared = sum(gains[array.symbol] for array in chosen)
    assert plan.cycles - after.cycles == pytest.approx(spared, abs=len(plan.layers) + 1)


def test_a_slower_flash_gains_more(network: Path) -> None:
    gains = {}
    for name in ("nucleo-f401", "nucleo-f446", "nucleo-l4r5"):
        plan = _plan(network, boards.load(name))
        gains[name] = sum(placing.gained(plan, weight_arrays(plan)).values())
    assert 0 < gains["nucleo-f401"] < gains["nucleo-f446"] < gains["nucleo-l4r5"]


def test_functions_go_as_far_as_there_is_room(network: Path) -> None:
    plan = _plan(network, boards.load("nucleo-f303"))
    functions = [Function("large", 3000), Function("small", 102), Function("middle", 800)]
    assert placing.code(plan, functions, 16 + 104 + 800) == (functions[1], functions[2])
    assert placing.code(plan, functions, 16 + 103) == ()
    ideal = dataclasses.replace(plan, target=dataclasses.replace(plan.target, wait_states=0))
    assert placing.code(ideal, functions, 1 << 20) == ()


def _export(network: Path, board: str, folder: Path, **options: object) -> api.Export:
    return ascmcu.build(ascmcu.compile(network), board, folder, **options)  # type: ignore[arg-type]


def _outputs(network: Path, folder: Path) -> tuple[np.ndarray, int, list[int]]:
    """What the firmware answers, its cycles, and the flash of each layer."""
    inputs, outputs = network.with_suffix(".npy"), folder.with_suffix(".npy")
    np.save(inputs, np.random.default_rng(1).integers(-128, 128, (2, 1, 512), dtype=np.int8))
    found = ascmcu.bench(folder, on="sim", tensors=inputs, save_outputs=outputs)
    assert found.counts is not None
    return np.load(outputs), int(found.counts.network), [layer.flash_bytes for layer in found.layers]


@needs_gcc
def test_weights_in_ram_give_the_same_answers_sooner(
    network: Path, plain: api.Export, tmp_path: Path
) -> None:
    made = {w: _export(network, "nucleo-f446", tmp_path / w, weights=w) for w in ("ram", "auto")}
    made["flash"] = plain
    results = {w: _outputs(network, export.folder) for w, export in made.items()}
    assert all(np.array_equal(results["flash"][0], outputs) for outputs, _, _ in results.values())
    assert results["flash"][2] == results["ram"][2] and min(results["ram"][2]) > 0
    assert results["ram"][1] < 0.9 * results["flash"][1]
    assert results["auto"][1] <= 1.01 * results["ram"][1]
    flash, ram = made["flash"].manifest, made["ram"].manifest
    assert flash.ram_bytes["weights"] == 0 and flash.needed_ram_bytes == flash.ram_bytes["total"]
    assert ram.ram_bytes["weights"] == ram.flash_bytes["weights"]
    assert abs(ram.needed_ram_bytes - flash.needed_ram_bytes) <= 16  # what alignment leaves free differs
    assert flash.predicted is not None and ram.predicted is not None
    assert ram.predicted.cycles < flash.predicted.cycles
    assert ram.runner_up is not None and flash.runner_up is not None
    assert ram.runner_up.cycles < flash.runner_up.cycles  # compared with as much of its weights copied
    assert abs(ram.flash_bytes["total"] - flash.flash_bytes["total"]) <= 64
    assert flash.flash_bytes["padding"] < 64 and ram.flash_bytes["padding"] < 64
    text = (tmp_path / "ram" / "plan.txt").read_text()
    assert f"weights in RAM: {ram.ram_bytes['weights']} bytes" in text and "cycles spared" in text
    assert "in RAM" not in (plain.folder / "plan.txt").read_text()


@needs_gcc
@pytest.mark.parametrize("board", ["nucleo-f303", "nucleo-l476", "nucleo-l4r5", "frdm-k64f"])
def test_code_lies_where_it_is_fetched_without_waiting(
    board: str, network: Path, plain: api.Export, tmp_path: Path
) -> None:
    made = _export(network, board, tmp_path / "out", weights="flash")
    on = boards.load(board)
    memory = on.code_memory
    assert memory is not None
    begin = memory.origin + (on.stack_bytes if memory == on.stack_memory else 0)
    script = (tmp_path / "out" / "firmware.ld").read_text()
    assert "*(.text.model_push)" in script and f"> {memory.name} AT >" in script
    assert 0 < made.manifest.ram_bytes["code"] <= memory.size_bytes
    assert end_of(tmp_path / "out" / "firmware.elf", memory) == begin + made.manifest.ram_bytes["code"]
    assert f"code in {memory.name}" in (tmp_path / "out" / "plan.txt").read_text()
    assert plain.manifest.ram_bytes["code"] == 0
    image = (tmp_path / "out" / "firmware.bin").stat().st_size
    assert abs(made.manifest.flash_bytes["total"] - image) <= 1024  # what lies between the chip's options
    assert np.array_equal(_outputs(network, tmp_path / "out")[0], _outputs(network, plain.folder)[0])


@needs_gcc
def test_code_in_a_part_of_the_first_ram_keeps_constants_out_where_that_pays(tmp_path: Path) -> None:
    (tmp_path / "large.tflite").write_bytes(dense(512, 600))
    board, out = boards.load("nucleo-l4r5"), tmp_path / "out"
    memory = board.code_memory
    assert memory is not None and memory.mirrors and board.spare is None
    made = _export(tmp_path / "large.tflite", board.name, out).manifest
    # 307 KB of weights pass where SRAM2 begins, and gain more than the code.
    assert made.ram_bytes["weights"] > 300_000 and made.ram_bytes["code"] == 0
    (tmp_path / "small.tflite").write_bytes(dense(512, 300))
    made = _export(tmp_path / "small.tflite", board.name, out).manifest
    assert made.ram_bytes["weights"] > 150_000 and made.ram_bytes["code"] > 0
    assert end_of(out / "firmware.elf", board.ram) <= memory.mirrors


@needs_gcc
def test_no_more_ram_is_taken_than_the_limit_allows(network: Path, tmp_path: Path) -> None:
    free = _export(network, "nucleo-f446", tmp_path / "free").manifest
    activations = free.ram_bytes["activations"]
    assert free.ram_bytes["weights"] > 1000
    header = (tmp_path / "free" / "model.h").read_text()
    assert f"#define MODEL_ARENA_BYTES {activations}\n" in header, "the cycle counters are no activations"
    bound = _export(network, "nucleo-f446", tmp_path / "bound", max_ram_bytes=activations + 1000).manifest
    assert bound.ram_bytes["activations"] + bound.ram_bytes["weights"] <= activations + 1000
    with pytest.raises(BoardError, match="do not fit into RAM") as refused:
        _export(network, "nucleo-f446", tmp_path / "x", weights="ram", max_ram_bytes=activations + 1000)
    assert "--max-ram" in str(refused.value)


@needs_gcc
def test_what_does_not_fit_stays_in_flash(tmp_path: Path) -> None:
    (tmp_path / "large.tflite").write_bytes(dense(512, 300, behind=8))
    with pytest.raises(BoardError, match="do not fit into RAM"):
        _export(tmp_path / "large.tflite", "nucleo-f446", tmp_path / "out", weights="ram")
    assert not (tmp_path / "out").exists()
    made = _export(tmp_path / "large.tflite", "nucleo-f446", tmp_path / "out").manifest
    board = boards.load("nucleo-f446")
    assert made.ram_bytes["total"] <= board.ram.size_bytes
    assert 0 < made.ram_bytes["weights"] < made.flash_bytes["weights"]
    ram, flash = sizes(tmp_path / "out" / "firmware.elf")
    assert (ram, flash) == (made.ram_bytes, made.flash_bytes)
    left = re.search(r"weights in flash: (\d+) bytes", (tmp_path / "out" / "plan.txt").read_text())
    assert left is not None and int(left[1]) >= 512 * 300


@needs_gcc
@pytest.mark.parametrize(
    ("board", "weights"),
    [("nucleo-f446", "flash"), ("nucleo-f446", "ram"), ("nucleo-f303", "auto"), ("frdm-k64f", "auto")],
)
def test_the_flash_that_is_reported_is_the_image(
    board: str, weights: str, network: Path, tmp_path: Path
) -> None:
    """What start-up copies lies in the image once, between what stays there: no byte is counted twice."""
    made = _export(network, board, tmp_path / "out", weights=weights).manifest
    image = (tmp_path / "out" / "firmware.bin").stat().st_size
    assert made.flash_bytes["total"] == image == sum(v for k, v in made.flash_bytes.items() if k != "total")
    gap = 1024 if board == "frdm-k64f" else 64  # the K64's flash configuration lies at 0x400
    assert made.flash_bytes["padding"] < gap


def test_a_library_leaves_its_weights_to_the_linker(network: Path, tmp_path: Path) -> None:
    made = _export(network, "nucleo-f446", tmp_path / "auto", output="library").manifest
    assert made.ram_bytes["total"] == made.ram_bytes["activations"] + made.ram_bytes["data"]
    assert made.ram_bytes["data"] < 1024 and made.flash_bytes["weights"] > 0
    with pytest.raises(InputError, match="linker script"):
        _export(network, "nucleo-f446", tmp_path / "out", output="library", weights="ram")


@needs_gcc
def test_the_plan_that_is_taken_is_not_beaten_where_ram_is_short(tmp_path: Path) -> None:
    """What activations leave of a limit holds weights: whole layers are faster until it is known how few."""
    model = outside.model("mlperf_tiny_kws_int8.tflite")
    outside.require(model)
    for limit, schedule in ((30_000, "rows"), (60_000, "layers")):
        made = _export(model, "nucleo-f446", tmp_path / "build", max_ram_bytes=limit).manifest
        assert made.predicted is not None and made.runner_up is not None
        assert (made.schedule, made.predicted.cycles <= made.runner_up.cycles) == (schedule, True)
        assert made.ram_bytes["activations"] + made.ram_bytes["weights"] <= limit
