# SPDX-License-Identifier: Apache-2.0
"""A study: Optuna proposes recipes; each is compiled, trained, compiled again and measured.

Any number of processes, on any number of machines, may work on one study through its storage. A worker that dies stops
its heartbeat; its trial is then handed out again. What does not fit is known from the untrained network and costs
no training.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from ascmcu import boards, extras, paths, tables
from ascmcu.data.datasets import Dataset
from ascmcu.errors import BoardError, InputError, LimitError, ToolError
from ascmcu.tables import Range
from ascmcu.train import recipe as recipes
from ascmcu.train.recipe import Recipe
from ascmcu.tune import cost, limits
from ascmcu.tune.cost import Cost
from ascmcu.tune.space import Space

DIRECTIONS = {
    "accuracy": "maximize",
    "ram": "minimize",
    "flash": "minimize",
    "cycles": "minimize",
    "clip_cycles": "minimize",
}
SAMPLERS = ("tpe", "nsga2", "random")
PRUNERS = ("none", "median", "hyperband")
# A worker that was silent for three heartbeats is dead.
HEARTBEAT_SECONDS = int(os.environ.get("ASCMCU_TUNE_HEARTBEAT", "10"))
GRACE_SECONDS = 3 * HEARTBEAT_SECONDS
RETRIES = 3
_POLL_SECONDS = 2.0


@dataclass(frozen=True)
class StudySpec:
    """``[study]`` of a recipe.

    Attributes:
        board: whose compiled cost counts.
        objectives: of accuracy (on the validation part, of the int8 model), ram, flash, cycles (of the network, per
            clip), clip_cycles (of network and front end).
        trials: results in all, over all workers.
        sampler, pruner: Optuna's; a pruner works on a single objective only.
        limits: challenges and boards that every trial must keep.
        max_ram_bytes, max_flash_bytes, max_cycles, max_clip_cycles: bounds of the compiled cost.
        seed: of the sampler.
    """

    board: str
    objectives: tuple[str, ...] = ("accuracy", "ram")
    trials: Annotated[int, Range(1)] = 20
    sampler: str = "tpe"
    pruner: str = "none"
    limits: tuple[str, ...] = ()
    max_ram_bytes: Annotated[int | None, Range(0)] = None
    max_flash_bytes: Annotated[int | None, Range(0)] = None
    max_cycles: Annotated[int | None, Range(0)] = None
    max_clip_cycles: Annotated[int | None, Range(0)] = None
    seed: Annotated[int, Range(0, (1 << 32) - 1)] = 1

    @property
    def simulates(self) -> bool:
        """Whether cycles are asked for."""
        return bool({"cycles", "clip_cycles"} & set(self.objectives)) or self.bounds_cycles

    @property
    def bounds_cycles(self) -> bool:
        """Whether cycles decide if a proposal is trained."""
        return self.max_cycles is not None or self.max_clip_cycles is not None

    def exceeded(self, found: Cost) -> tuple[str, ...]:
        """The bounds that a cost breaks, with figures."""
        pairs = (
            ("RAM bytes", found.ram_bytes, self.max_ram_bytes),
            ("flash bytes", found.flash_bytes, self.max_flash_bytes),
            ("cycles", found.cycles, self.max_cycles),
            ("cycles with the front end", found.clip_cycles, self.max_clip_cycles),
        )
        return tuple(
            f"{value:,} {what} > {most:,}"
            for what, value, most in pairs
            if most is not None and value is not None and value > most
        )


@dataclass(frozen=True)
class Result:
    """A finished trial."""

    number: int
    values: dict[str, Any]
    accuracy: float
    ram_bytes: int
    flash_bytes: int
    cycles: int | None
    front: bool
    clip_cycles: int | None = None

    def objective(self, name: str) -> float:
        """The figure of that objective."""
        figures = {
            "ram": self.ram_bytes,
            "flash": self.flash_bytes,
            "cycles": self.cycles,
            "clip_cycles": self.clip_cycles,
        }
        return self.accuracy if name == "accuracy" else float(figures[name] or 0)


@dataclass(frozen=True)
class Outcome:
    """A study so far: results, and the trials that were given up with their reasons."""

    name: str
    spec: StudySpec
    results: tuple[Result, ...]
    given_up: tuple[tuple[int, str], ...]

    @property
    def front(self) -> tuple[Result, ...]:
        """The results that no other one beats in everything, best accuracy first."""
        return tuple(sorted((r for r in self.results if r.front), key=lambda r: -r.accuracy))


@dataclass(frozen=True)
class Study:
    """A recipe file with ``[study]`` and ``[search]``; ``raw`` holds the rest, the recipe to vary."""

    name: str
    spec: StudySpec
    space: Space
    raw: dict[str, Any]
    where: str


def load(path: Path) -> Study:
    """Read and check a study.

    Raises:
        InputError: the file is none.
    """
    path = recipes.find(str(path))
    raw, where = tables.load(path), str(path)
    if "study" not in raw:
        raise InputError("the recipe has no study", where=where, expected='[study] with board = "…"')
    spec = _spec(raw.pop("study"), where)
    space = Space.from_dict(raw.pop("search", {}), where)
    name = tables.convert(str, raw.pop("name", path.stem), f"{where}, name")
    study = Study(name, spec, space, raw, where)
    recipe = Recipe.from_dict(raw, where)
    if not recipe.data.validate:
        raise InputError(
            "a study needs a validation part",
            where=where,
            expected="[data] validate",
        )
    if recipe.training.task != "single_label":
        raise InputError(
            "a study judges by accuracy: one class a clip",
            where=f"{where}, training, task",
            expected="single_label",
            found=recipe.training.task,
        )
    return study


def changed(study: Study, **values: Any) -> Study:
    """The study with other values in ``[study]``, checked like those of the file; what is None or empty stays.

    Raises:
        InputError: a value cannot be.
    """
    given = {key: value for key, value in values.items() if value}
    spec = _spec({**dataclasses.asdict(study.spec), **given}, study.where)
    return dataclasses.replace(study, spec=spec)


def _spec(raw: object, where: str) -> StudySpec:
    at = f"{where}, study"
    spec = tables.build(StudySpec, raw, at)
    boards.load(spec.board)
    limits.check_names(spec.limits)
    if not spec.objectives:
        raise InputError("a study needs an objective", where=at, expected=", ".join(DIRECTIONS))
    for objective in spec.objectives:
        tables.one_of(objective, tuple(DIRECTIONS), f"{at}, objectives")
    if len(set(spec.objectives)) < len(spec.objectives):
        raise InputError("an objective is listed twice", where=at, found=", ".join(spec.objectives))
    tables.one_of(spec.sampler, SAMPLERS, f"{at}, sampler")
    tables.one_of(spec.pruner, PRUNERS, f"{at}, pruner")
    if spec.pruner != "none" and spec.objectives != ("accuracy",):
        raise InputError("a pruner works on accuracy alone", where=at, found=", ".join(spec.objectives))
    return spec


def work(
    study: Study,
    dataset: Dataset,
    clip: Path,
    folder: Path,
    storage: str | None = None,
    progress: Callable[[Outcome], None] = lambda outcome: None,
) -> Outcome:
    """Work on a study until it has all its results, whoever computes them.

    Args:
        study: what to search.
        dataset: to train and judge on.
        clip: the data set's path, whose first clip is simulated.
        folder: receives each trial's run, in ``trials/NUMBER``.
        storage: a database's URL; SQLite in ``folder`` by default.

    Raises:
        ToolError: Optuna is not installed.
        DataError: the data set lacks a part that the recipe names.
    """
    optuna = _optuna()
    recipe = Recipe.from_dict(study.raw, study.where)
    for parts in (recipe.data.train, recipe.data.validate):
        dataset.only(parts)  # a part that is missing is no trial's fault
    folder.mkdir(parents=True, exist_ok=True)
    shared = _open(optuna, study, storage or f"sqlite:///{paths.real(folder) / 'study.db'}")
    finished = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    noticed: set[int] = set()
    while True:
        optuna.storages.fail_stale_trials(shared)
        trials = shared.get_trials(deepcopy=False)
        _notice(optuna, shared, trials, noticed)
        states = [trial.state for trial in trials]
        done = sum(state in finished for state in states)
        running = states.count(optuna.trial.TrialState.RUNNING)
        waiting = states.count(optuna.trial.TrialState.WAITING)
        progress(_outcome(optuna, study, shared))
        if done >= study.spec.trials:
            return _outcome(optuna, study, shared)
        if done + running >= study.spec.trials and not waiting:
            time.sleep(_POLL_SECONDS)  # the others may finish, or die
            continue
        shared.optimize(lambda trial: _trial(optuna, study, dataset, clip, folder, trial), n_trials=1)


def _notice(optuna: Any, shared: Any, trials: Sequence[Any], noticed: set[int]) -> None:
    """Give each running trial one heartbeat on behalf of its worker, which may have died before its first one.

    Optuna takes a trial without any heartbeat for alive: nobody would ever get it again.
    """
    running = {trial._trial_id for trial in trials if trial.state is optuna.trial.TrialState.RUNNING}
    for number in running - noticed:
        shared._storage.record_heartbeat(number)
        noticed.add(number)


def outcome(study: Study, folder: Path, storage: str | None = None) -> Outcome:
    """What a study has so far.

    Raises:
        ToolError: Optuna is not installed.
    """
    optuna = _optuna()
    shared = _open(optuna, study, storage or f"sqlite:///{paths.real(folder) / 'study.db'}")
    return _outcome(optuna, study, shared)


def _optuna() -> Any:
    optuna: Any = extras.load("optuna", "tune", "a search needs Optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)  # the heartbeat
    return optuna


def _open(optuna: Any, study: Study, url: str) -> Any:
    samplers = {
        "tpe": optuna.samplers.TPESampler,
        "nsga2": optuna.samplers.NSGAIISampler,
        "random": optuna.samplers.RandomSampler,
    }
    from ascmcu.train import checkpoint

    spec = study.spec
    shared = optuna.create_study(
        study_name=study.name,
        storage=_storage(optuna, url),
        sampler=samplers[spec.sampler](seed=_worker_seed(spec.seed)),
        pruner=pruner(optuna, spec),
        directions=[DIRECTIONS[name] for name in spec.objectives],
        load_if_exists=True,
    )
    # Results of another question would be taken for results of this one.
    question = checkpoint.digest([study.raw, repr(study.space), spec.board, list(spec.objectives)])
    known = shared.user_attrs.get("question")
    if known is None:
        shared.set_user_attr("question", question)
    elif known != question:
        raise InputError(
            "the storage holds another study of this name",
            where=_without_password(url),
            found="another recipe, search space, board or objectives",
            hint="choose another -o, --storage, or name in the recipe",
        )
    return shared


def pruner(optuna: Any, spec: StudySpec) -> Any:
    """Optuna's pruner of that name."""
    kinds = {
        "none": optuna.pruners.NopPruner,
        "median": optuna.pruners.MedianPruner,
        "hyperband": optuna.pruners.HyperbandPruner,
    }
    return kinds[spec.pruner]()


def _storage(optuna: Any, url: str) -> Any:
    """What all workers share; the trial of one that falls silent is handed out again.

    Raises:
        ToolError: the database's driver is not installed.
        InputError: the database cannot be opened.
    """
    # SQLAlchemy's default driver depends on its version.
    address = re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url)
    again = getattr(optuna.storages, "RetryHeartbeatStaleTrialCallback", None)  # since Optuna 4.9
    retry: dict[str, Any] = (
        {"heartbeat_stale_trial_callback": again(max_retry=RETRIES)}
        if again
        else {"failed_trial_callback": optuna.storages.RetryFailedTrialCallback(max_retry=RETRIES)}
    )
    try:
        return optuna.storages.RDBStorage(
            address,
            engine_kwargs={"connect_args": {"timeout": 60}} if address.startswith("sqlite") else None,
            heartbeat_interval=HEARTBEAT_SECONDS,
            grace_period=GRACE_SECONDS,
            **retry,
        )
    except ImportError as error:
        raise ToolError(
            "the study's storage needs a driver",
            where=_without_password(url),
            found=str(error).splitlines()[0][:200],
            hint=f"for PostgreSQL run `{extras.install('postgresql')}`",
        ) from error
    except Exception as error:  # the drivers raise what they like
        raise InputError(
            "the study's storage cannot be opened",
            where=_without_password(url),
            found=str(error).strip().splitlines()[0][:300],
            hint="postgresql://USER:PASSWORD@HOST/DATABASE, or sqlite:///FILE",
        ) from error


def _without_password(url: str) -> str:
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:…@", url)


def _worker_seed(seed: int) -> int:
    """Workers that draw alike would propose alike: each mixes its own process into the seed."""
    return (seed * 1_000_003 + os.getpid()) % (1 << 31)


def _trial(optuna: Any, study: Study, dataset: Dataset, clip: Path, folder: Path, trial: Any) -> Any:
    """One trial; what does not fit, or cannot be, is given up with its reason."""
    try:
        result = _judged(optuna, study, dataset, clip, folder / "trials" / str(trial.number), trial)
    except (BoardError, LimitError, InputError) as error:
        trial.set_user_attr("given_up", " ".join(str(error).split()))
        raise optuna.TrialPruned() from error
    for key, value in result.items():
        trial.set_user_attr(key, value)
    return [result[name] for name in study.spec.objectives]


def _judged(
    optuna: Any, study: Study, dataset: Dataset, clip: Path, folder: Path, trial: Any
) -> dict[str, Any]:
    from ascmcu.quantize import metadata, ptq
    from ascmcu.quantize import run as quantize
    from ascmcu.train import run as training

    spec = study.spec
    recipe = Recipe.from_dict({"name": study.name, **study.space.draw(trial, study.raw)}, study.where)
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / "model.tflite"
    # The cost hardly depends on what is learned: who exceeds a bound untrained need not be trained.
    paths.write_whole(model, cost.untrained(recipe, dataset))
    _check(spec, model, cost.of(model, spec.board, clip if spec.bounds_cycles else None))

    run = training.train(recipe, dataset, folder, on_epoch=watcher(optuna, spec, trial))
    _, parts = training.prepare(recipe, dataset)
    converted = metadata.embedded(
        ptq.int8(run.model, run.train.examples.x), run.features, dataset.labels, run.task
    )
    paths.write_whole(model, converted)
    judge = parts["validate"].examples
    accuracy = float((quantize.probabilities(converted, judge.x).argmax(axis=1) == judge.y).mean())
    found = cost.of(model, spec.board, clip if spec.simulates else None)
    _check(spec, model, found)
    return {
        "accuracy": accuracy,
        "ram": found.ram_bytes,
        "flash": found.flash_bytes,
        "cycles": found.cycles,
        "clip_cycles": found.clip_cycles,
    }


def watcher(optuna: Any, spec: StudySpec, trial: Any) -> Callable[[Any], None]:
    """What tells the study's pruner of every epoch, and gives up where it says so."""

    def on_epoch(epoch: Any) -> None:
        if spec.pruner != "none":
            trial.report(epoch.validation_score, epoch.epoch)
            if trial.should_prune():
                trial.set_user_attr("given_up", f"pruned after epoch {epoch.epoch}")
                raise optuna.TrialPruned()

    return on_epoch


def _check(spec: StudySpec, model: Path, found: Cost) -> None:
    broken = (*spec.exceeded(found), *limits.exceeded(model, spec.limits))
    if broken:
        raise LimitError("a limit is exceeded", where=spec.board, found="; ".join(broken))


def _outcome(optuna: Any, study: Study, shared: Any) -> Outcome:
    trials = shared.get_trials(deepcopy=False)
    complete = [t for t in trials if t.state == optuna.trial.TrialState.COMPLETE]
    best = {t.number for t in _best(shared, complete)}
    results = tuple(
        Result(
            t.number,
            {name: _plain(value) for name, value in t.params.items()},
            t.user_attrs["accuracy"],
            t.user_attrs["ram"],
            t.user_attrs["flash"],
            t.user_attrs["cycles"],
            t.number in best,
            t.user_attrs.get("clip_cycles"),
        )
        for t in complete
    )
    given_up = tuple(
        (t.number, str(t.user_attrs.get("given_up", "pruned")))
        for t in trials
        if t.state == optuna.trial.TrialState.PRUNED
    )
    return Outcome(study.name, study.spec, results, given_up)


def _best(shared: Any, complete: Sequence[Any]) -> Sequence[Any]:
    if not complete:
        return ()
    return shared.best_trials if len(shared.directions) > 1 else (shared.best_trial,)


def _plain(value: Any) -> Any:
    """Choices are stored as JSON text."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


def write_json(outcome: Outcome, path: Path) -> None:
    """Results, front and what was given up."""
    content = {
        "study": outcome.name,
        "board": outcome.spec.board,
        "objectives": list(outcome.spec.objectives),
        "results": [dataclasses.asdict(result) for result in outcome.results],
        "given_up": [{"number": number, "reason": reason} for number, reason in outcome.given_up],
    }
    paths.write_whole(path, json.dumps(content, indent=2) + "\n")
