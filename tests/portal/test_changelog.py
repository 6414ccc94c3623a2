"""CHANGELOG.md: read in its format, loaded again without a change."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from portal.changelog import Malformed, load, parse
from portal.models import Entry

TEXT = """# Changelog

All notable changes.

## [Unreleased]

### Added
- not yet

## [0.2.0] - 2026-11-20

Some words about it.

### Added
- **Many** things, see [docs](https://docs.example/).
- ```
  ## no heading
  ```

### Security

- A hole was closed.

## [0.1.0] - 2026-11-01 [YANKED]
### Fixed
* One thing

[Unreleased]: https://example.org/compare/v0.2.0...HEAD
[0.2.0]: https://example.org/0.2.0
"""


def _entry(**fields: Any) -> Entry:
    values = {"version": "1.0.0", "date": "2026-11-01", "kind": "added", "body": "* news"}
    return Entry.objects.create(**(values | fields))


def test_a_changelog_is_read() -> None:
    sections = parse(TEXT)
    assert [(s.version, s.date, s.kind) for s in sections] == [
        ("0.2.0", date(2026, 11, 20), "added"),
        ("0.2.0", date(2026, 11, 20), "security"),
        ("0.1.0 (yanked)", date(2026, 11, 1), "fixed"),
    ]
    assert sections[0].body == (
        "- **Many** things, see [docs](https://docs.example/).\n- ```\n  ## no heading\n  ```"
    )
    assert sections[1].body == "- A hole was closed."
    assert sections[2].body == "* One thing"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("## [1.0.0]\n### Added\n- x", "1.0.0 has no date"),
        ("## [1.0.0] - 2026-02-30\n### Added\n- x", "1.0.0 has no date"),
        ("## [1.0.0] - 2026-01-01\n### Improved\n- x", "line 2: '### Improved' is no kind"),
        ("## 1.0.0 on Monday\n### Added\n- x", "line 1"),
        ("## [1.0.0] - 2026-01-01\n### Added\n- x\n### Added\n- y", "two sections 'added'"),
        ("## [1.0.0] - 2026-01-01\n### Added\n```\n- x", "not closed"),
    ],
)
def test_what_is_not_the_format_is_said(text: str, says: str) -> None:
    with pytest.raises(Malformed, match=says.replace("(", r"\(")):
        parse(text)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(Malformed):
        parse(text)


def test_loading_again_changes_nothing(db: None) -> None:
    assert load(TEXT) == 3
    before = list(Entry.objects.order_by("id").values())
    assert load(TEXT) == 0
    assert list(Entry.objects.order_by("id").values()) == before


def test_ids_are_the_same_everywhere(db: None) -> None:
    load(TEXT)
    found = Entry.objects.get(version="0.2.0", kind="added")
    assert str(found.pk) == "6490f65e-8e85-56b2-86f9-8915a3846346"


def test_loading_follows_the_file_and_leaves_our_own(db: None) -> None:
    own = _entry(version="0.2.0", kind="added")
    load(TEXT)
    hidden = Entry.objects.get(version="0.2.0", kind="security")
    Entry.objects.filter(pk=hidden.pk).update(published=False)
    changed = TEXT.replace("One thing", "One better thing").replace("A hole", "The hole")
    assert load(changed.replace("2026-11-20", "2026-11-21")) == 3
    assert Entry.objects.get(version="0.1.0 (yanked)").body == "* One better thing"
    assert Entry.objects.get(pk=hidden.pk).published is False
    assert load("# Changelog\n") == 3
    assert list(Entry.objects.all()) == [own]
    with pytest.raises(Malformed):
        load("## nonsense")


def test_the_command(db: None, tmp_path: Path) -> None:
    path = tmp_path / "CHANGELOG.md"
    path.write_text(TEXT)
    said = StringIO()
    call_command("load_changelog", file=str(path), json=True, stdout=said)
    assert json.loads(said.getvalue()) == {"changed": 3}
    said = StringIO()
    call_command("load_changelog", file=str(path), stdout=said)
    assert said.getvalue() == "0 changed\n"
    path.write_text("## nonsense")
    with pytest.raises(CommandError, match="line 1"):
        call_command("load_changelog", file=str(path))
    with pytest.raises(CommandError, match="No such file"):
        call_command("load_changelog", file=str(tmp_path / "missing"))


def test_our_own_changelog_keeps_to_the_format() -> None:
    assert parse((settings.BASE_DIR / "CHANGELOG.md").read_text(encoding="utf-8"))
