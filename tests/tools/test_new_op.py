# SPDX-License-Identifier: Apache-2.0
"""``tools/new_op`` in a copy of the sources: the copy is a whole operator, and nothing is overwritten."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The parts that an operator is made of."""
    folder = tmp_path_factory.mktemp("checkout")
    ignored = shutil.ignore_patterns("__pycache__")
    for part in ("ascmcu", "templates", "tests/ops", "tests/support", "firmware/kernels"):
        shutil.copytree(ROOT / part, folder / part, ignore=ignored)
    shutil.copyfile(ROOT / "tests" / "conftest.py", folder / "tests" / "conftest.py")
    return folder


def _new_op(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools" / "new_op"), *arguments, "--root", str(copy)]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_copies_are_operators(copy: Path) -> None:
    for like, name, files in (("mul", "left_shift", 4), ("abs", "sign_of", 2)):
        done = _new_op(copy, name, "--like", like)
        assert done.returncode == 0, done.stderr
        written = [x for x in done.stdout.splitlines() if x.startswith(("ascmcu", "templates", "tests"))]
        assert len(written) == files
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    # The copy's own checks: stems match, and every importer has rows of its own.
    check = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/ops",
        "-k",
        "stems or importer",
    ]
    checked = subprocess.run(check, capture_output=True, text=True, cwd=copy, env=environment)
    assert checked.returncode == 0, checked.stdout[-2000:]
    code = "import ascmcu.ops; from ascmcu.ir import registry\n" + "".join(
        f"assert registry.importer('{name.upper()}') is registry.by_kind('{name}') is not None\n"
        for name in ("left_shift", "sign_of")
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=copy, env=environment)


def test_what_exists_stays(copy: Path) -> None:
    before = (copy / "ascmcu" / "ops" / "add.py").read_text()
    done = _new_op(copy, "add")
    assert done.returncode == 2 and "add.py exists already" in done.stderr
    assert (copy / "ascmcu" / "ops" / "add.py").read_text() == before


@pytest.mark.parametrize(("arguments", "message"), [
    (["Wrong Name"], "'Wrong Name' is no op name"), (["fine", "--like", "nothing"], "there is no op 'nothing' to copy"),
    (["fine", "--like", "slice"], "'slice' imports 6 builtins"),
    (["fine", "--like", "add"], "'add' has kernels of other names (add_sub)"),
])  # fmt: skip
def test_refusals(copy: Path, arguments: list[str], message: str) -> None:
    done = _new_op(copy, *arguments)
    assert done.returncode == 2 and message in done.stderr
