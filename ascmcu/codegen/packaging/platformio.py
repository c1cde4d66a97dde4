# SPDX-License-Identifier: Apache-2.0
"""A PlatformIO library: ``library.json``, ``src``, an example project."""

from __future__ import annotations

import json

from ascmcu.codegen.packaging.package import Package


def files(package: Package) -> dict[str, str]:
    """Texts by path."""
    about = {
        "name": package.name,
        "version": package.version,
        "description": package.description,
        "keywords": ["neural network", "audio", "cortex-m4"],
        "license": "Apache-2.0",
        "frameworks": "*",
        "platforms": "*",
        "headers": list(package.public),
        "examples": [{"name": "once", "base": "examples/once", "files": ["src/main.c", "platformio.ini"]}],
        "build": {
            "srcDir": "src",
            "includeDir": "src",
            # Contraction would give other bits than the ones that were tested.
            "flags": ["-ffp-contract=off", *(f"-I{folder}" for folder in package.dsp_includes)],
        },
    }
    return package.laid_out("src") | {
        "library.json": json.dumps(about, indent=2) + "\n",
        "examples/once/platformio.ini": package.rendered("platformio/platformio.ini"),
        "examples/once/src/main.c": package.example(),
    }
