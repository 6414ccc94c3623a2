"""Trestleboard: the page, the feed, what is unread, and what CHANGELOG.md brings."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from portal.changelog import load
from portal.markdown import render
from portal.models import Entry, Reading
from tests.portal.conftest import People
from tests.portal.test_changelog import TEXT

BOARD = "/trestleboard/"
FEED = "/trestleboard/feed.atom"
ATOM = "{http://www.w3.org/2005/Atom}"


def _entry(**fields: Any) -> Entry:
    values = {"version": "1.0.0", "date": "2026-11-01", "kind": "added", "body": "* news"}
    return Entry.objects.create(**(values | fields))


# --- The page --------------------------------------------------------------------------------
def test_everybody_reads_it(db: None) -> None:
    _entry(version="0.9.0", date="2026-10-01")
    _entry(version="0.10.0", date="2026-10-01", kind="fixed")
    _entry(version="0.10.0", date="2026-10-01", kind="added", body="**bold**")
    _entry(version="", date="2026-10-02")
    _entry(version="2.0.0", body="secret plans", published=False)
    page = Client().get(BOARD)
    text = page.content.decode()
    assert page.status_code == 200
    places = [text.index(f"<h2>{title}</h2>") for title in ("2026-10-02", "0.10.0", "0.9.0")]
    assert places == sorted(places)
    assert text.index("kind-added") < text.index("kind-fixed")
    assert "<strong>bold</strong>" in text
    assert "secret plans" not in text
    assert "new to you" not in text
    assert f'href="{FEED}"' in text
    assert Client().post(BOARD).status_code == 405


class _Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags, self.attributes, self.links = set[str](), set[str](), list[str]()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name == "href"]


@pytest.mark.parametrize(
    "evil",
    [
        "<script>alert(1)</script>",
        "<img src=https://evil.example/x onerror=alert(1)>",
        "![x](https://evil.example/x.png)",
        "[x](javascript:alert(1))",
        "[x](data:text/html,<script>alert(1)</script>)",
        '[x](https://a.example "\\" onmouseover=alert(1) x=\\"")',
        "<https://evil.example/'onclick='alert(1)>",
        "[x]: javascript:alert(1)\n\n[x]",
        "`<script>alert(1)</script>`",
        "<iframe src=https://evil.example>",
        "<style>body{display:none}</style>",
    ],
)
def test_markdown_is_harmless(evil: str, db: None) -> None:
    # What is left of tags and attributes, by a parser, as a browser would see it.
    seen = _Tags(render(evil))
    assert seen.tags <= {"p", "a", "code"}
    assert seen.attributes <= {"href", "title", "rel"}
    assert all(link.startswith("https://") for link in seen.links)
    _entry(body=evil, version=evil[:50])
    for url in (BOARD, FEED):
        page = Client().get(url).content.decode()
        assert "<script>alert" not in page
        assert "<img" not in page.replace("&lt;img", "")


def test_links_tell_nobody_where_from() -> None:
    assert render("[a](https://x.example/)") == (
        '<p><a href="https://x.example/" rel="noopener noreferrer nofollow">a</a></p>\n'
    )


# --- Unread ----------------------------------------------------------------------------------
def _badge(people: People, who: str) -> str:
    page = people[who].get("/portal/").content.decode()
    item = page[page.index(f'href="{BOARD}"') :]
    item = item[: item.index("</a>")]
    marked = "bg-primary-100" in item
    return item.rsplit(">", 2)[1].split("<")[0].strip() if marked else ""


def test_a_member_sees_once_what_is_new(people: People) -> None:
    first, _ = _entry(), _entry(kind="fixed")
    _entry(kind="removed", published=False)
    assert (_badge(people, "viewer"), _badge(people, "owner")) == ("2", "2")
    seen = people["viewer"].get(BOARD).content.decode()
    assert seen.count("new to you") == 2
    assert people["viewer"].get(BOARD).content.decode().count("new to you") == 0
    assert (_badge(people, "viewer"), _badge(people, "owner")) == ("", "2")
    _entry(kind="security")
    assert _badge(people, "viewer") == "1"
    # A correction is no news.
    first.body = "* better news"
    first.save()
    assert _badge(people, "viewer") == "1"
    assert Reading.objects.count() == 2


def test_who_is_not_logged_in_marks_nothing(db: None) -> None:
    _entry()
    Client().get(BOARD)
    assert not Reading.objects.exists()


def test_an_entry_of_the_file_is_hidden_but_not_rewritten(people: People) -> None:
    load(TEXT)
    entry = Entry.objects.get(version="0.2.0", kind="added")
    url = f"/portal/portal/entry/{entry.pk}/"
    assert people["operator"].get(f"{url}delete/").status_code == 403
    people["operator"].post(f"{url}change/", {"body": "forged", "version": "9"})
    entry.refresh_from_db()
    assert (entry.version, entry.published) == ("0.2.0", False)
    assert "forged" not in entry.body


def test_an_operator_writes_an_entry(people: People) -> None:
    form = {
        "version": "",
        "date": "2026-11-02",
        "kind": "changed",
        "body": "* x",
        "published": "on",
    }
    assert people["operator"].post("/portal/portal/entry/add/", form).status_code == 302
    entry = Entry.objects.get()
    assert (entry.source, entry.published, entry.body) == ("own", True, "* x")


# --- The feed --------------------------------------------------------------------------------
def _feed() -> ElementTree.Element:
    response = Client().get(FEED)
    assert response["Content-Type"] == "application/atom+xml; charset=utf-8"
    return ElementTree.fromstring(response.content)  # noqa: S314 - our own


def _texts(root: ElementTree.Element, path: str) -> list[str]:
    return [e.text or "" for e in root.findall("/".join(ATOM + p for p in path.split("/")))]


def test_the_feed_is_atom(db: None) -> None:
    load(TEXT)
    root = _feed()
    assert root.tag == f"{ATOM}feed"
    # RFC 4287, 4.1.1: exactly one id, title and updated; an author for all.
    for name in ("id", "title", "updated"):
        assert len(root.findall(ATOM + name)) == 1
    assert _texts(root, "author/name") == ["Hiram"]
    links = {link.get("rel"): link.get("href") for link in root.findall(f"{ATOM}link")}
    assert links == {
        "alternate": f"{settings.PUBLIC_URL}{BOARD}",
        "self": f"{settings.PUBLIC_URL}{FEED}",
    }
    entries = root.findall(f"{ATOM}entry")
    assert len(entries) == 3
    for entry in entries:
        # 4.1.2: exactly one id, title and updated, and a link where there is no content.
        for name in ("id", "title", "updated", "link"):
            assert len(entry.findall(ATOM + name)) == 1
        assert entry.findtext(f"{ATOM}id", "").startswith("urn:uuid:")
        [link] = entry.findall(f"{ATOM}link")
        assert link.get("href", "").startswith(f"{settings.PUBLIC_URL}{BOARD}#")
    assert _texts(root, "entry/title") == [
        "0.2.0 Added", "0.2.0 Security", "0.1.0 (yanked) Fixed",
    ]  # fmt: skip


def test_ids_of_the_feed_are_stable(db: None) -> None:
    load(TEXT)
    before = _texts(_feed(), "entry/id")
    Entry.objects.all().delete()
    load(TEXT.replace("One thing", "Another thing"))
    assert _texts(_feed(), "entry/id") == before


def test_an_empty_feed_is_valid(db: None) -> None:
    root = _feed()
    assert len(root.findall(f"{ATOM}updated")) == 1
    assert root.findall(f"{ATOM}entry") == []


def test_the_feed_does_not_say_under_which_name_it_was_asked(db: None) -> None:
    _entry()
    response = Client().get(FEED, headers={"host": "localhost"})
    assert settings.PUBLIC_URL in response.content.decode()
    assert "localhost" not in response.content.decode().replace(settings.PUBLIC_URL, "")


def test_the_feed_changes_when_an_entry_does(db: None) -> None:
    entry = _entry()
    before = _texts(_feed(), "updated")
    entry.save()
    assert _texts(_feed(), "updated") != before or entry.updated_at.isoformat()[:19] in before[0]
