"""Templates as files: a folder for each, `template.json` in it, and a file by locale and part.

    auth.password-reset.email/
      template.json          slug, channel, name, category, default_locale, variables
      en/subject.liquid      en/html.liquid      en/text.liquid
      de/...

Files hold the sources to the letter, so that what is read back is what was written.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hiram.lib.findings import field_errors
from hiram.lib.strict_json import Malformed, loads
from notifications.catalog.shapes import PART_OCTETS, NewTemplate, dumped
from notifications.catalog.text import Text

ABOUT = "template.json"
SUFFIX = ".liquid"
PARTS = ("subject", "html", "mjml", "text")

_FIELDS = ("slug", "channel", "name", "category", "default_locale", "variables")
_FILE_OCTETS = 4 * PART_OCTETS


class BadFiles(Exception):
    """What cannot be read as templates, file by file."""

    def __init__(self, findings: list[str]) -> None:
        """`findings` begin with the file's path."""
        super().__init__("; ".join(findings))
        self.findings = findings


@dataclass(frozen=True, slots=True)
class Filed:
    """A template as its folder says it."""

    slug: str
    channel: str
    name: str
    category: str
    text: Text

    @property
    def folder(self) -> str:
        """The folder's name."""
        return f"{self.slug}.{self.channel}"


def read(root: Path) -> list[Filed]:
    """All templates below a folder, by the names of theirs.

    Raises:
        BadFiles: some file is unknown or broken, or two folders hold the same template.
    """
    found: list[Filed] = []
    findings: list[str] = []
    if not root.is_dir():
        raise BadFiles([f"{root}: there is no such folder"])
    for entry in sorted(root.iterdir()):
        if entry.name.startswith("."):
            continue
        try:
            one = _template(entry)
        except BadFiles as bad:
            findings += bad.findings
            continue
        if any(known.folder == one.folder for known in found):
            findings.append(f"{entry}: {one.folder} is in another folder, too")
        found.append(one)
    if findings:
        raise BadFiles(findings)
    return found


def write(root: Path, template: Filed) -> Path:
    """Write the template's folder, without what is not in the template any more."""
    folder = root / template.folder
    folder.mkdir(parents=True, exist_ok=True)
    wanted = _wanted(folder, template)
    for known in {file for part in PARTS for file in folder.glob(f"*/{part}{SUFFIX}")}:
        if known not in wanted:
            known.unlink()
    for path, content in wanted.items():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content.encode())
    for inner in folder.iterdir():
        if inner.is_dir() and not any(inner.iterdir()):
            inner.rmdir()
    return folder


def _wanted(folder: Path, template: Filed) -> dict[Path, str]:
    """The files' contents; not of one that says the same in somebody's own order and spacing."""
    about = {
        "slug": template.slug,
        "channel": template.channel,
        "name": template.name,
        "category": template.category,
        "default_locale": template.text.default_locale,
        "variables": template.text.variables,
    }
    wanted = {
        folder / locale / f"{part}{SUFFIX}": source
        for locale, parts in template.text.locales.items()
        for part, source in parts.items()
    }
    if not _says(folder / ABOUT, about):
        wanted[folder / ABOUT] = json.dumps(about, indent=2, ensure_ascii=False) + "\n"
    return wanted


def _says(path: Path, about: dict[str, Any]) -> bool:
    try:
        return path.exists() and _about(path) == about
    except BadFiles:
        return False


def _template(folder: Path) -> Filed:
    if not folder.is_dir():
        raise BadFiles([f"{folder}: a template is a folder"])
    about = _about(folder / ABOUT)
    locales: dict[str, dict[str, str]] = {}
    findings = []
    for entry in sorted(folder.iterdir()):
        if entry.name == ABOUT or entry.name.startswith("."):
            continue
        if not entry.is_dir():
            findings.append(f"{entry}: there is no such file here; a locale is a folder")
            continue
        locales[entry.name] = {}
        for file in sorted(entry.iterdir()):
            if file.suffix != SUFFIX or file.stem not in PARTS:
                findings.append(f"{file}: a part is one of {', '.join(p + SUFFIX for p in PARTS)}")
            else:
                locales[entry.name][file.stem] = _content(file)
    if findings:
        raise BadFiles(findings)
    return _checked(folder, about | {"locales": locales})


def _about(path: Path) -> dict[str, Any]:
    try:
        about = loads(_content(path).encode())
    except Malformed as error:
        raise BadFiles([f"{path}: {error}"]) from error
    if not isinstance(about, dict):
        raise BadFiles([f"{path}: must hold an object"])
    if unknown := sorted(set(about) - set(_FIELDS)):
        raise BadFiles([f"{path}: there is no field {name}" for name in unknown])
    return about


def _content(path: Path) -> str:
    try:
        raw = path.read_bytes()
        if len(raw) > _FILE_OCTETS:
            raise BadFiles([f"{path}: may have at most {_FILE_OCTETS} octets"])
        return raw.decode()
    except OSError as error:
        raise BadFiles([f"{path}: {error.strerror or error}"]) from error
    except UnicodeDecodeError as error:
        raise BadFiles([f"{path}: is not UTF-8"]) from error


def _checked(folder: Path, body: dict[str, Any]) -> Filed:
    try:
        given = NewTemplate.model_validate(body)
    except ValidationError as error:
        raise BadFiles(
            [f"{folder}{e.pointer}: {e.detail}" for e in field_errors(error)]
        ) from error
    text = Text(given.variables, given.default_locale, dumped(given.locales))
    return Filed(given.slug, given.channel, given.name or given.slug, given.category, text)
