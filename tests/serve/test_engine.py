"""The thread that computes: who waits for whom."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from export import made
from prometheus_client import CollectorRegistry

from penstock.model_folder.stack import StackConfig
from penstock.runtime import Model, load_language
from penstock.runtime.batch import Sampling
from penstock.serve import engine as engines
from penstock.serve.engine import Ended, Engine, EngineOutput, EngineRequest, Mailbox, Read, Writing
from penstock.serve.metrics import Gauges


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_language(made.language(tmp_path_factory.mktemp("models") / "one", StackConfig(11, 37, 2, "before")))


def asked(model: Model, prompt: str, *writings: Writing, **more: Any) -> EngineRequest:
    return EngineRequest(Mailbox(), model.vocabulary.encode(prompt), model.initial_state(), writings=writings, **more)


def run(model: Model, what: Any, streams: int = 8) -> Any:
    """What ``what(engine)`` returns, a coroutine."""

    async def with_engine() -> Any:
        engine = Engine(model, asyncio.get_running_loop(), streams, Gauges(CollectorRegistry()))
        try:
            return await asyncio.wait_for(what(engine), 120)
        finally:
            await asyncio.to_thread(engine.close, True)

    return asyncio.run(with_engine())


async def outputs(engine: Engine, request: EngineRequest) -> list[Any]:
    """All that is told of a request's texts, to their ends, by one who reads it all."""
    found, left = list[Any](), len(request.writings)
    while left:
        for item in await request.mailbox.get():
            found.append(item)
            if isinstance(item, EngineOutput):
                left -= item.finished is not None
                item.writing.heard += len(item.tokens)
                if item.writing.parked:
                    engine.resume(item.writing)
    return found


def text(found: list[Any]) -> str:
    return "".join(item.text for item in found if isinstance(item, EngineOutput))


def alone(model: Model, prompt: str, length: int, seed: int) -> str:
    return "".join(model.generate(prompt, length=length, seed=seed))


def test_a_text_that_nobody_reads_waits_and_goes_on_where_it_was(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "AHEAD", 50)
    monkeypatch.setattr(engines, "BURST", 0.0)  # told of after every step

    async def what(engine: Engine) -> str:
        unheard = asked(model, "the cat", Writing(3000, Sampling(), seed=3))
        other = asked(model, "a mat", Writing(4000, Sampling(), seed=4))
        engine.submit(unheard)
        found = list[Any]()
        while not unheard.writings[0].parked:
            found += await unheard.mailbox.get()
        engine.submit(other)
        assert text(await outputs(engine, other)) == alone(model, "a mat", 4000, 4)
        writing = unheard.writings[0]
        assert writing.told < 3000  # while the other one wrote more than this one had left
        while not any(item.finished for item in found if isinstance(item, EngineOutput)):
            writing.heard = writing.told
            if writing.parked:
                engine.resume(writing)
            found += await unheard.mailbox.get()
        return text(found)

    assert run(model, what) == alone(model, "the cat", 3000, 3)


def test_a_long_prompt_is_read_between_the_steps_of_others(model: Model) -> None:
    async def what(engine: Engine) -> None:
        short, long = asked(model, "on", Writing(10**6, Sampling())), asked(model, "the cat " * 4000, judged=True)
        short.writings[0].heard = 10**9  # whatever it writes
        engine.submit(short)
        await short.mailbox.get()
        before = short.writings[0].told
        engine.submit(long)
        while not any(isinstance(item, Read) for item in await long.mailbox.get()):
            pass
        assert short.writings[0].told > before + 2
        engine.cancel(short)

    run(model, what)


def test_prompts_of_all_lengths_side_by_side_are_read_as_alone(model: Model) -> None:
    prompts = ["t", "the cat", "the cat sat on a mat " * 60, "a" * 300, "on a mat"]

    async def what(engine: Engine) -> None:
        requests = [asked(model, one, Writing(40, Sampling(), seed=k), judged=True) for k, one in enumerate(prompts)]
        for one in requests:
            engine.submit(one)
        for k, (one, prompt) in enumerate(zip(requests, prompts, strict=True)):
            found = await outputs(engine, one)
            assert text(found) == alone(model, prompt, 40, k)
            (read,) = [item for item in found if isinstance(item, Read)]
            assert -read.log_p.sum() == pytest.approx(model.score(prompt).nats, rel=1e-12, abs=0)

    run(model, what)


def test_who_goes_frees_a_place_for_who_waits(model: Model) -> None:
    async def what(engine: Engine) -> None:
        first = [asked(model, "the", Writing(10**7, Sampling())) for _ in range(2)]
        waits = asked(model, "a mat", Writing(20, Sampling(), seed=7))
        for one in (*first, waits):
            engine.submit(one)
        assert engine.live == 3
        for one in first:
            await one.mailbox.get()
        assert waits.writings[0].told == 0
        engine.cancel(first[0])
        assert text(await outputs(engine, waits)) == alone(model, "a mat", 20, 7)
        engine.cancel(waits)
        engine.cancel(first[1])
        engine.cancel(first[1])
        assert engine.live == 0

    run(model, what, streams=2)


def test_a_text_goes_on_with_new_weights_from_its_state(model: Model, tmp_path: Path) -> None:
    other = Model(model.config, model.vocabulary, made.weights(model.config, seed=1))

    async def what(engine: Engine) -> None:
        request = asked(model, "the cat", Writing(2000, Sampling(0.0), seed=1))
        engine.submit(request)
        engine.swap(other)
        assert len(text(await outputs(engine, request))) == 2000
        second = asked(model, "the cat", Writing(30, Sampling(), seed=5))
        engine.submit(second)
        assert text(await outputs(engine, second)) == alone(other, "the cat", 30, 5)

    run(model, what)


def test_a_fault_is_told_to_everybody_and_ends_no_one_after(
    model: Model, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def what(engine: Engine) -> None:
        writes = asked(model, "the cat", Writing(10**7, Sampling()))
        engine.submit(writes)
        await writes.mailbox.get()
        reads = asked(model, "the cat sat", judged=True)
        engine.submit(reads)
        for one in (writes, reads):
            while not any(isinstance(item, Ended) for item in await one.mailbox.get()):
                pass

        monkeypatch.undo()
        again = asked(model, "the cat", Writing(30, Sampling(), seed=5))
        engine.submit(again)
        assert text(await outputs(engine, again)) == alone(model, "the cat", 30, 5)

    def fails(*_: Any) -> None:
        raise FloatingPointError

    monkeypatch.setattr(Engine, "_judge", fails)
    run(model, what)
    assert "FloatingPointError" in caplog.text


def test_the_likeliest_of_equal_ones_come_in_order() -> None:
    assert engines.likeliest(np.array([-1.0, -0.5, -1.0, -0.5]), 3) == [(1, -0.5), (3, -0.5), (0, -1.0)]
