# SPDX-License-Identifier: Apache-2.0
"""A prefix renames what the library owns, and nothing else."""

from __future__ import annotations

import pytest

from ascmcu.codegen.prefix import Renaming, checked, common_names
from ascmcu.errors import InputError

HEADER = """/* Call model_push(); a tensor model_dense is none of ours. */
#ifndef MODEL_H
#define MODEL_H
#define MODEL_LABELS {"model_push", "MODEL_H"}
#define MODEL_ROWS 4
bool model_push(void);
#endif
"""
SOURCE = (
    '#include "model.h"\n#include "quant.h"\n#ifdef MODEL_CYCLES\n#endif\n'
    "bool model_push(void) { return MODEL_ROWS; }\n"
)
FRONTEND = "#define FRONTEND_ROWS 4\nbool frontend_next(void *row);\n"
FILES = {
    "model.h": HEADER, "model.c": SOURCE, "quant.h": "", "frontend.h": FRONTEND,
    "CMakeLists.txt": "add_library(kws model.c)", "cmsis/cmsis_compiler.h": "",
}  # fmt: skip


def test_names_and_files() -> None:
    made = Renaming.of(FILES, "kws").library(FILES)
    assert set(made) == {
        "kws.h", "kws.c", "kws_quant.h", "kws_frontend.h", "CMakeLists.txt", "cmsis/cmsis_compiler.h",
    }  # fmt: skip
    assert made["kws.h"] == (
        HEADER.replace("Call model_push", "Call kws_push")
        .replace("bool model_push", "bool kws_push")
        .replace(" MODEL_H\n", " KWS_H\n")
        .replace("MODEL_LABELS", "KWS_LABELS")
        .replace("MODEL_ROWS", "KWS_ROWS")
    )
    assert made["kws.c"] == (
        '#include "kws.h"\n#include "kws_quant.h"\n#ifdef MODEL_CYCLES\n#endif\n'
        "bool kws_push(void) { return KWS_ROWS; }\n"
    )
    assert made["kws_frontend.h"] == "#define KWS_FRONTEND_ROWS 4\nbool kws_frontend_next(void *row);\n"
    assert made["CMakeLists.txt"] == "add_library(kws kws.c)"


@pytest.mark.parametrize("prefix", ["kws", "Kws", "frontend_2", "model2", "selftest_a"])
def test_a_program_without_a_prefix_finds_them(prefix: str) -> None:
    made = Renaming.of(FILES, prefix).library(FILES)
    files = common_names({name: text for name, text in made.items() if name.endswith(".h")}, prefix)
    assert set(files) == {"model.c", "model.h", "frontend.c", "frontend.h"}
    assert f"#define model_push {prefix}_push\n" in files["model.h"]
    assert f"#define MODEL_ROWS {prefix.upper()}_ROWS\n" in files["model.h"]
    assert f"#define frontend_next {prefix}_frontend_next\n" in files["frontend.h"]
    assert files["model.c"] == f'#include "../{prefix}.c"\n'


@pytest.mark.parametrize(
    "prefix",
    [
        "", "9lives", "my-net", "a b", "model", "String", "test", "x" * 41, "über",
        "int", "struct", "class", "bool", "typeof", "co_await", "main", "linux", "NULL", "_x", "__x", "_Bool",
    ],
)  # fmt: skip
def test_what_is_no_prefix(prefix: str) -> None:
    with pytest.raises(InputError):
        checked(prefix)
