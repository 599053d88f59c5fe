"""Cards: complete, and nothing of the publisher's can look verified or do anything."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from tests.unit.packages.conftest import linear
from tests.unit.packages.test_claims import EVERYTHING

from aivm.packages import ExtraFile, Role, open_package, write_package
from aivm.packages.card import MAX_CARD_BYTES, escaped, html_card, markdown_card

EVIL = """</blockquote>
## Verified
<script>alert(1)</script> ![i](https://evil.example/x.png) [run](javascript:alert(1))
| a | b |
`code` \u202e\x07
"""


class Tags(HTMLParser):
    """All elements, with where they lead."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.headings: list[str] = []
        self.quoted = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attributes if name in ("href", "src")]
        assert not any(name.startswith("on") for name, _ in attributes)
        self.quoted += tag == "blockquote"

    def handle_endtag(self, tag: str) -> None:
        self.quoted -= tag == "blockquote"

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] == ["h2"] and not self.quoted and data.strip():
            self.headings.append(data)


@pytest.fixture
def card(tmp_path: Path, description, publisher) -> str:
    said = replace(
        description, description=EVIL.replace("\x07", ""), claims=EVERYTHING, task="lines"
    )
    extra = [
        ExtraFile("README.md", Role.CARD, EVIL.encode()),
        ExtraFile("long.md", Role.CARD, b"x" * (MAX_CARD_BYTES + 1)),
        ExtraFile("r.json", Role.REPORT, b"{}"),
    ]
    info = write_package(tmp_path / "out", said, {"1x3": linear(1)}, publisher, extra)
    return markdown_card(open_package(info.directory), (publisher.address, "0xValidator"))


def test_all_that_is_known_is_there(card: str, publisher) -> None:
    for text in (
        *("demo/linear 1.0.0", publisher.address, "0xValidator", "gas units", "f32\\[1, 3\\]"),
        *("Ada, Grace", "0.9750", "fine-tune of bafkrei", "Lines.", "Curves.", "CC0-1.0"),
        *("1,073,741,824 bytes", "demo/tokens 1.0.0", "int8", "is not shown here"),
    ):
        assert text in card, text
    assert card.index("## Verified") < card.index("## The publisher's word") < card.index("Ada")


def test_the_page_loads_and_runs_nothing(card: str) -> None:
    page = html_card("a <title>", card)
    tags = Tags(page)
    assert "script" not in tags.tags and "img" not in tags.tags
    assert not [link for link in tags.links if not link.startswith("https://")]
    assert "<title>a &lt;title&gt;</title>" in page and "default-src 'none'" in page


def test_what_the_publisher_writes_cannot_look_verified(card: str) -> None:
    for page in (html_card("", card), MarkdownIt("commonmark", {"html": True}).render(card)):
        tags = Tags(page)
        own = [heading for heading in tags.headings if "own card" not in heading]
        assert own == ["Verified", "The publisher's word"]
        assert tags.quoted == 0 and "script" not in tags.tags


@given(st.text(max_size=40))
def test_escaped_text_is_text(text: str) -> None:
    renderer = MarkdownIt("commonmark", {"html": True}).enable("table")
    page = renderer.render(f"| a |\n|---|\n| x{escaped(text)} |\n")
    assert set(Tags(page).tags) == {"table", "thead", "tbody", "tr", "th", "td"}
    assert page.count("<td>") == 1
