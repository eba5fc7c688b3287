"""Models under Ray Data: the answers of the engine itself, by a Ray that talks to this machine only.

Ray's processor for vLLM needs a CUDA device and is not run: what goes into it and what comes out is tested on rows of
its documented columns.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dagster_project.errors import ObservatoryError
from dagster_project.language_models import (
    Fault,
    Message,
    Request,
    Response,
    Sampling,
    parse,
    ray_backend,
    ray_local,
)
from dagster_project.language_models.options import OptionTokens
from dagster_project.language_models.ray_backend import RayModel, called, packed_output, said
from dagster_project.language_models.transformers_backend import TransformersModel
from dagster_project.language_models.vllm_calls import generation_job, option_job
from tests.tiny_llama import SENTENCES
from tests.unit.test_language_model_transformers import SCHEMA

pytestmark = pytest.mark.xdist_group("transformers")


@pytest.fixture(scope="module")
def model(tiny_llama: Path) -> Iterator[RayModel]:
    yield RayModel.of(parse(f"ray:transformers:{tiny_llama}"))
    ray_local.ray_library().shutdown()


@pytest.fixture(scope="module")
def engine(tiny_llama: Path) -> TransformersModel:
    return TransformersModel.of(parse(f"transformers:{tiny_llama}"))


def asked(count: int = 12) -> Iterator[Request]:
    for place in range(count):
        text = f"{SENTENCES[place % 6]} {place}"
        sampling = Sampling(temperature=place % 2, max_tokens=60, seed=place)
        yield Request(str(place), (Message("user", text),), sampling, SCHEMA if place % 3 else None)
    yield Request("long", (Message("user", SENTENCES[0] * 60),))


@pytest.mark.slow
def test_the_answers_are_those_of_the_engine_itself(model: RayModel, engine: TransformersModel) -> None:
    model.packet = 2
    drawn = 0

    def requests() -> Iterator[Request]:
        nonlocal drawn
        for request in asked():
            drawn += 1
            yield request

    def collected() -> dict[str, Response]:
        found = {}
        for answer in model.generate(requests()):
            # As many packets as may be under way, and the one that this answer is of.
            assert drawn <= len(found) + 2 * (ray_backend.PACKETS + 1)
            found[answer.id] = answer
        return found

    # An Asker lets its backend work in a thread of its own, which ends before Ray does.
    with ThreadPoolExecutor(1) as pool:
        answers = pool.submit(collected).result()

    assert answers == {answer.id: answer for answer in engine.generate(asked())}
    assert answers["long"].fault is Fault.TOO_LONG
    assert model.identity == engine.identity
    assert model.context_tokens == engine.context_tokens

    ray = ray_local.start_ray()
    assert {node["NodeManagerAddress"] for node in ray.nodes()} == {"127.0.0.1"}
    folder = Path(ray._private.worker._global_node.get_temp_dir_path())
    assert folder.parent.stat().st_mode & 0o077 == 0


def through_one_actor(
    packets: Iterable[bytes], through: Callable, in_flight: int
) -> Iterator[dict[str, bytes]]:
    """What Ray Data does with a dataset, in this process: makes the actor and gives it one packet after another."""

    class Dataset:
        def map_batches(self, made: type, *, fn_constructor_args: tuple, **_: object) -> Iterator[dict]:
            actor = made(*fn_constructor_args)
            return ({"packet": actor({"packet": [packet]})["packet"][0]} for packet in packets)

    return through(Dataset())


def test_an_actor_scores_options_and_tells_errors_in_their_own_words(
    tiny_llama: Path, engine: TransformersModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_backend, "stream", through_one_actor)
    model = RayModel.of(parse(f"ray:transformers:{tiny_llama}"))

    assert list(model.option_logprobs(asked(), ["yes", "no", "10", "1"])) == list(
        engine.option_logprobs(asked(), ["yes", "no", "10", "1"])
    )
    bad = Request("1", (Message("user", "Hi"),), Sampling(max_tokens=9), {"type": "nothing"})
    with pytest.raises(ObservatoryError, match="JSON schema"):
        list(model.generate([bad]))


def test_rays_own_words_about_a_failure_go_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Iterator[dict]:
        raise RuntimeError(SENTENCES[0])
        yield {}

    with pytest.raises(ObservatoryError) as caught:
        ray_local._next(broken())
    assert "village" not in str(caught.value) and caught.value.__cause__ is None


def test_without_requests_ray_is_not_started(tiny_llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_local, "start_ray", lambda: pytest.fail("ray was started"))

    assert list(RayModel.of(parse(f"ray:transformers:{tiny_llama}")).generate([])) == []


def test_a_call_of_vllm_goes_through_rays_columns_and_back(engine: TransformersModel) -> None:
    request = list(asked())[1]
    job = generation_job(engine.local, request)
    packet = pickle.dumps((7, 0, job.calls[0]))

    columns = called({"packet": packet})
    assert columns["tokenized_prompt"] == engine.local.chat.prompt(request)
    assert columns["sampling_params"]["structured_outputs"]["json"]
    assert columns["sampling_params"]["max_tokens"] == 60

    row = {"packet": packet, **columns, "generated_text": "{}", "generated_tokens": [5, 6], "logprobs": None}
    number, place, output = packed_output(said(engine.local.ends, row))
    assert (number, place, output.text, output.tokens, output.whole) == (7, 0, "{}", 2, True)
    assert job.take(0, output).text == "{}"

    cut = {**row, "generated_tokens": [5] * 60}
    assert job.take(0, packed_output(said(engine.local.ends, cut))[2]).fault is Fault.TRUNCATED
    ended = {**row, "generated_tokens": [5] * 59 + [*engine.local.ends][:1]}
    assert job.take(0, packed_output(said(engine.local.ends, ended))[2]).fault is None
    failed = {"packet": packet, "__inference_error__": "ValueError: quotes the prompt"}
    assert job.take(0, packed_output(failed)[2]).fault is Fault.UNAVAILABLE


def test_options_come_back_in_any_order(engine: TransformersModel) -> None:
    request = next(asked())
    from dagster_project.language_models.decoding import score

    tokens = OptionTokens.of(["1", "10", "yes"], engine.local.chat.variants)
    job = option_job(engine.local, request, tokens)
    assert len(job.calls) > 2
    (expected,) = engine.option_logprobs([request], ["1", "10", "yes"])
    model = engine._model

    answers = []
    for place, call in reversed(list(enumerate(job.calls))):
        wanted = call.arguments["logprob_token_ids"]
        found = score(model, [call.tokens], [(token,) for token in wanted])[0]
        row = {
            "packet": pickle.dumps((0, place, call)),
            "generated_text": "",
            "generated_tokens": [wanted[0]],
            "logprobs": [
                {str(token): {"logprob": value} for token, value in zip(wanted, found, strict=True)}
            ],
        }
        answers.append(job.take(*packed_output(said(engine.local.ends, row))[1:]))

    assert answers[:-1] == [None] * (len(job.calls) - 1)
    assert answers[-1].logprobs == pytest.approx(expected.logprobs, abs=1e-4)
