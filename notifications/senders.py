"""Senders: the From addresses and numbers that a request may ask for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from notifications.channel import Request
from tenants.domains import unverified
from tenants.models import Provider


class SendersRefused(Exception):
    """Senders asked for are not among those that the tenant may use."""

    def __init__(self, senders: Mapping[int, str], unverified: Collection[str] = ()) -> None:
        """`senders` are the refused ones by their request's place in the batch; `unverified` those
        of them whose domain is not verified, the others are not what the providers allow."""
        super().__init__(f"{len(senders)} senders refused")
        self.senders = senders
        self.unverified = unverified


def refused_senders(tenant_id: UUID, requests: Sequence[Request]) -> SendersRefused | None:
    """What is refused of the senders that are asked for; reads nothing where none is."""
    asked = {index: request for index, request in enumerate(requests) if request.sender}
    if not asked:
        return None
    providers = list(Provider.objects.usable_by(tenant_id))
    doubtful = unverified(tenant_id, {request.sender for request in asked.values()})
    refused = {}
    for index, request in asked.items():
        candidates = [p for p in providers if p.channel == request.channel]
        allows = any(p.allows_sender(request.sender) for p in candidates)
        if request.sender in doubtful or (candidates and not allows):
            refused[index] = request.sender
    return SendersRefused(refused, doubtful) if refused else None
