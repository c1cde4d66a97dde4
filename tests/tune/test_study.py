# SPDX-License-Identifier: Apache-2.0
"""A study: its file, its cost model, and twenty trials on two workers of which one is killed and started again."""

from __future__ import annotations

import functools
import glob
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ascmcu import api, zoo
from ascmcu.data import datasets, synth
from ascmcu.errors import AscmcuError, InputError, LimitError
from ascmcu.train.recipe import Recipe
from ascmcu.tune import cost, limits, pareto, study

RECIPE = """
description = "seconds"

[data]
train = ["1", "2", "3"]
validate = ["4"]
test = ["5"]

[features]
sample_rate_hz = 8000
duration_s = 1.0
n_fft = 256
hop_length = 256
center = false
n_mels = 16
log = "ln"
log_offset = 1e-6
normalization = "mean_std"

[network]
name = "dscnn"
filters = [8, 8]
strides = [2, 1]

[training]
epochs = 1
batch = 16

[study]
board = "nucleo-f446"
objectives = ["accuracy", "ram", "flash"]
trials = 20
sampler = "random"

[search]
"network.stem_filters" = { low = 4, high = 12, step = 4 }
"network.filters" = [[8, 8], [8, 16], [16, 16]]
"features.n_mels" = [16, 24]
"training.learning_rate" = { low = 1e-3, high = 1e-2, log = true }
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = synth.SynthSpec(clips_per_scene=10, clip_seconds=1.0, sample_rate_hz=8000)
    return synth.write(tmp_path_factory.mktemp("synth") / "data", spec)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a PostgreSQL server of our own, empty, for as long as the test runs."""
    pytest.importorskip("psycopg")
    found = [shutil.which("initdb"), *sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))]
    programs = next((Path(path).parent for path in reversed(found) if path), None)
    if programs is None:
        pytest.skip("no PostgreSQL server here")
    # A server refuses to run as root.
    owner = {"user": "postgres"} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory() as place, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        if owner:
            shutil.chown(place, "postgres")
        data = str(Path(place) / "db")
        settings = f"-p {port} -k {place} -c listen_addresses=127.0.0.1 -c fsync=off"
        run = functools.partial(subprocess.run, check=True, stdout=subprocess.DEVNULL, cwd=place, **owner)
        run([programs / "initdb", "-D", data, "-U", "ascmcu", "--auth=trust"])
        run([programs / "pg_ctl", "-D", data, "-o", settings, "-l", f"{place}/log", "-w", "start"])
        try:
            yield f"postgresql://ascmcu@127.0.0.1:{port}/postgres"
        finally:
            run([programs / "pg_ctl", "-D", data, "-m", "immediate", "stop"])


def _worker(recipe: Path, data: Path, folder: Path, *options: str) -> subprocess.Popen[bytes]:
    program = str(Path(sys.executable).with_name("ascmcu"))
    command = [program, "tune", str(recipe), "--data", str(data), "-o", str(folder), *options]
    environment = {**os.environ, "TF_NUM_INTRAOP_THREADS": "1", "ASCMCU_TUNE_HEARTBEAT": "4"}
    with (folder.parent / f"worker-{time.monotonic_ns()}.log").open("wb") as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)


def _trials(*folders: Path) -> int:
    return sum(len(list((folder / "trials").glob("*/model.tflite"))) for folder in folders)


def _two_workers(
    recipe: Path, data: Path, folders: tuple[Path, Path], kill_after: int, *options: str
) -> None:
    """Two workers on one study; the second is killed in the middle of a trial, and started again."""
    steady = _worker(recipe, data, folders[0], *options)
    doomed = None
    try:
        while _trials(folders[0]) < 2:
            assert steady.poll() is None, "the first worker ended early"
            time.sleep(0.2)
        doomed = _worker(recipe, data, folders[1], *options)
        seen = _trials(*set(folders))
        while _trials(*set(folders)) < seen + kill_after:
            assert doomed.poll() is None, "the second worker ended early"
            time.sleep(0.2)
        os.killpg(doomed.pid, signal.SIGKILL)
        doomed.wait()
        doomed = _worker(recipe, data, folders[1], *options)
        assert steady.wait(1800) == 0
        assert doomed.wait(1800) == 0
    finally:
        for process in (steady, doomed):
            if process is not None and process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def _beaten(result: dict[str, Any], results: list[dict[str, Any]], costs: Sequence[str]) -> bool:
    """Whether another result is at least as good in everything and better in something."""

    def figures(one: dict[str, Any]) -> tuple[float, ...]:
        return (one["accuracy"], *(-one[cost] for cost in costs))

    mine = figures(result)
    others = [figures(other) for other in results]
    return any(all(a >= b for a, b in zip(o, mine, strict=True)) and o != mine for o in others)


def test_killed_worker(recipe: Path, data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    _two_workers(recipe, data, (folder, folder), 3)
    found = json.loads((folder / "study.json").read_text())
    assert len(found["results"]) == 20 and not found["given_up"]
    assert (folder / "pareto.png").read_bytes().startswith(b"\x89PNG")
    assert "data:image/png" in (folder / "pareto.html").read_text()
    chosen = [result for result in found["results"] if result["front"]]
    assert chosen
    for result in found["results"]:
        assert result["front"] is not _beaten(result, found["results"], ("ram_bytes", "flash_bytes"))
    for result in chosen[:2]:
        model = folder / "trials" / str(result["number"]) / "model.tflite"
        manifest = api.export(model, "nucleo-f446", tmp_path / f"again{result['number']}").manifest
        assert manifest.needed_ram_bytes == result["ram_bytes"]
        assert manifest.flash_bytes["total"] == result["flash_bytes"]


def test_a_worker_dies_before_its_first_heartbeat(
    recipe: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its trial has begun in the storage, and nobody ever gave a sign of it."""
    monkeypatch.setattr(study, "HEARTBEAT_SECONDS", 1)
    monkeypatch.setattr(study, "GRACE_SECONDS", 2)
    recipe.write_text(recipe.read_text().replace("trials = 20", "trials = 2"))
    found, folder = study.load(recipe), tmp_path / "study"
    folder.mkdir()
    shared = study._open(study._optuna(), found, f"sqlite:///{folder / 'study.db'}")
    with pytest.warns(UserWarning, match="Heartbeat of storage"):
        dead = shared.ask()
    outcome = study.work(found, datasets.load(data), data, folder)
    assert dead.number == 0 and len(outcome.results) == 2
    assert not (folder / "trials" / "0").exists()


def test_two_machines_on_one_database(recipe: Path, data: Path, tmp_path: Path, server: str) -> None:
    """Workers that share nothing but a PostgreSQL server; cycles are those of a later export."""
    recipe.write_text(
        recipe.read_text()
        .replace('["accuracy", "ram", "flash"]', '["accuracy", "clip_cycles"]')
        .replace("trials = 20", "trials = 5")
    )
    folders = (tmp_path / "one" / "study", tmp_path / "two" / "study")
    for folder in folders:
        folder.parent.mkdir()
    _two_workers(recipe, data, folders, 1, "--storage", server)
    one, two = (json.loads((folder / "study.json").read_text()) for folder in folders)
    assert one == two and len(one["results"]) == 5 and not one["given_up"]
    assert not list(tmp_path.rglob("study.db"))
    assert all(
        result["front"] is not _beaten(result, one["results"], ("clip_cycles",)) for result in one["results"]
    )
    best = next(result for result in one["results"] if result["front"])
    made = [folder / "trials" / str(best["number"]) / "model.tflite" for folder in folders]
    model = max((path for path in made if path.is_file()), key=lambda path: path.stat().st_mtime)
    api.export(model, "nucleo-f446", tmp_path / "again")
    counts = api.bench(tmp_path / "again", on="sim", data=data, limit=1).counts
    assert counts is not None and int(counts.network) == best["cycles"]
    assert int(counts.network + counts.frontend) == best["clip_cycles"]


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        ("postgresql://someone:secret@127.0.0.1:1/none", InputError, "cannot be opened"),
        ("mysql+nosuchdriver://127.0.0.1/none", AscmcuError, "storage"),
        ("no address", InputError, "cannot be opened"),
    ],
)
def test_a_storage_that_is_not_there(
    url: str, error: type[AscmcuError], message: str, recipe: Path, data: Path, tmp_path: Path
) -> None:
    if url.startswith("postgresql"):
        pytest.importorskip("psycopg")
    with pytest.raises(error, match=message) as caught:
        study.work(study.load(recipe), datasets.load(data), data, tmp_path / "study", url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("pruner", "pruned"), [("none", False), ("median", True), ("hyperband", True)])
def test_hopeless_trials_are_pruned(pruner: str, pruned: bool, recipe: Path) -> None:
    """Every third training learns nothing; pruners see that in its epochs, once they have seen others."""
    optuna = study._optuna()
    text = recipe.read_text().replace('["accuracy", "ram", "flash"]', f'["accuracy"]\npruner = "{pruner}"')
    recipe.write_text(text)
    spec = study.load(recipe).spec
    shared = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.RandomSampler(seed=1), pruner=study.pruner(optuna, spec)
    )

    def train(trial: Any) -> float:
        on_epoch = study.watcher(optuna, spec, trial)
        accuracy = 0.1
        for number in range(1, 28):
            accuracy = 0.1 if trial.number % 3 == 2 else 0.5 + 0.01 * number
            on_epoch(SimpleNamespace(epoch=number, validation_score=accuracy))
        return accuracy

    shared.optimize(train, n_trials=30)
    ended = [t for t in shared.trials if t.state == optuna.trial.TrialState.PRUNED]
    assert bool(ended) is pruned
    assert all("pruned after epoch" in t.user_attrs["given_up"] for t in ended)
    assert all(t.number % 3 == 2 for t in ended)
    assert shared.best_trial.number % 3 != 2


def test_infeasible_points_cost_no_training(recipe: Path, data: Path, tmp_path: Path) -> None:
    text = recipe.read_text().replace("trials = 20", "trials = 2\nmax_flash_bytes = 1000")
    recipe.write_text(text)
    loaded = study.load(recipe)
    zoo.load_tensorflow()
    found = study.work(loaded, datasets.load(data), data, tmp_path / "study")
    assert not found.results
    assert len(found.given_up) == 2
    assert all("flash bytes > 1,000" in reason for _, reason in found.given_up)
    assert not list((tmp_path / "study").rglob("model.keras"))


def test_limits_fail_early_with_figures(recipe: Path, data: Path, tmp_path: Path) -> None:
    zoo.load_tensorflow()
    loaded = study.load(recipe)
    from ascmcu.train.recipe import Recipe

    model = tmp_path / "model.tflite"
    model.write_bytes(cost.untrained(Recipe.from_dict(loaded.raw, "recipe"), datasets.load(data)))
    assert limits.exceeded(model, ["dcase2023", "dcase2020-1b", "nucleo-f446"]) == ()
    with pytest.raises(InputError, match="no such limit"):
        limits.require(model, ["dcase1999"])


def test_a_limit_that_is_exceeded(tmp_path: Path) -> None:
    zoo.load_tensorflow()
    import numpy as np

    from ascmcu.quantize import ptq

    model = zoo.build("bupt", (128, 96, 2), 3, {"widths": (64, 64)})
    path = tmp_path / "large.tflite"
    path.write_bytes(
        ptq.int8(model, np.random.default_rng(0).standard_normal((2, 128, 96, 2)).astype(np.float32))
    )
    with pytest.raises(LimitError) as caught:
        limits.require(path, ["dcase2023"])
    assert "parameters > 128,000" in str(caught.value) and "MACs > 30,000,000" in str(caught.value)
    assert caught.value.exit_status == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('"network.filters" =', '"nothing.filters" ='), "no such field in a recipe"),
        (("{ low = 4, high = 12, step = 4 }", "{ low = 4 }"), "not a range"),
        (("{ low = 4, high = 12, step = 4 }", "{ low = 12, high = 4 }"), "invalid range"),
        (("{ low = 4, high = 12, step = 4 }", "{ low = 4, high = 12, step = -4 }"), "invalid range"),
        (("{ low = 4, high = 12, step = 4 }", "{ low = 4, high = 12, step = 0 }"), "invalid range"),
        (("{ low = 4, high = 12, step = 4 }", "{ low = 4, high = nan }"), "finite numbers"),
        (("{ low = 4, high = 12, step = 4 }", "{ low = 4, high = inf }"), "finite numbers"),
        (('objectives = ["accuracy", "ram", "flash"]', 'objectives = ["speed"]'), "unknown value"),
        (('sampler = "random"', 'sampler = "guess"'), "unknown value"),
        (('sampler = "random"', 'sampler = "random"\npruner = "median"'), "accuracy alone"),
        (('validate = ["4"]\n', ""), "validation part"),
        (("trials = 20", "trails = 20"), "unknown key"),
        (("trials = 20", 'trials = "20"'), "wrong type"),
        (("trials = 20", "trials = 2.5"), "wrong type"),
        (("trials = 20", "trials = true"), "wrong type"),
        (("trials = 20", "trials = 0"), "out of range"),
        (("trials = 20", 'seed = "x"'), "wrong type"),
        (("trials = 20", "seed = -1"), "out of range"),
        (("trials = 20", "seed = 99999999999999999999"), "out of range"),
        (("trials = 20", 'max_ram_bytes = "64k"'), "wrong type"),
        (("trials = 20", "max_cycles = -1"), "out of range"),
        (("trials = 20", "limits = 3"), "expected a list"),
        (("trials = 20", "limits = [3]"), "wrong type"),
        (('sampler = "random"', "sampler = 1"), "wrong type"),
        (('objectives = ["accuracy", "ram", "flash"]', 'objectives = "ram"'), "expected a list"),
        (('objectives = ["accuracy", "ram", "flash"]', 'objectives = ["ram", "ram"]'), "listed twice"),
        (('objectives = ["accuracy", "ram", "flash"]', "objectives = []"), "needs an objective"),
        (('board = "nucleo-f446"', "board = 3"), "wrong type"),
        (('board = "nucleo-f446"', ""), "missing key"),
    ],
)
def test_wrong_files(recipe: Path, change: tuple[str, str], message: str) -> None:
    assert change[0] in recipe.read_text()
    recipe.write_text(recipe.read_text().replace(*change))
    with pytest.raises(InputError, match=message):
        study.load(recipe)


def test_the_shipped_study_proposes_what_can_be_built() -> None:
    """Every value of its search space at least once: features that exist, a network that they feed."""
    found = study.load(Path(__file__).parents[2] / "examples" / "study" / "features.toml")
    assert found.spec.simulates and found.spec.bounds_cycles
    choices = {place: dimension.values for place, dimension in found.space.places}  # type: ignore[union-attr]
    for number in range(max(map(len, choices.values()))):
        drawn = SimpleNamespace(
            suggest_categorical=lambda name, values, number=number: values[number % len(values)]
        )
        raw = found.space.draw(drawn, found.raw)
        recipe = Recipe.from_dict({"name": "drawn", **raw}, found.where)
        model = zoo.build(recipe.network.name, recipe.features.input_shape[1:], 10, recipe.network.options)
        assert model.output_shape == (None, 10)


def test_a_page_needs_nothing_else(recipe: Path) -> None:
    loaded = study.load(recipe)
    results = (
        study.Result(0, {"network.filters": [8, 8]}, 0.5, 1000, 2000, None, True),
        study.Result(1, {"network.filters": [8, 16]}, 0.4, 1000, 2000, 12, False),
    )
    outcome = study.Outcome("small", loaded.spec, results, ((2, "RAM < 5 & more"),))
    page = pareto.html(outcome, pareto.png(outcome))
    assert "RAM &lt; 5 &amp; more" in page and "http" not in page
    assert pareto.row(outcome, results[0])[:4] == ("0", "50.0%", "1,000", "2,000")


@pytest.mark.parametrize("count", [1, 8, 60])
def test_numbers_of_the_front_lie_on_no_other_number(count: int) -> None:
    spec = study.StudySpec("nucleo-f446", ("accuracy", "ram", "flash"))
    results = tuple(
        study.Result(100 + n, {}, 0.9 - n * n / 9000, 40_000 - 300 * n, 60_000 - 20 * n, None, True)
        for n in range(count)
    )
    figure = pareto._drawn(study.Outcome("many", spec, results, ()))
    renderer = figure.canvas.get_renderer()
    assert len(figure.axes) == 2
    for axes in figure.axes:
        boxes = [text.get_window_extent(renderer) for text in axes.texts]
        assert boxes and not [1 for a, b in itertools.combinations(boxes, 2) if a.overlaps(b)]
        assert {text.get_text() for text in axes.texts} <= {str(result.number) for result in results}
        assert len(boxes) == count or count > 8
        places = axes.transData.transform([(0, 0), *zip(*axes.collections[1].get_offsets().T, strict=True)])[
            1:
        ]
        assert not [1 for box in boxes for x, y in places if box.contains(x, y)]


def test_values_of_the_command_line_are_checked(recipe: Path) -> None:
    loaded = study.load(recipe)
    assert study.changed(loaded, trials=3, board=None, limits=("dcase2023",)).spec.trials == 3
    with pytest.raises(InputError, match="unknown board"):
        study.changed(loaded, board="none")
    with pytest.raises(InputError, match="no such limit"):
        study.changed(loaded, limits=("dcase1999",))


def test_another_question_is_another_study(recipe: Path, data: Path, tmp_path: Path) -> None:
    """Results for another board, or of another recipe, are not those of this one."""
    zoo.load_tensorflow()
    loaded = study.load(recipe)
    none = study.outcome(loaded, tmp_path)
    assert not none.results
    assert study.outcome(study.changed(loaded, trials=7), tmp_path) != none
    for other in (
        study.changed(loaded, board="nucleo-f411"),
        study.changed(loaded, objectives=["accuracy", "flash", "ram"]),
    ):
        with pytest.raises(InputError, match="another study of this name"):
            study.outcome(other, tmp_path)


def test_why_trials_were_given_up(recipe: Path) -> None:
    loaded = study.load(recipe)
    given_up = ((0, "a bound: 1,234 bytes"), (1, "a bound: 99 bytes"), (2, "a limit"))
    outcome = study.Outcome("small", loaded.spec, (), given_up)
    assert pareto.reasons(outcome) == [("a bound: … bytes", 2), ("a limit", 1)]
