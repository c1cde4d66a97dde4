# SPDX-License-Identifier: Apache-2.0
"""A Zephyr module: ``zephyr/module.yml``, Kconfig, CMake, and a sample application."""

from __future__ import annotations

from ascmcu.codegen.packaging.package import Package


def files(package: Package) -> dict[str, str]:
    """Texts by path."""
    sample = f"samples/{package.name}"
    return package.laid_out("src") | {
        "zephyr/module.yml": package.rendered("zephyr/module.yml"),
        "zephyr/Kconfig": package.rendered("zephyr/Kconfig"),
        "zephyr/CMakeLists.txt": package.rendered("zephyr/CMakeLists.txt"),
        f"{sample}/CMakeLists.txt": package.rendered("zephyr/sample.txt"),
        f"{sample}/prj.conf": package.rendered("zephyr/prj.conf"),
        f"{sample}/sample.yaml": package.rendered("zephyr/sample.yaml"),
        f"{sample}/src/main.c": package.example(),
    }
