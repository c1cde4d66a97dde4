# SPDX-License-Identifier: Apache-2.0
"""The front end as stages: one frozen dataclass and one template each, and figures that the compiler checks."""

from __future__ import annotations

import dataclasses
import json
import random
import subprocess
from pathlib import Path

import jinja2.meta
import jinja2.nodes as nodes
import numpy as np
import pytest

from ascmcu import paths
from ascmcu.codegen.frontend import render_frontend
from ascmcu.codegen.frontend.logmel import LogMel
from ascmcu.codegen.frontend.micro import Micro
from ascmcu.codegen.frontend.parts import Stage
from ascmcu.codegen.frontend.pcm import RawPcm
from ascmcu.errors import FeatureError
from ascmcu.features import spec as specs
from ascmcu.features.microspec import MicroSpec
from ascmcu.features.pcmspec import PcmSpec
from ascmcu.features.spec import Spec
from ascmcu.jinja import environment
from ascmcu.toolchain import cmsis_dsp
from ascmcu.toolchain.native import NativeFrontend
from tests.features.signals import LOG_MEL, VARIANTS, any_spec, overrides, plain, variant
from tests.features.target import fnv1a

TEMPLATES = paths.templates() / "frontend"
STAGES = [kind for kind in Stage.__subclasses__() if kind.__module__.startswith("ascmcu.codegen.frontend.")]
ALL = {str(path.relative_to(TEMPLATES)): path for path in sorted(TEMPLATES.rglob("*.j2"))}
FRAMES = {
    "_frame.j2",
    "frontend.h.j2",
    *(kind.FRAME.removeprefix("frontend/") for kind in (LogMel, Micro, RawPcm)),
}
OWN = [name for name in ALL if name not in FRAMES]
ARITHMETIC = (
    *(nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow, nodes.Neg),
    nodes.Slice,
)
GOLDEN = Path(__file__).with_name("rows.json")


def _parsed(path: Path) -> nodes.Template:
    return environment().parse(path.read_text())


def test_every_stage_is_a_frozen_dataclass_with_a_template_of_its_own() -> None:
    assert all(dataclasses.is_dataclass(kind) and kind.__dataclass_params__.frozen for kind in STAGES)  # type: ignore[attr-defined]
    assert sorted(f"{kind.TEMPLATE}.c.j2" for kind in STAGES) == OWN
    every = (
        LogMel.of(variant("MFCC"), 1.0, 0, "float32"),
        Micro.of(MicroSpec(), 1.0, -128, "int8"),
        RawPcm.of(PcmSpec(), 1.0, 0, "int8"),
    )
    assert {type(stage) for frontend in every for stage in frontend.stages} == set(STAGES)


@pytest.mark.parametrize("name", ALL)
def test_templates_have_no_arithmetic(name: str) -> None:
    found = [node for kind in ARITHMETIC for node in _parsed(ALL[name]).find_all(kind)]
    assert not found, [(type(node).__name__, node.lineno) for node in found]


@pytest.mark.parametrize("name", OWN)
def test_a_stage_s_template_asks_the_stage_alone(name: str) -> None:
    assert jinja2.meta.find_undeclared_variables(_parsed(ALL[name])) <= {"s"}


def test_arithmetic_would_be_seen() -> None:
    tree = environment().parse("{{ a[1:] }}{{ b + 1 }}")
    assert sum(1 for kind in ARITHMETIC for _ in tree.find_all(kind)) == 2


def _syntax(folder: Path, spec: Spec, edit: tuple[str, str] | None = None) -> str:
    """What the compiler of this machine says against the generated files; nothing is compiled."""
    for name, text in render_frontend(spec, 0.05, -3, "int8").items():
        changed = text.replace(*edit) if edit else text
        (folder / name).write_text(changed)
    includes = [f"-isystem{p}" for p in cmsis_dsp.sources().include_dirs]
    includes.append(f"-I{paths.firmware() / 'kernels'}")
    command = ["gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", *includes]
    ran = subprocess.run([*command, str(folder / "frontend.c")], capture_output=True, text=True, check=False)
    assert (ran.returncode == 0) == (not ran.stderr)
    return ran.stderr


def test_the_compiler_agrees_on_memory_for_any_spec(tmp_path: Path) -> None:
    """The figures of RAM and tables are asserted in the generated C; here for specs that nobody chose."""
    rng = random.Random(20)
    tried = 0
    while tried < 60:
        try:
            spec = any_spec(rng)
        except FeatureError:
            continue
        assert not _syntax(tmp_path, plain(spec)), spec
        tried += 1


WRONG = {
    "a buffer": ("[RING * CHANNELS] IN_STATE", "[RING * CHANNELS + 1] IN_STATE"),
    "the state": ("uint32_t finished;", "uint32_t finished[2];"),
    "figures": ("uint32_t count;\n};", "uint32_t count;\n    double more;\n};"),
    "the clip": ("clip[STORED]", "clip[STORED + 1]"),
    "RAM": ("#define FRONTEND_RAM_BYTES ", "#define FRONTEND_RAM_BYTES 1 + "),
    "tables": ("#define FRONTEND_TABLES_BYTES ", "#define FRONTEND_TABLES_BYTES 1 + "),
}


@pytest.mark.parametrize("name", WRONG)
def test_the_compiler_refuses_another_size(name: str, tmp_path: Path) -> None:
    spec = variant("z-score below the clip's peak")
    assert not _syntax(tmp_path, spec)
    assert "static assertion failed" in _syntax(tmp_path, spec, WRONG[name])


def hashes() -> dict[str, str]:
    """The rows of every shipped spec and every variant over noise, as hashes of float32 and int8 rows."""
    found = {}
    base = specs.load_log_mel("default").unnormalized()
    for name in (*LOG_MEL, *VARIANTS):
        spec = specs.load_log_mel(name) if name in LOG_MEL else base.replace(**overrides(name))
        spec = plain(spec.replace(clip_samples=min(spec.clip_samples, 24 * spec.n_fft)))
        level = np.linspace(0, 3000, spec.clip_samples)[:, None]
        rng = np.random.default_rng(20)
        samples = (rng.uniform(-1, 1, (spec.clip_samples, spec.audio_channels)) * level).astype(np.int16)
        rows = NativeFrontend(spec).rows(samples)
        whole = NativeFrontend(spec, scale=0.05, zero_point=-3, dtype="int8").rows(samples)
        assert rows.std() > 0 and len(np.unique(whole)) > 8, name
        found[name] = f"{fnv1a(rows.tobytes()):08x} {fnv1a(whole.tobytes()):08x}"
    return found


def test_rows_have_the_bits_that_they_had() -> None:
    """A change that means to alter them writes rows.json anew: python -m tests.features.test_stages."""
    assert hashes() == json.loads(GOLDEN.read_text())


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(hashes(), indent=1) + "\n")
