"""Domains: which ones a tenant has shown to be its own, by a TXT record with its token."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from uuid import UUID

import idna
from django.conf import settings
from django.db.models import QuerySet
from django.db.models.functions import Coalesce, Now

from hiram.lib.txt_records import NoAnswer, txt_records
from tenants.models import SenderDomain

LABEL = "_hiram"
PREFIX = "hiram-verification="
CHARACTERS = 253 - len(LABEL) - 1
"""The record's own name must fit, too (RFC 1035, section 2.3.4)."""

FOUND_MOST = 10
FOUND_CHARACTERS = 255

_PART = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)


class Outcome(StrEnum):
    """What a look at the DNS came to."""

    VERIFIED = "verified"
    NO_RECORD = "no_record"
    OTHER_RECORD = "other_record"
    NO_ANSWER = "no_answer"


@dataclass(frozen=True, slots=True)
class Look:
    """What was found at the record's name, and what that means."""

    outcome: Outcome
    found: tuple[str, ...] = ()
    detail: str = ""


class Unverified(Exception):
    """The domain of a sender is not one that its tenant has verified."""


@lru_cache(maxsize=4096)
def normalised(text: str) -> str:
    """The domain in ASCII (IDNA 2008) and small letters.

    Raises:
        ValueError: it is not a domain of two labels or more.
    """
    try:
        name = text if text.isascii() else idna.encode(text, uts46=True).decode("ascii")
    except UnicodeError:
        name = ""
    name = name.removesuffix(".").lower()
    labels = name.split(".")
    is_whole = len(labels) > 1 and all(map(_PART.fullmatch, labels))
    if not is_whole or len(name) > CHARACTERS or labels[-1].isdecimal():
        raise ValueError("must be a domain such as example.com")
    return name


def record_of(row: SenderDomain) -> tuple[str, str]:
    """Name and text of the TXT record that shows whose the domain is."""
    return f"{LABEL}.{row.domain}", PREFIX + row.token


def claim(tenant_id: UUID, domain: str) -> tuple[SenderDomain, bool]:
    """The tenant's claim of this normalised domain, and whether it is a new one. The token is its
    own: what another tenant's record says is nothing to it."""
    return SenderDomain.objects.get_or_create(
        tenant_id=tenant_id, domain=domain, defaults={"token": secrets.token_hex(16)}
    )


def verify(row: SenderDomain) -> Look:
    """Ask the DNS and keep what it says. Without an answer what was verified stays so; a record
    that is gone, or another's, ends it."""
    name, wanted = record_of(row)
    look = _look(name, wanted)
    changes = {
        Outcome.VERIFIED: {"verified_at": Coalesce("verified_at", Now())},
        Outcome.NO_ANSWER: {},
    }.get(look.outcome, {"verified_at": None})
    same = SenderDomain.objects.filter(pk=row.pk, token=row.token)
    same.update(checked_at=Now(), **changes)
    return look


def _look(name: str, wanted: str) -> Look:
    try:
        records = txt_records(name, settings.DNS_SERVERS)
    except NoAnswer as error:
        return Look(Outcome.NO_ANSWER, (), str(error))
    found = tuple(text[:FOUND_CHARACTERS] for text in records[:FOUND_MOST])
    if any(text.strip() == wanted for text in records):
        return Look(Outcome.VERIFIED, found)
    return Look(Outcome.OTHER_RECORD if records else Outcome.NO_RECORD, found)


def verified(tenant_id: UUID) -> QuerySet[SenderDomain]:
    """The tenant's verified domains."""
    return SenderDomain.objects.filter(tenant_id=tenant_id, verified_at__isnull=False)


def check_sender(tenant_id: UUID, sender: str) -> None:
    """Refuse an address of a domain that is not verified, where the operator wants it to be.

    Raises:
        Unverified: it is not.
    """
    if unverified(tenant_id, [sender]):
        raise Unverified


def unverified(tenant_id: UUID, senders: Collection[str]) -> frozenset[str]:
    """Which of these senders the tenant may not use: in one query, and in none where the operator
    asks for nothing or no sender is an address."""
    addresses = [s for s in senders if "@" in s] if settings.VERIFIED_DOMAINS else []
    if not addresses:
        return frozenset()
    above = {address: domains_above(address) for address in addresses}
    asked = {domain for domains in above.values() for domain in domains}
    known = set(verified(tenant_id).filter(domain__in=asked).values_list("domain", flat=True))
    return frozenset(address for address, domains in above.items() if known.isdisjoint(domains))


@lru_cache(maxsize=4096)
def domains_above(address: str) -> Sequence[str]:
    """The address's domain and those that it is below, each of which may be the verified one."""
    try:
        labels = normalised(address.rpartition("@")[2]).split(".")
    except ValueError:
        return ()
    return tuple(".".join(labels[place:]) for place in range(len(labels) - 1))
