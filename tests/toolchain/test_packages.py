# SPDX-License-Identifier: Apache-2.0
"""Packages of a library: each ecosystem's own check accepts it, and its example builds from the folder alone.

The examples are built by what the ecosystem's own file says of sources and include paths, for the Cortex-M4 and for
this machine, where they run: they prove the build's bits first.
"""

from __future__ import annotations

import configparser
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile

from ascmcu import api
from ascmcu.codegen.packaging import FORMATS
from ascmcu.codegen.packaging.package import DSP_FUNCTIONS
from ascmcu.toolchain import cmsis_dsp
from ascmcu.toolchain.flags import CORE
from tests.support import outside, toolchains

NAME = "wake_word"
ARM = [toolchains.GCC, *CORE, "--specs=nosys.specs", "-Wl,--no-warn-rwx-segments", "-Wl,--no-warnings"]
pytestmark = [
    pytest.mark.skipif(cmsis_dsp.available() is None, reason="CMSIS-DSP was not fetched"),
    pytest.mark.skipif(not shutil.which(toolchains.GCC), reason="no cross compiler"),
]
needs_cmake = pytest.mark.skipif(not shutil.which("cmake"), reason="no CMake: apt-get install cmake")


def _needs(module: str, package: str) -> pytest.MarkDecorator:
    missing = importlib.util.find_spec(module) is None
    return pytest.mark.skipif(missing, reason=f"{module} is not installed: pip install {package}")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A format's package of a network behind a front end; two of them with instances."""
    folder = tmp_path_factory.mktemp("packages")

    def export(output: str, name: str = NAME, features: str = "mlperf_lfbe") -> Path:
        made = folder / f"{output}-{name}"
        if not made.is_dir():
            model = folder / f"{name}.tflite"
            model.write_bytes(toolchains.small_network(features))
            api.export(
                model, "nucleo-f446", made, output=output, features=features, selftest=True, prefix=name,
                instances=output in ("zephyr", "arduino") and name == NAME, schedule="rows",
            )  # fmt: skip
        return made

    return export


@dataclass(frozen=True)
class Build:
    """What an ecosystem compiles: paths from the package's root."""

    sources: tuple[str, ...]
    includes: tuple[str, ...]
    example: str
    flags: tuple[str, ...] = ()


def _pdsc(root: Path) -> Build:
    files = list(xml.etree.ElementTree.parse(next(root.glob("*.pdsc"))).iter("file"))
    own = tuple(
        f.attrib["name"] for f in files if f.attrib["category"] == "sourceC" and "attr" not in f.attrib
    )
    includes = tuple(f.attrib["name"] for f in files if f.attrib["category"] == "include")
    (example,) = (f.attrib["name"] for f in files if f.attrib.get("attr") == "template")
    for file in files:
        assert (root / file.attrib["name"]).exists(), file.attrib
    return Build(own, includes, example)


def _cube(root: Path) -> Build:
    settings = configparser.ConfigParser(delimiters="=")
    settings.optionxform = str  # type: ignore[assignment, method-assign]
    settings.read(root / ".extSettings")
    ((_, group),) = settings["Groups"].items()
    split = lambda text: tuple(p.removeprefix("../") for p in text.split(";") if p)  # noqa: E731
    return Build(
        split(group),
        split(settings["ProjectFiles"]["HeaderPath"]),
        next(str(p.relative_to(root)) for p in root.glob("Core/Src/*.c")),
    )


def _platformio(root: Path) -> Build:
    build = json.loads((root / "library.json").read_text())["build"]
    sources = sorted(str(p.relative_to(root)) for p in (root / build["srcDir"]).rglob("*.c"))
    includes = (build["includeDir"], *(f[2:] for f in build["flags"] if f.startswith("-I")))
    flags = tuple(f for f in build["flags"] if not f.startswith("-I"))
    return Build(tuple(sources), includes, "examples/once/src/main.c", flags)


def _arduino(root: Path) -> Build:
    """Every C file below src, with src alone as include path; the example is a sketch, for another test."""
    sources = tuple(sorted(str(p.relative_to(root)) for p in (root / "src").rglob("*.c")))
    return Build(sources, ("src",), "")


READERS = {"cmsis-pack": _pdsc, "cube": _cube, "platformio": _platformio, "arduino": _arduino}
MAIN = """#include <stdio.h>
#include "wake_word_selftest.h"
#include "wake_word.h"
#include "wake_word_frontend.h"
static struct wake_word model;
static struct wake_word_frontend frontend;
int main(void)
{
    const bool passed = wake_word_selftest(&model) && wake_word_frontend_selftest(&model, &frontend);
    puts(passed ? "scores" : "other bits");
    return passed ? 0 : 1;
}
"""


@pytest.mark.parametrize("compiler", ["arm", "host"])
@pytest.mark.parametrize("output", READERS)
def test_it_builds_as_its_ecosystem_builds_it(
    output: str, compiler: str, exported: Callable[[str], Path], tmp_path: Path
) -> None:
    """Without our flags: what its own file does not give is not given."""
    root = tmp_path / "package"
    shutil.copytree(exported(output), root)
    build = READERS[output](root)
    example = root / build.example
    if not build.example:
        example = tmp_path / "main.c"
        example.write_text(MAIN)
    includes = [f"-I{root / folder}" for folder in build.includes]
    command = [*ARM] if compiler == "arm" else ["gcc"]
    strict = ["-Wall", "-Wextra", "-Werror"]
    objects = []
    for source in (*(root / name for name in build.sources), example):
        objects.append(str(tmp_path / f"{source.stem}.o"))
        # The vendored FFT is other people's code; its warnings are not ours to mend.
        warnings = ["-w"] if source.stem.endswith("_dsp") else strict
        system = [i.replace("-I", "-isystem", 1) if "third_party" in i else i for i in includes]
        subprocess.run(
            [*command, "-O2", *warnings, *build.flags, *system, "-c", str(source), "-o", objects[-1]],
            check=True,
        )
    subprocess.run([*command, *objects, "-o", str(tmp_path / "example"), "-lm"], check=True)
    if compiler == "host":
        done = subprocess.run([tmp_path / "example"], capture_output=True, text=True)
        assert done.returncode == 0 and "scores" in done.stdout, done.stdout


TWO = """#include <stdio.h>
#include "wake_word_selftest.h"
#include "scene_selftest.h"
#ifdef INSTANCES
#include "wake_word.h"
#include "wake_word_frontend.h"
static struct wake_word model;
static struct wake_word_frontend frontend;
#define WAKE_WORD (wake_word_selftest(&model) && wake_word_frontend_selftest(&model, &frontend))
#else
#define WAKE_WORD (wake_word_selftest() && wake_word_frontend_selftest())
#endif
int main(void)
{
    const bool passed = WAKE_WORD && scene_selftest() && scene_frontend_selftest();
    puts(passed ? "both" : "other bits");
    return passed ? 0 : 1;
}
"""


@pytest.mark.parametrize("output", READERS)
def test_two_packages_fit_in_one_program(output: str, exported: Callable[..., Path], tmp_path: Path) -> None:
    """Each brings its own FFT; what every ecosystem compiles of both is linked, object by object."""
    objects: list[Path] = []
    (tmp_path / "main.c").write_text(TWO)
    roots = [exported(output), exported(output, "scene", "mlperf_kws")]
    for root in roots:
        build = READERS[output](root)
        includes = [f"-I{root / folder}" for folder in build.includes]
        for source in build.sources:
            objects.append(tmp_path / f"{Path(source).stem}.o")
            command = ["gcc", "-w", *build.flags, *includes, "-c", root / source, "-o", objects[-1]]
            subprocess.run(command, check=True)
    codes = [f"-I{next(root.rglob('*_selftest.h')).parent}" for root in roots]
    instances = ["-DINSTANCES"] if output == "arduino" else []
    command = ["gcc", *instances, *codes, tmp_path / "main.c", *objects, "-o", tmp_path / "two", "-lm"]
    subprocess.run(command, check=True)
    assert subprocess.run([tmp_path / "two"], capture_output=True, text=True).stdout == "both\n"


def test_the_vendored_fft_has_the_tables_of_its_network_and_weak_symbols(
    exported: Callable[..., Path], tmp_path: Path
) -> None:
    root = exported("platformio")
    build, made = _platformio(root), tmp_path / "dsp.o"
    includes = [f"-I{root / folder}" for folder in build.includes]
    subprocess.run([*ARM, "-w", *includes, "-c", root / "src" / f"{NAME}_dsp.c", "-o", made], check=True)
    with made.open("rb") as file:
        symbols = ELFFile(file).get_section_by_name(".symtab").iter_symbols()
        bound = {s.name: s["st_info"]["bind"] for s in symbols if s["st_shndx"] != "SHN_UNDEF"}
    visible = {name: bind for name, bind in bound.items() if bind != "STB_LOCAL"}
    tables = {"twiddleCoef_512", "twiddleCoef_rfft_1024", "armBitRevIndexTable512"}
    assert visible == dict.fromkeys(tables | set(DSP_FUNCTIONS), "STB_WEAK")


# ---- CMake


def _cmake(*arguments: object) -> None:
    done = subprocess.run(["cmake", *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_cmake
@pytest.mark.parametrize("way", ["installed", "beside", "fetched"])
def test_cmake_finds_it(way: str, exported: Callable[[str], Path], tmp_path: Path) -> None:
    root, out = tmp_path / "package", tmp_path / "out"
    shutil.copytree(exported("cmake"), root)
    example, options = root / "example", []
    if way == "installed":
        _cmake("-S", root, "-B", tmp_path / "built", f"-DCMAKE_INSTALL_PREFIX={tmp_path / 'prefix'}")
        _cmake("--build", tmp_path / "built", "--target", "install")
        shutil.move(root / "example", tmp_path / "example")
        shutil.rmtree(root)
        example, options = tmp_path / "example", [f"-DCMAKE_PREFIX_PATH={tmp_path / 'prefix'}"]
    elif way == "fetched":
        example = tmp_path / "app"
        example.mkdir()
        shutil.copyfile(root / "example" / "main.c", example / "main.c")
        (example / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.16)\nproject(app C)\ninclude(FetchContent)\n"
            f"FetchContent_Declare({NAME} SOURCE_DIR {root})\nFetchContent_MakeAvailable({NAME})\n"
            f"add_executable(example main.c)\ntarget_link_libraries(example PRIVATE {NAME}::{NAME} m)\n"
        )
    _cmake("-S", example, "-B", out, *options)
    _cmake("--build", out)
    done = subprocess.run([out / "example"], capture_output=True, text=True)
    assert done.returncode == 0 and "scores" in done.stdout, done.stdout


# ---- Zephyr

# The part of the format that a module of ours may have; Zephyr's scripts/zephyr_module.py checks the whole of it.
MODULE = {
    "type": "map",
    "mapping": {
        "name": {"type": "str", "required": True, "pattern": "[A-Za-z0-9_-]+"},
        "build": {
            "type": "map",
            "required": True,
            "mapping": {
                "cmake": {"type": "str", "required": True},
                "kconfig": {"type": "str", "required": True},
            },
        },
        "samples": {"type": "seq", "sequence": [{"type": "str"}]},
    },
}
# Zephyr's own functions, as far as a module calls them: one library, whose settings are those of its sources.
ZEPHYR = """
cmake_minimum_required(VERSION 3.16)
project(app C)
set(CONFIG_WAKE_WORD y)
set(CONFIG_WAKE_WORD_VENDORED_DSP y)
add_library(app STATIC ${SAMPLE}/src/main.c)
macro(zephyr_include_directories)
    target_include_directories(app PRIVATE ${ARGN})
    set(module_includes ${ARGN})
endmacro()
macro(zephyr_library_named name)
    add_library(${name} STATIC)
    set(current ${name})
    target_include_directories(${name} PRIVATE ${module_includes})
endmacro()
macro(zephyr_library_sources)
    target_sources(${current} PRIVATE ${ARGN})
endmacro()
macro(zephyr_library_sources_ifdef option)
    if(${option})
        target_sources(${current} PRIVATE ${ARGN})
    endif()
endmacro()
macro(zephyr_library_compile_options)
    target_compile_options(${current} PRIVATE ${ARGN})
endmacro()
macro(zephyr_library_include_directories)
    target_include_directories(${current} PRIVATE ${ARGN})
endmacro()
add_subdirectory(${MODULE}/zephyr module)
add_executable(example ${SAMPLE}/src/main.c)
target_include_directories(example PRIVATE ${MODULE}/src)
target_link_libraries(example PRIVATE wake_word m)
"""


@_needs("pykwalify", "pykwalify")
def test_zephyrs_module_file_is_one(exported: Callable[[str], Path]) -> None:
    import pykwalify.core
    import yaml

    root = exported("zephyr")
    data = yaml.safe_load((root / "zephyr" / "module.yml").read_text())
    pykwalify.core.Core(source_data=data, schema_data=MODULE).validate()
    assert (root / data["build"]["cmake"] / "CMakeLists.txt").is_file()
    assert (root / data["build"]["kconfig"]).is_file()
    samples = [p for name in data["samples"] for p in (root / name).glob("*/sample.yaml")]
    assert len(samples) == 1 and yaml.safe_load(samples[0].read_text())["tests"]


@pytest.mark.skipif("ZEPHYR_BASE" not in os.environ, reason="no Zephyr: ZEPHYR_BASE names its folder")
def test_zephyrs_own_script_takes_the_module(exported: Callable[[str], Path], tmp_path: Path) -> None:
    script = Path(os.environ["ZEPHYR_BASE"]) / "scripts" / "zephyr_module.py"
    options = ["--kconfig-out", tmp_path / "Kconfig", "--cmake-out", tmp_path / "modules.txt"]
    subprocess.run([sys.executable, script, "--modules", exported("zephyr"), *options], check=True)
    assert NAME in (tmp_path / "modules.txt").read_text()


@_needs("kconfiglib", "kconfiglib")
@pytest.mark.parametrize("chosen", [True, False])
def test_zephyrs_kconfig_gives_the_options(
    chosen: bool, exported: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import kconfiglib

    root = exported("zephyr")
    monkeypatch.delenv("srctree", raising=False)
    config = kconfiglib.Kconfig(str(root / "zephyr" / "Kconfig"), warn_to_stderr=False)
    assert not config.warnings
    if chosen:
        config.load_config(str(root / "samples" / NAME / "prj.conf"), replace=False)
    symbols = config.syms
    assert symbols[NAME.upper()].str_value == ("y" if chosen else "n")
    assert symbols[f"{NAME.upper()}_VENDORED_DSP"].str_value == ("y" if chosen else "n")


@needs_cmake
def test_zephyrs_cmake_builds_the_library_and_the_sample(
    exported: Callable[[str], Path], tmp_path: Path
) -> None:
    root = tmp_path / "package"
    shutil.copytree(exported("zephyr"), root)
    (tmp_path / "CMakeLists.txt").write_text(ZEPHYR)
    _cmake("-S", tmp_path, "-B", tmp_path / "out", f"-DMODULE={root}", f"-DSAMPLE={root / 'samples' / NAME}")
    _cmake("--build", tmp_path / "out")
    done = subprocess.run([tmp_path / "out" / "example"], capture_output=True, text=True)
    assert done.returncode == 0 and "scores" in done.stdout, done.stdout


# ---- Arduino


def test_arduinos_properties_follow_the_specification(exported: Callable[[str], Path]) -> None:
    """The library specification 1.5: fields, names, versions, categories."""
    root = exported("arduino")
    lines = (root / "library.properties").read_text().splitlines()
    fields = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert {
        "name",
        "version",
        "author",
        "maintainer",
        "sentence",
        "paragraph",
        "category",
        "url",
        "architectures",
    } <= set(fields)
    assert all(fields.values())
    assert re.fullmatch(r"[A-Za-z0-9][\w .-]{0,62}", fields["name"])
    assert re.fullmatch(r"\d+\.\d+\.\d+", fields["version"])
    assert not re.search("arduino", fields["name"], re.IGNORECASE), "reserved"
    assert fields["category"] in (
        "Display", "Communication", "Signal Input/Output", "Sensors", "Device Control", "Timing", "Data Storage",
        "Data Processing", "Other",
    )  # fmt: skip
    for header in fields["includes"].split(","):
        assert (root / "src" / header).is_file()
    sketches = list((root / "examples").glob("*/*.ino"))
    assert [p.stem for p in sketches] == [p.parent.name for p in sketches] and sketches
    assert not (root / "utility").exists(), "that folder is of the old format, without src"
    for line in (root / "keywords.txt").read_text().splitlines():
        assert line.startswith("#") or re.fullmatch(r"\w+\tKEYWORD[12]", line), line


@pytest.mark.skipif(not shutil.which("arduino-lint"), reason="arduino-lint is not installed")
def test_arduino_lint_finds_nothing(exported: Callable[[str], Path], tmp_path: Path) -> None:
    shutil.copytree(exported("arduino"), tmp_path / NAME)
    subprocess.run(
        ["arduino-lint", "--compliance", "strict", "--library-manager", "false", tmp_path / NAME], check=True
    )


@outside.needs(outside.arduino_api() / "ArduinoAPI.h")
def test_the_sketch_is_a_program_of_arduinos_api(exported: Callable[[str], Path], tmp_path: Path) -> None:
    """As its builder makes it: Arduino.h in front, C++."""
    root = exported("arduino")
    (sketch,) = (root / "examples").glob("*/*.ino")
    here = Path(__file__).with_name("arduino")
    command = [
        toolchains.GCC.replace("gcc", "g++"), *CORE, "-std=gnu++17", "-Wall", "-Wextra", "-Werror", "-x", "c++",
        "-include", str(here / "Arduino.h"), f"-isystem{outside.arduino_api()}", f"-I{here}", f"-I{root / 'src'}",
        "-fno-exceptions", "-fno-rtti", "-c", str(sketch), "-o", str(tmp_path / "sketch.o"),
    ]  # fmt: skip
    subprocess.run(command, check=True)


# ---- PlatformIO, CMSIS-Pack


@pytest.mark.skipif(not shutil.which("pio"), reason="PlatformIO is not installed: pip install platformio")
def test_platformio_packs_it(exported: Callable[[str], Path], tmp_path: Path) -> None:
    root = tmp_path / "package"
    shutil.copytree(exported("platformio"), root)
    environment = {**os.environ, "PLATFORMIO_CORE_DIR": str(tmp_path / "core"), "CI": "true"}
    command = ["pio", "pkg", "pack", str(root), "-o", str(tmp_path / "made.tar.gz")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if (
        "Could not load SPDX licenses" in done.stdout + done.stderr
    ):  # it asks a server of the licence, and only of that
        about = json.loads((root / "library.json").read_text())
        assert about.pop("license") == "Apache-2.0"
        (root / "library.json").write_text(json.dumps(about))
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "made.tar.gz").stat().st_size > 10_000


@_needs("xmlschema", "xmlschema")
@outside.needs(outside.pack_schema())
def test_the_packs_description_meets_its_schema(exported: Callable[[str], Path]) -> None:
    import xmlschema

    (description,) = exported("cmsis-pack").glob("*.pdsc")
    schema = xmlschema.XMLSchema11(str(outside.pack_schema()))
    assert list(schema.iter_errors(str(description))) == []


@pytest.mark.skipif(not shutil.which("packchk"), reason="packchk is not installed")
def test_packchk_finds_nothing(exported: Callable[[str], Path]) -> None:
    (description,) = exported("cmsis-pack").glob("*.pdsc")
    subprocess.run(["packchk", description], check=True)


def test_the_pack_holds_what_its_folder_holds(exported: Callable[[str], Path]) -> None:
    root = exported("cmsis-pack")
    (archive,) = root.glob("*.pack")
    description = next(root.glob("*.pdsc"))
    assert archive.name == f"{description.stem}.1.0.0.pack"
    with zipfile.ZipFile(archive) as packed:
        assert packed.testzip() is None and description.name in packed.namelist()
        for name in packed.namelist():
            assert packed.read(name) == (root / name).read_bytes()


# ---- all


@pytest.mark.parametrize("output", FORMATS)
def test_its_page_says_how_and_its_network_can_be_benched(
    output: str, exported: Callable[[str], Path], tmp_path: Path
) -> None:
    root = exported(output)
    readme = (root / "README.md").read_text()
    assert "## In your project" in readme and "CMSIS_DSP=" not in readme
    for name in re.findall(r"`((?:[\w.-]+/)+[\w.-]+|[\w-]+\.[\w.]+)`", readme):
        assert list(root.rglob(name.rsplit("/", 1)[-1])) or "." not in name, name
    x = np.random.default_rng(4).integers(-128, 128, (2, 1, 30, 40, 1)).astype(np.int8)
    np.save(tmp_path / "x.npy", x)
    if shutil.which("gcc") and output in ("zephyr", "cube"):
        shutil.copytree(root, tmp_path / "copy")
        result = api.bench(tmp_path / "copy", on="host", tensors=tmp_path / "x.npy")
        assert result.clips == 2


@pytest.mark.parametrize(
    ("model", "prefix"), [("small-net", "small_net"), ("test", "test_net"), ("9", "net_9")]
)
def test_a_package_is_named_after_its_model(model: str, prefix: str, tmp_path: Path) -> None:
    (tmp_path / f"{model}.tflite").write_bytes(toolchains.small_network("micro_speech"))
    made = api.export(
        tmp_path / f"{model}.tflite", "nucleo-f446", tmp_path / "out", output="cmake", features=False
    )
    assert made.manifest.prefix == prefix and (tmp_path / "out" / "src" / f"{prefix}.h").is_file()
