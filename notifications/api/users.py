"""`/v1/users`: a tenant's users."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from hiram.lib import ids, rfc3339
from hiram.lib.pagination import paginate, read_parameters, read_query, refused
from hiram.lib.problems import FieldError, Problem
from hiram.lib.rest import LARGE_BODY_OCTETS, answer, read_json, validate
from notifications.api import user_docs as docs
from notifications.api.endpoints import OfCaller
from notifications.api.options import address_of
from notifications.api.user_bodies import NamedUser, User, UserChange, UsersBatch, checked_id
from notifications.erasure import erase
from notifications.models import Erasure, Subscriber
from notifications.shelves import channels
from notifications.subscribers import Profile, find_user, forget, lock_user, put
from tenants.models import Scope

READ, WRITE = Scope.USERS_READ.value, Scope.USERS_WRITE.value


class OfUsers(OfCaller):
    """The users of the key's tenant, in the key's mode."""

    scopes: ClassVar[dict[str, str]] = {
        "GET": READ, "POST": WRITE, "PUT": WRITE, "PATCH": WRITE, "DELETE": WRITE,
    }  # fmt: skip

    @property
    def users(self) -> QuerySet[Subscriber]:
        """Those of the key's tenant in its mode."""
        return Subscriber.objects.filter(tenant_id=self.caller.tenant_id, mode=self.caller.mode)

    def user(self, user_id: str) -> Subscriber:
        """The user of this id.

        Raises:
            Problem: 404.
        """
        return find_user(self.caller.tenant_id, self.caller.mode, user_id)


class UsersEndpoint(OfUsers):
    """`/v1/users`."""

    scopes: ClassVar[dict[str, str]] = {"GET": READ}

    @docs.list_
    def get(self, request: HttpRequest) -> HttpResponse:
        """One page, newest first."""
        query = read_query(request, "channel", "address", "locale", "timezone")
        rows = self.users.filter(**_filters(dict(query.filters)))
        scope = (self.caller.tenant, self.caller.mode, "users")
        return answer(paginate(rows, query, scope=scope).body(show))


class UsersBatchEndpoint(OfUsers):
    """`/v1/users/batch`."""

    scopes: ClassVar[dict[str, str]] = {"POST": WRITE}

    @docs.batch
    def post(self, request: HttpRequest) -> HttpResponse:
        """Put up to 1,000 users, all or none."""
        read_parameters(request)
        given: UsersBatch = validate(UsersBatch, read_json(request, limit=LARGE_BODY_OCTETS))
        _check_once(given.users)
        new = put(self.caller.tenant_id, self.caller.mode, [_profile(u) for u in given.users])
        data = [{"user_id": name, "created": is_new} for name, is_new in new.items()]
        return answer({"data": data})


class UserEndpoint(OfUsers):
    """`/v1/users/{user_id}`."""

    @docs.get
    def get(self, request: HttpRequest, user_id: str) -> HttpResponse:
        """Show one."""
        read_parameters(request)
        return answer(show(self.user(user_id)))

    @docs.put
    def put(self, request: HttpRequest, user_id: str) -> HttpResponse:
        """Write one as it is given: what is left out is gone."""
        read_parameters(request)
        given: User = validate(User, read_json(request))
        return self._write(checked_id(user_id), given)

    @docs.patch
    def patch(self, request: HttpRequest, user_id: str) -> HttpResponse:
        """Change what is given; in addresses and attributes name by name, null removes."""
        read_parameters(request)
        given: UserChange = validate(UserChange, read_json(request))
        with transaction.atomic():
            row = lock_user(self.caller.tenant_id, self.caller.mode, user_id)
            merged = _merged(row, given)
            return self._write(user_id, validate(User, merged))

    @docs.delete
    def delete(self, request: HttpRequest, user_id: str) -> HttpResponse:
        """Forget one; a second time there is none. With `erase=true` all that names it goes."""
        given = read_parameters(request, "erase")
        if given.get("erase", "false") not in ("true", "false"):
            error = refused("erase", "not_an_option", "This must be true or false.")
            raise Problem("bad-query", errors=[error])
        if given.get("erase") == "true":
            return self._erase(checked_id(user_id))
        row = self.user(user_id)
        if not forget(row.tenant_id, row.mode, row.user_id):
            raise Problem("not-found")
        return HttpResponse(status=204)

    def _erase(self, user_id: str) -> HttpResponse:
        row = erase(self.owner, user_id)
        if row is None:
            raise Problem("not-found")
        return answer({"user_id": user_id} | show_erasure(row))

    def _write(self, user_id: str, given: User) -> HttpResponse:
        tenant_id, mode = self.caller.tenant_id, self.caller.mode
        named = NamedUser(user_id=user_id, **dict(given))
        is_new = put(tenant_id, mode, [_profile(named)])[user_id]
        return answer(show(self.user(user_id)), 201 if is_new else 200)


class ErasureEndpoint(OfUsers):
    """`/v1/erasures/{id}`."""

    scopes: ClassVar[dict[str, str]] = {"GET": READ}

    @docs.erasure
    def get(self, request: HttpRequest, erasure_id: str) -> HttpResponse:
        """Show one."""
        read_parameters(request)
        own = Erasure.objects.filter(tenant_id=self.caller.tenant_id, mode=self.caller.mode)
        try:
            row = own.filter(pk=ids.parse("ers", erasure_id)).first()
        except ids.MalformedId:
            row = None
        if row is None:
            raise Problem("not-found")
        return answer(show_erasure(row))


def show_erasure(row: Erasure) -> dict[str, Any]:
    """The certificate, which names nobody."""
    return {
        "id": ids.show("ers", row.pk),
        "status": "complete" if row.completed_at else "erased",
        "counts": row.counts,
        "erased_at": rfc3339.show(row.created_at),
        "completed_at": rfc3339.show_if(row.completed_at),
    }


def show(row: Subscriber) -> dict[str, Any]:
    """A user as the API shows it."""
    return {
        "user_id": row.user_id,
        "addresses": row.addresses,
        "locale": row.locale,
        "timezone": row.timezone,
        "attributes": row.attributes,
        "created_at": rfc3339.show(row.created_at),
        "updated_at": rfc3339.show(row.updated_at),
    }


def _profile(given: NamedUser) -> Profile:
    addresses = given.addresses.model_dump(exclude_none=True)
    return Profile(given.user_id, addresses, given.locale, given.timezone, given.attributes)


def _check_once(given: list[NamedUser]) -> None:
    first: dict[str, int] = {}
    errors = [
        FieldError(f"/users/{place}/user_id", "repeated", "This user stands in the batch twice.")
        for place, user in enumerate(given)
        if first.setdefault(user.user_id, place) != place
    ]
    if errors:
        raise Problem("invalid", errors=errors)


def _merged(row: Subscriber, given: UserChange) -> dict[str, Any]:
    said = given.model_fields_set
    merged = {"locale": row.locale, "timezone": row.timezone}
    merged |= {name: getattr(given, name) for name in ("locale", "timezone") if name in said}
    return {
        **merged,
        "addresses": _patched(row.addresses, given.addresses.model_dump(exclude_unset=True)),
        "attributes": _patched(row.attributes, given.attributes),
    }


def _patched(known: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    return {name: v for name, v in {**known, **change}.items() if v is not None}


def _filters(asked: dict[str, str]) -> dict[str, Any]:
    channel, address = asked.pop("channel", None), asked.pop("address", None)
    if channel is not None and channel not in channels:
        text = f"This must be one of {', '.join(channels)}."
        raise Problem("bad-query", errors=[refused("channel", "not_an_option", text)])
    if address is not None and channel is None:
        text = "An address is one of a channel."
        raise Problem("bad-query", errors=[refused("channel", "required", text)])
    if channel is None:
        return asked
    if address is None:
        return {**asked, "addresses__has_key": channel}
    return {**asked, "addresses__contains": {channel: address_of(channel, address, "bad-query")}}
