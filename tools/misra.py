# SPDX-License-Identifier: Apache-2.0
"""Where the library's C deviates from MISRA C:2012, by cppcheck's addon: docs/results/misra.json, docs/misra.md.

usage: python tools/misra.py run [--models FOLDER]
       python tools/misra.py table

``run`` exports networks as libraries and checks their C as a compiler without GNU extensions and without the core's DSP
instructions sees it: the portable form. Exit status 1 if a rule has no reason here.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

STORED, PAGE = ROOT / "docs" / "results" / "misra.json", ROOT / "docs" / "misra.md"
MARKS = "<!-- misra: tools/misra.py -->", "<!-- /misra -->"
BOARD = "nucleo-f446"
# Name: file of ASCMCU_MODELS (none: a small network), front end.
NETWORKS = {
    "kws": ("mlperf_tiny_kws_int8.tflite", None),
    "lstm_float": ("tflm_mnist_lstm_float.tflite", None),
    "log_mel": ("", "dcase2022_baseline"),
}
# Rule: category, what the code does, why.
REASONS = {
    "1.4": ("required", "`_Alignas`", "buffers that are read as words must be aligned; C11 has no other way"),
    "2.2": ("required", "terms such as `arena + 0` and `2 * 1`", "offsets and steps are written as the plan has them"),
    "2.3": ("advisory", "a type that this network does not use", "the file's head is the same for all networks"),
    "2.4": ("advisory", "a tag that nothing names", "the type has a name by `typedef`, or is a list of constants"),
    "2.5": ("advisory", "macros that nothing in the library uses", "`model.h` states the contract by macros"),
    "5.9": ("advisory", "static functions of one name in two files", "each file can be read and built by itself"),
    "8.7": ("advisory", "functions that no other file of the library calls", "your program calls them"),
    "8.9": ("advisory", "constants of one function at file level", "sections place weights and tables"),
    "10.1": ("required", "shifts of signed numbers, with signed counts", "the self-test shows how a compiler shifts"),
    "10.3": ("required", "a step is added to a pointer or an index", "steps are constants of the plan"),
    "10.4": ("required", "operands of different types", "a signed constant beside an unsigned counter or size"),
    "10.6": ("required", "a product of two `int16_t` becomes `int32_t`", "an `int` has 32 bits, which hold it"),
    "10.8": ("required", "a sum or product is cast to another type", "sums modulo 2³² are computed unsigned"),
    "11.5": ("advisory", "`void *` becomes a pointer to a type", "inputs and outputs have the network's type"),
    "12.1": ("advisory", "precedence without parentheses", "`a + b * c` is readable"),
    "12.3": ("advisory", "two steps in the head of a `for`", "two pointers move together"),
    "13.3": ("advisory", "`++` beside another effect", "`*to++ = x` is the loop that compilers know best"),
    "14.4": ("required", "a number as a condition", "a flag, or the last bit of a count"),
    "15.5": ("advisory", "more than one `return`", "errors and ends of a clip leave early"),
    "17.7": ("required", "the result of `memcpy` is not used", "it is the first argument"),
    "17.8": ("advisory", "a parameter is changed", "counters count down"),
    "18.4": ("advisory", "`+` and `-` on pointers", "rows are addressed by steps that are constants"),
    "20.10": ("advisory", "`##` or `#` in a macro", "the shift becomes part of an instruction's text"),
}  # fmt: skip


def checked(folder: Path) -> dict[str, int]:
    """How often each rule is reported in the C of a library."""
    sources = sorted(path.name for path in folder.glob("*.c"))
    command = [
        "cppcheck",
        "--addon=misra",
        "--std=c11",
        "--platform=arm32-wchar_t2",
        "-I.",
        "-q",
        "--template={id}",
    ]
    command += ["--suppress=missingInclude", "--suppress=missingIncludeSystem", *sources]
    said = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stderr
    return dict(collections.Counter(re.findall(r"misra-c2012-(\d+\.\d+)", said)))


def library(name: str, models: Path | None, place: Path) -> Path:
    """The library of a network in ``NETWORKS``, with its self-test."""
    from ascmcu import api
    from tests.support import toolchains

    file, features = NETWORKS[name]
    model = models / file if file and models else place / "small.tflite"
    if not file:
        model.write_bytes(toolchains.small_network(features))
    folder = place / "library"
    api.export(model, BOARD, folder, output="library", selftest=True, features=features or False)
    return folder


def told(stored: dict[str, dict[str, int]]) -> str:
    """The table."""
    rules = sorted(
        {r for found in stored.values() for r in found}, key=lambda r: [int(n) for n in r.split(".")]
    )
    lines = [f"| rule | category | {' | '.join(stored)} | what the code does | why |"]
    lines.append(f"| --- | --- |{' ---: |' * len(stored)} --- | --- |")
    for rule in rules:
        category, what, why = REASONS[rule]
        counts = " | ".join(str(found.get(rule, "–")) for found in stored.values())
        lines.append(f"| {rule} | {category} | {counts} | {what} | {why} |")
    return "\n".join(lines) + "\n"


def page(before: str, stored: dict[str, dict[str, int]]) -> str:
    """The page with the table between its marks."""
    head, _, rest = before.partition(MARKS[0])
    return f"{head}{MARKS[0]}\n{told(stored)}{MARKS[1]}{rest.partition(MARKS[1])[2]}"


def main() -> int:
    """Run a verb."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("verb", choices=["run", "table"])
    parser.add_argument("--models", type=Path, default=os.environ.get("ASCMCU_MODELS"))
    arguments = parser.parse_args()
    if arguments.verb == "run":
        stored = {}
        for name in NETWORKS:
            with tempfile.TemporaryDirectory() as place:
                stored[name] = checked(library(name, arguments.models, Path(place)))
        STORED.write_text(json.dumps(stored, indent=1) + "\n")
    stored = json.loads(STORED.read_text())
    unknown = {rule for found in stored.values() for rule in found} - set(REASONS)
    if unknown:
        print(f"no reason for {', '.join(sorted(unknown))}", file=sys.stderr)
        return 1
    PAGE.write_text(page(PAGE.read_text(), stored))
    return 0


if __name__ == "__main__":
    sys.exit(main())
