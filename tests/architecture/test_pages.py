"""What is published of the product is what the code says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from hiram.lib.problems import EXPLAINED
from hiram.management.pages import DOCS, configuration, pages, readers

DOCUMENT = (DOCS / "configuration.md").read_text(encoding="utf-8")
ROW = re.compile(
    r"^\| `(?P<name>\w+)` \| (?P<default>[^|]*) \| (?P<about>[^|]+) \|$", re.MULTILINE
)


@pytest.mark.parametrize("file", pages(), ids=lambda file: file.name)
def test_written_pages_are_current(file: Any) -> None:
    assert file.read_text(encoding="utf-8") == pages()[file], "run manage.py docs"


def test_every_variable_that_the_code_reads_is_in_the_table() -> None:
    read = {name for _, names in readers() for name in names}
    assert {"HIRAM_SECRET_KEY", "DATABASE_URL", "HIRAM_PORT"} <= read
    assert {row["name"] for row in ROW.finditer(DOCUMENT)} == read


def test_the_table_holds_nothing_of_this_machine() -> None:
    made = configuration()
    assert str(settings.BASE_DIR) not in made
    assert settings.SECRET_KEY not in made
    for row in ROW.finditer(made):
        assert not row["about"].endswith("."), row[0]
        assert "'" not in row["default"], row[0]


def test_the_environment_is_read_in_one_module() -> None:
    """Others pass it on to programs they start, or read what belongs to a library."""
    allowed = {
        "hiram/__init__.py", "hiram/env.py", "hiram/telemetry/metrics.py", "hiram/telemetry/redaction.py",
        "hiram/management/pages.py", "portal/management/commands/create_operator.py",
    }  # fmt: skip
    found = set()
    for package in ("hiram", "tenants", "notifications", "delivery", "portal"):
        for file in (settings.BASE_DIR / package).rglob("*.py"):
            if re.search(r"os\.(environ(\.get|\[)|getenv)", file.read_text(encoding="utf-8")):
                found.add(file.relative_to(settings.BASE_DIR).as_posix())
    passing_on = ("hiram/embedded/", "hiram/bench/", "hiram/management/commands/")
    assert {name for name in found if not name.startswith(passing_on)} <= allowed


def test_the_command_tells_whether_pages_are_stale() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "docs", "--check", "--json"],
        cwd=settings.BASE_DIR, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, json.loads(done.stdout)) == (0, {"stale": []})


class TestProblemPages:
    @pytest.mark.parametrize("code", EXPLAINED)
    def test_each_type_leads_to_a_page_that_explains_it(self, code: str) -> None:
        page = Client().get(f"/problems/{code}")
        status, title, _ = EXPLAINED[code]
        assert page.status_code == 200
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        text = page.content.decode()
        assert f"<h1>{title}</h1>" in text
        assert f"<code>{code}</code>" in text
        assert str(status) in text

    def test_the_list_leads_to_all(self) -> None:
        page = Client().get("/problems/")
        assert page.status_code == 200
        for code in EXPLAINED:
            assert f'href="/problems/{code}"' in page.content.decode()

    @pytest.mark.parametrize(
        "code", ["nothing", "INVALID", "invalid/", "%3Cscript%3E", "invalid%00"]
    )
    def test_an_unknown_one_is_not_found(self, code: str) -> None:
        assert Client().get(f"/problems/{code}").status_code == 404

    def test_they_are_only_looked_at(self) -> None:
        assert Client(enforce_csrf_checks=True).post("/problems/invalid").status_code in {403, 405}
        assert Client().post("/problems/invalid").status_code == 405

    def test_they_run_nothing_and_load_nothing_foreign(self) -> None:
        page = Client().get("/problems/invalid")
        policy = page.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        text = page.content.decode()
        assert "<script" not in text
        assert re.findall(r"https?://", text) == []
        assert "style=" not in text
