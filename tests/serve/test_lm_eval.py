"""lm-evaluation-harness measures a served model by its client ``local-completions``: where it is installed by its very
code, and else by the requests that it sends (0.4.13, ``lm_eval.models.openai_completions``)."""

from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serve_process import ServerProcess, serving

from penstock.runtime import Model, load

PAIRS = [("the cat", " sat"), ("the cat", " on a mat"), ("a", "t"), ("", "the"), ("n" * 50, "猫"), ("on a m", "a")]


@pytest.fixture(scope="module")
def model(models: dict[str, Path]) -> Model:
    found = load(models["language"])
    assert isinstance(found, Model)
    return found


@pytest.fixture(scope="module")
def server(models: dict[str, Path]) -> Iterator[ServerProcess]:
    """Of one model, since requests for tokens name none."""
    with serving(models["language"]) as found:
        yield found


def expected(model: Model, context: str, continuation: str) -> tuple[float, bool]:
    """The log-likelihood of a continuation, and whether it is what the model finds likeliest all along."""
    stream, ids = model.stream(), model.vocabulary.encode((context or "\n") + continuation)
    log_p = [stream.step(int(token)).copy() for token in ids[:-1]][-len(continuation) :]
    own = ids[len(ids) - len(continuation) :]
    total = sum(float(one[token]) for one, token in zip(log_p, own, strict=True))
    return total, all(int(np.argmax(one)) == token for one, token in zip(log_p, own, strict=True))


def check(found: list[tuple[float, bool]], model: Model) -> None:
    wanted = [expected(model, *pair) for pair in PAIRS]
    assert [value for value, _ in found] == pytest.approx([value for value, _ in wanted], abs=1e-5)
    assert [greedy for _, greedy in found] == [greedy for _, greedy in wanted]
    assert {greedy for _, greedy in found} == {True, False}


@pytest.mark.parametrize("as_tokens", [True, False])
def test_by_hand(server: ServerProcess, model: Model, as_tokens: bool) -> None:
    info = server.client.get("/tokenizer_info").json()
    begins = [context or info["bos_token"] for context, _ in PAIRS]
    sizes = [server.post("/tokenize", prompt=one, add_special_tokens=False)["count"] for one in begins]
    texts = [begin + continuation for begin, (_, continuation) in zip(begins, PAIRS, strict=True)]
    tokens = [server.post("/tokenize", prompt=one, add_special_tokens=False)["tokens"] for one in texts]
    assert [server.post("/detokenize", tokens=one)["prompt"] for one in tokens] == texts
    asked = {"model": "language", "temperature": 0, "max_tokens": 1, "logprobs": 1, "seed": 1234, "echo": True}
    answer = server.post("/v1/completions", prompt=tokens if as_tokens else texts, **asked)
    found = []
    for choice, size in zip(sorted(answer["choices"], key=itemgetter("index")), sizes, strict=True):
        about: dict[str, Any] = choice["logprobs"]
        log_p, best = about["token_logprobs"][size:-1], about["top_logprobs"][size:-1]
        found.append((sum(log_p), all(one == max(top.values()) for one, top in zip(log_p, best, strict=True))))
    check(found, model)


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"batch_size": 4},
        {"num_concurrent": 3, "batch_size": 2},
        {"tokenized_requests": False},
        {"tokenized_requests": False, "batch_size": 4},
    ],
    ids=str,
)
def test_by_its_client(server: ServerProcess, model: Model, how: dict[str, Any]) -> None:
    client = pytest.importorskip("lm_eval.models.openai_completions")
    from lm_eval.api.instance import Instance  # type: ignore[import-not-found]

    found = client.LocalCompletionsAPI(base_url=f"{server.url}/v1/completions", model="language", max_retries=1, **how)
    assert found.tokenizer_backend == "remote"  # as it finds out by itself

    def asked(kind: str, *arguments: Any) -> list[Any]:
        return [Instance(request_type=kind, doc={}, arguments=one, idx=k) for k, one in enumerate(arguments)]

    check(found.loglikelihood(asked("loglikelihood", *PAIRS)), model)
    rolling = found.loglikelihood_rolling(asked("loglikelihood_rolling", ("the cat sat",), ("a mat",)))
    assert rolling == pytest.approx([-model.score("\nthe cat sat").nats, -model.score("\na mat").nats], rel=1e-6)
    written = found.generate_until(asked("generate_until", ("the cat", {"until": ["猫"], "max_gen_toks": 20})))
    assert written == ["".join(model.generate("the cat", length=20, temperature=0, stop="猫"))]


def test_tokens_of_any_model(models: dict[str, Path]) -> None:
    with serving(models["language"], models["language-after"], models["rows"]) as server:
        assert server.client.get("/tokenizer_info", params={"model": "language"}).json() == {
            "bos_token": "\n",
            "eos_token": None,
        }
        vocabulary = load(models["language-after"]).vocabulary
        for text in ("", "the 猫", "€", "sat on " * 9000):
            tokens = server.post("/tokenize", model="language-after", prompt=text)
            assert tokens == {"tokens": vocabulary.encode(text).tolist(), "count": len(text)}
            again = server.post("/detokenize", model="language-after", tokens=tokens["tokens"])
            assert again == {"prompt": text.replace("€", "\ufffd")}
        for path, asked in (("/tokenize", {"prompt": "a"}), ("/detokenize", {"tokens": [1]})):
            assert server.refusal(path, **asked)[0] == 404
            status, error = server.refusal(path, **asked, model="rows")
            assert (status, error["code"]) == (400, "wrong_task")
        for tokens in ([99], [-1], ["a"], None, [1.5]):
            assert server.refusal("/detokenize", model="language", tokens=tokens)[0] == 400
