# SPDX-License-Identifier: Apache-2.0
"""The licence of an export: its text, and a notice about the parts of the folder."""

from __future__ import annotations

from ascmcu import __version__, paths
from ascmcu.jinja import render


def files(name: str, sha256: str, *, cmsis: bool, firmware: bool, vendored: bool = False) -> dict[str, str]:
    """``LICENSE`` and ``NOTICE``.

    Args:
        name: the model's name.
        sha256: of the model file.
        cmsis: whether the front end calls CMSIS-DSP.
        firmware: whether the folder holds images, which contain parts of the compiler's libraries.
        vendored: whether the folder holds sources of CMSIS-DSP.
    """
    notice = render(
        "NOTICE.j2", name=name, sha256=sha256, tool_version=__version__, cmsis=cmsis, firmware=firmware,
        vendored=vendored,
    )  # fmt: skip
    return {"LICENSE": paths.licence().read_text(encoding="utf-8"), "NOTICE": notice}
