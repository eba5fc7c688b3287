"""A task of Inspect. Run it with `inspect eval task.py --model MODEL`; `-T dataset=NAME` takes a part of it.

The model is asked word for word and answers freely. An answer counts where an option can be read in it: it begins with one,
or names exactly one. What cannot be read is not scored, and `answered` says how much could be.
"""

import re
from pathlib import Path

from inspect_ai import Task, task
from inspect_ai.dataset import Dataset, json_dataset
from inspect_ai.model import ChatMessageAssistant, ChatMessageUser, ModelAPI, get_model
from inspect_ai.scorer import (
    Metric,
    SampleScore,
    Score,
    Scorer,
    Target,
    grouped,
    mean,
    metric,
    scorer,
    stderr,
)
from inspect_ai.solver import Generate, Solver, TaskState, solver

DATASET = Path(__file__).parent / "dataset.jsonl"
MOCK = "mockllm"


@task
def questions(dataset: str | None = None, condition: str | None = None) -> Task:
    """The questions, or those of one dataset or condition."""
    asked = json_dataset(str(DATASET))
    for name, wanted in (("dataset", dataset), ("condition", condition)):
        if wanted is not None:
            asked = _part(asked, name, wanted)
    facts = [sample.metadata or {} for sample in asked]
    return Task(
        name=facts[0]["suite"] if facts else None,
        dataset=asked,
        solver=as_written(),
        scorer=[matches(), answered()],
        epochs=max((fact["samples"] for fact in facts), default=1),
    )


def _part(asked: Dataset, name: str, wanted: str) -> Dataset:
    return asked.filter(lambda sample: (sample.metadata or {})[name] == wanted)


@solver
def as_written() -> Solver:
    """Ask as the item says: freely first where it has a follow-up, with the beginning of the answer where it has one."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        if state.model.api == MOCK:
            _count_characters(get_model().api)
        item = state.metadata
        drawn = {"temperature": item["temperature"], "max_tokens": item["max_tokens"]}
        if item["follow_up"] is not None:
            state = await generate(state, **drawn)
            state.messages.append(ChatMessageUser(content=item["follow_up"]))
        if item["prefill"] is not None:
            state.messages.append(ChatMessageAssistant(content=item["prefill"]))
        return await generate(state, **drawn)

    return solve


def _count_characters(api: ModelAPI) -> None:
    """Have the mock model count characters: for tokens it would fetch a tokenizer, and a trial needs no network."""

    async def characters(text: str) -> int:
        return len(text)

    api.count_text_tokens = characters


@metric
def match_rate() -> Metric:
    """Share of the answers that match the behaviour, or are right, of those that can be scored."""

    def share(scores: list[SampleScore]) -> float:
        return sum(score.score.as_float() for score in scores) / len(scores) if scores else float("nan")

    return share


@scorer(metrics=[grouped(match_rate(), "dataset"), stderr()])
def matches() -> Scorer:
    """1 where the option that was chosen is the target, 0 where it is another; not scored without either."""

    async def score(state: TaskState, target: Target) -> Score:
        said, wanted = _chosen(state), state.metadata["target"]
        if said is None or wanted is None:
            return Score(value=float("nan"), answer=said)
        return Score(value=float(said == wanted), answer=said)

    return score


@scorer(metrics=[grouped(mean(), "dataset")])
def answered() -> Scorer:
    """1 where the answer could be read."""

    async def score(state: TaskState, target: Target) -> Score:
        return Score(value=float(_chosen(state) is not None))

    return score


def _chosen(state: TaskState) -> str | None:
    """The option that was answered, as the item writes it; the text itself where there are none."""
    text = state.output.completion.removeprefix(state.metadata["prefill"] or "").strip()
    options = state.metadata["options"]
    if not options:
        return text or None
    first = [option for option in options if _pattern(option).match(text)]
    named = first or [option for option in options if _pattern(option).search(text)]
    longest = sorted(named, key=lambda option: len(option.strip()))[-1:] if first else named
    return longest[0] if len(longest) == 1 else None


def _pattern(option: str) -> re.Pattern[str]:
    word = option.strip()
    before = r"(?<!\w)" if word[:1].isalnum() else ""
    after = r"(?!\w)" if word[-1:].isalnum() else ""
    return re.compile(before + re.escape(word) + after, re.IGNORECASE)
