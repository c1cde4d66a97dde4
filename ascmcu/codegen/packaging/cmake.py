# SPDX-License-Identifier: Apache-2.0
"""A CMake package: ``find_package`` after an install, ``add_subdirectory`` or FetchContent without one."""

from __future__ import annotations

from ascmcu.codegen.packaging.package import Package


def files(package: Package) -> dict[str, str]:
    """Texts by path."""
    return package.laid_out("src") | {
        "CMakeLists.txt": package.rendered("cmake/CMakeLists.txt"),
        f"cmake/{package.name}Config.cmake.in": package.rendered("cmake/Config.cmake.in"),
        "example/CMakeLists.txt": package.rendered("cmake/example.txt"),
        "example/main.c": package.example(),
    }
