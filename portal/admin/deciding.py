"""What people decide about notifications: one on its page, or all that a list's filters leave.

What a verb does is `notifications`' business; here it is asked for, confirmed, done in chunks for
a bounded time, logged, and told. A GET shows what would happen, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any, ClassVar
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import BadRequest, PermissionDenied
from django.db import OperationalError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern

from notifications.cancel import cancel
from notifications.hold import drop, release
from notifications.models import Notification
from notifications.replay import replay
from notifications.states import OWED, State
from portal.access import access_of
from portal.admin.scoped import ScopedAdmin
from portal.forms.deciding import ManyForm, PacedForm
from portal.queries.feed import notification_id
from portal.queries.patience import TooMuch, patience

CHUNK = 1_000
WORK_SECONDS = 10
"""Begun for no longer: a page that works on is a page that nobody believes in."""


@dataclass(frozen=True, slots=True)
class Verb:
    """One thing that can be decided, and what is said of it."""

    name: str
    label: str
    done: str
    means: str
    did: str
    refused: str
    act: Callable[..., list[UUID]]
    states: frozenset[State]
    is_paced: bool = False


def _cancel(found: Sequence[UUID]) -> list[UUID]:
    return cancel(Notification.objects.filter(pk__in=found)).stopped


REPLAY = Verb(
    "replay", "Replay", "replayed",
    "What is replayed is owed again: it is tried anew, with its whole time to live.",
    "Replayed: it is owed again.",
    "Nothing was done: it has not failed, was replayed already, or its body is erased.",
    replay, frozenset({State.FAILED}), is_paced=True,
)  # fmt: skip
RELEASE = Verb(
    "release", "Release", "released",
    "What is released is sent again, though it may then arrive twice.",
    "Released: it is sent again.",
    "Nothing was done: it is not held any more, or its time is over.",
    release, frozenset({State.HELD}),
)  # fmt: skip
DROP = Verb(
    "drop", "Drop", "dropped",
    "What is dropped is not sent again. It ends as a dead letter, and can still be replayed.",
    "Dropped: it has ended as a dead letter.",
    "Nothing was done: it is not held any more.",
    drop, frozenset({State.HELD}),
)  # fmt: skip
CANCEL = Verb(
    "cancel", "Cancel", "stopped",
    "It is stopped if it has not left yet. What a provider has, or may have, is not called back.",
    "stopped: it is not sent.",
    "already left: it was sent, or may have been, or has ended otherwise.",
    _cancel, OWED,
)  # fmt: skip


@dataclass(slots=True)
class Tally:
    """What became of those that were asked for; `left` were not come to in time."""

    asked: int
    seen: int = 0
    done: int = 0
    failed: bool = False

    @property
    def left(self) -> int:
        """How many were not come to."""
        return self.asked - self.seen

    def in_words(self, verb: Verb) -> str:
        """For the person who asked."""
        said = [f"{self.done} {verb.done}."]
        if changed := self.seen - self.done:
            said.append(f"{changed} had changed meanwhile.")
        if self.failed:
            said.append("Then the database did not answer: look which of the next were done.")
        elif self.left:
            said.append(f"{self.left} are left: go on.")
        return " ".join(said)


class DecidingAdmin(ScopedAdmin):
    """A list with verbs for all that its filters leave. `subject` is a row's notification."""

    many: ClassVar[tuple[Verb, ...]] = ()
    subject: ClassVar[str] = "pk"

    def get_urls(self) -> list[URLPattern]:
        """The admin's addresses and those of the verbs."""
        pages = [
            self.page(f"{v.name}-many/", partial(self.decide_many, verb=v), f"{v.name}_many")
            for v in self.many
        ]
        return [*pages, *super().get_urls()]

    def links(self, request: HttpRequest) -> list[tuple[Verb, str]]:
        """What may be done with all that the list shows, each with its address."""
        asked = {name: request.GET[name] for name in self._names(request) if name in request.GET}
        return [
            (verb, f"{self.link(f'{verb.name}_many')}?{urlencode(asked)}")
            for verb in self.many
            if self.may(request, verb.name)
        ]

    def decidable(self, request: HttpRequest, verb: Verb) -> QuerySet[Any]:
        """The rows that the address names, by filters or one by one, of those tenants where the
        user may do this.

        Raises:
            BadRequest: it has what is no filter; without it, too much would be left.
        """
        given = dict(request.GET.lists())
        if given.keys() - {*self._names(request), "id"}:
            raise BadRequest
        rows = access_of(request).within(
            self.get_queryset(request), str(self.tenant_path), self.who[verb.name]
        )
        for kind in self.get_list_filter(request):
            rows = kind(request, dict(given), self.model, self).queryset(request, rows)
        if "q" in given:
            rows, _ = self.get_search_results(request, rows, given["q"][-1])
        if "id" in given:
            chosen = filter(None, map(notification_id, given["id"]))
            rows = rows.filter(**{f"{self.subject}__in": list(chosen)})
        return rows

    def decide_many(self, request: HttpRequest, verb: Verb) -> HttpResponse:
        """Say how many it would be, then do it, with as many at most."""
        if not self.may(request, verb.name):
            raise PermissionDenied
        rows, begun = self.decidable(request, verb), 0
        kind = PacedForm if verb.is_paced else ManyForm
        form = kind(request.POST if request.method == "POST" else None)
        if form.is_valid():
            tally = self._work(request, verb, rows, form.cleaned_data)
            level = messages.SUCCESS if tally.done and not tally.failed else messages.WARNING
            messages.add_message(request, level, tally.in_words(verb))
            if tally.failed or not tally.left:
                return HttpResponseRedirect(self.link("changelist"))
            begun = form.cleaned_data["begun"] + tally.done
            form = kind(initial=form.cleaned_data)
        shown = self.context(
            request,
            f"{verb.label} these notifications?",
            verb=verb,
            form=form,
            begun=begun,
            count=_count(rows),
            asked=[(name, text) for name, text in request.GET.items() if name != "id"],
            back=self.link("changelist"),
        )
        return TemplateResponse(request, "portal/decide_many.html", shown)

    def _names(self, request: HttpRequest) -> list[str]:
        """What the list is filtered by."""
        searched = ["q"] if self.search_fields else []
        return [*(kind.parameter_name for kind in self.get_list_filter(request)), *searched]

    def _work(
        self, request: HttpRequest, verb: Verb, rows: QuerySet[Any], given: dict[str, Any]
    ) -> Tally:
        """The oldest first; each chunk is all or nothing."""
        tally, until = Tally(given["count"]), monotonic() + WORK_SECONDS
        ordered = rows.order_by(self.subject).values_list(self.subject, flat=True)
        last = UUID(int=0)
        try:
            while tally.left and monotonic() < until:
                later = ordered.filter(**{f"{self.subject}__gt": last})
                chunk = list(later[: min(CHUNK, tally.left)])
                if not chunk:
                    tally.seen = tally.asked  # somebody else has decided about the rest
                    break
                done = verb.act(chunk, **_pace(verb, given, tally.done))
                tally.seen, tally.done = tally.seen + len(chunk), tally.done + len(done)
                last = chunk[-1]
                note(request, done, verb)
        except OperationalError:
            tally.failed = True
        return tally


def note(request: HttpRequest, done: Iterable[UUID], verb: Verb) -> None:
    """Log it at each notification."""
    user: Any = request.user
    rows: Any = [Notification(pk=pk) for pk in done]
    LogEntry.objects.log_actions(user.pk, rows, CHANGE, f"{verb.done.capitalize()}.")


def _pace(verb: Verb, given: dict[str, Any], done: int) -> dict[str, Any]:
    if not verb.is_paced:
        return {}
    per_second = given["per_second"]
    return {"pause_seconds": 1 / per_second if per_second else 0, "begun": given["begun"] + done}


def _count(rows: QuerySet[Any]) -> int | None:
    """How many; None when that takes too long."""
    try:
        with patience():
            return rows.count()
    except TooMuch:
        return None
