# SPDX-License-Identifier: Apache-2.0
"""Two networks in turn on the same samples: events of the first open the gate of the second, as in the reference."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from ascmcu import api
from ascmcu.errors import InputError
from ascmcu.listening.decisions import Decider, Event
from ascmcu.toolchain import cmsis_dsp
from ascmcu.toolchain.flags import LANGUAGE, WARNINGS
from ascmcu.toolchain.manifest import Manifest
from tests.listening.test_listen_h import _audio
from tests.support import listening, recipes_flat
from tests.support.host_model import FLAGS

VAD = 'event = [{ label = "8", on = 0.316, off = 0.31 }]'
WORDS = """
event = [{ label = "5", on = 0.216 }, { label = "8", on = 0.31 }]
gate = { model = true, hold_s = 0.1 }
"""
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "listen" / "two_models.c"
# Of every hop of the second: its scores, and its events.
DRIVER = """
#include <stdio.h>
#include "kws.h"
#include "kws_listen.h"
#include "vad_listen.h"
void vad_listen_on_event(const struct vad_decisions_event *event)
{
    printf("open %u\\n", (unsigned)event->start_hop);
    kws_decisions_open_gate();
}
void kws_listen_on_event(const struct kws_decisions_event *event)
{
    printf("event %u %u %d\\n", (unsigned)event->rule, (unsigned)event->start_hop, (int)event->score);
}
int main(void)
{
    static int16_t block[160];
    vad_listen_reset();
    kws_listen_reset();
    while (fread(block, sizeof block, 1, stdin) == 1) {
        enum kws_listen_did did;
        vad_listen_feed(block, 160);
        kws_listen_feed(block, 160);
        while (vad_listen_work() != VAD_LISTEN_NOTHING) {
        }
        while ((did = kws_listen_work()) != KWS_LISTEN_NOTHING) {
            if (did == KWS_LISTEN_HOP) {
                const uint8_t *scores = (const uint8_t *)kws_output(0);
                printf("hop ");
                for (size_t i = 0; i < kws_output_bytes(0); i++) {
                    printf("%02x", scores[i]);
                }
                printf("\\n");
            }
        }
    }
    return 0;
}
"""


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("two_models")
    (place / "net.tflite").write_bytes(recipes_flat.make(listening.keyword_network(same=True, channels=8)))
    (place / "spec.toml").write_text(listening.features(bands=40))
    for prefix, decisions in (("vad", VAD), ("kws", WORDS)):
        (place / f"{prefix}.toml").write_text(decisions)
        api.export(
            place / "net.tflite", "nucleo-f446", place / prefix, features=place / "spec.toml", output="library",
            listen=True, hop_s=0.1, decisions=place / f"{prefix}.toml", prefix=prefix,
        )  # fmt: skip
    return place


def test_the_second_decides_while_the_first_lets_it(libraries: Path) -> None:
    (libraries / "driver.c").write_text(DRIVER)
    dsp = cmsis_dsp.sources()
    includes = [f"-I{libraries / p}" for p in ("vad", "kws")] + [f"-isystem{p}" for p in dsp.include_dirs]
    own = {path.name: path for prefix in ("vad", "kws") for path in (libraries / prefix).glob("*.c")}
    sources = [libraries / "driver.c", *own.values(), *map(Path, dsp.c_files)]
    command = [
        "gcc",
        *FLAGS,
        "-w",
        "-O1",
        *includes,
        *map(str, sources),
        "-lm",
        "-o",
        str(libraries / "driver"),
    ]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    ran = subprocess.run([libraries / "driver"], input=_audio(60).tobytes(), capture_output=True, check=True)
    decisions = Manifest.load(libraries / "kws").decisions
    assert decisions is not None and decisions.gate_by_model
    decider, ungated = Decider(decisions), 0
    always = Decider(decisions)
    expected, found = list[Event](), list[Event]()
    for line in ran.stdout.decode().splitlines():
        what, *values = line.split()
        if what == "open":
            decider.open_gate()
        elif what == "event":
            found.append(Event(*map(int, values)))
        else:
            always.open_gate()
            scores = np.frombuffer(bytes.fromhex(values[0]), np.int8)
            expected += decider(scores, 0)
            ungated += len(always(scores, 0))
    assert found == expected and 0 < len(found) < ungated


def test_the_example_compiles_for_the_core(libraries: Path, tmp_path: Path) -> None:
    command = ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", *LANGUAGE, *WARNINGS, "-Werror", "-O2"]
    command += [
        f"-I{libraries / 'vad'}",
        f"-I{libraries / 'kws'}",
        "-c",
        str(EXAMPLE),
        "-o",
        str(tmp_path / "x.o"),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_firmware_has_nobody_to_open_the_gate(libraries: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nobody opens a gate"):
        api.export(
            libraries / "net.tflite", "nucleo-f446", tmp_path / "no", features=libraries / "spec.toml", listen=True,
            hop_s=0.1, decisions=libraries / "kws.toml",
        )  # fmt: skip
    assert not (tmp_path / "no").exists()
