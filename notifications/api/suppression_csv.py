"""`/v1/suppressions/export` and `/import`: the list as CSV (RFC 4180)."""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema
from pydantic import BaseModel, Field

from hiram.lib import rfc3339
from hiram.lib.pagination import read_parameters
from hiram.lib.problems import FieldError, Problem
from hiram.lib.rest import answer, read_body, validate
from notifications.accept import Owner
from notifications.api.endpoints import READ, WRITE
from notifications.api.options import address_of
from notifications.api.suppressions import FILTERS, NewSuppression, OfSuppressions
from notifications.api.until import check_ahead
from notifications.models import Suppression
from notifications.suppression import suppressed, write
from notifications.withhold import withhold_from_addresses

_TAGS = ["suppressions"]
LINES_MOST = 10_000
OCTETS_MOST = 4 * 1024 * 1024
_AT_ONCE = 1_000

GIVEN = ("channel", "address", "category", "reason", "expires_at")
COLUMNS = (*GIVEN, "source", "created_at")

_CSV = re.compile(r"text/csv(?:\s*;\s*(?:charset=\"?utf-8\"?|header=present))*", re.IGNORECASE)
_FORMULA = re.compile(r"[=+\-@\t\r]")
"""How a cell begins that a spreadsheet would work out."""


class RejectedLine(BaseModel):
    """A line that was left out."""

    line: int = Field(description="As an editor counts; the first is the header.")
    errors: list[dict[str, str]]


class Imported(BaseModel):
    """What became of each line."""

    lines: int
    added: int
    known: int = Field(description="In the list already, or twice in the file.")
    rejected: list[RejectedLine]
    ended: int = Field(description="Notifications that were owed to them and ended at once.")


class ExportEndpoint(OfSuppressions):
    """`/v1/suppressions/export`."""

    scopes: ClassVar[dict[str, str]] = {"GET": READ}

    @extend_schema(
        operation_id="exportSuppressions",
        summary="Export suppressed addresses",
        description="All of them, the oldest first, but for those whose owners are erased. A cell"
        " that a spreadsheet would work out begins with an apostrophe, which an import takes off.",
        tags=_TAGS,
        parameters=list(FILTERS),
        responses={(200, "text/csv"): OpenApiTypes.STR},
    )
    def get(self, request: HttpRequest) -> StreamingHttpResponse:
        """All rows, as they are read."""
        asked = read_parameters(request, "channel", "reason", "source", "category")
        rows = self.suppressions.filter(recipient__isnull=False, **self.filters(asked))
        return StreamingHttpResponse(
            _written(rows),
            content_type="text/csv; charset=utf-8; header=present",
            headers={"Content-Disposition": 'attachment; filename="suppressions.csv"'},
        )


class ImportEndpoint(OfSuppressions):
    """`/v1/suppressions/import`."""

    scopes: ClassVar[dict[str, str]] = {"POST": WRITE}

    @extend_schema(
        operation_id="importSuppressions",
        summary="Import addresses to suppress",
        description=f"CSV in UTF-8 with a header: `channel` and `address`, and if you like"
        f" `category`, `reason` and `expires_at`. At most {LINES_MOST} lines. Those that can be are"
        " added, the others named.",
        tags=_TAGS,
        request={"text/csv": OpenApiTypes.STR},
        responses={200: Imported},
        examples=[
            OpenApiExample(
                "Two", "channel,address\nemail,ada@example.com\nsms,+14155550100\n",
                media_type="text/csv", request_only=True,
            )
        ],
    )  # fmt: skip
    def post(self, request: HttpRequest) -> HttpResponse:
        """Add those that can be."""
        read_parameters(request)
        if not _CSV.fullmatch(request.META.get("CONTENT_TYPE", "")):
            raise Problem("unsupported-media-type", "Send the file as text/csv in UTF-8.")
        good, bad = _sorted_out(_text(read_body(request, limit=OCTETS_MOST)))
        return answer(_add(self.owner, good) | {"lines": len(good) + len(bad), "rejected": bad})


def _written(rows: QuerySet[Suppression]) -> Iterator[str]:
    """The file, a page of rows at a time: no transaction stays open while somebody reads slowly."""
    yield _line(COLUMNS)
    page = list(rows.order_by("pk")[:_AT_ONCE])
    while page:
        yield "".join(_line([_cell(row, name) for name in COLUMNS]) for row in page)
        page = list(rows.filter(pk__gt=page[-1].pk).order_by("pk")[:_AT_ONCE])


def _cell(row: Suppression, name: str) -> str:
    value: Any = row.recipient if name == "address" else getattr(row, name)
    if name in ("expires_at", "created_at"):
        return rfc3339.show_if(value) or ""
    text = str(value or "")
    return f"'{text}" if _FORMULA.match(text) else text


def _line(cells: Any) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue()


def _text(raw: bytes) -> str:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Problem("malformed", "The file is not UTF-8.") from error
    if "\0" in text:
        raise Problem("malformed", "The file holds a NUL character.")
    return text


def _sorted_out(text: str) -> tuple[list[NewSuppression], list[dict[str, Any]]]:
    """The lines that can be added, and those that cannot, with why."""
    first = text.partition("\n")[0]
    separator = ";" if ";" in first and "," not in first else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    good: list[NewSuppression] = []
    bad: list[dict[str, Any]] = []
    try:
        header = _header(next(reader, []))
        for cells in reader:
            if not cells:
                continue
            if len(good) + len(bad) == LINES_MOST:
                raise Problem("too-large", f"A file may have at most {LINES_MOST} lines.")
            try:
                good.append(_read(header, cells))
            except Problem as problem:
                errors = [error.as_dict() for error in problem.errors]
                bad.append({"line": reader.line_num, "errors": errors})
    except csv.Error as error:
        raise Problem("malformed", f"Line {reader.line_num} is not CSV: {error}.") from error
    return good, bad


def _header(cells: list[str]) -> list[str]:
    names = [cell.strip().lower() for cell in cells]
    unknown = sorted({name[:60] for name in names} - set(COLUMNS))
    errors = [
        FieldError("", "unknown_column", f"There is no column {name!r} here.") for name in unknown
    ]
    errors += [
        FieldError("", "required", f"The column {name} is needed.")
        for name in ("channel", "address")
        if name not in names
    ]
    if len(set(names)) < len(names):
        errors.append(FieldError("", "repeated", "A column is there twice."))
    if errors:
        raise Problem("invalid", "The first line must name the columns.", errors=errors[:20])
    return names


def _read(header: list[str], cells: list[str]) -> NewSuppression:
    """One line. Raises Problem."""
    if len(cells) != len(header):
        text = f"This line has {len(cells)} cells, and the first has {len(header)}."
        raise Problem("invalid", errors=[FieldError("", "invalid", text)])
    named = {
        name: _plain(cell.strip())
        for name, cell in zip(header, cells, strict=True)
        if name in GIVEN and cell.strip()
    }
    given: NewSuppression = validate(NewSuppression, named)
    check_ahead(given.expires_at)
    return given.model_copy(update={"address": address_of(given.channel, given.address)})


def _plain(text: str) -> str:
    return text[1:] if text[:1] == "'" and _FORMULA.match(text[1:]) else text


def _add(owner: Owner, good: list[NewSuppression]) -> dict[str, int]:
    added = ended = 0
    for start in range(0, len(good), _AT_ONCE):
        some, addresses = good[start : start + _AT_ONCE], defaultdict(list)
        for one in some:
            addresses[one.channel].append(one.address)
        added += len(write(
            suppressed(
                (owner.tenant_id, owner.mode), one.channel, one.address, one.reason, "import",
                category=one.category, expires_at=one.expires_at,
            )
            for one in some
        ))  # fmt: skip
        ended += sum(withhold_from_addresses(owner, *item) for item in addresses.items())
    return {"added": added, "known": len(good) - added, "ended": ended}
