"""The oracle face: answers Clio's questions from a generated sample's planted truth, as a model that understands would.

It knows a conversation by its sentences and a request by the words that it gave for it itself, and nothing else: whoever
shows it the wrong conversation, or the members of another cluster, gets an answer about those.
"""

from __future__ import annotations

import json
import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import orjson

from tests.servers.openai_server import Call

SENTENCE = re.compile(r"[^.!?\u3002\uff01\uff1f\u0964\n]+")
SHORTEST = 4
READING = ("request", "task", "language", "concern")


class Oracle:
    """A face that has read the truth of a sample file. `subject_of` and `topics`: topic of each subtopic."""

    def __init__(self, sample: Path) -> None:
        self.topics: dict[str, str] = {}
        self._truths: defaultdict[str, Counter[tuple[str, str, bool]]] = defaultdict(Counter)
        self._spoken: defaultdict[str, set[str]] = defaultdict(set)
        for line in sample.open("rb"):
            self._learn(orjson.loads(line))
        self._phrases = {subtopic: sorted(said) for subtopic, said in self._spoken.items()}
        self._names = {spaced(subtopic): subtopic for subtopic in self.topics}
        self._fields = {spaced(topic): topic for topic in set(self.topics.values())}

    def _learn(self, record: dict) -> None:
        truth = record["metadata"]["truth"]
        self.topics[truth["subtopic"]] = truth["topic"]
        what = truth["subtopic"], truth["language"], truth["concerning"]
        for turn in record["messages"]:
            if turn["role"] == "user":
                for sentence in sentences(turn["content"] or ""):
                    self._truths[sentence][what] += 1
                    if (
                        truth["language"] == "en"
                        and sentence.isascii()
                        and not re.search(r"[\d@<]", sentence)
                    ):
                        self._spoken[truth["subtopic"]].add(sentence)

    def __call__(self, call: Call) -> str:
        """The answer to a question of the reader, the namer, the tree or the auditor, by its schema."""
        fields = tuple((call.schema or {}).get("properties", {}))
        if fields[:4] == READING:
            answer = self.read(call.prompt)
        elif fields == ("summary", "name"):
            answer = self.label(call.prompt)
        elif fields == ("names",):
            items = call.schema["properties"]["names"]  # type: ignore[index]
            answer = {"names": self.propose(call.prompt, items["minItems"], items["maxItems"])}
        elif fields == ("parent",):
            answer = {"parent": self.choose(call.prompt)}
        else:
            answer = {"justification": "It tells of nobody.", "rating": 5}
        return json.dumps(answer)

    def read(self, prompt: str) -> dict[str, object]:
        """Facets of the conversation whose sentences stand in the prompt."""
        votes: Counter[tuple[str, str, bool]] = Counter()
        for sentence in sentences(prompt):
            known = self._truths.get(sentence, {})
            for what in known:
                votes[what] += 1 / len(known)
        subtopic, language, concerning = votes.most_common(1)[0][0]
        said = self._phrases.get(subtopic, [""])
        phrase = said[zlib.crc32(prompt.encode()) % len(said)]
        few = " ".join(re.findall(r"[a-z]{5,}", phrase)[:2])
        return {
            "request": f"get help with {spaced(subtopic)}, a question on {spaced(subtopic)} about {few}",
            "task": f"help with {spaced(self.topics[subtopic])}",
            "language": language,
            "concern": 5 if concerning else 1,
        }

    def label(self, prompt: str) -> dict[str, str]:
        """Name and summary of what most of the first list is about, told apart by a word that is common in it."""
        inside, outside = [listed(part) for part in [*lists(prompt), ""][:2]]
        subject = self.subject(inside)
        words = Counter(word for text in inside for word in set(re.findall(r"[a-z]{4,}", text.lower())))
        elsewhere = {word for text in outside for word in re.findall(r"[a-z]{4,}", text.lower())}
        own = [word for word, _ in words.most_common(30) if word not in subject]
        telling = [word for word in own if word not in elsewhere] or own
        times = prompt.count("already called")
        name = f"Get help with {subject}" + "".join(
            f" {word}" for word in telling[: 1 + times] if "An earlier" in prompt
        )
        return {"name": name, "summary": f"People asked for help with {subject}. They wanted it done."}

    def propose(self, prompt: str, least: int, most: int) -> list[str]:
        """Subtopics of what is listed, or their topics where that many names are not wanted."""
        subtopics = sorted({self.subtopic([text]) for text in listed(lists(prompt)[0])})
        topics = sorted({self.topics[subtopic] for subtopic in subtopics})
        middle = (least + most) / 2
        names = min((topics, subtopics), key=lambda some: abs(len(some) - middle))
        return [f"Get help with {spaced(name)}" for name in names][:most]

    def choose(self, prompt: str) -> str:
        """The category of the group's subtopic, or else of its topic."""
        group, categories = lists(prompt)[:2]
        subtopic = self.subtopic([group])
        offered = listed(categories)
        for wanted in (spaced(subtopic), spaced(self.topics[subtopic])):
            for name in offered:
                if name.endswith(wanted):
                    return name
        return offered[0]

    def subject(self, texts: Iterable[str]) -> str:
        """The subtopic that most of the texts are about, or the topic where they are about many."""
        found = Counter(self.subtopic([text]) for text in texts)
        first, times = found.most_common(1)[0]
        if times > sum(found.values()) / 2:
            return spaced(first)
        topics = Counter(self.topics[subtopic] for subtopic in found.elements())
        return spaced(topics.most_common(1)[0][0])

    def subtopic(self, texts: list[str]) -> str:
        """The subtopic whose name stands first in the texts; one of the topic whose name does; or by shared words."""
        text = " ".join(texts).lower().replace("_", " ")
        places = {sub: text.find(name) for name, sub in self._names.items() if name in text}
        if places:
            return min(places, key=lambda sub: (places[sub], -len(sub)))
        fields = [topic for name, topic in self._fields.items() if name in text]
        if fields:
            return min(sub for sub, topic in self.topics.items() if topic == fields[0])
        words = set(re.findall(r"[a-z]{4,}", text))
        shared = {
            sub: sum(bool(words & set(re.findall(r"[a-z]{4,}", said))) for said in phrases) / len(phrases)
            for sub, phrases in self._phrases.items()
        }
        return max(sorted(shared), key=lambda sub: shared[sub])


def spaced(name: str) -> str:
    """A topic's name in words."""
    return name.replace("_", " ")


def sentences(text: str) -> list[str]:
    """The sentences of a text that are long enough to know it by, in lower case."""
    found = (" ".join(part.split()).lower() for part in SENTENCE.findall(text))
    return [sentence for sentence in found if len(sentence) >= SHORTEST]


def lists(prompt: str) -> list[str]:
    """What stands between each pair of marks of the prompt, in order."""
    return [found.group(2) for found in re.finditer(r"<([a-z]+-[^>\s]+)>\n(.*?)\n</\1>", prompt, re.DOTALL)]


def listed(text: str) -> list[str]:
    """The items of a list, one a line."""
    return [line.removeprefix("- ").strip() for line in text.splitlines() if line.strip()]
