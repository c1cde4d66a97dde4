# SPDX-License-Identifier: Apache-2.0
"""A folder for a project of STM32CubeMX: the code as a middleware, and ``.extSettings``, which tells CubeMX of it.

CubeMX reads ``.extSettings`` beside the ``.ioc`` file, and adds its folders, files and symbols to every project that it
generates, for STM32CubeIDE, CMake and others (UM1718, "Creating .extSettings").
"""

from __future__ import annotations

from ascmcu.codegen.packaging.package import DSP, Package


def folder(name: str) -> str:
    """Of the code, from the project's root."""
    return f"Middlewares/Third_Party/{name}"


def files(package: Package) -> dict[str, str]:
    """Texts by path."""
    code = folder(package.name)
    made = {}
    for path, text in package.laid_out(code, ".").items():
        made[f"{code}/{path}" if path.startswith(f"{DSP}/") or path in package.texts else path] = text
    includes = [code, *(f"{code}/{path}" for path in package.dsp_includes)]
    sources = [f"{code}/{name}" for name in package.sources]
    return made | {
        ".extSettings": package.rendered("cube/extSettings", includes=includes, sources=sources),
        f"Core/Src/{package.name}_example.c": package.example(),
    }
