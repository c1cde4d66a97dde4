# SPDX-License-Identifier: Apache-2.0
"""The sources of CMSIS-DSP, downloaded once into the user cache: from a CMSIS pack or a package index.

The first that has them serves:

1. ``$ASCMCU_CMSIS_DSP``: a folder with CMSIS-DSP's ``Include`` and ``Source``;
2. the user cache;
3. the ARM::CMSIS-DSP pack, where cmsis-pack-manager is installed and reaches its index;
4. the source distribution ``cmsisdsp``, pinned by SHA-256, from the package index that pip is configured for.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ascmcu import paths
from ascmcu.errors import ToolError

PROJECT = "cmsisdsp"
VERSION = "1.10.3"

# The complex FFT alone. The generic initialisers would link the tables of every length; the front end fills
# the instance itself, and the linker drops the tables that no instance names.
C_FILES = (
    "Source/TransformFunctions/arm_cfft_f32.c",
    "Source/TransformFunctions/arm_cfft_radix8_f32.c",
    "Source/TransformFunctions/arm_bitreversal2.c",
    "Source/CommonTables/arm_common_tables.c",
)
_HINT = (
    "with a network: `pip install cmsis-pack-manager` for the ARM::CMSIS-DSP pack, or point pip at an index "
    f"with {PROJECT} {VERSION}; without one: set ASCMCU_CMSIS_DSP to a folder with its Include and Source"
)


@dataclass(frozen=True)
class CmsisDsp:
    """What a compiler needs: folders for ``-isystem``, files to compile with ``-ffp-contract=off``.

    ``version`` names the origin too, for a manifest; ``root`` is the folder of its ``Include`` and ``Source``.
    """

    include_dirs: tuple[Path, ...]
    c_files: tuple[Path, ...]
    version: str
    root: Path = Path()


NOTHING = CmsisDsp((), (), "none")


def needed_by(header: str) -> bool:
    """Whether a front end is built with CMSIS-DSP, by the text of its ``frontend.h``."""
    return re.search(r"#define (?:\w+_)?FRONTEND_N_FFT \d+", header) is not None


def sources() -> CmsisDsp:
    """The sources of the FFTs, of every length; fetches them when this machine has none.

    Raises:
        ToolError: no origin has its sources; the message gives the remedies.
    """
    found = available()
    if found:
        return found
    from ascmcu.toolchain import cmsis_dsp_fetch  # a network's libraries, which few exports need

    failures = []
    for origin, fetch in cmsis_dsp_fetch.ORIGINS.items():
        try:
            return _describe(fetch())
        except (OSError, ValueError, ToolError, subprocess.SubprocessError) as error:
            failures.append(f"{origin}: {error}")
    raise ToolError("cannot get the sources of CMSIS-DSP", hint=_HINT, details="\n".join(failures))


def available() -> CmsisDsp | None:
    """The sources if they are on this machine already; fetches nothing.

    Raises:
        ToolError: ``$ASCMCU_CMSIS_DSP`` names a folder without them.
    """
    explicit = os.environ.get("ASCMCU_CMSIS_DSP")
    if explicit:
        root = Path(explicit)
        missing = [name for name in C_FILES if not (root / name).is_file()]
        if missing:
            raise ToolError(
                "ASCMCU_CMSIS_DSP holds no CMSIS-DSP", where=explicit, expected=", ".join(missing), hint=_HINT
            )
        return _describe(root)
    for root in sorted(home().glob("*"), reverse=True):
        if (root / "ORIGIN.json").is_file():
            return _describe(root)
    return None


def home() -> Path:
    """Where fetched sources are kept, a folder for each origin and version."""
    return paths.cache() / "cmsis-dsp"


def _describe(root: Path) -> CmsisDsp:
    origin = root / "ORIGIN.json"
    version = (
        json.loads(origin.read_text(encoding="utf-8"))["version"] if origin.is_file() else f"from {root}"
    )
    include_dirs = (paths.firmware() / "dsp", root / "Include", root / "PrivateInclude")
    return CmsisDsp(include_dirs, tuple(root / name for name in C_FILES), version, root)
