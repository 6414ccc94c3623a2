"""TXT records of a name, as the DNS has them now."""

from __future__ import annotations

from collections.abc import Sequence

import dns.exception
import dns.nameserver
import dns.resolver

SECONDS = 5.0
"""For the whole look-up; one question to one server may take `QUESTION_SECONDS` of it."""

QUESTION_SECONDS = 2.0


class NoAnswer(Exception):
    """The DNS did not say, so nothing is known of the records. The message is for people."""


def txt_records(name: str, servers: Sequence[tuple[str, int]] = ()) -> list[str]:
    """The texts at `name`, none where it has none; asked of `servers` (addresses and ports), or
    else of this machine's own.

    Nothing is cached: who has just set a record need not wait.

    Raises:
        NoAnswer: no server could be asked, or none answered in time.
    """
    try:
        answer = _resolver(servers).resolve(name, "TXT", search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except dns.exception.Timeout as error:
        raise NoAnswer("no name server answered in time") from error
    except (dns.exception.DNSException, OSError, ValueError) as error:
        raise NoAnswer("the name servers could not answer") from error
    return [b"".join(record.strings).decode("utf-8", "replace") for record in answer]


def _resolver(servers: Sequence[tuple[str, int]]) -> dns.resolver.Resolver:
    resolver = dns.resolver.Resolver(configure=not servers)
    if servers:
        resolver.nameservers = [dns.nameserver.Do53Nameserver(*server) for server in servers]
    resolver.timeout = QUESTION_SECONDS
    resolver.lifetime = SECONDS
    resolver.cache = None
    return resolver
