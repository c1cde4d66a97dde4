# SPDX-License-Identifier: Apache-2.0
"""The list of MISRA deviations is whole: each rule that the checker reports has a reason, and the page says so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tools import misra


def test_the_page_is_that_of_the_stored_counts() -> None:
    stored = json.loads(misra.STORED.read_text())
    assert set(stored) == set(misra.NETWORKS) and all(stored.values())
    assert misra.PAGE.read_text() == misra.page(misra.PAGE.read_text(), stored)
    assert {rule for found in stored.values() for rule in found} == set(misra.REASONS), (
        "no reason without a rule"
    )


@pytest.mark.skipif(shutil.which("cppcheck") is None, reason="cppcheck is not installed")
def test_a_library_deviates_only_where_a_reason_is_given(tmp_path: Path) -> None:
    found = misra.checked(misra.library("log_mel", None, tmp_path))
    assert found and set(found) <= set(misra.REASONS)
