"""/v1/completions by OpenAI's own client: the texts of ``generate``, whatever is written beside them."""

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
from export import made
from openai import OpenAI
from serve_process import PATIENCE, serving

from penstock.model_folder import StackConfig
from penstock.runtime import Model, load
from penstock.text import ByteVocabulary
from penstock.text.vocabulary import Vocabulary, build_vocabulary

NAMES = ["language", "language-after", "language-tied", "language-w8a16"]
PROMPTS = ["the cat sat", "a", "", "on a mat\n", "猫 the", "n" * 300]


def alone(model: Model, prompt: str, **how: Any) -> str:
    return "".join(model.generate(prompt, **how))


def streamed(client: OpenAI, **asked: Any) -> list[Any]:
    return list(client.completions.create(stream=True, **asked))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_text_is_that_of_generate(client: OpenAI, runtimes: dict[str, Model], name: str, prompt: str) -> None:
    for temperature, top_p in ((1.0, 1.0), (0.0, 1.0), (0.8, 0.9)):
        answer = client.completions.create(
            model=name, prompt=prompt, max_tokens=50, temperature=temperature, top_p=top_p, seed=3
        )
        expected = alone(runtimes[name], prompt, length=50, temperature=temperature, top_p=top_p, seed=3)
        (choice,) = answer.choices
        assert (choice.text, choice.index, choice.finish_reason, choice.logprobs) == (expected, 0, "length", None)
        assert answer.usage is not None
        assert answer.usage.model_dump(exclude_none=True) == {
            "prompt_tokens": len(prompt),
            "completion_tokens": 50,
            "total_tokens": len(prompt) + 50,
        }
        assert (answer.object, answer.model) == ("text_completion", name)
        assert answer.system_fingerprint == f"penstock-{runtimes[name].digest[:12]}"


def test_a_long_prompt(client: OpenAI, runtimes: dict[str, Model]) -> None:
    prompt = "the cat sat on a mat\n" * 2000
    answer = client.completions.create(model="language", prompt=[prompt, "a"], max_tokens=9, seed=1)
    expected = [alone(runtimes["language"], one, length=9, seed=1) for one in (prompt, "a")]
    assert [choice.text for choice in answer.choices] == expected


def test_top_k_is_ours(client: OpenAI, runtimes: dict[str, Model]) -> None:
    answer = client.completions.create(
        model="language", prompt="the", max_tokens=60, seed=1, extra_body={"top_k": 2, "temperature": 2.0}
    )
    assert answer.choices[0].text == alone(runtimes["language"], "the", length=60, seed=1, top_k=2, temperature=2.0)


def test_without_a_seed_texts_differ(client: OpenAI) -> None:
    texts = {client.completions.create(model="language", prompt="the", max_tokens=40).choices[0].text for _ in range(5)}
    assert len(texts) == 5
    assert all(len(text) == 40 for text in texts)
    default = client.completions.create(model="language", prompt="the", temperature=None)
    assert len(default.choices[0].text) == 16


def test_prompts_as_texts_and_as_tokens(client: OpenAI, runtimes: dict[str, Model]) -> None:
    model, prompts = runtimes["language"], ["the cat", "猫", "on a mat on a mat"]
    expected = [alone(model, prompt, length=30, seed=5) for prompt in prompts]
    tokens = [model.vocabulary.encode(prompt).tolist() for prompt in prompts]
    for asked in (prompts, tokens):
        answer = client.completions.create(model="language", prompt=asked, max_tokens=30, seed=5)
        assert [choice.text for choice in answer.choices] == expected
        assert [choice.index for choice in answer.choices] == [0, 1, 2]
        assert answer.usage is not None
        assert answer.usage.prompt_tokens == sum(map(len, prompts))
    for one, of, text in zip(prompts, tokens, expected, strict=True):
        for again in (of, [of], [one]):
            assert (
                client.completions.create(model="language", prompt=again, max_tokens=30, seed=5).choices[0].text == text
            )


def test_n_texts_have_seeds_one_after_the_other(client: OpenAI, runtimes: dict[str, Model]) -> None:
    model, prompts = runtimes["language"], ["the", "a mat"]
    answer = client.completions.create(model="language", prompt=prompts, n=3, max_tokens=25, seed=40)
    expected = [alone(model, prompt, length=25, seed=40 + k) for prompt in prompts for k in range(3)]
    assert [choice.text for choice in answer.choices] == expected
    assert [choice.index for choice in answer.choices] == list(range(6))
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (8, 150)
    same = client.completions.create(model="language", prompt="the", n=2, best_of=2, max_tokens=25, seed=40)
    assert [choice.text for choice in same.choices] == expected[:2]


def test_a_seed_may_be_any_of_64_bits(client: OpenAI, runtimes: dict[str, Model]) -> None:
    for seed in (-1, -(1 << 63), (1 << 63) - 1):
        answer = client.completions.create(model="language", prompt="the", max_tokens=20, seed=seed)
        assert answer.choices[0].text == alone(runtimes["language"], "the", length=20, seed=seed % (1 << 63))


@pytest.mark.parametrize("stop", ["t", "the", [" ", "猫"], ["zzz"], ["at", "a", "tata"], "\n"])
@pytest.mark.parametrize("length", [1, 40, 200])
def test_stop(client: OpenAI, runtimes: dict[str, Model], stop: Any, length: int) -> None:
    for seed in range(3):
        expected = alone(runtimes["language"], "the", length=length, seed=seed, stop=stop)
        asked = {"model": "language", "prompt": "the", "max_tokens": length, "seed": seed, "stop": stop}
        (choice,) = client.completions.create(**asked).choices
        assert choice.text == expected
        whole = alone(runtimes["language"], "the", length=length, seed=seed)
        assert choice.finish_reason == ("stop" if len(expected) < len(whole) else "length")
        parts = streamed(client, **asked)
        assert "".join(part.choices[0].text for part in parts) == expected
        assert [part.choices[0].finish_reason for part in parts if part.choices[0].finish_reason] == [
            choice.finish_reason
        ]


def test_a_stream_is_the_text_in_parts(client: OpenAI, runtimes: dict[str, Model]) -> None:
    expected = alone(runtimes["language"], "the", length=3000, seed=2)
    asked: dict[str, Any] = {"model": "language", "prompt": "the", "max_tokens": 3000, "seed": 2}
    parts = streamed(client, **asked)
    assert "".join(part.choices[0].text for part in parts) == expected
    assert len(parts) > 1
    assert len({part.id for part in parts}) == 1
    assert [part.choices[0].finish_reason for part in parts][-1] == "length"
    assert not any(part.choices[0].finish_reason for part in parts[:-1])
    assert not any(part.usage for part in parts)
    *parts, last = streamed(client, stream_options={"include_usage": True}, **asked)
    assert "".join(part.choices[0].text for part in parts) == expected
    assert last.choices == []
    assert (last.usage.prompt_tokens, last.usage.completion_tokens, last.usage.total_tokens) == (3, 3000, 3003)


def test_a_stream_of_many_texts(client: OpenAI) -> None:
    asked: dict[str, Any] = {
        "model": "language",
        "prompt": ["the", "a€"],
        "n": 2,
        "echo": True,
        "logprobs": 3,
        "max_tokens": 40,
        "seed": 9,
        "stop": "猫",
    }
    whole = client.completions.create(**asked)
    found: dict[int, list[Any]] = {}
    parts = streamed(client, **asked)
    for part in parts:
        (choice,) = part.choices
        found.setdefault(choice.index, []).append(choice)
    assert sorted(found) == [0, 1, 2, 3]
    for choice in whole.choices:
        pieces = found[choice.index]
        assert "".join(piece.text for piece in pieces) == choice.text
        assert pieces[-1].finish_reason == choice.finish_reason
        for field in ("tokens", "token_logprobs", "top_logprobs", "text_offset"):
            joined = [one for piece in pieces for one in getattr(piece.logprobs, field)]
            assert joined == getattr(choice.logprobs, field)
    warnings = ["1 of 5 characters the model never saw; they were read as U+FFFD"]
    assert whole.model_extra is not None
    assert whole.model_extra["warnings"] == warnings
    assert parts[0].model_extra["warnings"] == warnings


def test_a_stream_of_nothing(client: OpenAI) -> None:
    (part,) = streamed(client, model="language", prompt="the", max_tokens=0)
    assert (part.choices[0].text, part.choices[0].finish_reason) == ("", "length")
    parts = streamed(client, model="language", prompt="the", max_tokens=0, echo=True, logprobs=1)
    assert "".join(part.choices[0].text for part in parts) == "the"
    assert [one for part in parts for one in part.choices[0].logprobs.tokens] == ["t", "h", "e"]
    assert parts[-1].choices[0].finish_reason == "length"


def test_a_stream_goes_the_same_way_whoever_is_beside_it(client: OpenAI, runtimes: dict[str, Model]) -> None:
    draws, asked = random.Random(0), []
    for k in range(40):
        asked.append(
            {
                "model": draws.choice(NAMES),
                "prompt": draws.choice(PROMPTS),
                "max_tokens": draws.choice([1, 20, 300, 900]),
                "seed": k,
                "temperature": draws.choice([0.0, 0.5, 1.0, 1.7]),
                "top_p": draws.choice([1.0, 0.9, 0.4]),
                "stop": draws.choice([None, "猫猫", ["tt", "cat"]]),
                "logprobs": draws.choice([None, None, 2]),
            }
        )
    with ThreadPoolExecutor(len(asked)) as pool:
        found = [*pool.map(lambda one: streamed(client, **one), asked)]
    for one, parts in zip(asked, found, strict=True):
        model = runtimes[one.pop("model")]
        how = {"prompt": one["prompt"], "length": one["max_tokens"], "stop": one["stop"] or ()}
        how |= {name: one[name] for name in ("seed", "temperature", "top_p")}
        assert "".join(part.choices[0].text for part in parts) == alone(model, **how), one


def shown(model: Model, tokens: Any) -> list[str]:
    return [*model.vocabulary.pieces(tokens)]


@pytest.mark.parametrize("name", NAMES)
def test_log_probabilities_are_the_models_own(client: OpenAI, runtimes: dict[str, Model], name: str) -> None:
    model, prompt = runtimes[name], "the cat"
    answer = client.completions.create(model=name, prompt=prompt, max_tokens=20, logprobs=4, echo=True, seed=1)
    (choice,) = answer.choices
    assert choice.text == prompt + alone(model, prompt, length=20, seed=1)
    about = choice.logprobs
    assert about is not None
    assert about.tokens == [*choice.text]
    assert about.text_offset == [*range(27)]
    assert about.token_logprobs is not None
    assert about.top_logprobs is not None
    assert about.token_logprobs[0] is None
    assert about.top_logprobs[0] is None
    stream = model.stream()
    ids = model.vocabulary.encode(choice.text)
    for k, token in enumerate(ids[:-1]):
        log_p = stream.step(int(token))
        assert about.token_logprobs[k + 1] == pytest.approx(float(log_p[ids[k + 1]]), abs=2e-6)
        best = np.argsort(-log_p, kind="stable")[:4]
        top = about.top_logprobs[k + 1]
        assert [*top] == shown(model, best)
        assert [*top.values()] == pytest.approx(log_p[best].tolist(), abs=2e-6)
        if ids[k + 1] in best:  # the same number, by which clients tell whether a token was the likeliest
            assert top[choice.text[k + 1]] == about.token_logprobs[k + 1]


def test_log_probabilities_of_a_prompt_alone(client: OpenAI, runtimes: dict[str, Model]) -> None:
    asked: dict[str, Any] = {"model": "language", "prompt": "on a mat", "max_tokens": 0, "echo": True}
    answer = client.completions.create(logprobs=0, **asked)
    (choice,) = answer.choices
    assert (choice.text, choice.finish_reason) == ("on a mat", "length")
    assert choice.logprobs is not None
    assert choice.logprobs.token_logprobs is not None
    assert choice.logprobs.top_logprobs == [None] * 8
    nats = runtimes["language"].score("on a mat").nats
    assert -sum(one for one in choice.logprobs.token_logprobs if one is not None) == pytest.approx(nats, rel=1e-9)
    with_best = client.completions.create(logprobs=1, **asked).choices[0].logprobs
    assert with_best is not None
    assert with_best.token_logprobs is not None
    assert with_best.token_logprobs[1:] == pytest.approx(choice.logprobs.token_logprobs[1:], abs=2e-6)
    nothing = client.completions.create(model="language", prompt="", max_tokens=0, echo=True, logprobs=2).choices[0]
    assert (nothing.text, nothing.finish_reason) == ("", "length")
    assert nothing.logprobs is not None
    assert nothing.logprobs.tokens == []
    assert client.completions.create(model="language", prompt="on", max_tokens=0).choices[0].text == ""
    assert client.completions.create(**asked).choices[0].logprobs is None


def test_echo_of_tokens(client: OpenAI, runtimes: dict[str, Model]) -> None:
    ids = runtimes["language"].vocabulary.encode("the 猫").tolist()
    asked: dict[str, Any] = {"model": "language", "max_tokens": 5, "seed": 1, "echo": True, "logprobs": 1}
    of_tokens, of_text = (client.completions.create(prompt=one, **asked).choices[0] for one in (ids, "the 猫"))
    assert of_tokens == of_text


def test_unknown_characters_are_said(client: OpenAI, runtimes: dict[str, Model]) -> None:
    answer = client.completions.create(model="language", prompt=["the €", "Ünder"], max_tokens=10, seed=1)
    assert answer.model_extra is not None
    assert answer.model_extra["warnings"] == ["4 of 10 characters the model never saw; they were read as U+FFFD"]
    assert answer.choices[0].text == alone(runtimes["language"], "the €", length=10, seed=1)
    known = client.completions.create(model="language", prompt="the", max_tokens=1)
    assert known.model_extra is not None
    assert "warnings" not in known.model_extra


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"prompt": []}, "prompt"),
        ({"prompt": ["a", [1]]}, "prompt"),
        ({"prompt": ["a", 1]}, "prompt"),
        ({"prompt": [1, 99]}, "prompt"),
        ({"prompt": [[1], [99]]}, "prompt"),
        ({"prompt": [-1]}, "prompt[0]"),
        ({"prompt": {"a": 1}}, "prompt"),
        ({"prompt": [True]}, "prompt[0]"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": 10**9}, "max_tokens"),
        ({"max_tokens": 10**40}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_tokens": "9"}, "max_tokens"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"top_p": 1.01}, "top_p"),
        ({"extra_body": {"top_k": 0}}, "top_k"),
        ({"n": 0}, "n"),
        ({"n": 129}, "n"),
        ({"n": 2, "best_of": 3}, "best_of"),
        ({"stop": ""}, "stop"),
        ({"stop": ["a", ""]}, "stop[1]"),
        ({"stop": ["a"] * 17}, "stop"),
        ({"seed": 1 << 63}, "seed"),
        ({"logprobs": 21}, "logprobs"),
        ({"logprobs": -1}, "logprobs"),
        ({"presence_penalty": 0.5}, "presence_penalty"),
        ({"logit_bias": {"1": 1}}, "logit_bias"),
        ({"suffix": "x"}, "suffix"),
        ({"extra_body": {"temprature": 1}}, None),
        ({"extra_body": {"stream_options": {"x": 1}}}, "stream_options"),
    ],
    ids=str,
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_cannot_be_is_refused(client: OpenAI, asked: dict[str, Any], param: str | None, stream: bool) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.completions.create(**{"model": "language", "prompt": "the", "stream": stream, **asked})
    error: Any = caught.value.body
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert len(error["message"]) > 20


@pytest.mark.parametrize("stream", [False, True])
def test_of_a_model_that_is_not_there_or_is_of_numbers(client: OpenAI, stream: bool) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.completions.create(model="nobody", prompt="the", stream=stream)
    assert caught.value.code == "model_not_found"
    for name in ("rows", "texts", "states"):
        with pytest.raises(openai.BadRequestError, match="ask /v1/predict") as wrong:
            client.completions.create(model=name, prompt="the", stream=stream)
        assert (wrong.value.code, wrong.value.param) == ("wrong_task", "model")


def test_a_model_alone_needs_no_name(models: dict[str, Path]) -> None:
    with serving(models["language"], options=["--max-tokens", "100", "--streams", "3"]) as server:
        assert len(server.post("/v1/completions", prompt="the")["choices"][0]["text"]) == 16
        assert len(server.post("/v1/completions")["choices"][0]["text"]) == 16
        status, error = server.refusal("/v1/completions", prompt="the", max_tokens=98)
        assert (status, error["code"]) == (400, "too_many_tokens")
        server.post("/v1/completions", prompt="the", max_tokens=97)
        status, error = server.refusal("/v1/completions", prompt=["a", "a"], n=2, max_tokens=1)
        assert (status, error["param"]) == (400, "n")


def known(kind: str) -> Vocabulary:
    text = "the cat sat on a mat. 猫と猫! " * 20
    return build_vocabulary(kind, [text], 300)


@pytest.mark.parametrize("kind", ["byte", "bpe", "word"])
def test_a_model_of_other_tokens(tmp_path: Path, kind: str) -> None:
    folder = made.language(tmp_path / kind, StackConfig(7, 20, 1, "before"), vocabulary=known(kind))
    model, prompt, stops = load(folder), "the 猫 Ünd\n", ["猫", "at", "\x01\x7f", "\x05"]
    with serving(folder) as server, OpenAI(base_url=f"{server.url}/v1", api_key="none", timeout=PATIENCE) as client:
        for seed in range(4):
            for stop in (None, stops):
                asked: dict[str, Any] = {"model": kind, "prompt": prompt, "max_tokens": 300, "seed": seed, "stop": stop}
                expected = alone(model, prompt, length=300, seed=seed, stop=stop or ())
                assert client.completions.create(**asked).choices[0].text == expected
                assert "".join(part.choices[0].text for part in streamed(client, **asked)) == expected
        tokens = model.vocabulary.encode(prompt).tolist()
        again = client.completions.create(model=kind, prompt=tokens, max_tokens=5, seed=1, echo=True, logprobs=2)
        (choice,) = again.choices
        assert choice.text == prompt + alone(model, prompt, length=5, seed=1)
        assert choice.logprobs is not None
        assert choice.logprobs.text_offset is not None
        assert choice.logprobs.tokens is not None
        for offset, token in zip(choice.logprobs.text_offset, choice.logprobs.tokens, strict=True):
            if not token.startswith("bytes:"):
                assert choice.text[offset:].startswith(token)
        assert again.usage is not None
        assert again.usage.prompt_tokens == len(tokens)


def test_a_model_of_bytes(tmp_path: Path) -> None:
    folder = made.language(tmp_path / "bytes", StackConfig(7, 20, 1, "before"), vocabulary=ByteVocabulary())
    model = load(folder)
    with serving(folder) as server, OpenAI(base_url=f"{server.url}/v1", api_key="none", timeout=PATIENCE) as client:
        for seed in range(3):
            asked: dict[str, Any] = {"model": "bytes", "prompt": "猫", "max_tokens": 400, "seed": seed}
            expected = alone(model, "猫", length=400, seed=seed)
            assert client.completions.create(**asked).choices[0].text == expected
            assert "".join(part.choices[0].text for part in streamed(client, **asked)) == expected
        (choice,) = client.completions.create(model="bytes", prompt="a猫b", max_tokens=0, echo=True, logprobs=2).choices
        assert choice.text == "a猫b"
        assert choice.logprobs is not None
        assert choice.logprobs.tokens == ["a", "bytes:\\xe7", "bytes:\\x8c", "bytes:\\xab", "b"]
        assert choice.logprobs.text_offset == [0, 1, 2, 2, 2]
        (stopped,) = client.completions.create(
            model="bytes", prompt="a", max_tokens=5000, stop=["\x01", "\x7f"], seed=1
        ).choices
        assert stopped.text == alone(model, "a", length=5000, stop=["\x01", "\x7f"], seed=1)
        assert stopped.finish_reason == "stop"
