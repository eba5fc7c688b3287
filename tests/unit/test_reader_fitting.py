"""Long conversations before a model: head and tail within the limit, whole messages where possible, the same each time."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from assets.clio.reader.fitting import GAP, MARK_TOKENS, Turn, fit


def words(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def never(texts: Sequence[str]) -> list[int]:
    raise AssertionError("nothing here has to be counted")


def turn(size: int, word: str = "word") -> Turn:
    return Turn("user", " ".join([word] * size))


def size(turns: Sequence[Turn]) -> int:
    return sum(words([turn.content for turn in turns])) + MARK_TOKENS * len(turns)


def test_a_short_conversation_stays_as_it_is_and_is_not_counted() -> None:
    turns = [Turn("user", "How do I bake bread?"), Turn("assistant", "With flour.")]
    assert fit(turns, 200, never) == (turns, False)


def test_bytes_over_the_limit_are_counted_before_anything_is_left_out() -> None:
    turns = [Turn("user", "internationalisation " * 20)]
    assert fit(turns, 100, words) == (turns, False)


def test_whole_messages_of_head_and_tail_are_kept_around_a_gap() -> None:
    turns = [turn(100, f"w{number}") for number in range(30)]
    fitted, truncated = fit(turns, 1_000, words)
    gap = fitted.index(Turn("gap", GAP))
    assert truncated and size(fitted) <= 1_000
    assert fitted[:gap] == turns[:gap] and fitted[gap + 1 :] == turns[-(len(fitted) - gap - 1) :]
    assert gap >= 3 and len(fitted) - gap - 1 >= 3


def test_one_huge_message_keeps_its_own_head_and_tail() -> None:
    middle = Turn("user", " ".join(f"w{number}" for number in range(5_000)))
    fitted, truncated = fit([middle], 600, words)
    assert truncated and [kept.role for kept in fitted] == ["user", "gap", "user"]
    assert middle.content.startswith(fitted[0].content) and middle.content.endswith(fitted[2].content)
    assert 400 < size(fitted) <= 600


def test_a_huge_first_message_does_not_push_out_the_last_question() -> None:
    turns = [turn(9_000), turn(40, "answer"), turn(10, "thanks")]
    fitted, _ = fit(turns, 800, words)
    assert fitted[-1] == turns[-1] and fitted[-2] == turns[-2]
    assert fitted[0].content.startswith("word word")


@given(st.lists(st.integers(0, 400), min_size=1, max_size=12), st.integers(200, 900))
def test_the_limit_holds_and_the_order_too(sizes: list[int], limit: int) -> None:
    turns = [turn(count, f"w{number:02}") for number, count in enumerate(sizes)]
    fitted, truncated = fit(turns, limit, words)
    assert truncated == (size(turns) > limit)
    assert size(fitted) <= limit
    told = [word for kept in fitted if kept.role != "gap" for word in kept.content.split()]
    whole = [word for word in told if len(word) == 3]
    assert whole == sorted(whole), "a word may be cut where a message is"
    assert fit(turns, limit, words) == (fitted, truncated)
