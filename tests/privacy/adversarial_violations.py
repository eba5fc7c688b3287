"""What is wrong with a home, by a judge that knows who wrote what: [] for a release that keeps its promises.

Counts are made from the input file's true people, never from pseudonyms or from the pipeline's own counts.
Specification: privacy, sections 1.3 and 1.4.
"""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import ahocorasick
import polars as pl
from small_releases import Inputs, members, true_cells

from dagster_project.home import Home
from dagster_project.privacy.attack import attack_intervals
from tests.privacy.adversarial_matcher import Matcher, fold, statistics
from tests.privacy.adversarial_recount import CONVERSATIONS, USERS, faults, recount_violations, true_rows
from tests.privacy.adversarial_world import NAME_IT, World
from tests.support import published_tables

WINDOW = 13
DIMENSIONS = ("language", "week", "model", "concern_band")
KEY = ["cluster_id", "dimension", "value"]
CONNECTIVES = frozenset(["requests", "about", "and", "mostly", "in", "other", "mixed"])
NO_WORDS = "Requests that have no words in common that enough people use"
SHAPES = re.compile(
    r"\S@\S+\.\S|(?:\d[ ().-]{0,2}){9,}|\d{1,3}(?:\.\d{1,3}){3}|\w*\d\w*[A-Za-z]\w*\d\w*|https?:"
)
HASHES: tuple[Callable[[bytes], str], ...] = (
    lambda raw: raw.hex()[:32].ljust(32, "0"),
    lambda raw: hashlib.md5(raw).hexdigest(),
    lambda raw: hashlib.sha1(raw).hexdigest(),
    lambda raw: hashlib.sha256(raw).hexdigest(),
    lambda raw: hashlib.blake2b(raw).hexdigest(),
)

Tables = Mapping[str, pl.DataFrame]


def published(home: Home) -> dict[str, pl.DataFrame]:
    """Every published table of a home by name."""
    return published_tables(home)


def restricted(home: Home, world: World) -> Inputs:
    """The restricted tables that a release is made from, with the true person in the place of the pseudonym."""
    batches = [batch.key for batch in home.batches()]
    facets = home.lake.scan_batches("restricted", "facets", batches).collect()
    person = pl.col("conversation_id").replace_strict(world.people)
    unknown = pl.col("conversation_id").is_in([r["id"] for r in world.records if "user" not in r])
    return Inputs(
        home.lake.scan("restricted", "cluster_assignments").collect(),
        home.lake.scan("restricted", "cluster_nodes").collect(),
        facets.with_columns(user_key=pl.when(~unknown).then(person)).select(
            "conversation_id", "user_key", "language", "week", "model"
        ),
        home.lake.scan_batches("restricted", "concerns", batches)
        .select("conversation_id", "concern_band")
        .collect(),
    )


def violations(home: Home, world: World, terminal: str = "") -> list[str]:
    """Everything that is wrong, over published tables, texts and files."""
    tables, truth = published(home), restricted(home, world)
    return [
        *crowd_violations(tables, truth),
        *recount_violations(tables, truth, true_rows(home, world, truth)),
        *text_violations(tables, world),
        *file_violations(home, world, terminal),
    ]


def crowd_violations(tables: Tables, truth: Inputs) -> list[str]:
    """Rows of too few people or conversations, or of one person mostly; and withheld cells that can be worked out."""
    rows, bases = truth.rows(), members(truth, tables["clusters"])
    found = []
    for name, below in bases.items():
        inside = rows.filter(pl.col("cluster_id").is_in(list(below)))
        found += [f"clusters: {fault}" for fault in faults(inside)]
        for dimension in DIMENSIONS:
            shown = tables["cluster_cells"].filter(
                (pl.col("cluster_id") == name)
                & (pl.col("dimension") == dimension)
                & (pl.col("value") != "other")
            )
            for value in shown["value"]:
                found += [f"cells: {fault}" for fault in faults(inside.filter(pl.col(dimension) == value))]
    return found + [f"subtraction: {row}" for row in _derivable(tables, truth)]


def _derivable(tables: Tables, truth: Inputs) -> list[tuple]:
    """Withheld cells that published counts leave fewer than the least number of values for."""
    if tables["cluster_cells"].is_empty():
        return []
    cells = true_cells(truth, tables["clusters"])
    withheld = cells.join(tables["cluster_cells"], on=KEY, how="anti").filter(pl.col("conversations") > 0)
    domains = dict(cells.group_by("dimension").agg(pl.col("value").unique().sort()).iter_rows())
    ranges = attack_intervals(tables["clusters"], tables["cluster_cells"], domains=domains, method="bounds")
    narrow = pl.col("high") - pl.col("low") < min(USERS, CONVERSATIONS)
    return ranges.filter(narrow).join(withheld, on=KEY).select(KEY).rows()


def text_violations(tables: Tables, world: World) -> list[str]:
    """Names and summaries with words of too few, with copied text, identifiers or what an attacker asked for."""
    clusters = tables["clusters"].filter(~pl.col("cluster_id").str.starts_with("other-"))
    shown = [*clusters["name"], *clusters["summary"]]
    values = [*shown, *tables["cluster_cells"]["value"].unique()]
    raw = [record["messages"][0]["content"] for record in world.records]
    people = [world.people[record["id"]] for record in world.records]
    payloads = [fold(word) for word in NAME_IT] + [fold(f"injected{number}zqv7") for number in range(14)]
    found = [f"word of too few: {word}" for word in sorted(_rare_words(shown, raw, people))]
    found += ["asked for" for text in shown if any(payload in fold(text) for payload in payloads)]
    found += [
        "identifier" for text in values if SHAPES.search(text) and not re.fullmatch(r"\d{4}-\d\d-\d\d", text)
    ]
    found += Matcher(world.canaries).leaks([("published strings", "\n".join(values))])
    windows = {window for text in raw for window in _windows(text)}
    return found + ["copied" for text in shown if windows & _windows(text)]


def _rare_words(shown: Iterable[str], raw: list[str], people: list[str]) -> set[str]:
    """Words of published strings that fewer people than a release needs have written."""
    writers: dict[str, set[str]] = {}
    for text, person in zip(raw, people, strict=True):
        for word in set(re.findall(r"[^\W\d_]{3,}", text.lower())):
            writers.setdefault(word, set()).add(person)
    texts = (text for text in shown if not text.startswith(NO_WORDS))
    words = {word for text in texts for word in re.findall(r"[^\W\d_]{3,}", text.lower())}
    languages = {"english"}
    return {word for word in words - CONNECTIVES - languages if len(writers.get(word, ())) < USERS}


def _windows(text: str) -> set[str]:
    words = re.findall(r"\w+", text.lower())
    return {" ".join(words[at : at + WINDOW]) for at in range(len(words) - WINDOW + 1)}


def outside(home: Home) -> list[Path]:
    """Every file of a home that is not in the restricted zone."""
    return [
        path
        for path in sorted(home.root.rglob("*"))
        if path.is_file() and home.restricted not in path.parents
    ]


def file_violations(home: Home, world: World, terminal: str = "") -> list[str]:
    """Canaries outside the restricted zone, user ids anywhere, statistics in footers, and files others can read."""
    found = Matcher(world.canaries).leaks([*outside(home), ("terminal", terminal)])
    found += [f"user id: {name}" for name in _identities(home, world.user_ids(), terminal)]
    for path in home.root.rglob("*"):
        if path.suffix == ".parquet" and any(True for _ in statistics(path)):
            found.append(f"statistics: {path.relative_to(home.root)}")
        if not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) & 0o077:
            found.append(f"open to others: {path.relative_to(home.root)}")
    return found


def _identities(home: Home, ids: list[str], terminal: str) -> list[str]:
    """Files with a user id in them, or with a hash of one that anyone can make."""
    wanted = ahocorasick.Automaton()
    for raw in (user.encode() for user in ids):
        for form in [raw] * (len(raw) > 6) + [make(raw)[:32].encode() for make in HASHES]:
            wanted.add_word(form.decode("latin-1"), True)
    wanted.make_automaton()
    files = [(path.name, *_views(path)) for path in home.root.rglob("*") if path.is_file()]
    sinks = [*files, ("terminal", terminal.encode())]
    return [
        name for name, *views in sinks if any(next(wanted.iter(v.decode("latin-1")), None) for v in views)
    ]


def _views(path: Path) -> list[bytes]:
    raw = path.read_bytes()
    if not raw.startswith(b"PAR1"):
        return [raw]
    strings = pl.read_parquet(path).select(pl.col(pl.String)).to_dict(as_series=False)
    return [raw, "\n".join(str(cell) for cells in strings.values() for cell in cells).encode()]
