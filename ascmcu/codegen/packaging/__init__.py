# SPDX-License-Identifier: Apache-2.0
"""A library in the form that an ecosystem imports: one file each, a package in, files out."""

from collections.abc import Callable, Mapping

from ascmcu.codegen.packaging import arduino, cmake, cmsis_pack, cube, platformio, zephyr
from ascmcu.codegen.packaging.package import Package, vendored

__all__ = ["FORMATS", "Package", "code_folder", "vendored"]

# Texts by path in the package.
FORMATS: Mapping[str, Callable[[Package], dict[str, str]]] = {
    "cmake": cmake.files,
    "zephyr": zephyr.files,
    "arduino": arduino.files,
    "platformio": platformio.files,
    "cmsis-pack": cmsis_pack.files,
    "cube": cube.files,
}


def code_folder(output: str, name: str) -> str:
    """The folder of a package that holds the code."""
    return cube.folder(name) if output == "cube" else "src"
