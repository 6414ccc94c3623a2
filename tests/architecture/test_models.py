"""Every table is a tenant's, and those that will be partitioned can be."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection, models
from django.db.models.signals import ModelSignal

from notifications.models import Attempt, Content, Event, Notification, RestoreFence
from tenants.models import Tenant, User

OURS = [m for m in apps.get_models() if m.__module__.partition(".")[0] in {
    "tenants", "notifications", "delivery", "portal",
}]  # fmt: skip
OF_NO_TENANT = {
    User: "a person may be a member of many tenants",
    Tenant: "it is the tenant",
    RestoreFence: "the whole instance's: nothing is sent, for nobody",
    apps.get_model("portal", "Entry"): "news of the product, for everybody",
    apps.get_model("portal", "Reading"): "what a person has read of them",
}
PARTITIONED = [Notification, Content, Attempt, Event]

# Uniques that do not begin with the tenant, each with the reason why it tells nobody anything.
GLOBAL_UNIQUES = {
    "tenants_apikey_digest_key": "a key's SHA-256, by which the tenant is found",
    "delivery_providerhealth_provider_id_key": "one to one with a provider, which is a tenant's",
    "user_email_once": "a person, not a tenant's",
    "tenant_name_once": "written by operators only",
    "tenant_system_once": "at most one row",
}

pytestmark = pytest.mark.django_db


def tables(of: list[type[models.Model]]) -> set[str]:
    found = {m._meta.db_table for m in of}
    for model in of:
        found |= {f.m2m_db_table() for f in model._meta.local_many_to_many}
    return found


def query(sql: str, *values: Any) -> list[tuple[str, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        found: list[tuple[str, ...]] = cursor.fetchall()
    return found


def test_there_are_models() -> None:
    assert len(OURS) >= 15
    assert set(OF_NO_TENANT) <= set(OURS)


@pytest.mark.parametrize("model", [m for m in OURS if m not in OF_NO_TENANT])
def test_every_table_has_its_tenant(model: type[models.Model]) -> None:
    field = model._meta.get_field("tenant")
    assert field.related_model is Tenant
    assert not field.null
    ((nullable,),) = query(
        "SELECT is_nullable FROM information_schema.columns"
        " WHERE table_name = %s AND column_name = 'tenant_id'",
        model._meta.db_table,
    )
    assert nullable == "NO"


@pytest.mark.parametrize("model", [m for m in OURS if m.__name__ != "Reading"])
def test_every_key_is_a_uuid_made_in_python(model: type[models.Model]) -> None:
    key = model._meta.pk
    assert isinstance(key, models.UUIDField)
    assert key.name == "id"
    assert key.default.__name__ == "new"


UNIQUES = """
SELECT i.relname, t.relname, coalesce((
         SELECT a.attname FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attnum = x.indkey[0]), '')
  FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
 WHERE x.indisunique AND NOT x.indisprimary AND t.relname = ANY(%s)
"""


def test_uniques_begin_with_the_tenant() -> None:
    """Else a tenant learns from a refusal what another has."""
    with_tenant = tables([m for m in OURS if m not in OF_NO_TENANT])
    found = query(UNIQUES, list(with_tenant))
    assert found
    outside = {index for index, _, first in found if first != "tenant_id"}
    assert outside <= set(GLOBAL_UNIQUES)
    known = {index for index, _, _ in query(UNIQUES, list(tables(OURS)))}
    assert set(GLOBAL_UNIQUES) <= known, "a documented exception is gone"


@pytest.mark.parametrize("model", PARTITIONED)
def test_what_will_be_partitioned_is_unique_by_its_id_alone(model: type[models.Model]) -> None:
    assert query(UNIQUES, [model._meta.db_table]) == []


@pytest.mark.parametrize("model", PARTITIONED)
def test_no_foreign_key_constraint_leads_into_it_or_out_of_it(model: type[models.Model]) -> None:
    found = query(
        "SELECT conname FROM pg_constraint WHERE contype = 'f'"
        " AND (confrelid = %s::regclass OR conrelid = %s::regclass)",
        model._meta.db_table,
        model._meta.db_table,
    )
    assert found == []


def test_times_end_in_at_and_have_a_zone() -> None:
    for model in OURS:
        for field in model._meta.local_fields:
            if isinstance(field, models.DateTimeField) and model is not User:
                assert field.name.endswith(("_at", "_until")), f"{model.__name__}.{field.name}"
    found = query(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE data_type = 'timestamp without time zone' AND table_schema = 'public'"
    )
    assert found == []


def test_choices_make_no_migration_when_a_channel_or_driver_comes() -> None:
    for model in OURS:
        for field in model._meta.local_fields:
            if field.name in {"channel", "driver", "topic"}:
                assert not field.choices, f"{model.__name__}.{field.name}"


class TestNoLogicInModels:
    @pytest.mark.parametrize("model", OURS)
    def test_save_and_delete_are_djangos(self, model: type[models.Model]) -> None:
        for name in ("save", "delete", "full_clean", "save_base"):
            owner = next(c for c in model.__mro__ if name in c.__dict__)
            assert owner.__module__.startswith("django."), f"{owner.__name__}.{name}"

    def test_no_signal_is_received(self) -> None:
        """Django's own apps may; ours call each other openly."""
        found = []
        for value in vars(models.signals).values():
            if isinstance(value, ModelSignal):
                for _, receiver, *_ in value.receivers:
                    function = receiver() if not inspect.isfunction(receiver) else receiver
                    module = getattr(function, "__module__", "") or ""
                    if module.partition(".")[0] in {
                        "hiram",
                        "tenants",
                        "notifications",
                        "delivery",
                        "portal",
                    }:
                        found.append(f"{module}.{getattr(function, '__name__', function)}")
        assert found == []

    def test_no_module_of_ours_connects_one(self) -> None:
        for package in ("hiram", "tenants", "notifications", "delivery", "portal"):
            for file in Path(settings.BASE_DIR, package).rglob("*.py"):
                names = {
                    alias.name
                    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
                    if isinstance(node, ast.ImportFrom)
                    and node.module == "django.db.models.signals"
                    for alias in node.names
                }
                assert not names, file
