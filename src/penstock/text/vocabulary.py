"""Vocabularies: text to token ids and back. One of four kinds: bytes, characters, byte-pair encoding, words."""

import codecs
import sys
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.files import is_utf8
from penstock.text import words
from penstock.text.words import LONGEST_WORD

UNKNOWN = "\N{REPLACEMENT CHARACTER}"
"""What a character outside a character vocabulary is read as, and shown as."""

Ids = NDArray[np.int64]

BYTES = 256
"""Ids of a vocabulary of words that are bytes."""


class Vocabulary(Protocol):
    """What every kind can do."""

    kind: ClassVar[str]
    unknown: int | None
    """The id that stands for what the vocabulary does not have; never generated. None where nothing is unknown."""

    def __len__(self) -> int:
        """How many ids there are."""

    def encode(self, text: str) -> Ids:
        """The ids of a text, (tokens,) int64."""

    def pieces(self, ids: Iterable[int]) -> Iterator[str]:
        """The text of ids, as soon as each piece of it is whole: streams where ``ids`` does."""

    def utf8(self, ids: NDArray[Any]) -> bytes:
        """The very bytes that ids stand for, be they whole characters or not."""

    def saved(self) -> tuple[dict[str, Any], str | None]:
        """What config.json holds, and the content of tokenizer.json where there is one."""


class ByteVocabulary:
    """The 256 bytes of UTF-8: small, knows every text, sees a Chinese character in three steps."""

    kind: ClassVar[str] = "byte"
    unknown: int | None = None

    def __len__(self) -> int:
        return 256

    def encode(self, text: str) -> Ids:
        """One id a byte of the text's UTF-8."""
        # surrogateescape: bytes that were no UTF-8 in the file come back as the bytes that they were
        return np.frombuffer(text.encode("utf-8", "surrogateescape"), np.uint8).astype(np.int64)

    def pieces(self, ids: Iterable[int]) -> Iterator[str]:
        """Each character once its last byte is there; a broken one as U+FFFD."""
        return _characters(bytes([i]) for i in ids)

    def utf8(self, ids: NDArray[Any]) -> bytes:
        """One byte an id."""
        return ids.astype(np.uint8).tobytes()

    def saved(self) -> tuple[dict[str, Any], str | None]:
        """Nothing but the kind."""
        return {"kind": self.kind}, None


class CharVocabulary:
    """Unicode characters, in the order of their code points after the unknown character.

    A character outside it is read as U+FFFD, id 0. Unless the training text held U+FFFD itself, the model never saw
    that id: its embedding is zero, so that the step hears no input (unless ``tied``, where the output layer's training
    moves it). It is never generated.
    """

    kind: ClassVar[str] = "char"
    unknown: int | None = 0

    def __init__(self, characters: Iterable[str]) -> None:
        self.characters = UNKNOWN + "".join(sorted(set(characters) - {UNKNOWN}))
        codes = _code_points(self.characters[1:])
        self._ids = np.zeros(int(codes.max(initial=0)) + 2, np.int64)  # by code point; the last stands for all above
        self._ids[codes] = np.arange(1, len(self))

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> Ids:
        """One id a character."""
        return self._ids[np.minimum(_code_points(text), len(self._ids) - 1)]

    def pieces(self, ids: Iterable[int]) -> Iterator[str]:
        """One character an id."""
        return map(self.characters.__getitem__, ids)

    def utf8(self, ids: NDArray[Any]) -> bytes:
        """One character an id."""
        return "".join(self.pieces(ids.tolist())).encode("utf-8", "surrogatepass")

    def saved(self) -> tuple[dict[str, Any], str | None]:
        """The kind and the characters, without the unknown one."""
        return {"kind": self.kind, "characters": self.characters[1:]}, None


class BpeVocabulary:
    """Byte-level byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909), by Hugging Face ``tokenizers``."""

    kind: ClassVar[str] = "bpe"
    unknown: int | None = None

    def __init__(self, tokenizer_json: str) -> None:
        byte_of = _byte_level_alphabet()
        from_str = _tokenizers().Tokenizer.from_str
        try:
            self._tokenizer = from_str(tokenizer_json)
            tokens = (self._tokenizer.id_to_token(i) for i in range(len(self)))
            self._bytes = [bytes(byte_of[character] for character in token) for token in tokens]
        except Exception as error:  # the library raises nothing narrower
            raise PenstockError(f"tokenizer.json: not a byte-level tokenizer: {error}") from None

    @classmethod
    def trained_on(cls, texts: Iterable[str], size: int) -> "BpeVocabulary":
        """At most ``size`` tokens (at least 257), learned from ``texts``."""
        library = _tokenizers()
        tokenizer = library.Tokenizer(library.models.BPE())
        tokenizer.pre_tokenizer = library.pre_tokenizers.Sequence(
            [
                library.pre_tokenizers.ByteLevel(add_prefix_space=False),
                # a word's pairs cost the square of its length: text without white space would never end
                library.pre_tokenizers.Split(library.Regex(f"[\\s\\S]{{1,{LONGEST_WORD}}}"), "isolated"),
            ]
        )
        trainer = library.trainers.BpeTrainer(
            vocab_size=size,
            initial_alphabet=library.pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        tokenizer.train_from_iterator(texts, trainer)
        return cls(tokenizer.to_str())

    def __len__(self) -> int:
        return int(self._tokenizer.get_vocab_size())

    def encode(self, text: str) -> Ids:
        """As many ids as the merges leave; a lone surrogate is read as U+FFFD."""
        whole = _without_surrogates(text)
        (encoding,) = self._tokenizer.encode_batch_fast([whole])  # does not count where each token was
        return np.array(encoding.ids, np.int64)

    def pieces(self, ids: Iterable[int]) -> Iterator[str]:
        """Each stretch of text once its last byte is there; a broken character as U+FFFD."""
        return _characters(self._bytes[i] for i in ids)

    def utf8(self, ids: NDArray[Any]) -> bytes:
        """One stretch of bytes an id."""
        return b"".join(self._bytes[i] for i in ids.tolist())

    def saved(self) -> tuple[dict[str, Any], str | None]:
        """The kind; the merges go to tokenizer.json."""
        return {"kind": self.kind}, self._tokenizer.to_str()


class WordVocabulary:
    """Words with the space before them; after the 256 bytes, in which every word is spelled that has no id.

    So nothing is lost: an unknown word costs its own bytes and comes back as it was, which SentencePiece calls byte
    fallback. See ``penstock.text.words`` for what a word is.
    """

    kind: ClassVar[str] = "word"
    unknown: int | None = None

    def __init__(self, known: Iterable[str]) -> None:
        self.words = tuple(known)
        self._ids = {word: BYTES + k for k, word in enumerate(self.words)}
        self._bytes = [bytes([byte]) for byte in range(BYTES)] + [word.encode() for word in self.words]

    def __len__(self) -> int:
        return len(self._bytes)

    def encode(self, text: str) -> Ids:
        """One id a word, or one a byte of it; a lone surrogate is read as U+FFFD."""
        ids: list[int] = []
        for word in words.split(_without_surrogates(text)):
            if (known := self._ids.get(word)) is not None:
                ids.append(known)
            elif word[0] == " " and (known := self._ids.get(word[1:])) is not None:
                ids += (ord(" "), known)  # as it stands where a line begins
            else:
                ids += word.encode()
        return np.array(ids, np.int64)

    def pieces(self, ids: Iterable[int]) -> Iterator[str]:
        """Each word, and of one in bytes each character once its last byte is there; a broken one as U+FFFD."""
        return _characters(self._bytes[i] for i in ids)

    def utf8(self, ids: NDArray[Any]) -> bytes:
        """One stretch of bytes an id."""
        return b"".join(self._bytes[i] for i in ids.tolist())

    def saved(self) -> tuple[dict[str, Any], str | None]:
        """The kind and the words, in the order of their ids."""
        return {"kind": self.kind, "words": list(self.words)}, None


def _without_surrogates(text: str) -> str:
    """Lone ones become U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _characters(pieces: Iterable[bytes]) -> Iterator[str]:
    """UTF-8 in pieces to characters, each once its last byte is there."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for piece in pieces:
        if text := decoder.decode(piece):
            yield text
    if text := decoder.decode(b"", final=True):
        yield text


def _byte_level_alphabet() -> dict[str, int]:
    """The byte that each character of a byte-level token stands for.

    Visible Latin-1 stands for itself; the other bytes, in order, for the characters from 256 on.
    """
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in visible]
    return {chr(byte): byte for byte in visible} | {chr(256 + k): byte for k, byte in enumerate(others)}


def _tokenizers() -> Any:
    try:
        import tokenizers
    except ModuleNotFoundError:
        raise PenstockError(
            "vocabulary bpe: needs the package tokenizers, which is not installed: pip install tokenizers; "
            "--vocab char and --vocab byte need none"
        ) from None
    return tokenizers


def load_vocabulary(config: Any, tokenizer_json: str | None) -> Vocabulary:
    """The inverse of ``saved``.

    Raises:
        PenstockError: it is something else.
    """
    match config:
        case {"kind": "byte"}:
            return ByteVocabulary()
        case {"kind": "char", "characters": str(characters)}:
            return CharVocabulary(characters)
        case {"kind": "bpe"} if tokenizer_json is not None:
            return BpeVocabulary(tokenizer_json)
        case {"kind": "word", "words": [*known]} if all(isinstance(word, str) and is_utf8(word) for word in known):
            return WordVocabulary(known)
    raise PenstockError(
        "vocabulary: expected byte, char with its characters, word with its words, or bpe with its tokenizer.json, "
        f"got {config!s:.60}"
    )


def characters_of(texts: Iterable[str]) -> str:
    """Each character that occurs, once, in the order of their code points."""
    found = np.zeros(sys.maxunicode + 1, bool)
    for text in texts:
        found[_code_points(text)] = True
    return "".join(map(chr, np.flatnonzero(found)))


def _code_points(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def build_vocabulary(kind: str, texts: Iterable[str], size: int, least: int = 2) -> Vocabulary:
    """The vocabulary of a corpus. ``size`` bounds byte pairs, and words, of which those that come ``least`` times or
    more have a token; the other kinds are as large as they must be."""
    if kind == "byte":
        return ByteVocabulary()
    if kind == "char":
        return CharVocabulary(characters_of(texts))
    if kind == "word":
        return WordVocabulary(words.frequent(words.counted(texts), least, max(size - BYTES, 0)))
    return BpeVocabulary.trained_on(texts, size)
