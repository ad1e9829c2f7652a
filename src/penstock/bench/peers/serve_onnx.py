"""A server of a model on ONNX Runtime as people write one in Python: each request steps its own text, in a thread of
the framework's pool. ``python -m penstock.bench.peers.serve_onnx MODEL.onnx``
"""

import json
import socket
import sys
from typing import Any

import numpy as np
import onnxruntime
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


def main() -> None:
    """Answers until it is ended."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # a step is too small for more
    session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
    H = session.get_inputs()[1].shape[2]

    def write(asked: Any) -> list[int]:
        """Tokens, drawn at temperature 1."""
        random = np.random.default_rng()
        token, state, found = np.ones((1, 1), np.int64), np.zeros((1, 1, H), np.float32), []
        for _ in range(asked["max_tokens"]):
            log_p, state = session.run(None, {"tokens": token, "state": state})
            p = np.exp(log_p[0, 0].astype(np.float64)).cumsum()
            token[0, 0] = min(int(p.searchsorted(random.random() * p[-1], "right")), len(p) - 1)
            found.append(int(token[0, 0]))
        return found

    async def completions(request: Request) -> JSONResponse:
        tokens = await run_in_threadpool(write, json.loads(await request.body()))
        return JSONResponse({"choices": [{"tokens": tokens}]})

    listening = socket.create_server(("127.0.0.1", 0))
    print(f"serving at http://127.0.0.1:{listening.getsockname()[1]}\nready", file=sys.stderr, flush=True)
    app = Starlette(routes=[Route("/v1/completions", completions, methods=["POST"])])
    uvicorn.Server(uvicorn.Config(app, log_level="critical")).run(sockets=[listening])


if __name__ == "__main__":
    main()
