# SPDX-License-Identifier: Apache-2.0
"""What tests take from outside the repository: models, recordings, inputs. A test whose file is missing skips.

Models come from the folder that ``ASCMCU_MODELS`` names, else from the cache, where ``tools/fetch_models`` puts them;
recordings and inputs from the folders that ``ASCMCU_DATASETS`` and ``ASCMCU_CASES`` name; the kernel of FreeRTOS from
the one that ``ASCMCU_FREERTOS`` names, else from the cache.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ascmcu import paths

MODELS, DATASETS, CASES = "ASCMCU_MODELS", "ASCMCU_DATASETS", "ASCMCU_CASES"
FREERTOS = "ASCMCU_FREERTOS"


def models() -> Path:
    """The folder of published models; it need not be there."""
    return Path(os.environ.get(MODELS) or paths.cache() / "models")


def model(name: str) -> Path:
    """A published model's file; it need not be there."""
    return models() / name


def dataset(name: str) -> Path:
    """The folder of a data set; it need not be there."""
    return Path(os.environ.get(DATASETS) or paths.cache() / "datasets") / name


def case(name: str) -> Path:
    """A file or folder of inputs that once went wrong; it need not be there."""
    return Path(os.environ.get(CASES) or paths.cache() / "cases") / name


def freertos() -> Path:
    """The folder of FreeRTOS's kernel; it need not be there."""
    return Path(os.environ.get(FREERTOS) or paths.cache() / "freertos")


def arduino_api() -> Path:
    """The folder of Arduino's public headers (ArduinoCore-API); it need not be there."""
    return Path(os.environ.get("ASCMCU_ARDUINO_API") or paths.cache() / "arduino")


def pack_schema() -> Path:
    """The schema of CMSIS-Pack's descriptions; it need not be there."""
    return Path(os.environ.get("ASCMCU_PACK_SCHEMA") or paths.cache() / "cmsis-pack" / "PACK.xsd")


def missing(*wanted: Path) -> str:
    """Why a test that wants these cannot run; empty when all are there."""
    absent = [path for path in wanted if not path.exists()]
    if not absent:
        return ""
    names = ", ".join(sorted(path.name for path in absent))
    if all(path.is_relative_to(freertos()) for path in absent):
        fetched = "`tools/fetch_models --list freertos` fetches it"
        return f"FreeRTOS's {names} is not here: {fetched}, or {FREERTOS} names its folder"
    fetched = {
        arduino_api(): ("arduino", "ASCMCU_ARDUINO_API"),
        pack_schema().parent: ("cmsis-pack", "ASCMCU_PACK_SCHEMA"),
    }
    for folder, (name, variable) in fetched.items():
        if all(path.is_relative_to(folder) for path in absent):
            return (
                f"{names} is not here: `tools/fetch_models --list {name}` fetches it, or {variable} names it"
            )
    if all(path.parent == models() for path in absent):
        return f"{names} is not here: tools/fetch_models fetches it, or {MODELS} names its folder"
    variable = DATASETS if absent[0].is_relative_to(dataset("")) else CASES
    return f"{names} is not here: {variable} names its folder"


def needs(*wanted: Path) -> pytest.MarkDecorator:
    """For a test, or a module's ``pytestmark``."""
    return pytest.mark.skipif(bool(missing(*wanted)), reason=missing(*wanted))


def require(*wanted: Path) -> None:
    """For the middle of a test."""
    reason = missing(*wanted)
    if reason:
        pytest.skip(reason)
