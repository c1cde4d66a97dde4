# SPDX-License-Identifier: Apache-2.0
"""The list of MISRA deviations is whole: each rule that the checker reports has a reason, and the page says so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.support import tool

misra = tool.load("misra")


def test_the_page_is_that_of_the_stored_counts() -> None:
    stored = json.loads(misra.STORED.read_text())
    assert list(stored) == list(misra.NETWORKS)
    text = misra.PAGE.read_text()
    assert misra.page(text, stored) == text
    assert misra.unreasoned(stored) == set()


@pytest.mark.skipif(shutil.which("cppcheck") is None, reason="cppcheck is not installed")
def test_a_library_deviates_only_where_a_reason_is_given(tmp_path: Path) -> None:
    """And the checker reads its files: a rule that nobody may break is reported where one breaks it."""
    folder = misra.library("log_mel", None, tmp_path)
    found = misra.checked(folder)
    assert found and set(found) <= set(misra.REASONS)
    assert {file for files in found.values() for file in files} >= {
        "model.c",
        "frontend.c",
        "selftest.c",
        "quant.h",
    }
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "bad.c").write_text("int bad(int x);\nint bad(int x)\n{\n    goto end;\nend:\n    return x;\n}\n")
    assert misra.checked(bad)["15.1"] == {"bad.c": 1}
