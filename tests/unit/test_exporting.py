"""Exports are read back to the same items, load in the tools that they are for, and score there as they do here."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from assets.evaluation.exporting import (
    EXPORTS,
    Card,
    export_huggingface,
    export_inspect,
    export_lm_eval,
    read_huggingface,
    read_inspect,
    read_lm_eval,
)
from assets.evaluation.items import completed, groups_of, messages_of
from assets.evaluation.probabilities import option_scores
from dagster_project.errors import ObservatoryError
from schemas.evaluation import ANSWERED, EvalAnswer, EvalItem

READERS = {"inspect": read_inspect, "huggingface": read_huggingface, "lm-eval": read_lm_eval}
CARD = Card("made_up", "Made up", "nobody, nowhere", "1", licence="cc-by-4.0", languages=("en", "de"))
ROWS = 12
STATEMENTS = [f"Statement {number}: “Größe” zählt \\ 雪" for number in range(ROWS)]


def questions() -> pl.DataFrame:
    """Yes or no, letters with three options, a prefill behind a quotation mark, and a system turn."""
    frame = pl.DataFrame({"text": STATEMENTS, "system": "Be terse."}).with_row_index("number")
    even = pl.col("number") % 2 == 0
    yes_no = frame.with_columns(
        dataset=pl.lit("Persona: müde"),
        messages=messages_of("text"),
        options=pl.lit([" Yes", " No"]),
        target=pl.when(even).then(pl.lit(" Yes")).otherwise(pl.lit(" No")),
    )
    letters = frame.with_columns(
        dataset=pl.lit("persona: müde"),
        messages=messages_of("text", "system"),
        options=pl.lit([" (A)", " (B)", " (C)"]),
        target=pl.lit(" (B)"),
        weight=pl.lit(0.1 + 0.2),
    )
    begun = frame.with_columns(
        dataset=pl.lit("decisions"),
        condition=pl.lit("think-less"),
        messages=messages_of("text"),
        options=pl.lit(["no", "yes"]),
        target=pl.lit("yes"),
        prefill=pl.lit('The answer is "'),
        level=pl.format("level {}", "number"),
    ).with_columns(groups=groups_of("level"))
    parts = [
        completed("made_up", part.with_columns(unit=pl.format("u{}", "number"), topic="text"))
        for part in (yes_no, letters, begun)
    ]
    return pl.concat(parts)


def with_text(items: pl.DataFrame) -> pl.DataFrame:
    """The items, and two that are answered freely: one alone, one before it is asked for an option."""
    said = [[{"role": "user", "content": text}] for text in ("Say something.", "Think aloud.")]
    free = items.head(2).with_columns(
        item_id=pl.Series(["free", "asked-again"]),
        messages=pl.Series(said, dtype=items.schema["messages"]),
        options=pl.Series([[], [" Yes", " No"]]),
        target=pl.Series([None, " No"]),
        follow_up=pl.Series([None, "Then say it in one word."]),
    )
    return pl.concat([items, free])


def logprobs(item_ids: Sequence[str], options: Sequence[Sequence[str]]) -> list[list[float]]:
    """Log-probabilities that a model could give: of each option, by the item's id."""
    return [
        [-0.5 - (sum(map(ord, item_id + option)) % 89) / 7 for option in row]
        for item_id, row in zip(item_ids, options, strict=True)
    ]


def answers(items: pl.DataFrame) -> pl.DataFrame:
    columns = {name: column.dtype.type for name, column in EvalAnswer.to_schema().columns.items()}
    given = {
        "protocol": "logprobs",
        "missing_mass": 0.0,
        "status": ANSWERED,
        "subject": "scripted",
        "sample": 0,
    }
    frame = items.select("suite", "item_id").with_columns(
        **{name: pl.lit(value) for name, value in given.items()},
        logprobs=pl.Series(logprobs(items["item_id"].to_list(), items["options"].to_list())),
        **{name: pl.lit(None, pl.String) for name in ("choice", "text", "reasoning", "reason")},
    )
    return frame.select(pl.col(name).cast(kind) for name, kind in columns.items())


def scores(items: pl.DataFrame) -> pl.DataFrame:
    columns = ("item_id", "choice", "hit", "p_target")
    return option_scores(items, answers(items)).select(columns).sort("item_id")


@pytest.mark.parametrize("form", EXPORTS)
def test_what_is_read_back_is_what_was_exported_and_scores_alike(form: str, tmp_path: Path) -> None:
    items = questions()
    done = EXPORTS[form](items, CARD, tmp_path / "out")
    back = READERS[form](done.folder)
    assert (done.items, done.left_out) == (items.height, 0)
    assert back.schema == items.schema
    assert back.sort("item_id").equals(items.sort("item_id"))
    EvalItem.validate(back)
    assert scores(back).equals(scores(items)) and scores(back)["hit"].null_count() < back.height


@pytest.mark.parametrize("form", EXPORTS)
def test_items_that_a_format_cannot_hold_are_counted(form: str, tmp_path: Path) -> None:
    items = with_text(questions())
    done = EXPORTS[form](items, CARD, tmp_path / "out")
    assert done.left_out == (2 if form == "lm-eval" else 0)
    assert bool(done.why) == (form == "lm-eval")
    assert READERS[form](done.folder).height == done.items == items.height - done.left_out


def test_free_answers_alone_cannot_be_compared_by_likelihood(tmp_path: Path) -> None:
    free = with_text(questions()).filter(pl.col("item_id") == "free")
    with pytest.raises(ObservatoryError, match="none of the 1 items"):
        export_lm_eval(free, CARD, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("form", EXPORTS)
def test_what_lies_in_the_folder_already_is_not_written_over(form: str, tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_text("kept")
    with pytest.raises(ObservatoryError, match="there already"):
        EXPORTS[form](questions(), CARD, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]


@pytest.mark.parametrize("form", EXPORTS)
def test_a_folder_that_is_no_export_is_refused(form: str, tmp_path: Path) -> None:
    with pytest.raises(ObservatoryError):
        READERS[form](tmp_path)


def test_names_that_differ_in_case_alone_make_two_configs(tmp_path: Path) -> None:
    export_huggingface(questions(), CARD, tmp_path / "out")
    files = sorted(path.parent.name.lower() for path in (tmp_path / "out").rglob("*.parquet"))
    assert len(set(files)) == 3


def test_the_card_tells_what_a_reader_has_to_know(tmp_path: Path) -> None:
    told = Card(
        "made_up",
        "Made up",
        "nobody, nowhere",
        "1",
        models={"writer": "one-model", "judge": "one-model"},
        prompts={"draft.v1.jinja": "abc"},
        tables={"Funnel": pl.DataFrame({"stage": ["a|b"], "kept": [0.5]})},
    )
    items = questions()
    export_huggingface(items, told, tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text()
    _, header, body = text.split("---\n", 2)
    facts = yaml.safe_load(header)
    assert facts["license"] == "unknown" and "No licence was chosen" in body
    assert facts["size_categories"] == ["n<1K"] and facts["task_categories"] == ["multiple-choice"]
    assert "The same model wrote and judged" in body and "| a\\|b | 0.500 |" in body
    assert "| persona: müde | default | 12 | 3 |  (B) | 1.000 |" in body
    assert "{{" not in body and "\n\n\n\n" not in body
    (line,) = [line for line in body.splitlines() if "lm-observatory canary" in line]
    export_inspect(items.reverse(), CARD, tmp_path / "again")
    assert line in (tmp_path / "again" / "README.md").read_text()


def test_datasets_loads_every_config(tmp_path: Path) -> None:
    import datasets

    items = questions()
    export_huggingface(items, CARD, tmp_path / "out")
    folder, cache = str(tmp_path / "out"), str(tmp_path / "cache")
    loaded = [
        datasets.load_dataset(folder, name, split="test", cache_dir=cache).to_polars()
        for name in datasets.get_dataset_config_names(folder)
    ]
    together = pl.concat(loaded).sort("item_id").cast(items.schema)  # type: ignore[arg-type]
    assert together.equals(items.sort("item_id"))


def test_inspect_runs_the_task_and_matches_as_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items = with_text(questions())
    expected = scores(items.filter(pl.col("options").list.len() > 0))
    said = dict(expected.filter(pl.col("choice").is_not_null()).select("item_id", "choice").iter_rows())
    log = _inspected(tmp_path, items, said, monkeypatch)
    shown = {str(sample.id): sample.scores["matches"] for sample in log.samples}
    hits = dict(expected.select("item_id", "hit").iter_rows())
    for item_id, score in shown.items():
        hit = hits.get(item_id)
        assert math.isnan(score.value) if hit is None else score.value == float(hit)
    (found,) = [score for score in log.results.scores if score.scorer == "matches" and "all" in score.metrics]
    assert found.metrics["all"].value == pytest.approx(expected["hit"].mean())


def test_inspect_tries_the_task_with_its_mock_model_and_without_a_network(tmp_path: Path) -> None:
    """Proxies lead nowhere and no tokenizer is at hand, as in a fresh installation that is cut off."""
    export_inspect(questions(), CARD, tmp_path / "out")
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")
    places = {"TIKTOKEN_CACHE_DIR": str(tmp_path / "none"), "INSPECT_LOG_DIR": str(tmp_path / "logs")}
    command = [sys.executable, "-m", "inspect_ai", "eval", "task.py", "--model", "mockllm/model"]
    done = subprocess.run(
        [*command, "--display", "none", "--log-format", "json"],
        cwd=tmp_path / "out",
        env=os.environ | nowhere | places | {"XDG_DATA_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    (log,) = (tmp_path / "logs").glob("*.json")
    told = json.loads(log.read_text("utf-8"))
    assert (done.returncode, told["status"]) == (0, "success"), told.get("error")
    assert len(told["samples"]) == questions().height
    assert not [sample["error"] for sample in told["samples"] if sample.get("error")]


def _inspected(
    folder: Path, items: pl.DataFrame, said: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Any:
    """Log of a run whose model answers as `said`, found by what it is asked."""
    import inspect_ai
    from inspect_ai.model import ModelOutput, ModelUsage, get_model

    monkeypatch.setenv("INSPECT_LOG_DIR", str(folder / "logs"))
    monkeypatch.setenv("XDG_DATA_HOME", str(folder))
    export_inspect(items, CARD, folder / "out")
    monkeypatch.chdir(folder / "out")
    known = {
        (
            tuple(turn["content"] for turn in row["messages"]),
            row["prefill"],
            row["follow_up"] is not None,
        ): row["item_id"]
        for row in items.iter_rows(named=True)
    }

    def answer(asked: list[Any], tools: Any, choice: Any, config: Any) -> Any:
        turns = [turn.text for turn in asked]
        again = "Then say it in one word." in turns
        prefill = turns[-1] if asked[-1].role == "assistant" else None
        turns = turns[: 1 if again else len(turns) - (prefill is not None)]
        item_id = known.get((tuple(turns), prefill, again), "free")
        said_here = f"{said.get(item_id, 'I would rather not.').strip()}, surely."
        output = ModelOutput.from_content("mockllm", said_here)
        # Without it the mock model fetches a tokenizer to count what was asked.
        output.usage = ModelUsage()
        return output

    model = get_model("mockllm/model", custom_outputs=answer)
    (log,) = inspect_ai.eval("task.py", model=model, display="none")
    assert log.status == "success", log.error
    return log


def test_lm_eval_scores_the_tasks_as_they_are_scored_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lm_eval import simple_evaluate
    from lm_eval.api.model import LM
    from lm_eval.tasks import TaskManager

    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    items = questions()
    export_lm_eval(items, CARD, tmp_path / "out")
    likelihoods = _likelihoods(items)

    class Scripted(LM):
        def loglikelihood(self, requests: list[Any]) -> list[tuple[float, bool]]:
            return [(likelihoods[request.args], False) for request in requests]

        def loglikelihood_rolling(self, requests: Any) -> Any:
            raise NotImplementedError

        generate_until = loglikelihood_rolling

    manager = TaskManager(include_path=str(tmp_path / "out"), include_defaults=False)
    found = simple_evaluate(Scripted(), tasks=["made_up"], task_manager=manager, bootstrap_iters=0)
    assert found is not None
    expected = scores(items)
    means = found["groups"]["made_up"]
    assert means["mean_p_match,none"] == pytest.approx(expected["p_target"].mean())
    tasks = {name: result for name, result in found["results"].items() if name != "made_up"}
    assert len(tasks) == 3
    by_size = sum(result["match_rate,none"] * ROWS for result in tasks.values()) / items.height
    assert means["match_rate,none"] == pytest.approx(by_size)
    assert by_size == pytest.approx(expected["hit"].mean())


def _likelihoods(items: pl.DataFrame) -> dict[tuple[str, str], float]:
    """Log-likelihood of each continuation of each prompt, as the harness has to put them."""
    known: dict[tuple[str, str], float] = {}
    for row in items.iter_rows(named=True):
        values = logprobs([row["item_id"]], [row["options"]])[0]
        system = len(row["messages"]) > 1
        prompt = row["messages"][0]["content"]
        if system:
            prompt = f"System: Be terse.\n\nUser: {row['messages'][1]['content']}\n\nAssistant:"
        known |= {
            (prompt + (row["prefill"] or ""), option): value
            for option, value in zip(row["options"], values, strict=True)
        }
    return known
