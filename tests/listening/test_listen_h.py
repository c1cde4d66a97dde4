# SPDX-License-Identifier: Apache-2.0
"""``listen.h``: samples in blocks of any length, scores and events as the firmware's; what is lost is counted."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from ascmcu import api
from ascmcu.listening.decisions import Decider, Event
from ascmcu.toolchain.flags import LANGUAGE, WARNINGS
from tests.support import listening, recipes_flat
from tests.support.listener import HOP, NOTHING, Listener

DECISIONS = """
smoothing = "mean"
windows = 2
event = [{ label = "8", on = 0.316, off = 0.31 }, { label = "5", on = 0.216, minimum_s = 0.2, refractory_s = 0.3 }]
gate = { level_dbfs = -45.0, hold_s = 0.2 }
"""
HOP_SAMPLES = 1600


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("listen_h")
    (place / "net.tflite").write_bytes(recipes_flat.make(listening.keyword_network(same=True, channels=8)))
    (place / "spec.toml").write_text(listening.features(bands=40))
    (place / "decisions.toml").write_text(DECISIONS)
    api.export(
        place / "net.tflite", "nucleo-f446", place / "library", features=place / "spec.toml", output="library",
        listen=True, hop_s=0.1, decisions=place / "decisions.toml",
    )  # fmt: skip
    return place


@pytest.fixture(scope="module")
def listener(exports: Path) -> Listener:
    return Listener(exports / "library")


def _audio(seconds: float, seed: int = 0) -> np.ndarray:
    """Noise whose level and colour change, with quiet parts."""
    rng = np.random.default_rng(seed)
    parts = []
    while sum(map(len, parts)) < seconds * 16000:
        length = int(rng.integers(1000, 12000))
        tone = np.sin(2 * np.pi * rng.uniform(50, 6000) * np.arange(length) / 16000)
        parts.append((rng.normal(0, 0.3, length) + tone) * 10 ** rng.uniform(0.5, 4.2))
    return np.clip(np.concatenate(parts), -32768, 32767).astype(np.int16)[: int(seconds * 16000)]


def _heard(listener: Listener, pcm: np.ndarray, block: int) -> tuple[list[bytes], list[Event]]:
    listener.reset()
    scores, events = [], []
    for at in range(0, len(pcm), block):
        part = np.ascontiguousarray(pcm[at : at + block])
        assert listener.feed(part) == len(part)
        while (did := listener.work()) != NOTHING:
            if did == HOP:
                scores.append(listener.scores())
                events += listener.events()
    assert listener.lost == 0 and listener.waiting == 0
    return scores, events


def test_scores_and_events_are_those_of_the_interpreter(exports: Path, listener: Listener) -> None:
    pcm = _audio(20)
    scores, events = _heard(listener, pcm, 160)
    compiled = api.compile_model(exports / "net.tflite", features=exports / "spec.toml")
    starts = [(10 * (hop + 1) - 98) * 160 for hop in range(9, len(scores))]
    clips = np.stack([pcm[s : s + 16000] for s in starts if s + 16000 <= len(pcm)])
    right = np.asarray(api.predict(compiled, audio=clips))
    assert scores[9 : 9 + len(right)] == [row.tobytes() for row in right]
    decisions = listener.manifest.decisions
    assert decisions is not None
    decider, expected, at = Decider(decisions), [], 0
    for hop, row in enumerate(scores):
        end = 400 + 1440 + hop * HOP_SAMPLES  # the first hop ends with its tenth frame of 400 samples
        energy = int(np.sum(pcm[at:end].astype(np.int64) ** 2))
        expected += decider(np.frombuffer(row, np.int8), energy)
        at = end
    assert events == expected and len(events) > 3


@pytest.mark.parametrize("block", [1, 37, 500])
def test_the_length_of_blocks_does_not_matter(block: int, listener: Listener) -> None:
    pcm = _audio(3, seed=4)
    assert _heard(listener, pcm, block) == _heard(listener, pcm, 160)


def test_what_finds_no_room_is_lost_and_counted(listener: Listener) -> None:
    room = 1 << 20
    listener.reset()
    block = np.zeros(90, np.int16)
    fed = taken = 0
    while taken == fed:
        taken += listener.feed(block)
        fed += len(block)
        assert fed < room
    assert listener.lost == fed - taken and listener.waiting == taken
    assert taken & (taken - 1) == 0  # all of the buffer
    assert listener.feed(block) == 0 and listener.lost == fed + len(block) - taken
    while listener.work() != NOTHING:
        pass
    assert listener.waiting == 0 and listener.feed(block) == len(block)


@pytest.mark.parametrize("compiler", ["gcc", "clang", "arm-none-eabi-gcc"])
def test_the_sources_compile_without_a_warning(compiler: str, exports: Path, tmp_path: Path) -> None:
    core = ("-mcpu=cortex-m4", "-mthumb") if compiler.startswith("arm") else ()
    for name in ("listen.c", "decisions.c"):
        source = exports / "library" / name
        command = [compiler, *core, *LANGUAGE, *WARNINGS, "-Wpedantic", "-Werror", "-O2", "-c", str(source)]
        done = subprocess.run([*command, "-o", str(tmp_path / "x.o")], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


# The calls of FreeRTOS that the example makes, as its headers declare them.
FREERTOS = {
    "FreeRTOS.h": """#pragma once
typedef long BaseType_t;
#define pdFALSE ((BaseType_t)0)
#define pdTRUE ((BaseType_t)1)
#define portMAX_DELAY 0xffffffffUL
#define portYIELD_FROM_ISR(x) ((void)(x))
""",
    "task.h": """#pragma once
typedef struct tskTaskControlBlock *TaskHandle_t;
TaskHandle_t xTaskGetCurrentTaskHandle(void);
void vTaskNotifyGiveFromISR(TaskHandle_t task, BaseType_t *woken);
unsigned long ulTaskNotifyTake(BaseType_t clear, unsigned long ticks);
""",
}


@pytest.mark.parametrize("name", ["bare_metal.c", "freertos.c"])
def test_examples_compile_for_the_core(name: str, exports: Path, tmp_path: Path) -> None:
    for header, text in FREERTOS.items():
        (tmp_path / header).write_text(text)
    source = Path(__file__).resolve().parents[2] / "examples" / "listen" / name
    command = ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", *LANGUAGE, *WARNINGS, "-Werror", "-O2"]
    command += [f"-I{exports / 'library'}", f"-I{tmp_path}", "-c", str(source), "-o", str(tmp_path / "x.o")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
