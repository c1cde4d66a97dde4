# SPDX-License-Identifier: Apache-2.0
"""What the doctor finds on machines that are not this one."""

from __future__ import annotations

import importlib.metadata
import os
import sys
import types
from pathlib import Path

import pytest

from ascmcu import extras
from ascmcu.cli import doctor

METADATA = [
    "numpy<3,>=1.26", "rich<16,>=13", 'tensorflow<2.22,>=2.21; extra == "train"', "keras<4,>=3.10; extra == 'train'",
    'optuna<5,>=4.5; extra == "tune"',
]  # fmt: skip
THERE = {"numpy": "2.0", "rich": "14.0", "tensorflow": "2.21.0"}


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What ``ascmcu`` asks for, and what is installed; to be changed."""
    there = dict(THERE)

    def version(name: str) -> str:
        if name not in there:
            raise importlib.metadata.PackageNotFoundError(name)
        return there[name]

    monkeypatch.setattr(importlib.metadata, "requires", lambda name: METADATA)
    monkeypatch.setattr(importlib.metadata, "version", version)
    return there


def test_an_extra_is_told_by_its_packages(packages: dict[str, str]) -> None:
    assert doctor._own_packages() == "2 of 2"
    assert doctor._extra("train")() is None, "keras is not there"
    assert extras.install("train").endswith("-m pip install 'tensorflow<2.22,>=2.21' 'keras<4,>=3.10'")
    packages["keras"] = "3.15.1"
    assert doctor._extra("train")() == "tensorflow 2.21.0, keras 3.15.1"
    del packages["rich"]
    assert doctor._own_packages() is None


def test_a_checkout_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> list[str]:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", nothing)
    assert doctor._own_packages() is None and doctor._extra("train")() is None
    assert extras.install("train").endswith("pip install 'ascmcu[train]'")


def _plug(monkeypatch: pytest.MonkeyPatch, *ports: tuple[str, int | None]) -> None:
    found = [types.SimpleNamespace(device=device, vid=vid) for device, vid in ports]
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: found)


@pytest.mark.skipif(os.name != "posix", reason="groups")
def test_ports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own, other = str(tmp_path / "ttyACM0"), str(tmp_path / "ttyACM1")
    Path(own).touch()
    _plug(monkeypatch, ("/dev/ttyS0", None))
    assert doctor._ports() is None, "a PC's own port has no board behind it"
    _plug(monkeypatch, ("/dev/ttyS0", None), (own, 0x0483))
    assert doctor._ports() == own and doctor._may_open_ports() == f"may open {own}"
    _plug(monkeypatch, (own, 0x0483), (other, 0x1366))
    assert doctor._may_open_ports() is None, "one that may not be opened is enough"


@pytest.mark.skipif(os.name != "posix", reason="groups")
@pytest.mark.parametrize(("groups", "found"), [((1, 20), "group dialout"), ((1,), None)])
def test_the_group_is_told_before_a_board_is_there(
    groups: tuple[int, ...], found: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import grp

    known = [types.SimpleNamespace(gr_name=name, gr_gid=n) for n, name in ((1, "daemon"), (20, "dialout"))]
    monkeypatch.setattr(grp, "getgrall", lambda: known)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "getgroups", lambda: list(groups))
    monkeypatch.setattr(sys, "platform", "linux")
    _plug(monkeypatch)
    assert doctor._may_open_ports() == found


def test_everything_that_any_verb_needs_is_looked_for() -> None:
    for check in doctor.CHECKS:
        assert check.install and check.needed_for, check.name
    needed = " ".join(check.needed_for for check in doctor.CHECKS)
    for verb in ("train", "quantize", "tune", "export", "flash", "bench --on host", "--on sim", "--on qemu",
                 "--on renode", "bench --serial", "compare --pareto"):  # fmt: skip
        assert verb in needed, verb


def test_a_cache_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ASCMCU_CACHE", str(tmp_path / "cache"))
    assert "GB free" in (doctor._cache() or "")
    monkeypatch.setattr(doctor, "_ROOM_MIN_BYTES", 10**18)
    assert doctor._cache() is None
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert doctor._cache() is None
