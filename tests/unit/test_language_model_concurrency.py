"""How many requests a server holds: found within a few rounds, kept, and left when the server changes."""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import Callable

import pytest

from dagster_project.language_models.concurrency import Limit, Places


def simulate(
    seconds_of: Callable[[int, int], float],
    answers: int,
    *,
    room: int = 10**9,
    refused: float = 0.0,
    spread: float = 0.0,
    most: int = 256,
) -> tuple[float, int, list[int]]:
    """Answers a second, refusals, and places over time, of a server whose answer takes `seconds_of(under way, answered)`.

    room: requests at once before it refuses; refused: share refused at random; spread: how much answers differ in length.
    """
    drawn, limit = random.Random(1), Limit(most=most)
    now, under_way, answered, refusals, places = 0.0, 0, 0, 0, []
    events: list[tuple[float, int, float, bool]] = []
    number = 0
    while answered < answers:
        while under_way < limit.places:
            under_way += 1
            limit.taken(under_way)
            turned_away = under_way > room or drawn.random() < refused
            seconds = seconds_of(under_way, answered) * (1 + spread * drawn.expovariate(1))
            heapq.heappush(events, (now + (0.01 if turned_away else seconds), number, now, turned_away))
            number += 1
        now, _, started, turned_away = heapq.heappop(events)
        under_way -= 1
        if turned_away:
            refusals += 1
            limit.refused(started, now)
        else:
            answered += 1
            limit.answered(started, now)
        places.append(limit.places)
    return answered / now, refusals, places


@pytest.mark.parametrize("room", [5, 32, 200])
def test_a_server_that_refuses_is_kept_at_its_limit_and_refuses_little(room: int) -> None:
    rate, refusals, _ = simulate(lambda *_: 1.0, 300 * room, room=room)
    assert rate > 0.95 * room
    assert refusals < 0.02 * 300 * room


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_a_server_that_answers_later_is_kept_busy_and_not_flooded(spread: float) -> None:
    rate, _, places = simulate(lambda under_way, _: max(1.0, under_way / 32), 8_000, spread=spread)
    assert rate > 0.95 * 32 / (1 + spread)
    assert max(places[2_000:]) < 4 * 32


def test_a_server_that_batches_gets_as_many_as_bring_it_more() -> None:
    rate, _, _ = simulate(lambda under_way, _: 1 + under_way / 64, 8_000)
    assert rate > 0.75 * 64


def test_longer_answers_are_not_taken_for_a_full_server() -> None:
    _, _, places = simulate(lambda _, answered: 1.0 if answered < 2_000 else 5.0, 6_000, most=64)
    assert min(places[1_000:2_000]) == 64
    assert min(places[-1_000:]) > 40


def test_a_server_that_grows_and_shrinks_is_followed() -> None:
    def seconds_of(under_way: int, answered: int) -> float:
        return max(1.0, under_way / (16 if 2_000 < answered < 6_000 else 64))

    _, _, places = simulate(seconds_of, 12_000)
    assert max(places[4_000:6_000]) < 64
    assert min(places[10_000:]) > 45


def test_refusals_at_random_slow_it_down_and_do_not_stop_it() -> None:
    rate, _, _ = simulate(lambda *_: 1.0, 3_000, refused=0.05)
    assert rate > 3


def test_requests_sent_before_a_fall_do_not_lead_to_another() -> None:
    limit = Limit(value=64)
    for _ in range(64):
        limit.refused(started=1.0, now=2.0)
    assert limit.places == 32


def test_places_are_given_in_order_and_not_while_a_pause_lasts() -> None:
    async def main() -> tuple[list[int], float]:
        places, order = Places(most=1), []
        loop = asyncio.get_running_loop()

        async def one(number: int) -> None:
            async with places.one() as started:
                order.append(number)
                if number == 0:
                    places.refused(started, pause=0.1)

        began = loop.time()
        await asyncio.gather(*map(one, range(5)))
        return order, loop.time() - began

    order, seconds = asyncio.run(main())
    assert order == [0, 1, 2, 3, 4]
    assert 0.1 <= seconds < 1


def test_who_is_cancelled_leaves_the_place_to_the_next() -> None:
    async def main() -> int:
        places, served = Places(most=1), []

        async def one(number: int) -> None:
            async with places.one():
                served.append(number)
                await asyncio.sleep(0.01)

        tasks = [asyncio.ensure_future(one(number)) for number in range(6)]
        await asyncio.sleep(0.005)
        for task in tasks[:3]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with places.one():
            return len(served)

    assert asyncio.run(main()) == 4
