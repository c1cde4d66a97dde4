# SPDX-License-Identifier: Apache-2.0
"""Inspect models, render reports, compare results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from ascmcu.api.choices import candidates
from ascmcu.api.compiling import compile_model, model_file
from ascmcu.errors import InputError
from ascmcu.frontends import tflite
from ascmcu.frontends.survey import Survey
from ascmcu.paths import PathLike, check_output, write_whole
from ascmcu.results import budgets, comparison, inspection, page, schema
from ascmcu.results.comparison import Comparison
from ascmcu.results.inspection import Inspection
from ascmcu.results.schema import Benchmark
from ascmcu.schedule import LAYERS, ROWS
from ascmcu.toolchain.manifest import Manifest


def inspect(model: PathLike, *, features: PathLike | Literal[False] | None = None) -> Inspection:
    """Count layers, parameters, MACs and memory of a ``.tflite``, without a board.

    Args:
        model: the file.
        features: a feature specification (name or TOML file) instead of the one in the model; its front end is counted
            too. ``False`` counts the network alone.

    Raises:
        ModelError: the file is no model, or one that cannot be compiled: ``survey`` says what it holds.
        FeatureError: the specification is invalid, or does not fit the network's input.
    """
    compiled = compile_model(model, features=features)
    plans = {c.plan.mode: c.plan for c in candidates(compiled, "auto")}
    return inspection.make(
        compiled.name,
        compiled.sha256,
        compiled.source,
        plans[LAYERS],
        plans[ROWS],
        compiled.features_in_graph,
        None if compiled.features is None else inspection.frontend_of(compiled.features),
    )


def survey(model: PathLike) -> Survey:
    """What a ``.tflite`` consists of, whether or not it can be compiled.

    Raises:
        ModelError: the file is no TensorFlow Lite model.
    """
    return tflite.read_survey(model_file(Path(model)))[0]


def result(path: PathLike = "build") -> Benchmark:
    """Load a stored result: a file, or the newest one in an export's folder.

    Raises:
        InputError: there is no result.
    """
    return schema.load(result_path(Path(path)))


def result_path(path: Path) -> Path:
    """The file of a result, of a folder the newest.

    Raises:
        InputError: the folder holds none.
    """
    if not path.is_dir():
        return path
    found = sorted(path.glob("bench-*.json"), key=lambda p: p.stat().st_mtime)
    if not found:
        raise InputError(
            "no benchmark result found",
            where=str(path),
            hint="`ascmcu bench` writes one beside the export",
        )
    return found[-1]


def report(
    path: PathLike = "build",
    to: PathLike | None = None,
    *,
    export: PathLike | None = None,
    notes: Sequence[str] = (),
) -> Path:
    """Write a result as one HTML file.

    Args:
        path: the result, or the folder of an export.
        to: the page. Default: ``report.html`` beside the result.
        export: folder of the export, for the memory map. Default: the result's folder.
        notes: sentences below the headline figures, such as those of a duty cycle.

    Raises:
        InputError: there is no result or no such export, or the page cannot be written.
    """
    path = Path(path)
    file = result_path(path)
    if export is not None and not (Path(export) / "manifest.json").is_file():
        raise InputError("no export found", where=str(export), hint="the folder of `ascmcu export -o`")
    found = schema.load(file)
    folder = Path(export or file.parent)
    memory_map = page.memory_map_beside(folder) if _is_of(found, folder, asked=export is not None) else None
    text = page.render(found, memory_map, notes)
    target = Path(to or file.with_name("report.html"))
    check_output(target, file)
    write_whole(target, text)
    return target


def _is_of(result: Benchmark, folder: Path, *, asked: bool) -> bool:
    """Whether the export is the one that the result was made with: another's memory map would be a lie.

    Raises:
        InputError: it is not, and the user named it.
    """
    if not (folder / "manifest.json").is_file():
        return False
    manifest = Manifest.load(folder)
    build = result.provenance.build_sha256
    facts = (
        ("model", result.model_sha256, manifest.model_sha256),
        ("board", result.board, manifest.board),
        ("schedule", result.schedule, manifest.schedule),
        ("build", build or manifest.build_sha256, manifest.build_sha256),
    )
    differing = [fact for fact in facts if fact[1] != fact[2]]
    if differing and asked:
        raise InputError(
            "the result was made with another export",
            where=str(folder),
            expected=", ".join(f"{what} {of_result[:12]}" for what, of_result, _ in differing),
            found=", ".join(f"{what} {here[:12]}" for what, _, here in differing),
            hint="leave --export out, or name the export that was benched",
        )
    return not differing


def compare(base: PathLike, *results: PathLike, budget: Sequence[str] = ()) -> list[Comparison]:
    """Compare results with a base.

    Args:
        base: a result file, or an export's folder, whose newest result is used.
        results: further results, at least one.
        budget: limits such as ``cycles=+1%`` or ``ram=64000``; ``Comparison.kept`` is false if one is exceeded.

    Raises:
        InputError: a file is not a result, or a budget is unknown.
    """
    bounds = [budgets.parse(text) for text in budget]
    loaded = [(Path(path), result(path)) for path in (base, *results)]
    first, *others = comparison.told_apart(loaded)
    return [
        comparison.compare(loaded[0][1], later, bounds, (first, name))
        for name, (_, later) in zip(others, loaded[1:], strict=True)
    ]
