# SPDX-License-Identifier: Apache-2.0
"""As in a container: a user that nobody knows, no home, and nothing to write but /tmp."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import dense

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65534
# $0 takes the place of /tmp; all else is read-only. What is mounted elsewhere belongs to the system.
INSIDE = (
    'mount --bind "$0" /tmp && mount -o remount,ro,bind / && cd /tmp && '
    f"exec setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups -- " + '"$@"'
)
# Without Numba, as the base install is; test_homeless.py looks at its cache.
PROGRAM = "import sys; sys.modules['numba'] = None; from ascmcu.cli import main; main()"
VERBS = (
    ("export", "small.tflite", "--board", "nucleo-f446", "-o", "build", "--json"),
    ("bench", "build", "--on", "host", "--json"),
    ("bench", "build", "--on", "sim", "--limit", "1", "--json"),
    ("report", "build"),
)


def _inside(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command there; ``folder`` is its /tmp."""
    known = {name: os.environ[name] for name in ("PATH", "LANG", "ASCMCU_CMSIS_DSP") if name in os.environ}
    words = ["unshare", "--mount", "sh", "-c", INSIDE, str(folder), *command]
    return subprocess.run(
        words, env={**known, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )


@pytest.fixture
def tmp(tmp_path: Path) -> Path:
    """What is /tmp there; skips where this user may make no such place, or nobody may read the sources."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    folder.chmod(0o1777)
    if not (shutil.which("unshare") and shutil.which("setpriv") and shutil.which("arm-none-eabi-gcc")):
        pytest.skip("no unshare, setpriv or cross compiler")
    if _inside(folder, sys.executable, "-c", "import ascmcu, numpy").returncode:
        pytest.skip("this user may not mount, or another may not read the sources")
    return folder


def test_export_bench_and_report_in_a_container(tmp: Path) -> None:
    (tmp / "small.tflite").write_bytes(dense(16, 4))
    written = _inside(tmp, "touch", f"{ROOT}/ascmcu/written-by-a-test")
    assert written.returncode and "Read-only" in written.stderr
    for number, words in enumerate(VERBS):
        done = _inside(tmp, sys.executable, "-c", PROGRAM, *words)
        assert done.returncode == 0, f"{words}\n{done.stderr}"
        if "--json" in words:
            assert json.loads(done.stdout)
        if number == 0 or "sim" in words:
            assert f"/tmp/ascmcu-{NOBODY} is used" in done.stderr, done.stderr
    assert (tmp / "build" / "report.html").stat().st_uid == NOBODY
    assert (tmp / f"ascmcu-{NOBODY}").stat().st_mode & 0o077 == 0
