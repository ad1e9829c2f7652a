"""/v1/score and /v1/embeddings: the figures that the model itself gives."""

import base64
import random
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
from export import made
from openai import OpenAI
from serve_process import ServerProcess, serving

from penstock.model_folder import StackConfig
from penstock.runtime import Model, load
from penstock.text import ByteVocabulary

NAMES = ["language", "language-after", "language-tied", "language-w8a16"]
TEXTS = ["the cat sat on a mat", "", "a", "猫 the 猫", "a€b", "sat on " * 4000, "\n"]


@pytest.mark.parametrize("name", NAMES)
def test_scores_are_the_models_own(server: ServerProcess, runtimes: dict[str, Model], name: str) -> None:
    model = runtimes[name]
    answer = server.post("/v1/score", model=name, input=TEXTS)
    assert (answer["object"], answer["model"]) == ("list", name)
    assert answer["usage"] == {
        "prompt_tokens": sum(map(len, TEXTS)),
        "completion_tokens": 0,
        "total_tokens": sum(map(len, TEXTS)),
    }
    assert answer["warnings"] == [
        f"2 of {sum(map(len, TEXTS)):,} characters the model never saw; they were read as U+FFFD"
    ]
    for k, text in enumerate(TEXTS):
        score, one = model.score(text), answer["data"][k]
        expected = {
            "index": k,
            "nats": score.nats,
            "scored_tokens": score.tokens,
            "characters": score.characters,
            "bytes": score.bytes,
            "bits_per_byte": score.bits_per_byte if score.bytes else None,
        }
        assert one == expected  # to the last bit
        assert server.post("/v1/score", model=name, input=text)["data"][0] == {**one, "index": 0}


def test_each_token(server: ServerProcess, runtimes: dict[str, Model]) -> None:
    model, text = runtimes["language"], "the cat€ 猫"
    (one,) = server.post("/v1/score", model="language", input=text, tokens=True)["data"]
    assert one["tokens"] == [*"the cat\ufffd 猫"]
    assert one["token_logprobs"][0] is None
    stream, ids = model.stream(), model.vocabulary.encode(text)
    expected = [float(stream.step(int(token))[after]) for token, after in pairwise(ids)]
    assert one["token_logprobs"][1:] == pytest.approx(expected, abs=2e-6)
    assert -sum(one["token_logprobs"][1:]) == pytest.approx(one["nats"], rel=1e-12)
    (empty,) = server.post("/v1/score", model="language", input="", tokens=True)["data"]
    assert (empty["tokens"], empty["token_logprobs"], empty["nats"]) == ([], [], 0.0)


@pytest.mark.parametrize("cut", [0, 1, 5, 19, 20])
def test_a_text_in_parts_with_the_state_between(server: ServerProcess, runtimes: dict[str, Model], cut: int) -> None:
    text = TEXTS[0]
    whole = server.post("/v1/score", model="language", input=text, tokens=True)["data"][0]
    (first,) = server.post("/v1/score", model="language", input=text[:cut], tokens=True, return_state=True)["data"]
    (second,) = server.post("/v1/score", model="language", input=text[cut:], tokens=True, state=first["state"])["data"]
    if cut:  # the state of no text stands at the start of a line
        assert first["token_logprobs"] + second["token_logprobs"] == whole["token_logprobs"]
        for field in ("scored_tokens", "characters", "bytes"):
            assert first[field] + second[field] == whole[field]
    else:
        assert second["scored_tokens"] == 20
    assert first["nats"] + second["nats"] >= whole["nats"] - 1e-9


def test_a_text_that_was_read_goes_on(server: ServerProcess, runtimes: dict[str, Model]) -> None:
    (read,) = server.post("/v1/score", model="language", input="the cat", return_state=True)["data"]
    written = server.post("/v1/completions", model="language", prompt="", state=read["state"], seed=4, max_tokens=30)
    expected = "".join(runtimes["language"].generate("the cat", length=30, seed=4))
    assert written["choices"][0]["text"] == expected


def test_bytes_are_counted_as_they_are(tmp_path: Path) -> None:
    folder = made.language(tmp_path / "bytes", StackConfig(7, 20, 1, "before"), vocabulary=ByteVocabulary())
    model = load(folder)
    with serving(folder) as server:
        for text in ("a猫b", "猫", "ab"):
            (one,) = server.post("/v1/score", input=text)["data"]
            score = model.score(text)
            found = [one[name] for name in ("nats", "scored_tokens", "characters", "bytes", "bits_per_byte")]
            assert found == pytest.approx(
                [score.nats, score.tokens, score.characters, score.bytes, score.bits_per_byte], rel=1e-12
            )
            top = np.array(server.post("/v1/embeddings", input=text)["data"][0]["embedding"], np.float32)
            assert np.array_equal(top, model.read([text], to_the_end=True)[0].state)


@pytest.mark.parametrize("name", NAMES)
def test_embeddings_are_the_top_states(client: OpenAI, runtimes: dict[str, Model], name: str) -> None:
    expected = np.stack([one.state for one in runtimes[name].read(TEXTS, to_the_end=True)])
    # the client asks for base64 unless told otherwise, and gives numbers
    found = client.embeddings.create(model=name, input=TEXTS)
    assert np.array_equal(np.array([one.embedding for one in found.data], np.float32), expected)
    assert [one.index for one in found.data] == [*range(len(TEXTS))]
    assert (found.object, found.model, found.data[0].object) == ("list", name, "embedding")
    assert found.usage.prompt_tokens == found.usage.total_tokens == sum(map(len, TEXTS))
    numbers = client.embeddings.create(model=name, input=TEXTS, encoding_format="float")
    assert np.array_equal(np.array([one.embedding for one in numbers.data], np.float32), expected)
    raw: Any = client.embeddings.create(model=name, input=TEXTS[0], encoding_format="base64").data[0].embedding
    assert np.array_equal(np.frombuffer(base64.b64decode(raw), "<f4"), expected[0])
    tokens = [runtimes[name].vocabulary.encode(text).tolist() for text in TEXTS if text]
    by_token = client.embeddings.create(model=name, input=tokens, dimensions=expected.shape[1])
    assert np.array_equal(np.array([one.embedding for one in by_token.data], np.float32), np.delete(expected, 1, 0))


def test_an_embedding_goes_on_from_a_state_and_a_text_from_an_embedding(server: ServerProcess) -> None:
    asked = {"model": "language"}
    first = server.post("/v1/embeddings", input="the cat", return_state=True, **asked)["data"][0]
    whole = server.post("/v1/embeddings", input="the cat sat", **asked)["data"][0]
    rest = server.post("/v1/embeddings", input=" sat", state=first["state"], **asked)["data"][0]
    again = server.post("/v1/embeddings", input="", state=first["state"], **asked)["data"][0]
    assert rest["embedding"] == whole["embedding"]
    assert again["embedding"] == first["embedding"]
    (text,) = server.post("/v1/completions", prompt="", state=first["state"], max_tokens=20, seed=3, **asked)["choices"]
    (same,) = server.post("/v1/completions", prompt="the cat", max_tokens=20, seed=3, **asked)["choices"]
    assert text["text"] == same["text"]


def test_what_is_read_beside_others_is_read_as_alone(server: ServerProcess, runtimes: dict[str, Model]) -> None:
    """Texts of any length that are scored, embedded and gone on from, all at once."""
    draws, model = random.Random(0), runtimes["language"]
    texts = ["".join(draws.choices(made.CHARACTERS, k=draws.choice([1, 10, 400, 3000]))) for _ in range(60)]

    def right(k: int) -> bool:
        text, asked = texts[k], {"model": "language"}
        if k % 3 == 0:
            return bool(server.post("/v1/score", input=text, **asked)["data"][0]["nats"] == model.score(text).nats)
        if k % 3 == 1:
            found = server.post("/v1/embeddings", input=text, **asked)["data"][0]["embedding"]
            return np.array_equal(np.array(found, np.float32), model.read([text], to_the_end=True)[0].state)
        length = (1, 50, 700)[k // 3 % 3]
        (choice,) = server.post("/v1/completions", prompt=text, max_tokens=length, seed=k, **asked)["choices"]
        return bool(choice["text"] == "".join(model.generate(text, length=length, seed=k)))

    with ThreadPoolExecutor(30) as pool:
        assert all(pool.map(right, range(len(texts))))


def test_many_texts_are_more_than_streams(models: dict[str, Path], runtimes: dict[str, Model]) -> None:
    texts = ["the cat", "a", "sat on"] * 700
    with serving(models["language"], options=["--streams", "2", "--queue", "0"]) as small:
        data = small.post("/v1/score", input=texts)["data"]
    assert [one["index"] for one in data] == [*range(2100)]
    expected = [one.score.nats for one in runtimes["language"].read(texts[:3])]
    assert [one["nats"] for one in data] == expected * 700


@pytest.mark.parametrize(
    ("path", "asked", "param"),
    [
        ("score", {}, None),
        ("score", {"input": []}, "input"),
        ("score", {"input": [1]}, "input[0]"),
        ("score", {"input": None}, "input"),
        ("score", {"input": "a", "tokens": "yes"}, "tokens"),
        ("score", {"input": "a" * 100_001}, "input"),
        ("score", {"input": ["a"] * 100_001}, "input"),
        ("score", {"input": "a", "stream": True}, None),
        ("score", {"input": "a", "model": "rows"}, "model"),
        ("embeddings", {"input": "a", "model": "texts"}, "model"),
        ("embeddings", {"input": "a", "dimensions": 5}, "dimensions"),
        ("embeddings", {"input": [[1], [99]]}, "input"),
        ("embeddings", {"input": [[]]}, "input[0]"),
        ("embeddings", {"input": "a", "encoding_format": "int8"}, "encoding_format"),
    ],
)
def test_what_cannot_be_is_refused(server: ServerProcess, path: str, asked: dict[str, Any], param: str | None) -> None:
    status, error = server.refusal(f"/v1/{path}", **{"model": "language", **asked})
    assert (status, error["type"], error["param"]) == (400, "invalid_request_error", param)


def test_of_a_model_that_is_not_there(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="nobody", input="the")
