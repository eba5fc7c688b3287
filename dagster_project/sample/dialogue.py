"""Conversations put together from phrases: a request in its topic's words, answers, follow-up turns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from dagster_project.sample.texts import Language, Topic

Message = list[str]
STEPS = (1, 7, 11, 13)


def draw_forever(rng: np.random.Generator) -> Iterator[float]:
    """Uniform numbers in [0, 1) without end, drawn in blocks because single draws are slow."""
    while True:
        yield from rng.random(65_536).tolist()


def _walk(pool: Sequence[str], draw: float) -> Iterator[str]:
    """Each phrase of a pool once, in one of several orders that `draw` chooses."""
    size = max(1, len(pool))
    start = int(draw * size * len(STEPS))
    step = STEPS[start % len(STEPS)]
    if size % step == 0:
        step = 1
    return (pool[(start + step * i) % size] for i in range(len(pool)))


class Dialogue:
    """Writes one conversation; `draws` supplies all chance, so equal draws give equal words.

    After `write`, `messages` holds [role, text] pairs and `title` the request as a title.
    """

    def __init__(self, language: Language, topic: Topic, draws: Iterator[float]) -> None:
        """Choose the slot fillers and the phrases' order for this conversation."""
        self.language, self.topic, self.draws = language, topic, draws
        self.phrases, self.pieces = language.phrases, language.pieces[topic.subtopic]
        self.slots = self._slots()
        self.advice = _walk(self.pieces.get("advice", ()), next(draws))
        self.sentences = _walk(self.phrases["sentences"], next(draws))
        self.details = _walk(self.pieces["details"], next(draws))
        self.follow = _walk(self.pieces["follow"], next(draws))
        self.followups = _walk(self.phrases["followups"], next(draws))
        self.messages: list[Message] = []
        self.title = ""

    def _slots(self) -> list[tuple[str, str]]:
        found = []
        for name, other in (("a", "c"), ("b", "d")):
            pool = self.pieces.get(name)
            if pool:
                position = int(next(self.draws) * len(pool))
                one, two = pool[position], pool[(position + 1) % len(pool)]
                found += [(f"{{{name}}}", one), (f"{{{other}}}", two)]
                found.append((f"{{{name.upper()}}}", self.language.capitalise(one)))
        return found

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return next(self.draws) < probability

    def pick(self, pool: Sequence[str]) -> str:
        """One of a pool, all equally likely."""
        return pool[int(next(self.draws) * len(pool))]

    def fill(self, text: str) -> str:
        """The text with this conversation's fillers in its slots."""
        if "{" in text:
            for slot, filler in self.slots:
                text = text.replace(slot, filler)
        return text

    def write(self, user_turns: int) -> list[Message]:
        """Write the whole conversation, with `user_turns` turns of the user (at least one)."""
        orders = self.pieces["orders"] if self.chance(0.35) else ()
        task = self.fill(self.pick(orders or self.pieces["tasks"]))
        frame = self.pick(self.phrases["order_frames"] if orders else self._frames())
        self.title = self._framed(self.phrases["titles"][0], task)
        if user_turns > 1 and self.chance(0.05):
            self._say("user", self.pick(self.phrases["greetings"]))
            self._say("assistant", self.pick(self.phrases["greeting_answers"]))
            user_turns -= 1
        self._say("user", self._request(self._framed(frame, task)))
        self._say("assistant", self._answer())
        for turn in range(2, user_turns + 1):
            if turn == user_turns and self.chance(0.3) and not self.topic.concerning:
                self._say("user", self.pick(self.phrases["thanks"]))
                self._say("assistant", self.pick(self.phrases["thanks_answers"]))
            else:
                self._say("user", self._followup())
                self._say("assistant", self._answer())
        return self.messages

    def _say(self, role: str, text: str) -> None:
        self.messages.append([role, self.fill(text)])

    def _join(self, sentences: list[str]) -> str:
        return self.language.joiner.join(sentences)

    def _frames(self) -> Sequence[str]:
        """Concerning requests take the first, plainest frames; deadlines or simple ways would sound flippant."""
        frames = self.phrases["frames"]
        return frames[:4] if self.topic.concerning else frames

    def _framed(self, frame: str, task: str) -> str:
        return frame.replace("{t}", task).replace("{T}", self.language.capitalise(task))

    def _request(self, request: str) -> str:
        style = next(self.draws)
        if style < 0.2:
            return self._terse(request, style)
        before = [self.pick(self.phrases["openings"])] if self.chance(0.4) else []
        before += islice(self.details, int(self.chance(0.35)))
        after = list(islice(self.details, self._few()))
        if self.topic.support:
            return self._join([*before, request, *after])
        if self.chance(0.3):
            after.append(self.pick(self.phrases["constraints"]))
        if self.chance(0.3):
            after.append(self.pick(self.phrases["closings"]))
        text = self._join([*before, request, *after])
        return text + self._attachment()

    def _terse(self, request: str, style: float) -> str:
        """Only the request, as many people type it: no full stop, or all in lower case."""
        bare = request.rstrip(".。।")
        return bare.lower() if style < 0.06 and self.language.code != "tr" else bare

    def _few(self) -> int:
        return int(self.chance(0.6)) + int(self.chance(0.35)) + int(self.chance(0.2))

    def _attachment(self) -> str:
        if self.topic.code and self.chance(0.25):
            return "\n\n" + self.pick(self.topic.code)
        if self.topic.passages and self.chance(0.2):
            pasted = _walk(self.phrases["passages"], next(self.draws))
            return "\n\n" + self._join(list(islice(pasted, 3 + self._few())))
        return ""

    def _followup(self) -> str:
        own = next(self.follow, None) if self.chance(0.6) else None
        asked = own or next(self.followups, None) or self.pick(self.phrases["followups"])
        extra = next(self.details, None) if self.chance(0.25) else None
        return self._join([asked, extra] if extra else [asked])

    def _answer(self) -> str:
        if self.topic.support:
            return self.pick(self.phrases["supports"])
        if self.topic.concerning:
            return self.pick(self.phrases["refusals"])
        numbered = [self._list()] if self.chance(0.25) else []
        blocks = [self._paragraph() for _ in range(1 + int(next(self.draws) ** 1.5 * 5))]
        if self.chance(0.6):
            blocks[0] = self._join([self.pick(self.phrases["openers"]), blocks[0]])
        if self.topic.code and self.chance(0.5):
            blocks.insert(1, self.pick(self.topic.code))
        blocks += numbered
        if self.chance(0.45):
            blocks.append(self.pick(self.phrases["closers"]))
        return "\n\n".join(blocks)

    def _paragraph(self) -> str:
        own = list(islice(self.advice, 1 + self._few()))
        generic = self._generic(1 + self._few())
        return self._join([*own, *generic] if self.chance(0.7) else [*generic[:1], *own, *generic[1:]])

    def _list(self) -> str:
        own = list(islice(self.advice, 3))
        items = [*own, *self._generic(4 - len(own))]
        numbered = [f"{number}. {item}" for number, item in enumerate(items, start=1)]
        return "\n".join([self.pick(self.phrases["lists"]), *numbered])

    def _generic(self, count: int) -> list[str]:
        """The next sentences that fit any topic; the walk begins anew when all were said."""
        found = list(islice(self.sentences, count))
        if len(found) < count:
            self.sentences = _walk(self.phrases["sentences"], next(self.draws))
            found += islice(self.sentences, count - len(found))
        return found
