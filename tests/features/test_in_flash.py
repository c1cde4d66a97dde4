# SPDX-License-Identifier: Apache-2.0
"""Nothing that a specification does not use is in flash: every symbol of a linked front end is one that it needs."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile

from ascmcu.codegen.frontend import render_frontend
from ascmcu.codegen.frontend.logmel import LogMel
from ascmcu.codegen.frontend.micro import Micro
from ascmcu.codegen.frontend.pcm import RawPcm
from ascmcu.features import spec as specs
from ascmcu.features.microspec import MicroSpec
from ascmcu.features.spec import FeatureSpec, Spec
from tests.features import target
from tests.features.signals import plain

pytestmark = target.needs_gcc

# Of the program around the front end, and the description of an FFT by which CMSIS-DSP is called.
PROGRAM = {"print", "take_rows", "names", "vectors", "reset", "main"}
# Tables of a few numbers become constants of the instructions.
FOLDED_MAX = 16
CALLED = {"memcpy", "memset"}
TRANSFORM = {"arm_cfft_f32", "arm_radix8_butterfly_f32", "arm_bitreversal_32", "fft"}
# CMSIS-DSP's transforms of lengths that are no power of eight have a first pass of their own.
PASSES = {"arm_cfft_radix8by2_f32", "arm_cfft_radix8by4_f32"}


def _stages(spec: Spec) -> LogMel | Micro | RawPcm:
    if isinstance(spec, FeatureSpec):
        return LogMel.of(spec, 0.05, -3, "int8")
    return (
        Micro.of(spec, 0.05, -3, "int8") if isinstance(spec, MicroSpec) else RawPcm.of(spec, 0.05, -3, "int8")
    )


def _tables(spec: Spec) -> dict[str, int]:
    """Bytes of the tables that the stages ask for, by name: their own, and those of the FFT's length."""
    stages = _stages(spec)
    found = {table.name: table.bytes for table in stages.tables}
    if isinstance(stages, LogMel) and stages.fft.library_points:
        points = stages.fft.library_points
        found[f"twiddleCoef_{points}"] = 8 * points
        if stages.fft.is_plain:
            found[f"twiddleCoef_rfft_{spec.n_fft}"] = 4 * spec.n_fft  # type: ignore[union-attr]
        found[f"armBitRevIndexTable{points}"] = (
            stages.fft.library_bytes - 8 * points - (4 * stages.fft.n_fft if stages.fft.is_plain else 0)
        )
    return found


def _symbols(elf: Path) -> tuple[dict[str, int], set[str]]:
    """Bytes of the constants in flash, and the functions; names without the numbers of the compiler's copies."""
    constants, functions = {}, set()
    with elf.open("rb") as file:
        table = ELFFile(file).get_section_by_name(".symtab")
        for symbol in table.iter_symbols():
            name, kind = (
                re.sub(r"\.(\d+|part|constprop|isra|cold).*", "", symbol.name),
                symbol["st_info"]["type"],
            )
            if not symbol["st_size"] or symbol["st_value"] >= 0x20000000:
                continue
            if kind == "STT_OBJECT":
                constants[name] = symbol["st_size"]
            elif kind == "STT_FUNC":
                functions.add(name)
    return constants, functions


@pytest.mark.parametrize("name", specs.names())
def test_flash_has_what_the_spec_uses(name: str, tmp_path: Path) -> None:
    spec = specs.load(name)
    spec = plain(spec) if isinstance(spec, FeatureSpec) else spec
    silence = np.zeros((16, spec.audio_channels), np.int16)
    elf = target.build(tmp_path, spec, silence, scale=0.05, zero_point=-3, dtype="int8", level="-Os")
    constants, functions = _symbols(elf)
    wanted = _tables(spec)
    own = {n: size for n, size in constants.items() if n not in PROGRAM | TRANSFORM}
    extra = {n: size for n, size in own.items() if wanted.get(n) != size}
    assert not extra, f"{extra} of {wanted}"
    # What is left out of few numbers stands in the code itself.
    assert {n for n, size in wanted.items() if n not in own and size > FOLDED_MAX} == set()
    source = render_frontend(spec, 0.05, -3, "int8")["frontend.c"]
    by_library = any(n.startswith("twiddle") for n in wanted)
    foreign = {n for n in functions - PROGRAM if not re.search(rf"\b{n}\(", source)} | (functions & TRANSFORM)
    if re.search(r"\b(float64_t|double)\b", source):
        # A clip's figures are summed in double precision, which the core has in software.
        foreign = {n for n in foreign if not n.startswith("__")}
    assert foreign <= CALLED | (TRANSFORM | PASSES if by_library else set()), foreign
    assert not functions & {"logf", "log10f", "expf", "powf", "cosf", "sinf", "log2f", "sqrtf"}


def test_a_table_that_nothing_uses_is_seen(tmp_path: Path) -> None:
    """The test above would see one: a program of another spec has other constants."""
    elf = target.build(
        tmp_path, plain(specs.load_log_mel("kaldi_mfcc")), np.zeros((16, 1), np.int16), scale=0.05, zero_point=-3,
        dtype="int8", level="-Os",
    )  # fmt: skip
    found = set(_symbols(elf)[0]) - set(_tables(plain(specs.load_log_mel("kaldi_fbank"))))
    assert "cosines" in found
