# SPDX-License-Identifier: Apache-2.0
"""A user without a home, as containers have: caches go to the temporary folder, with a notice."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ascmcu import paths
from tests.cli.conftest import dense

ROOT = Path(__file__).resolve().parents[2]
HOMELESS = ("HOME", "XDG_CACHE_HOME", "ASCMCU_CACHE", "NUMBA_CACHE_DIR")


# The package's own folder, read-only as in an image.
READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'


def _read_only() -> list[str]:
    """What runs a command with the package read-only; empty where this user may not mount."""
    words = ["unshare", "--mount", "sh", "-c", READ_ONLY, str(ROOT)]
    possible = (
        shutil.which("unshare")
        and not subprocess.run([*words, "true"], capture_output=True, check=False).returncode
    )
    return words if possible else []


@pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no cross compiler")
def test_export_and_bench_need_no_home_and_no_writable_package(tmp_path: Path) -> None:
    (tmp_path / "small.tflite").write_bytes(dense(16, 4))
    environment = {k: v for k, v in os.environ.items() if k not in HOMELESS}
    environment |= {"HOME": "/dev/null", "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [*_read_only(), sys.executable, "-m", "ascmcu", "try", "small.tflite", "--no-open", "--limit", "1"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("note: the cache folder /dev/null/.cache/ascmcu cannot be used") == 1
    assert (tmp_path / f"ascmcu-{os.getuid()}").is_dir()


@pytest.mark.parametrize("explicit", ["/dev/null/cache", "/dev/null"])
def test_a_cache_that_cannot_be_written_is_replaced(
    explicit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ASCMCU_CACHE", explicit)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    paths._writable.cache_clear()
    assert paths.cache() == tmp_path / f"ascmcu-{os.getuid()}" == paths.cache()
    assert capsys.readouterr().err.count("cannot be used") == 1
    assert paths.cache().stat().st_mode & 0o077 == 0
    paths._writable.cache_clear()


def test_another_users_folder_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may write into a cache decides what runs: a link in the temporary folder is not followed."""
    (tmp_path / "theirs").mkdir()
    (tmp_path / f"ascmcu-{os.getuid()}").symlink_to(tmp_path / "theirs")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    taken = paths._own_temporary()
    assert taken.parent == tmp_path and taken.name != f"ascmcu-{os.getuid()}" and not taken.is_symlink()
