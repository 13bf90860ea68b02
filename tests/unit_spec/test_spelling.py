"""Other spellings of JSON: the same value to every reader, and another text."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest

from spec.bindings.json import decode, encode
from spec.bindings.spelling import ESCAPES, ORDERS, spell

VALUE: dict[str, Any] = {
    "type": "a/b",
    "ü": ["\u0000\n", "🍲", 0, -0.5, 1e300, True, None, [], {}],
    "payload": {"b": {"z": 1, "a": {}}, "": '\\"\u2028'},
}


@pytest.mark.parametrize(("space", "escapes", "order"), [*product(("", " ", "\r\n\t"), ESCAPES, ORDERS)])
def test_every_spelling_says_the_same(space: str, escapes: str, order: str) -> None:
    """Members in another order, white space and escapes change nothing of what is read."""
    assert decode(spell(VALUE, space=space, escapes=escapes, order=order)) == VALUE


def test_the_plain_spelling_is_the_usual_one() -> None:
    """Without options, a value is written as it always is."""
    assert spell(VALUE) == encode(VALUE)


def test_each_option_shows() -> None:
    """The texts differ in what the option is about, and only there."""
    assert spell({"b": 1, "a": [2, 3]}, space=" ", order="sorted") == ' { "a" : [ 2 , 3 ] , "b" : 1 } '
    assert spell({"b": 1, "a": 2}, order="backwards") == '{"a":2,"b":1}'
    assert spell("a/é🍲", escapes="wide") == '"a/\\u00e9\\ud83c\\udf72"'
    assert spell("a/é🍲", escapes="solidus") == '"a\\/é🍲"'
    assert spell("a/🍲", escapes="all") == '"\\u0061\\u002f\\ud83c\\udf72"'


def test_what_is_to_be_found_again_is_not_escaped() -> None:
    """A text that is kept stands in every spelling as it is; what must be escaped is."""
    text = spell({"token": "abc/def", "other": 'abc"'}, escapes="all", keep={"abc/def", 'abc"'})

    assert '"abc/def"' in text
    assert '"abc\\""' in text
    assert json.loads(text) == {"token": "abc/def", "other": 'abc"'}
