# SPDX-License-Identifier: Apache-2.0
"""A library with instances keeps nothing in static RAM, and gives the bits of the one without."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from ascmcu import api
from ascmcu.codegen import instances, library
from ascmcu.codegen.frontend import render_frontend
from ascmcu.codegen.prefix import Renaming
from ascmcu.errors import VerifyError
from ascmcu.features import spec as feature_specs
from ascmcu.features.spec import FeatureSpec
from ascmcu.toolchain import cmsis_dsp
from ascmcu.toolchain.flags import LANGUAGE, WARNINGS
from tests.support import outside, toolchains

needs_gcc = pytest.mark.skipif(not shutil.which("gcc"), reason="no gcc")
needs_dsp = pytest.mark.skipif(cmsis_dsp.available() is None, reason="CMSIS-DSP was not fetched")
NETWORKS = (
    ("mlperf_tiny_kws_int8.tflite", "layers"),
    ("tflm_mnist_lstm_float.tflite", "rows"),
    ("tflm_keyword_scrambled_svdf_16_8.tflite", "layers"),
    ("microwakeword_v2_vad.tflite", "rows"),
)


def _static(object_file: Path) -> list[str]:
    """Names of what an object keeps in RAM."""
    done = subprocess.run(["nm", object_file], capture_output=True, text=True, check=True)
    return re.findall(r"^\w+ [bBdDC] (\w+)$", done.stdout, re.MULTILINE)


def _compiled(folder: Path, files: dict[str, str], name: str) -> Path:
    for file, text in files.items():
        (folder / file).write_text(text)
    includes = [f"-isystem{p}" for p in cmsis_dsp.sources().include_dirs] if cmsis_dsp.available() else []
    to = (folder / name).with_suffix(".o")
    # Position-independent code would have addresses of constants in writable memory until it starts.
    command = [
        "gcc",
        "-fno-pic",
        *LANGUAGE,
        *WARNINGS,
        "-Werror",
        *includes,
        "-c",
        str(folder / name),
        "-o",
        str(to),
    ]
    subprocess.run(command, check=True)
    return to


@needs_gcc
@pytest.mark.parametrize("name", feature_specs.names())
def test_a_front_end_keeps_nothing(name: str, tmp_path: Path) -> None:
    spec = feature_specs.load(name)
    if isinstance(spec, FeatureSpec) and cmsis_dsp.available() is None:
        pytest.skip("CMSIS-DSP was not fetched")
    if isinstance(spec, FeatureSpec) and spec.normalization == "mean_std" and not spec.is_fitted:
        rows = (
            ((0.0,) * spec.bands,) * spec.normalized_channels,
            ((1.0,) * spec.bands,) * spec.normalized_channels,
        )
        spec = spec.replace(mean=rows[0], std=rows[1])
    plain = render_frontend(spec, 0.05, 3, "int8")
    plain |= library.headers(plain.values())
    assert _static(_compiled(tmp_path, plain, "frontend.c")), "without instances it does"
    made = instances.in_structs(plain)
    assert _static(_compiled(tmp_path, made, "frontend.c")) == []
    cxx = tmp_path / "main.cpp"
    cxx.write_text('#include "frontend.h"\nfrontend one; int main() { frontend_reset(&one); }\n')
    subprocess.run(["g++", "-std=c++17", *WARNINGS[:4], "-Werror", "-fsyntax-only", cxx], check=True)


@needs_gcc
@pytest.mark.parametrize(("name", "schedule"), NETWORKS)
def test_a_network_keeps_nothing_and_gives_the_same(name: str, schedule: str, tmp_path: Path) -> None:
    """By the hash of its self-test, which a run of each form on the cycle model works out."""
    model = outside.model(name)
    outside.require(model)
    hashes = []
    for with_instances in (False, True):
        folder = tmp_path / f"net-{with_instances}"
        api.export(
            model, "nucleo-f446", folder, output="library", selftest=True, instances=with_instances,
            schedule=schedule, features=False,
        )  # fmt: skip
        found = re.search(r"model_selftest_hash\(\w*\) == (0x\w+)u", (folder / "selftest.c").read_text())
        assert found is not None
        hashes.append(found[1])
    assert hashes[0] == hashes[1]
    files = {p.name: p.read_text() for p in folder.glob("*.[ch]")}
    assert _static(_compiled(tmp_path, files, "model.c")) == []


@needs_dsp
@pytest.mark.parametrize(
    ("features", "prefix"), [("micro_speech", ""), ("mlperf_kws", "wake_word"), ("pcen", "")]
)
def test_front_ends_give_the_same_under_a_prefix_too(features: str, prefix: str, tmp_path: Path) -> None:
    model = tmp_path / "net.tflite"
    model.write_bytes(toolchains.small_network(features))
    hashes = []
    for with_instances in (False, True):
        folder = tmp_path / f"net-{with_instances}"
        made = api.export(
            model, "nucleo-f446", folder, output="library", selftest=True, instances=with_instances,
            features=features, prefix=prefix,
        )  # fmt: skip
        ram = made.manifest.ram_bytes
        assert ram["activations"] == made.plan.arena_bytes
        assert ram["total"] == sum(size for part, size in ram.items() if part != "total")
        row = next(x for x in (folder / "README.md").read_text().splitlines() if x.startswith("| RAM |"))
        told = [int(number) for number in re.findall(r"(\d+) (?:bytes|of )", row)]
        assert told == [ram["total"], *(size for part, size in ram.items() if size and part != "total")]
        hashes.append(re.findall(r"== (0x\w+)u", (next(folder.glob("*selftest.c"))).read_text()))
    assert hashes[0] == hashes[1] and len(hashes[0]) == 2
    readme = (folder / "README.md").read_text()
    own = f"{prefix}_frontend" if prefix else "frontend"
    assert f"{own}_next(&frontend, {prefix or 'model'}_input(&model))" in readme
    assert f"static struct {own} frontend;" in readme


@needs_gcc
@pytest.mark.parametrize("prefix", ["", "wake_word"])
def test_it_can_be_benched_on_this_machine(prefix: str, tmp_path: Path) -> None:
    model = tmp_path / "net.tflite"
    model.write_bytes(toolchains.small_network("micro_speech"))
    x = np.random.default_rng(4).integers(-128, 128, (2, 1, 49, 40, 1)).astype(np.int8)
    np.save(tmp_path / "x.npy", x)
    answers = []
    for with_instances in (False, True):
        folder, y = tmp_path / f"net-{with_instances}", tmp_path / "y.npy"
        api.export(
            model, "nucleo-f446", folder, output="library", features=False, prefix=prefix,
            instances=with_instances,
        )  # fmt: skip
        api.bench(folder, on="host", tensors=tmp_path / "x.npy", save_outputs=y)
        answers.append(np.load(y))
    assert np.array_equal(*answers)


def test_what_it_does_not_understand_is_refused() -> None:
    """An array whose size it cannot work out, rather than a header that does not compile."""
    header = '#ifdef __cplusplus\nextern "C" {\n#endif\nvoid model_reset(void);\n'
    source = "static int32_t values[strlen(name)];\nvoid model_reset(void)\n{\n    values[0] = 0;\n}\n"
    with pytest.raises(VerifyError, match="size of a variable"):
        instances.in_structs({"model.c": source, "model.h": header})


def test_only_what_reaches_a_variable_is_told_of_the_instance() -> None:
    header = (
        '#ifdef __cplusplus\nextern "C" {\n#endif\n\n/* Call model_reset() first. */\nvoid model_reset(void);\n'
        "int model_twice(int x);\nint model_next(int x);\n"
    )
    source = (
        "enum { SIZE = 4 / 2, ALL = SIZE * 3 };\nstatic int32_t at; /* the next */\nstatic int16_t kept[ALL + 1];\n"
        "static const int32_t table[2] = {\n    1, 2\n};\n"
        "#define STORE(x) kept[at] = (x)\n"
        "static int plain(int x)\n{\n    return x + table[0]; /* not at */\n}\n"
        "static void store(int x)\n{\n    STORE(x);\n}\n"
        "void model_reset(void)\n{\n    at = 0;\n}\n"
        "int model_twice(int x)\n{\n    return plain(x);\n}\n"
        "int model_next(int x)\n{\n    store(x);\n    return other.at + plain(x);\n}\n"
        '_Static_assert(sizeof kept == 14, "kept");\n'
    )
    made = instances.in_structs({"model.c": source, "model.h": header})
    assert "    int32_t at; /* the next */\n    MODEL_ALIGNED int16_t kept[7];\n" in made["model.h"]
    assert "/* Call model_reset(model) first. */\nvoid model_reset(struct model *model);\n" in made["model.h"]
    assert "int model_twice(int x);\nint model_next(struct model *model, int x);\n" in made["model.h"]
    code = made["model.c"]
    assert "#define STORE(x) model->kept[model->at] = (x)\n" in code
    assert "static int plain(int x)\n{\n    return x + table[0]; /* not at */\n}\n" in code
    assert "static void store(struct model *model, int x)\n{\n    STORE(x);\n}\n" in code
    assert "    store(model, x);\n    return other.at + plain(x);\n" in code
    assert "_Static_assert(sizeof ((struct model *)0)->kept == 14" in code


def test_a_prefix_names_the_structs() -> None:
    files = {
        "model.h": "struct model {\n};\nvoid model_reset(struct model *model);\n",
        "frontend.h": "struct frontend;\n",
    }
    made = Renaming.of(files, "kws").library(files)
    assert made["kws.h"] == "struct kws {\n};\nvoid kws_reset(struct kws *model);\n"
    assert made["kws_frontend.h"] == "struct kws_frontend;\n"
