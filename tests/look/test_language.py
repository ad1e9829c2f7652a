"""Tokens as they are shown."""

from penstock.look.language import token_labels
from penstock.text import BpeVocabulary, ByteVocabulary


def test_tokens_that_are_no_characters() -> None:
    assert token_labels(ByteVocabulary(), ByteVocabulary().encode("aé")) == ("a", "‹c3›", "‹a9›")
    bpe = BpeVocabulary.trained_on(["the cat the cat"], 262)
    ids = bpe.encode("the cat 中")
    assert "".join(token_labels(bpe, ids)).startswith("the cat ")
    assert token_labels(bpe, ids)[-1].startswith("‹")
