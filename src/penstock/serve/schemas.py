"""What clients send and get, as types: they check requests, and are what /openapi.json says.

Fields, defaults and shapes are those of OpenAI's API where it has them; ``state`` and ``return_state`` are ours.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Token = Annotated[int, Meta(ge=0, lt=1 << 31)]
Tokens = Annotated[list[Token], Meta(min_length=1)]
_ONE_KIND = {"anyOf": [{"items": {"type": kind}} for kind in ("string", "integer", "array")]}
Prompts = (
    str
    | Annotated[
        list[str | Token | Tokens],
        Meta(min_length=1, description="texts, or texts as tokens, or one", extra_json_schema=_ONE_KIND),
    ]
)
Name = Annotated[str, Meta(max_length=256, description="of a model, as /v1/models has it; may lack where there is one")]
StateText = Annotated[str, Meta(description="where to go on from: what an earlier answer had as its state")]
Zero = Annotated[float, Meta(ge=0, le=0)]
Seed = Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
Cell = float | int | str | bool | None
Stop = Annotated[str, Meta(min_length=1, max_length=256)]


class StreamOptions(Struct, forbid_unknown_fields=True):
    """How a stream is sent."""

    include_usage: bool = False
    include_obfuscation: bool | None = None


class CompletionRequest(Struct, forbid_unknown_fields=True):
    """POST /v1/completions: texts that a language model writes on."""

    model: Name | None = None
    prompt: Prompts | None = None
    max_tokens: Annotated[int, Meta(ge=0)] | None = 16
    temperature: Annotated[float, Meta(ge=0, le=100)] | None = 1.0
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = 1.0
    top_k: Annotated[int, Meta(ge=1, lt=1 << 31)] | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = 1
    stop: Stop | Annotated[list[Stop], Meta(max_length=16)] | None = None
    seed: Seed | None = None
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    echo: bool | None = False
    best_of: Annotated[int, Meta(ge=1, le=128)] | None = None
    presence_penalty: Zero | None = 0
    frequency_penalty: Zero | None = 0
    logit_bias: Annotated[dict[str, float], Meta(max_length=0)] | None = None
    suffix: Annotated[str, Meta(max_length=0)] | None = None
    user: Annotated[str, Meta(max_length=256)] | None = None
    state: StateText | None = None
    return_state: bool = False


class ScoreRequest(Struct, forbid_unknown_fields=True):
    """POST /v1/score: how well a language model expected texts."""

    input: str | Annotated[list[str], Meta(min_length=1)]
    model: Name | None = None
    tokens: bool = False
    state: StateText | None = None
    return_state: bool = False


class EmbeddingRequest(Struct, forbid_unknown_fields=True):
    """POST /v1/embeddings: the top layer's state after each text."""

    input: Prompts
    model: Name | None = None
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[int, Meta(ge=1)] | None = None
    user: Annotated[str, Meta(max_length=256)] | None = None
    state: StateText | None = None
    return_state: bool = False


class TokenizeRequest(Struct, forbid_unknown_fields=True):
    """POST /tokenize: the tokens that a language model reads a text as; as vLLM's clients ask."""

    prompt: str
    model: Name | None = None
    add_special_tokens: bool = False
    """There are none."""


class DetokenizeRequest(Struct, forbid_unknown_fields=True):
    """POST /detokenize: the text that tokens stand for; as vLLM's clients ask."""

    tokens: list[Token]
    model: Name | None = None


class PredictRequest(Struct, forbid_unknown_fields=True):
    """POST /v1/predict: rows of numbers, or texts, that a model answers."""

    model: Name | None = None
    rows: list[dict[str, Cell] | list[Cell]] | None = None
    texts: list[str] | None = None
    state: StateText | None = None
    return_state: bool = False


class StreamMessage(Struct, forbid_unknown_fields=True):
    """A message to /v1/stream: a row, or where to go on from, or a wish for the state."""

    row: dict[str, Cell] | list[Cell] | None = None
    state: StateText | None = None
    return_state: bool = False


class Usage(Struct):
    """What was computed."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class LogProbabilities(Struct):
    """Of each token, natural logarithms; null for the first of a text."""

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]


class Choice(Struct, omit_defaults=True):
    """A text that was written."""

    text: str
    index: Annotated[int, Meta(ge=0)]
    logprobs: LogProbabilities | None
    finish_reason: Literal["stop", "length"] | None
    state: str | None = None


class Completion(Struct, omit_defaults=True):
    """What /v1/completions answers; of a stream each part."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[Choice]
    system_fingerprint: str
    usage: Usage | None = None
    warnings: list[str] | None = None


class TextScore(Struct, omit_defaults=True):
    """Of one text; its first token is expected after nothing, and not counted."""

    index: int
    nats: float | None
    scored_tokens: int
    characters: int
    bytes: int
    bits_per_byte: float | None
    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None
    state: str | None = None


class Scores(Struct, omit_defaults=True):
    """What /v1/score answers."""

    object: Literal["list"]
    model: str
    data: list[TextScore]
    usage: Usage
    warnings: list[str] | None = None


class Embedding(Struct, omit_defaults=True):
    """Of one text; base64 is of float32, little-endian."""

    object: Literal["embedding"]
    index: int
    embedding: list[float | None] | str
    state: str | None = None


class Embeddings(Struct, omit_defaults=True):
    """What /v1/embeddings answers."""

    object: Literal["list"]
    model: str
    data: list[Embedding]
    usage: Usage
    warnings: list[str] | None = None


class Tokenized(Struct):
    """What /tokenize answers."""

    tokens: list[int]
    count: int


class Detokenized(Struct):
    """What /detokenize answers."""

    prompt: str


class TokenizerAbout(Struct):
    """What /tokenizer_info answers."""

    bos_token: str | None
    """What an empty text stands for: the start of a line, if the model knows one."""
    eos_token: None
    """Texts have no end."""


class Prediction(Struct, omit_defaults=True):
    """What /v1/predict answers: to each row, or to each text."""

    object: Literal["list"]
    model: str
    data: list[dict[str, Any]]
    state: str | None = None
    warnings: list[str] | None = None


class ModelAbout(Struct, omit_defaults=True):
    """A model that is served."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    task: str
    reads: list[str] | str
    state_bytes: int
    """Of a state in memory."""
    state_characters: int
    """Of one as a text."""
    parameters: int
    fingerprint: str
    keys: list[str] | None = None
    """Columns that a row has beside those that are read: of ids, of its time, of an episode's beginning."""


class ModelList(Struct):
    """What /v1/models answers."""

    object: Literal["list"]
    data: list[ModelAbout]


class ErrorAbout(Struct):
    """What was wrong, what was expected, what to do."""

    message: str
    type: str
    param: str | None
    code: str | None


class Error(Struct):
    """What is answered in place of an answer."""

    error: ErrorAbout


class Status(Struct):
    """What /healthz and /readyz answer."""

    status: str
