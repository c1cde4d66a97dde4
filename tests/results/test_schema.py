# SPDX-License-Identifier: Apache-2.0
"""A result survives its file; the JSON schema says what is in it, and so does the documentation."""

from __future__ import annotations

import copy
import dataclasses
import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from ascmcu.benchmark.counts import Counts
from ascmcu.data import anomalies, tagging
from ascmcu.errors import InputError
from ascmcu.results import schema
from ascmcu.results.schema import Benchmark

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "ascmcu" / "results" / "bench.schema.json").read_text())
TAGS = np.array([[0, 1], [1, 1], [0, 1]])
VALID = jsonschema.Draft202012Validator(SCHEMA)


def _variants(b: Benchmark) -> list[Benchmark]:
    uncounted = tuple(dataclasses.replace(x, count=None) for x in b.layers)
    return [
        b,
        dataclasses.replace(b, count_kind="instructions", energy=None),
        dataclasses.replace(b, count_kind="none", counts=None, layers=uncounted, energy=None),
        dataclasses.replace(b, count_kind="counts", energy=None, notices=("what is counted is unknown",)),
        dataclasses.replace(
            b, labels=(), accuracy=None, macro_accuracy=None, log_loss=None, class_accuracy=None,
            device_accuracy=None, confusion=None, mistakes=(), clip_seconds=None, network=None, limits=(),
            clip_results=tuple(dataclasses.replace(c, truth=None, probabilities=()) for c in b.clip_results),
        ),
        dataclasses.replace(
            b, accuracy=None, confusion=None, tagging=tagging.score(b.labels, TAGS, TAGS.astype(float)),
            clip_results=tuple(dataclasses.replace(c, truth=None, tags=(1,)) for c in b.clip_results),
        ),
        dataclasses.replace(
            b, labels=anomalies.LABELS, accuracy=None, confusion=None,
            anomalies=anomalies.score(TAGS[:, 0], np.arange(3.0), ["a", "a", "b"]),
            clip_results=tuple(dataclasses.replace(c, error=0.25) for c in b.clip_results),
        ),
    ]  # fmt: skip


def test_a_result_survives_its_file(benchmark_result: Benchmark, tmp_path: Path) -> None:
    variants = _variants(benchmark_result)
    assert len(variants) > 3
    for number, result in enumerate(variants):
        path = tmp_path / f"{number}.json"
        path.write_text(result.to_json())
        assert schema.load(path) == result
        assert json.loads(path.read_text()) == json.loads(json.dumps(result.to_dict()))
        VALID.validate(result.to_dict() | json.loads(result.to_json()))


def test_a_file_has_a_line_for_each_layer_and_clip(benchmark_result: Benchmark) -> None:
    lines = benchmark_result.to_json().splitlines()
    assert lines[:3] == ["{", '  "schema": "ascmcu.bench",', '  "version": 1,'] and lines[-1] == "}"
    at = lines.index('  "layers": [')
    layers = [json.loads(line.rstrip(",")) for line in lines[at + 1 : at + 3]]
    assert [layer["name"] for layer in layers] == [layer.name for layer in benchmark_result.layers]
    assert lines[at + 1].startswith('    {"') and lines[at + 3].startswith("  ]")
    assert lines[lines.index('  "confusion": [') + 1] == "    [1, 1],"
    assert '  "labels": ["rain", "<sea> & co"],' in lines, "what is not nested stays on one line"
    assert all(len(line) - len(line.lstrip()) in (0, 2, 4) for line in lines)


def test_counts_stand_under_what_they_are(benchmark_result: Benchmark) -> None:
    cycles, instructions, none, unknown, *_ = (r.to_dict() for r in _variants(benchmark_result))
    assert cycles["cycles"]["network"] == 100_000 and "instructions" not in cycles
    assert instructions["layers"][0]["instructions"] == 60_000 and "cycles" not in instructions
    assert not {"cycles", "instructions", "counts"} & (set(none) | set(none["layers"][0]))
    assert unknown["counts"]["network"] == 100_000 and unknown["layers"][0]["counts"] == 60_000
    assert not {"cycles", "instructions"} & (set(unknown) | set(unknown["layers"][0]))


def test_an_older_result_lacks_what_came_later(benchmark_result: Benchmark) -> None:
    raw = json.loads(benchmark_result.to_json())
    for key in ("labels_source", "notices"):
        del raw[key]
    for key in ("build_sha256", "inputs_sha256"):
        del raw["provenance"][key]
    for clip in raw["clip_results"]:
        del clip["input_sha256"]
    VALID.validate(raw)
    assert Benchmark.from_dict(raw, "x") == benchmark_result


def test_the_schema_refuses_what_is_wrong(benchmark_result: Benchmark) -> None:
    right = json.loads(benchmark_result.to_json())
    assert VALID.is_valid(right)
    for change in (
        {"version": 2}, {"clips": "4"}, {"accuracy": "75 %"}, {"instructions": right["cycles"]}, {"layers": [{}]},
        {"confusion": [["1"]]},
    ):  # fmt: skip
        assert not VALID.is_valid({**right, **change}), change
    for key in SCHEMA["required"]:
        assert not VALID.is_valid({k: v for k, v in right.items() if k != key}), key


def _fields(kind: type) -> set[str]:
    names = {f.name for f in dataclasses.fields(kind)}
    kinds = {"cycles", "instructions", "counts"}
    if kind is schema.Benchmark:
        return names - {"counts", "count_kind"} | kinds | {"schema", "version"}
    if kind is schema.ClipOutcome:
        return names - {"counts"} | _fields(Counts)
    return names - {"count"} | kinds if kind is schema.LayerCount else names


def test_the_schema_has_the_fields_of_the_program() -> None:
    assert set(SCHEMA["properties"]) == _fields(Benchmark)
    for name, definition in SCHEMA["$defs"].items():
        kind = next(getattr(m, name) for m in (schema, tagging, anomalies) if hasattr(m, name))
        assert set(definition["properties"]) == _fields(kind), name


def _descriptions(value: Any) -> list[dict[str, Any]]:
    found = list(value.get("properties", {}).values())
    return found + [p for d in value.get("$defs", {}).values() for p in d["properties"].values()]


def test_every_key_is_described() -> None:
    assert all(p["description"].endswith(".") for p in _descriptions(SCHEMA))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "other"}, "not a benchmark result"),
        ({"version": 99}, "another version"),
        ({"clips": "four"}, "clips"),
        ({"layers": [{"name": "x"}]}, "layers[0]"),
        ({"link": []}, "link"),
        ({"provenance": None}, "provenance"),
        ({"model": 3}, "model"),
        ({"accuracy": True}, "accuracy"),
        ({"ram_bytes": {"stack": 1}}, "ram_bytes"),
        ({"flash_bytes": {}}, "flash_bytes"),
        ({"recordings": {"files": 1, "long": "never"}}, "recordings"),
        (
            {
                "flash_symbols": [
                    {"name": "a", "part": "code", "layer": None, "size_bytes": 1},
                    {"name": "b", "part": "code", "layer": 2, "size_bytes": 1},
                ]
            },
            "flash_symbols",
        ),
        ({"flash_symbols": [{"name": "b", "part": "code", "layer": -1, "size_bytes": 1}]}, "flash_symbols"),
    ],
)
def test_a_damaged_result_is_named(change: dict[str, Any], message: str, benchmark_result: Benchmark) -> None:
    raw = {**copy.deepcopy(benchmark_result.to_dict()), **change}
    with pytest.raises(InputError) as refused:
        Benchmark.from_dict(raw, "some.json")
    assert message in str(refused.value) and "some.json" in str(refused.value)


def test_what_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{")
    for path in (tmp_path / "x.json", tmp_path / "absent.json"):
        with pytest.raises(InputError, match="not a readable result"):
            schema.load(path)


def test_unknown_keys_of_a_later_program_are_ignored(benchmark_result: Benchmark) -> None:
    raw = {**benchmark_result.to_dict(), "mood": "good"}
    assert Benchmark.from_dict(raw, "x") == benchmark_result


@pytest.mark.parametrize(
    "path", sorted((ROOT / "docs" / "results" / "bench").glob("*.json")), ids=lambda p: p.stem
)
def test_stored_results_are_valid(path: Path) -> None:
    VALID.validate(json.loads(path.read_text()))
    assert schema.load(path).model
