"""What no file of the repository may hold, and what every module must be."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
PACKAGES = ("hiram", "tenants", "notifications", "delivery", "portal")
SKIPPED = {".venv", ".git", "var", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache",
           ".hypothesis", ".import_linter_cache"}  # fmt: skip
BINARY = {".png", ".ico", ".woff2", ".jpg", ".gif", ".svg"}


def files() -> list[Path]:
    """What is, or would be, committed."""
    done = subprocess.run(
        [shutil.which("git") or "git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode == 0:
        found = [ROOT / name for name in done.stdout.split("\0") if name]
    else:
        found = [f for f in ROOT.rglob("*") if not SKIPPED & set(f.relative_to(ROOT).parts)]
    return [f for f in found if f.is_file() and f.suffix not in BINARY]


FILES = files()
MODULES = sorted(f for package in PACKAGES for f in (ROOT / package).rglob("*.py"))
WRITTEN = [m for m in MODULES if "migrations" not in m.parts]


def name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


# In pieces, so that this file does not hold them.
REGISTRIES = [
    "py" + "pi.org", "files.python" + "hosted.org", "registry." + "npmjs.org", "crates" + ".io",
    "rubygems" + ".org", "registry." + "yarnpkg.com", "proxy.golang" + ".org",
]  # fmt: skip
SECRETS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----\n[A-Za-z0-9+/=]{40}|\bAKIA[0-9A-Z]{16}\b|\bghp_[A-Za-z0-9]{36}\b"
    r"|\bxox[bap]-[0-9]{10,}|\bSG\.[\w-]{22}\.[\w-]{43}\b|\bre_[A-Za-z0-9]{8}_[A-Za-z0-9]{24}\b"
)


def test_there_are_files() -> None:
    assert len(FILES) > 100
    assert len(MODULES) > 50


@pytest.mark.parametrize("host", REGISTRIES)
def test_no_file_names_a_package_registry(host: str) -> None:
    assert [name(f) for f in FILES if host in f.read_text("utf-8", "replace")] == []


def test_no_file_holds_a_secret() -> None:
    assert [name(f) for f in FILES if SECRETS.search(f.read_text("utf-8", "replace"))] == []
    assert [
        name(f) for f in FILES if f.name in {".env", "id_rsa"} or f.suffix in {".pem", ".key"}
    ] == []


def test_no_whole_api_key_is_written_down() -> None:
    """One whose checksum is right might be somebody's."""
    from_code = re.compile(r"hk_(?:live|test)_[0-9A-Za-z]{36}")
    assert [name(f) for f in FILES if from_code.search(f.read_text("utf-8", "replace"))] == []


@pytest.mark.parametrize("module", WRITTEN, ids=name)
def test_a_module_is_short_and_says_what_it_is(module: Path) -> None:
    source = module.read_text(encoding="utf-8")
    if name(module) != "hiram/settings.py":  # one file, a line a setting
        assert source.count("\n") < 300
    tree = ast.parse(source)
    if tree.body:
        assert ast.get_docstring(tree), "a module has a docstring"


# Runs in a virtual environment of its own, and must set up its Django between two imports.
APART = ROOT / "hiram" / "bench" / "peer.py"


@pytest.mark.parametrize("module", [m for m in WRITTEN if m != APART], ids=name)
def test_a_module_imports_at_its_top(module: Path) -> None:
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inner = [n for n in ast.walk(node) if isinstance(n, ast.Import | ast.ImportFrom)]
            assert not inner, f"{node.name} imports in line {inner[0].lineno}"


def test_no_module_is_called_after_nothing() -> None:
    vague = {
        "utils",
        "util",
        "helpers",
        "helper",
        "common",
        "services",
        "service",
        "managers",
        "misc",
    }
    assert [name(m) for m in MODULES if vague & {*m.parts, m.stem}] == []


def test_no_time_is_slept_away_in_tests() -> None:
    asleep = re.compile(r"\btime\.sleep\(|from time import .*\bsleep\b|asyncio\.sleep\([1-9]")
    tests = [f for f in (ROOT / "tests").rglob("*.py") if f != Path(__file__)]
    assert [name(f) for f in tests if asleep.search(f.read_text(encoding="utf-8"))] == []


def test_no_test_mocks() -> None:
    mocks = re.compile(r"unittest\.mock|from mock import|\bMagicMock\b|\bmocker\b")
    tests = [f for f in (ROOT / "tests").rglob("*.py") if f != Path(__file__)]
    assert [name(f) for f in tests if mocks.search(f.read_text(encoding="utf-8"))] == []
