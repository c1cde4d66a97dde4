# SPDX-License-Identifier: Apache-2.0
"""Flags for every compiler: the language, and the warnings that the project's C code is free of.

``LANGUAGE`` is needed for right results, whoever compiles:

- ``-ffp-contract=off``: floating-point code gives the same bits in every build.
- ``-fno-delete-null-pointer-checks``: GCC (seen in 12.2) may address an array in a loop as a constant plus registers,
  with a null pointer as the formal base (``TARGET_MEM_REF`` with base 0, made by ivopts). Its passes that look for
  functions without effect (ipa-pure-const, ipa-modref) take that for an access through a null pointer, stop reading
  there, and drop the calls. ``tests/toolchain/null_base.c`` is such a program. The option tells them that address 0
  may be read, which on a Cortex-M4 is even true. The generated files say the same by a pragma, for builds that are
  not ours.
"""

from __future__ import annotations

LANGUAGE = ("-std=c11", "-ffp-contract=off", "-fno-delete-null-pointer-checks")
WARNINGS = (
    "-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Wundef", "-Wcast-align", "-Wstrict-prototypes",
    "-Wmissing-prototypes",
)  # fmt: skip

# Of the Cortex-M4: a loop that begins within a word waits for its instructions at every turn.
CORE = ("-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard", "-falign-loops=4")
