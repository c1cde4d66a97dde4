# SPDX-License-Identifier: Apache-2.0
"""Every source file names its licence."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import tool

ROOT = Path(__file__).resolve().parents[2]
spdx = tool.load("spdx")


def test_no_source_file_lacks_the_line() -> None:
    assert spdx.missing(ROOT) == [], "run tools/spdx --write"


@pytest.mark.parametrize(
    ("name", "text", "first"),
    [
        ("ascmcu/a.py", "x = 1\n", "# SPDX-License-Identifier: Apache-2.0\nx = 1\n"),
        ("tools/a", "#!/bin/sh\nexit\n", "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\nexit\n"),
        ("firmware/a.h", "int a;\n", "/* SPDX-License-Identifier: Apache-2.0 */\nint a;\n"),
        ("templates/a.c.j2", "{{ a }}\n", "{# SPDX-License-Identifier: Apache-2.0 #}\n{{ a }}\n"),
    ],
)
def test_a_file_without_the_line_is_named_and_mended(
    tmp_path: Path, name: str, text: str, first: str
) -> None:
    path = tmp_path / name
    path.parent.mkdir()
    path.write_text(text)
    assert spdx.missing(tmp_path) == [path]
    spdx.write(path)
    assert path.read_text() == first
    assert spdx.missing(tmp_path) == []
