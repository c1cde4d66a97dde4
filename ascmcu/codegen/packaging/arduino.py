# SPDX-License-Identifier: Apache-2.0
"""An Arduino library (specification 1.5): ``library.properties``, ``src``, an example sketch.

Its builder compiles every file below ``src`` with that folder as the only include path of the library. So the headers
of the FFT lie there, and its sources in ``extras``, from where one file of ``src`` includes them.
"""

from __future__ import annotations

from ascmcu.codegen.packaging.package import DSP, Package, dsp_sources

_EXTRAS = "extras/cmsis-dsp"


def files(package: Package) -> dict[str, str]:
    """Texts by path."""
    made = {}
    for path, text in package.laid_out("src").items():
        inner = path.removeprefix(f"{DSP}/")
        folder, _, rest = inner.partition("/")
        if inner == path:
            made[path] = text
        elif folder in ("Include", "PrivateInclude", "Core"):
            made[f"src/{rest}"] = text
        else:
            made[f"{_EXTRAS}/{inner}"] = text
    if package.dsp:
        made[f"src/{package.name}_dsp.c"] = package.rendered(
            "dsp.c", root=f"../{_EXTRAS}", sources=dsp_sources(package.dsp)
        )
    sketch = package.name.capitalize()
    return made | {
        "library.properties": package.rendered("arduino/library.properties"),
        "keywords.txt": package.rendered("arduino/keywords.txt"),
        f"examples/{sketch}/{sketch}.ino": package.example("arduino/sketch.ino"),
    }
