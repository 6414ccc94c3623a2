"""The only place where a request becomes a tenant.

The key's row is read in every request, nothing is cached: a revocation holds from the next
request on, in every process.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.db import DatabaseError, connection, connections
from django.http import HttpRequest

from hiram import telemetry
from hiram.lib import ids
from hiram.lib.first_query import first_row
from hiram.lib.problems import Problem
from hiram.lib.rest import Endpoint
from tenants.models import ApiKey, Tenant
from tenants.models.api_key import PREFIX_CHARACTERS, digest, is_well_formed, new_key

logger = logging.getLogger(__name__)

_USED_AT_MOST_EVERY_SECONDS = 60

# By the order of its index the config is looked for there: where one tenant has nearly all of them,
# the planner would else read the table, certain to meet one of them soon.
_FIND = """
SELECT k.id, k.tenant_id, k.name, k.mode, k.scopes, t.mode, t.name, t.limits, t.templates_changed_at,
       k.last_used_at IS NULL OR k.last_used_at < now() - interval '60 seconds',
       (SELECT c.scope FROM tenants_senderconfig c WHERE c.tenant_id = k.tenant_id
         ORDER BY c.tenant_id, c.scope, c.scope_id LIMIT 1) IS NOT NULL
  FROM tenants_apikey k JOIN tenants_tenant t ON t.id = k.tenant_id
 WHERE k.digest = %s AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
   AND t.status = 'active'
"""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: the tenant, in one mode, with a key's scopes. `has_senders`: there are sender
    configs, so that it is worth a query to look for those of a message. What was read
    of the tenant's templates at the same `templates_changed_at` still holds."""

    key_id: UUID
    tenant_id: UUID
    key_name: str
    mode: str
    scopes: frozenset[str]
    tenant_name: str
    limits: dict[str, Any]
    templates_changed_at: datetime
    has_senders: bool

    @property
    def tenant(self) -> str:
        """The tenant's public id."""
        return ids.show("tnt", self.tenant_id)


def authenticate(request: HttpRequest) -> Caller:
    """The caller whom the request's key names.

    Raises:
        Problem: 401 for every reason alike.
    """
    key = _given(request)
    row = _find(digest(key)) if key is not None and is_well_formed(key) else None
    if row is None:
        raise Problem("unauthenticated", headers={"WWW-Authenticate": 'Bearer realm="hiram"'})
    key_id, tenant_id, key_name, key_mode, scopes, tenant_mode, tenant_name, *rest = row
    limits, templates_changed_at, stale, has_senders = rest
    if stale:
        _last_used.note(key_id)
    mode = "test" if key_mode == "test" else tenant_mode
    return Caller(
        key_id=key_id,
        tenant_id=tenant_id,
        key_name=key_name,
        mode=mode,
        scopes=frozenset(scopes),
        tenant_name=tenant_name,
        limits=json.loads(limits),
        templates_changed_at=templates_changed_at,
        has_senders=has_senders,
    )


def _given(request: HttpRequest) -> str | None:
    if key := request.META.get("HTTP_X_API_KEY"):
        return str(key).strip()
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _find(key_digest: bytes) -> Any:
    return first_row(_FIND, [key_digest])


class TenantEndpoint(Endpoint):
    """An endpoint for keys. `scopes` names the scope that each method needs."""

    scopes: ClassVar[dict[str, str]] = {}
    caller: Caller

    def initial(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """Authenticate and check the scope.

        Raises:
            Problem: 401, 403.
        """
        self.caller = authenticate(request)
        telemetry.note(tenant_id=self.caller.tenant)
        # What HEAD tells, GET tells too.
        scope = self.scopes.get("GET" if request.method == "HEAD" else request.method or "")
        if scope and scope not in self.caller.scopes:
            raise Problem("forbidden", f"This key lacks the scope {scope}.")


def issue_key(
    tenant: Tenant,
    *,
    name: str,
    mode: str = ApiKey.Mode.LIVE,
    scopes: tuple[str, ...],
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Make a key; its text is returned only here."""
    text = new_key(mode)
    key = ApiKey.objects.create(
        tenant=tenant,
        name=name,
        mode=mode,
        prefix=text[:PREFIX_CHARACTERS],
        digest=digest(text),
        scopes=list(scopes),
        expires_at=expires_at,
    )
    return key, text


def revoke_key(key: ApiKey, *, at: datetime) -> None:
    """Revoke for good; a second time changes nothing."""
    ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=at)
    key.refresh_from_db(fields=["revoked_at"])


class _LastUsed:
    """Records uses at most once a minute and key, off the request's path.

    A dropped note costs nothing: the next request notes it again.
    """

    def __init__(self) -> None:
        self._notes: queue.Queue[UUID] = queue.Queue(maxsize=1_000)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def note(self, key_id: UUID) -> None:
        try:
            self._notes.put_nowait(key_id)
        except queue.Full:
            return
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._write, name="last-used", daemon=True)
                self._thread.start()

    def _write(self) -> None:
        """Write until nothing was noted for a while, then end and give the connection back."""
        try:
            while True:
                seen = {self._notes.get(timeout=1)}
                while not self._notes.empty():
                    seen.add(self._notes.get_nowait())
                with connection.cursor() as cursor:
                    cursor.execute(_USED, [list(seen), _USED_AT_MOST_EVERY_SECONDS])
        except queue.Empty:
            pass
        except DatabaseError as error:
            logger.warning("last use not recorded: %s", type(error).__name__)
        finally:
            connections.close_all()


_USED = """
UPDATE tenants_apikey SET last_used_at = now()
 WHERE id = ANY(%s) AND (last_used_at IS NULL OR last_used_at < now() - make_interval(secs => %s))
"""

_last_used = _LastUsed()
