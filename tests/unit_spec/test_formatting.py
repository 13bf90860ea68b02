"""One layout: it says what was said before, keeps every comment, and is its own layout."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

import spec
from spec.authoring.formatting.layout import Unreadable, laid_out
from spec.cli import main
from spec.loading.nodes import plain
from spec.loading.parsing import parse
from spec.loading.problems import Problem

DOCUMENTS = sorted((Path(spec.__file__).parent / "protocols").rglob("*.yaml"))
CHAT = Path(spec.__file__).parent / "protocols" / "chat" / "v2.yaml"


def said(text: str) -> Any:
    problems: list[Problem] = []
    node = parse(text, "x", problems)
    assert problems == []
    assert node is not None
    return plain(node)


def readable(text: str) -> bool:
    problems: list[Problem] = []
    return parse(text, "x", problems) is not None and not problems


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: "-".join(path.parts[-2:]))
def test_packaged_documents_are_laid_out(path: Path) -> None:
    """`handfast fmt` would change none of them."""
    assert laid_out(path.read_text(encoding="utf-8")) == path.read_text(encoding="utf-8")


# What is written -> what becomes of it.
LAYOUTS: dict[str, tuple[str, str]] = {
    "indentation": ("a:\n    b:\n        - c\n    d: 1\n", "a:\n  b:\n    - c\n  d: 1\n"),
    "lists below their key": ("a:\n- b\n-   c: d\n    e: f\n", "a:\n  - b\n  - c: d\n    e: f\n"),
    "lists in lists": ("- - a\n  -   b\n-\n  - c\n", "- - a\n  - b\n- - c\n"),
    "flow": ("a:   {b :  c,d: [ 1,2 ]}\n", "a: {b: c, d: [1, 2]}\n"),
    "flow over lines": ("a: {\n  b: c,\n  d: e,\n}\n", "a: {b: c, d: e}\n"),
    "flow that does not fit": (f"a: {{b: {'x' * 70}, c: {'y' * 70}}}\n", f"a:\n  b: {'x' * 70}\n  c: {'y' * 70}\n"),
    "flow in a list that does not fit": (
        f"- {{b: {'x' * 70}, c: {'y' * 70}, d: []}}\n",
        f"- b: {'x' * 70}\n  c: {'y' * 70}\n  d: []\n",
    ),
    "flow with a comment": ("a: {b: c, # why\n  d: e}\n", "a:\n  b: c  # why\n  d: e\n"),
    "empty collections": ("a: {  }\nb: [\n]\n", "a: {}\nb: []\n"),
    "nothing": ("a:\nb: {c: , d: e}\n", "a:\nb: {c: null, d: e}\n"),
    "quotes stay": ("a: '1'\nb: \"2\"\n'c': d\n", "a: '1'\nb: \"2\"\n'c': d\n"),
    "quotes over lines": ('a: "b\n  c"\n', 'a: "b c"\n'),
    "numbers stay as they are written": ("a: 0x1F\nb: 1.50\nc: 64KiB\n", "a: 0x1F\nb: 1.50\nc: 64KiB\n"),
    "text over lines": ("a: b\n  c\n   d\n", "a: >-\n  b c d\n"),
    "long text": (f"a: {'word ' * 30}end\n", f"a: >-\n  {'word ' * 22}word\n  {'word ' * 7}end\n"),
    "folded text": ("a: >-\n      b\n      c\n", "a: >-\n  b c\n"),
    "folded paragraphs": ("a: >-\n    b\n    c\n\n    d\n", "a: >-\n  b\n  c\n\n  d\n"),
    "literal text": ("a: |\n     b\n       c\n\n\nd: |+\n  e\n\n\n", "a: |\n  b\n    c\n\nd: \"e\\n\\n\\n\"\n"),
    "text with its own indentation": ("a: |2\n    b\n  c\n", 'a: "  b\\nc\\n"\n'),
    "text with spaces at its ends": ("a: |\n  b  \n  c\n", 'a: "b  \\nc\\n"\n'),
    "anchors": (
        "a:  &x\n    b: c\nd: &y  {e: f}\ng: [*x , *y]\nh: &z 1\ni:\n  - &w\n    j: k\n",
        "a: &x\n  b: c\nd: &y {e: f}\ng: [*x, *y]\nh: &z 1\ni:\n  - &w\n    j: k\n",
    ),
    "empty lines": ("\n\na: b\n\n\n\nc:\n\n  d: e\n\n  f: g\n\n", "a: b\n\nc:\n  d: e\n\n  f: g\n"),
    "comments before": (
        "# top\n\n#two\na: b\n    # about c\nc:\n   # about d\n   d: e\n",
        "# top\n\n#two\na: b\n# about c\nc:\n  # about d\n  d: e\n",
    ),
    "comments behind": ("a: b     # one\nc:  # two\n  - d # three\n", "a: b  # one\nc:  # two\n  - d  # three\n"),
    "comments at the end of a block": (
        "a:\n  b: c\n  # of a\n# of d\nd: e\n# end\n",
        "a:\n  b: c\n  # of a\n# of d\nd: e\n# end\n",
    ),
    "comments in a list": (
        "- a: b\n  # of c\n  c: d\n# of the second\n- e\n",
        "- a: b\n  # of c\n  c: d\n# of the second\n- e\n",
    ),
    "comments of block text": ("a: >-  # why\n  b\n  # no comment\nc: d\n", "a: >-  # why\n  b # no comment\nc: d\n"),
    "signs that are no comment": ("a: b#c\nd: \"e # f\"\n", "a: b#c\nd: \"e # f\"\n"),
    "document marks": ("%YAML 1.2\n---\na: b\n", "a: b\n"),
    "other line ends": ("a: b\r\nc: >-\r\n  d\r\n", "a: b\nc: >-\n  d\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts(name: str) -> None:
    """Each becomes what stands beside it, which stays as it is."""
    written, expected = LAYOUTS[name]

    assert laid_out(written) == expected
    assert laid_out(expected) == expected
    assert said(written.replace("\r\n", "\n")) == said(expected)


texts = st.text(st.sampled_from("ab :#-,[]{}&*'\"\\\n|>%@`!?é0.5~x"), max_size=12)
values = st.recursive(
    st.one_of(texts, st.integers(-9, 9), st.booleans(), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(
    value=st.dictionaries(texts, values, min_size=1, max_size=4),
    flow=st.sampled_from([None, False, True]),
    width=st.integers(20, 200),
)
def test_what_is_said_stays(value: Any, flow: bool | None, width: int) -> None:
    """Whatever stands in a text and however it was written; and a layout is its own."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = flow
    yaml.width = width
    buffer = io.StringIO()
    yaml.dump(value, buffer)
    if not readable(buffer.getvalue()):
        return
    written = laid_out(buffer.getvalue())

    assert said(written) == said(buffer.getvalue())
    assert laid_out(written) == written


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_every_comment_stays(data: st.DataObject) -> None:
    """Wherever one stands in a document, behind a line or on one of its own, as far in as it may be."""
    lines = CHAT.read_text(encoding="utf-8").splitlines()[:160]
    before = said("\n".join(lines))
    for number in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(lines) - 1))
        behind = data.draw(st.booleans())
        comment = f"# c{number}"
        tried = list(lines)
        if behind:
            tried[at] += f" {comment}"
        else:
            tried.insert(at, " " * data.draw(st.integers(0, 8)) + comment)
        if readable("\n".join(tried)) and said("\n".join(tried)) == before:
            lines = tried
    written = laid_out("\n".join(lines))

    assert sorted(re.findall(r"# c\d", written)) == sorted(re.findall(r"# c\d", "\n".join(lines)))
    assert laid_out(written) == written


@pytest.mark.parametrize("text", ["", "a: [", "a: b\na: c\n", "? [a]\n: b\n", "a: !!x b\n", "# only\n"])
def test_what_the_loader_does_not_read_is_refused(text: str) -> None:
    """With the loader's own words."""
    with pytest.raises(Unreadable):
        laid_out(text)


# ----------------------------------------------------------------------------------------------------------- command


def test_files_are_laid_out_and_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--check` names what would change and leaves it; without it, it is written, once."""
    odd, even = tmp_path / "odd.yaml", tmp_path / "even.yaml"
    odd.write_text("a:   b\n")
    even.write_text("a: b\n")

    assert main(["fmt", "--check", str(odd), str(even)]) == 1
    assert capsys.readouterr().out == f"{odd}\n"
    assert odd.read_text() == "a:   b\n"
    assert main(["fmt", str(odd), str(even)]) == 0
    assert odd.read_text() == even.read_text() == "a: b\n"
    assert main(["fmt", "--check", str(odd), str(even)]) == 0
    assert main(["fmt", "--check", "chat"]) == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: [", "bad.yaml:1:"),
        (b"", "bad.yaml: it is empty"),
        (b"a: \xff", "bad.yaml: it is not UTF-8"),
        (None, "there is no file"),
    ],
)
def test_what_cannot_be_laid_out_is_told(
    content: bytes | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the exit code of a usage error; the file stays as it is."""
    path = tmp_path / "bad.yaml"
    if content is not None:
        path.write_bytes(content)

    assert main(["fmt", str(path)]) == 2
    assert said in capsys.readouterr().err
    assert content is None or path.read_bytes() == content
