"""The synthetic sample: same seed same bytes, truth that holds, identifiers that are valid and stand where they should."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter, defaultdict
from datetime import date, datetime
from pathlib import Path

import pytest

from dagster_project.sample import SampleSummary, drift_schedule, generate_sample, write_sample
from dagster_project.sample.canaries import DISGUISES, PLACES, ZERO_WIDTH, disguised, is_planted, make_canary
from dagster_project.sample.identifiers import KINDS, MARK, make_identifier
from dagster_project.sample.texts import load_texts

SEED, SIZE, CANARY_SHARE = 11, 4_000, 0.12
SCRIPTS = {
    "ru": "\u0400-\u04ff", "uk": "\u0400-\u04ff", "ar": "\u0600-\u06ff", "hi": "\u0900-\u097f",
    "zh": "\u4e00-\u9fff", "ja": "\u3040-\u30ff\u4e00-\u9fff\u3005", "ko": "\uac00-\ud7a3",
}  # fmt: skip
TECHNICAL = {"programming", "business"}


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> SampleSummary:
    path = tmp_path_factory.mktemp("sample") / "sample.jsonl"
    return write_sample(path, SIZE, SEED, canary_share=CANARY_SHARE)


@pytest.fixture(scope="module")
def records(summary: SampleSummary) -> list[dict]:
    return [json.loads(line) for line in summary.path.read_bytes().splitlines()]


def truths(records: list[dict]) -> list[dict]:
    return [record["metadata"]["truth"] for record in records]


def asked(record: dict) -> list[str]:
    return [message["content"] for message in record["messages"] if message["role"] == "user"]


def test_equal_arguments_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_sample(tmp_path / f"{name}.jsonl", 2_500, 3, canary_share=0.1)
    for suffix in ("jsonl", "canaries.txt", "canaries.tsv"):
        assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes()
    write_sample(tmp_path / "other.jsonl", 2_500, 4, canary_share=0.1)
    assert (tmp_path / "one.jsonl").read_bytes() != (tmp_path / "other.jsonl").read_bytes()
    assert not list(tmp_path.glob("*.part"))


def test_slices_are_lazy_and_bounded() -> None:
    slices = generate_sample(1_000_000, 1, users=2_000)
    sizes = [len(next(slices)) for _ in range(2)]
    assert sizes == [2_000, 2_000]
    assert [len(part) for part in generate_sample(2_001, 1)] == [2_000, 1]


def test_written_and_generated_records_agree(summary: SampleSummary, records: list[dict]) -> None:
    generated = [r for part in generate_sample(SIZE, SEED, canary_share=CANARY_SHARE) for r in part]
    assert generated == records
    assert summary.conversations == len(records) == SIZE
    assert summary.messages == sum(len(record["messages"]) for record in records)
    assert summary.bytes == summary.path.stat().st_size
    assert summary.users == len({record["user"] for record in records})
    assert summary.languages == Counter(truth["language"] for truth in truths(records))
    assert summary.subtopics == Counter(truth["subtopic"] for truth in truths(records))


def test_shape_is_that_of_chat_messages(records: list[dict]) -> None:
    assert len({record["id"] for record in records}) == SIZE
    for record in records:
        assert record.keys() == {"id", "user", "created_at", "model", "messages", "metadata"}
        roles = [message["role"] for message in record["messages"]]
        assert set(roles) <= {"system", "user", "assistant", "tool"}
        assert roles.index("user") < roles.index("assistant") and roles[-1] == "assistant"
        assert "system" not in roles[1:]
        assert all(isinstance(message["content"], str) for message in record["messages"])
        assert all(message["content"] for message in record["messages"] if "tool_calls" not in message)


def test_sizes_are_skewed_around_two_kilobytes(summary: SampleSummary) -> None:
    sizes = sorted(len(line) for line in summary.path.read_bytes().splitlines())
    mean, median = sum(sizes) / len(sizes), sizes[len(sizes) // 2]
    assert 1_500 < mean < 2_600
    assert mean > 1.1 * median
    assert sizes[-1] > 3 * mean
    assert 3.5 < summary.messages / summary.conversations < 7


def test_two_levels_of_skewed_topics(summary: SampleSummary) -> None:
    topics = load_texts().topics
    assert len([t for t in topics if not t.concerning]) >= 24
    assert len(summary.topics) >= 8 and "concerning" in summary.topics
    counts = [n for _, n in summary.subtopics.most_common()]
    assert len(counts) == len(topics)
    assert counts[0] > 0.05 * SIZE
    assert counts[-1] < 0.005 * SIZE
    assert 0.035 < summary.concerning / SIZE < 0.065


def test_languages_are_skewed_and_english_leads(summary: SampleSummary) -> None:
    assert len(summary.languages) >= 12
    assert 0.53 < summary.languages["en"] / SIZE < 0.67
    assert min(summary.languages.values()) < 0.03 * SIZE


def test_every_language_speaks_of_every_topic() -> None:
    texts = load_texts()
    english = next(language for language in texts.languages if language.code == "en")
    for language in texts.languages:
        assert language.phrases.keys() >= english.phrases.keys() - {"order_frames"}
        for topic in texts.topics:
            pieces = language.pieces[topic.subtopic]
            assert len(pieces["tasks"]) >= 2, (language.code, topic.subtopic)
            assert all(pieces[key] for key in ("details", "follow"))
            assert topic.concerning or len(pieces["advice"]) >= 3
            slots = set(re.findall(r"\{(\w)\}", " ".join(piece for key in pieces for piece in pieces[key])))
            assert {slot.lower() for slot in slots} <= {"a", "c"} | ({"b", "d"} if "b" in pieces else set())


def test_no_slot_is_left_unfilled(records: list[dict]) -> None:
    for record in records:
        texts = [m["content"] for m in record["messages"]] + [record["metadata"].get("title", "")]
        assert not any(re.search(r"\{[a-dA-DtT]\}|\{label\}|\{value\}", text) for text in texts)


def test_scripts_are_those_of_the_language(records: list[dict]) -> None:
    letters: dict[str, Counter] = defaultdict(Counter)
    for record, truth in zip(records, truths(records), strict=True):
        if truth["topic"] not in TECHNICAL and not truth["canaries"]:
            pattern = SCRIPTS.get(truth["language"], "A-Za-z\u00c0-\u024f\u1e00-\u1eff")
            text = "".join(asked(record))
            letters[truth["language"]]["own"] += len(re.findall(f"[{pattern}]", text))
            letters[truth["language"]]["all"] += sum(
                len(re.findall(f"[{p}]", text)) for p in ("A-Za-z\u00c0-\u024f", "\u0400-\u04ff", "\u0600-\u06ff",
                                                          "\u0900-\u097f", "\u3040-\u30ff\u4e00-\u9fff\u3005", "\uac00-\ud7a3")
            )  # fmt: skip
    assert len(letters) >= 12
    for language, counts in letters.items():
        assert counts["own"] > 0.97 * counts["all"], language


def test_requests_are_mostly_distinct(records: list[dict]) -> None:
    requests = [next(text for text in asked(r) if len(text) > 25) for r in records if len(asked(r)[0]) > 25]
    assert len(set(requests)) > 0.95 * len(requests)


def test_users_are_skewed_with_few_languages_and_favourite_topics(records: list[dict]) -> None:
    by_user: dict[str, list[dict]] = defaultdict(list)
    for record in records:
        by_user[record["user"]].append(record["metadata"]["truth"])
    sizes = sorted((len(found) for found in by_user.values()), reverse=True)
    assert sizes[0] < 0.025 * SIZE
    assert sum(sizes[: len(sizes) // 10]) > 0.3 * SIZE
    assert all(len({truth["language"] for truth in found}) <= 2 for found in by_user.values())
    busy = [found for found in by_user.values() if len(found) >= 30]
    assert busy
    for found in busy:
        favourites = Counter(truth["subtopic"] for truth in found).most_common(5)
        assert sum(n for _, n in favourites) > 0.5 * len(found)


def test_times_rise_over_ten_weeks_with_a_rhythm(records: list[dict]) -> None:
    times = [datetime.fromisoformat(record["created_at"]) for record in records]
    assert times == sorted(times)
    assert times[0].date() >= date(2025, 1, 6) and times[-1].date() < date(2025, 3, 17)
    days = Counter(t.weekday() for t in times)
    assert days[5] + days[6] < 0.7 * (days[1] + days[2])
    hours = Counter(t.hour for t in times)
    assert max(hours.values()) > 2.5 * min(hours.values())
    assert len({record["model"] for record in records}) >= 4


def test_every_canary_stands_where_the_truth_says_and_nowhere_else(
    summary: SampleSummary, records: list[dict]
) -> None:
    values = summary.canaries_path.read_text("utf-8").splitlines()
    table = summary.path.with_suffix(".canaries.tsv").read_text("utf-8").splitlines()[1:]
    assert len(values) == len(table) == summary.canaries == int(SIZE * CANARY_SHARE)
    languages = {language.code: language for language in load_texts().languages}
    everything = "\n".join(json.dumps(record, ensure_ascii=False) for record in records)
    seen = []
    for record, truth in zip(records, truths(records), strict=True):
        own = json.dumps(record, ensure_ascii=False)
        for index in truth["canaries"]:
            canary = make_canary(SEED, index, languages[truth["language"]])
            assert canary.value == values[index]
            assert table[index].split("\t")[1:-1] == [canary.kind, canary.disguise, canary.place]
            assert is_planted(canary, record), canary
            if len(canary.parts) == 1:
                assert everything.count(canary.parts[0]) == own.count(canary.parts[0]) > 0
            assert everything.count(canary.value) == own.count(canary.value)
            seen.append(index)
    assert sorted(seen) == list(range(len(values)))


def test_canaries_cover_every_type_disguise_and_place(summary: SampleSummary) -> None:
    rows = [
        line.split("\t") for line in summary.path.with_suffix(".canaries.tsv").read_text().splitlines()[1:]
    ]
    combinations = {(kind, disguise, place) for _, kind, disguise, place, _ in rows}
    assert len(combinations) == len(KINDS) * len(DISGUISES) * len(PLACES)
    assert len({row[4] for row in rows}) >= 10


def test_canaries_meet_every_language_too_when_asked(tmp_path: Path) -> None:
    languages, share = len(load_texts().languages), 0.234
    crossed = len(KINDS) * len(DISGUISES) * len(PLACES) * languages
    write_sample(tmp_path / "s.jsonl", 20_000, 7, canary_share=share, all_languages=True)
    rows = [line.split("\t")[1:] for line in (tmp_path / "s.canaries.tsv").read_text().splitlines()[1:]]
    assert len(rows) == int(20_000 * share) == crossed
    assert len(set(map(tuple, rows))) == crossed


@pytest.mark.parametrize("code", ["en", "ru", "ar", "hi", "zh", "ja", "ko"])
def test_identifiers_are_unique_and_valid(code: str) -> None:
    language = next(language for language in load_texts().languages if language.code == code)
    made = {(KINDS[i % 12], make_identifier(KINDS[i % 12], 5, i, language)) for i in range(3_000)}
    assert len({value for _, value in made}) == 3_000
    for kind, value in made:
        assert len(value) >= 7
        if kind == "card":
            assert luhn_holds(re.sub(r"\D", "", value))
        elif kind == "iban":
            assert iban_holds(value.replace(" ", ""))
        elif kind == "national_id":
            assert re.fullmatch(r"9\d\d-[0-4]\d-\d{4}", value)
        elif kind in ("email", "api_key", "handle"):
            assert MARK in value


def luhn_holds(number: str) -> bool:
    doubled = [int(d) * (1 + i % 2) for i, d in enumerate(reversed(number))]
    return len(number) == 16 and sum(d // 10 + d % 10 for d in doubled) % 10 == 0


def iban_holds(iban: str) -> bool:
    moved = iban[4:] + iban[:4]
    return len(iban) == 22 and int("".join(str(int(letter, 36)) for letter in moved)) % 97 == 1


def test_disguises_can_be_undone() -> None:
    language = load_texts().languages[0]
    value = "zqv7-abcdefghijkl@canary.invalid"
    assert disguised(value, "plain", "email", language) == (value,)
    assert disguised(value, "spaced", "email", language) == ("zqv7-abcdefghijkl at canary dot invalid",)
    assert disguised(value, "zero_width", "email", language)[0].replace(ZERO_WIDTH, "") == value
    assert "".join(disguised(value, "split_turns", "email", language)) == value
    assert base64.b64decode(disguised(value, "base64", "email", language)[0]).decode() == value
    wide = disguised("900-01-2345", "full_width", "national_id", language)[0]
    assert wide == "\uff19\uff10\uff10\uff0d\uff10\uff11\uff0d\uff12\uff13\uff14\uff15"


def test_drift_shifts_the_mix_week_by_week() -> None:
    drift = drift_schedule(10, 2)
    born = [name for name, f in drift.items() if f[0] == 0 and f[-1] == 1]
    died = [name for name, f in drift.items() if f[0] == 1 and f[-1] == 0]
    growing = [name for name, f in drift.items() if f[-1] == 3]
    assert len(born) == len(died) == 2 and len(growing) == 3
    weeks: dict[str, Counter] = defaultdict(Counter)
    for part in generate_sample(12_000, 2, drift=drift, canary_share=0):
        for record in part:
            day = datetime.fromisoformat(record["created_at"]).date()
            weeks[record["metadata"]["truth"]["subtopic"]][(day - date(2025, 1, 6)).days // 7] += 1
    for name in born + died:
        for week, factor in enumerate(drift[name]):
            assert (weeks[name][week] > 0) == (factor > 0), (name, week)
    early = sum(weeks[name][w] for name in growing for w in (0, 1))
    late = sum(weeks[name][w] for name in growing for w in (8, 9))
    assert late > 1.7 * early
    assert drift == drift_schedule(10, 2) != drift_schedule(10, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"conversations": 0}, "conversations"),
        ({"users": 0}, "users"),
        ({"weeks": 0}, "weeks"),
        ({"seed": -1}, "seed"),
        ({"canary_share": 1.5}, "canary_share"),
        ({"concerning_share": -0.1}, "concerning_share"),
        ({"drift": {"no_such_topic": [1.0] * 10}}, "unknown subtopic"),
        ({"drift": {"sleep": [1.0]}}, "one factor per week"),
        ({"drift": {"sleep": [-1.0] * 10}}, "negative"),
    ],
)
def test_impossible_arguments_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        generate_sample(**({"conversations": 10, "seed": 1} | arguments))


def test_extremes_of_the_shares_hold() -> None:
    calm = [r for part in generate_sample(400, 1, concerning_share=0, canary_share=0) for r in part]
    assert not any(truth["concerning"] or truth["canaries"] for truth in truths(calm))
    alarming = [
        r for part in generate_sample(400, 1, concerning_share=1, canary_share=1, users=3) for r in part
    ]
    assert all(truth["concerning"] for truth in truths(alarming))
    assert sum(len(truth["canaries"]) for truth in truths(alarming)) == 400
    assert len({r["user"] for r in alarming}) <= 3
