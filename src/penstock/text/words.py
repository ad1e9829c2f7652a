"""Text to words and back: each word carries the space before it, so that words put side by side are the text again.

A word is a run of letters, digits and underscores with their combining marks. Of two parts are English words with an
apostrophe ('s, n't as 't), as in GPT-2 (Radford et al. 2019); and a sign, a white space that no word carries and, as in
BERT (Devlin et al. 2019, arXiv:1810.04805), a Chinese or Japanese character are each one of its own.
"""

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping

LONGEST_WORD = 256
"""Bytes of a word at most, and of a stretch between white space for byte pairs."""
MARKED = 0x20000
"""The code point from which on no script has combining marks."""
HAN = "\u2e80-\u2fdf\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
PLAIN = "0-9A-Z_a-zÀ-ÖØ-öø-ʯΑ-ΡΣ-ώЀ-ҁҊ-ӿ"
"""Letters and digits that are found ten times as fast as by their categories."""


@functools.cache
def _pattern() -> "re.Pattern[str]":
    marks = "".join(chr(code) for code in range(0x300, MARKED) if unicodedata.category(chr(code)).startswith("M"))
    letter = rf"[^\W{HAN}]"
    ending = r"['’](?:s|t|re|ve|m|ll|d)(?!\w)"
    plain = rf" ?[{PLAIN}]+(?![{PLAIN}\u02b0-\U0010ffff])"
    return re.compile(
        rf"{ending}|{plain}| ?[!-/:-@\[-`{{-~]| ?(?:{letter}+(?:[{marks}]+{letter}*)*|[{HAN}]|[^\w\s])|\s"
    )


def split(text: str) -> list[str]:
    """The words of a text; joined they are the text."""
    return _pattern().findall(text)


def counted(texts: Iterable[str]) -> Counter[str]:
    """How often each word comes; white space aside."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(split(text))
    return Counter({word: count for word, count in counts.items() if not word.isspace()})


def frequent(counts: Mapping[str, int], least: int, most: int) -> list[str]:
    """The words that come ``least`` times or more, the most frequent first and ``most`` at most; those of one byte,
    which need no place of their own, aside."""
    found = [
        (-count, word) for word, count in counts.items() if count >= least and 1 < len(word.encode()) <= LONGEST_WORD
    ]
    return [word for _, word in sorted(found)[:most]]
