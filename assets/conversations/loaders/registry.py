"""Every known format, and which of them a file is in."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from assets.conversations.containers.archive import sources
from assets.conversations.containers.delimited import split_header
from assets.conversations.containers.rows import Container, read_head, read_rows, tell_container
from assets.conversations.loaders.arena import LmsysLoader, WildChatLoader
from assets.conversations.loaders.base import SAMPLED_ROWS, Loader, readable_objects
from assets.conversations.loaders.chatgpt import ChatGPTLoader
from assets.conversations.loaders.claude_ai import ClaudeAiLoader
from assets.conversations.loaders.hh_rlhf import HhRlhfLoader
from assets.conversations.loaders.langfuse import LangfuseLoader
from assets.conversations.loaders.oasst import OasstLoader, OasstTreeLoader
from assets.conversations.loaders.openai import OpenAILoader
from assets.conversations.loaders.openinference import OpenInferenceLoader
from assets.conversations.loaders.otel_genai import OtelGenAiLoader
from assets.conversations.loaders.plain import MappingLoader, TextLoader
from assets.conversations.loaders.sharegpt import ShareGPTLoader
from assets.conversations.reading import Source
from dagster_project.errors import ObservatoryError

_LOADERS: dict[str, Loader] = {}


def register(loader: Loader) -> Loader:
    """Make a format known; in detection, earlier ones win a tie. Raises ValueError on a taken name."""
    if loader.name in _LOADERS:
        raise ValueError(f"a loader named {loader.name} is already registered")
    _LOADERS[loader.name] = loader
    return loader


for _loader in (
    OpenAILoader(),
    ShareGPTLoader(),
    WildChatLoader(),
    LmsysLoader(),
    HhRlhfLoader(),
    OasstLoader(),
    OasstTreeLoader(),
    ChatGPTLoader(),
    ClaudeAiLoader(),
    LangfuseLoader(),
    OpenInferenceLoader(),
    OtelGenAiLoader(),
    TextLoader(),
    MappingLoader(),
):
    register(_loader)


def loader_names() -> list[str]:
    """Names of the known formats, in the order of detection."""
    return list(_LOADERS)


def get_loader(name: str) -> Loader:
    """The loader of a format. Raises ObservatoryError on an unknown name."""
    if name not in _LOADERS:
        raise ObservatoryError(f"there is no format {name!r}; --format is one of {', '.join(_LOADERS)}")
    return _LOADERS[name]


def choose_container(source: Source, loader: Loader) -> Container:
    """How a file's rows are cut for a loader; what is no JSON is delimited or plain if the loader says so."""
    container = tell_container(source)
    if container != "lines":
        return container
    if loader.plain == "lines" and _has_text_column(source):
        return "csv"
    return loader.plain or "jsonl"


def _has_text_column(source: Source) -> bool:
    header = read_head(source).split(b"\n")[0].decode("utf-8", "replace").rstrip("\r")
    return "text" in split_header(header)[1]


def detect_format(path: Path) -> str:
    """The format of a file, from its first rows.

    Raises ObservatoryError, naming the formats and `--format`, where no format or no single one fits.
    """
    source, *_ = sources(path)
    container = tell_container(source)
    if container == "lines":
        if not read_head(source).strip():
            raise _undecided(path, "is empty or cannot be decompressed")
        if _is_plain_text(path) or _has_text_column(path):
            return "text"
        raise _undecided(path, "is text without JSON")
    records = list(readable_objects(islice(read_rows(source, container), SAMPLED_ROWS)))
    if not records:
        raise _undecided(path, "has no readable row among its first ones")
    votes = {name: sum(map(loader.matches, records)) for name, loader in _LOADERS.items()}
    best = max(votes, key=lambda name: votes[name])
    if not votes[best]:
        raise _undecided(path, "has rows of no known format")
    return best


def _is_plain_text(path: Path) -> bool:
    names = [suffix for suffix in path.suffixes if suffix.lower() not in (".gz", ".zst")]
    return bool(names) and names[-1].lower() == ".txt" and b"\x00" not in read_head(path)


def _undecided(path: Path, what: str) -> ObservatoryError:
    formats = ", ".join(f"{name} ({loader.description})" for name, loader in _LOADERS.items())
    return ObservatoryError(
        f"{path.name} {what}; say what it is with --format NAME, or map its columns with --map text=COLUMN. "
        f"Formats: {formats}"
    )
