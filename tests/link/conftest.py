# SPDX-License-Identifier: Apache-2.0
"""What the tests of links share."""

from __future__ import annotations

import pytest

from tests.support import patience


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow machine is no dead device."""
    patience.wait_for_hangs_alone(monkeypatch)
