"""The scripts of the page, which share one scope, and its words, which are there in both languages."""

import collections
import json
import re
from pathlib import Path

import penstock.look

ASSETS = Path(penstock.look.__file__).parent / "assets"
SCRIPTS = sorted((ASSETS / "script").glob("*.js"))
WORDS = json.loads((ASSETS / "words.json").read_text("utf-8"))


def test_no_name_is_declared_twice() -> None:
    """Of two functions of one name the second would win in silence."""
    declared = collections.Counter(
        name
        for script in SCRIPTS
        for plain, taken_apart in re.findall(
            r"^(?:(?:async )?(?:function\*?|const|let|class) (\w+)|(?:const|let) [\[{]([^=]*)[\]}] =)",
            script.read_text("utf-8"),
            re.M,
        )
        for name in re.findall(r"\w+", plain or taken_apart)
    )
    assert len(declared) > 200
    assert {name for name, count in declared.items() if count > 1} == set()


def test_every_script_is_in_the_page() -> None:
    from penstock.look.page import SCRIPTS as JOINED

    assert sorted(f"script/{script.name}" for script in SCRIPTS) == sorted(n for n in JOINED if n.startswith("script/"))


def test_both_languages_have_the_same_words_with_the_same_places() -> None:
    english, chinese = WORDS["en"], WORDS["zh"]
    assert english.keys() == chinese.keys()
    for key, text in english.items():
        assert sorted(set(re.findall(r"\{\w+\}", text))) == sorted(set(re.findall(r"\{\w+\}", chinese[key]))), key


def test_every_word_that_is_said_is_there_and_every_one_that_is_there_is_said() -> None:
    page = (ASSETS / "page.html").read_text("utf-8")
    python = sorted(ASSETS.parent.glob("*.py"))  # the circuit's
    sources = "\n".join([page, *(source.read_text("utf-8") for source in [*SCRIPTS, *python])])
    said = set(re.findall(r'say\("(\w+)"', sources)) | set(re.findall(r'data-(?:word|label)="(\w+)"', sources))
    assert said <= WORDS["en"].keys()
    unsaid = {key for key in WORDS["en"].keys() - said if not re.search(rf'["`\'_]{key}\b|\b{key}:', sources)}
    parts = re.findall(r'`([a-z]\w+)\$\{|"(\w+)" \+|"(\w+)" : "(\w+)"\) \+', sources)  # say(`form_${…}`) and the like
    made = tuple(name for names in parts for name in names if name)
    assert {key for key in unsaid if not key.startswith(made)} == set()


def test_no_text_of_the_page_stands_outside_the_words() -> None:
    """What a script puts on the page in letters comes from ``say``; names, numbers and signs do not."""
    for script in SCRIPTS:
        source = re.sub(r"^\s*//.*|\s//.*", "", script.read_text("utf-8"), flags=re.M)
        texts = re.findall(r'(?:textContent = |make\("\w+", \{[^{}]*\}, )"([^"]*)"', source)
        assert not [text for text in texts if re.search(r"[A-Za-z]{3}", text)], script.name
