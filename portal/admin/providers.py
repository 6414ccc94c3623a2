"""Providers: set up from the driver's declared fields, tested with a real message."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin import register
from django.forms import ModelForm
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern

from delivery import providers
from delivery.accounts import reports_to
from delivery.probe import Shadowed, test_provider
from delivery.provider import NewProvider, ProviderChange
from delivery.shelves import drivers
from hiram.lib.problems import Problem
from notifications.shelves import channels
from portal.access import BUILDERS, EVERYBODY, access_of
from portal.admin.columns import column, moment
from portal.admin.scoped import ScopedAdmin
from portal.admin.site import site
from portal.forms.providers import SECRET, SETTING, TestForm, declared, provider_form
from portal.queries.wording import InWords, answer_in_words, trouble_in_words
from tenants.models import Provider

STATES = {"in use": "success", "disabled": "info", "degraded": "warning", "paused": "danger"}
OWN = ("name", "priority", "weight", "max_per_second", "max_in_flight", "enabled")
COMMON = ("tenant", *OWN)


@register(Provider, site=site)
class ProviderAdmin(ScopedAdmin):
    """Secrets go in and never come out: a form that is opened again has empty fields for them."""

    who = {
        "view": EVERYBODY, "add": BUILDERS, "change": BUILDERS, "delete": BUILDERS,
        "test": BUILDERS,
    }  # fmt: skip
    columns = (
        "name",
        "channel",
        "driver_label",
        "state",
        "priority",
        moment("updated_at", "changed"),
    )
    filters = ("channel", "enabled")
    search_fields = ("name", "driver")
    ordering = ("tenant__name", "channel", "priority", "created_at")
    list_select_related = ("tenant", "health")
    change_form_before_template = "portal/provider_state.html"
    readonly_fields = ("driver_label", "state", "shown_settings")

    @column("driver")
    def driver_label(self, provider: Provider) -> str:
        """The driver's name for people."""
        driver = drivers.get(provider.driver)
        return driver.label if driver else provider.driver

    @column("state", label=STATES)
    def state(self, provider: Provider) -> str:
        """Whether messages go through it."""
        if not provider.enabled:
            return "disabled"
        if _pause(provider):
            return "paused"
        return "degraded" if _trouble(provider) else "in use"

    @column("settings")
    def shown_settings(self, provider: Provider) -> str:
        """The open settings, for those who only look."""
        return ", ".join(f"{name}: {value}" for name, value in provider.settings.items())

    # --- The form ------------------------------------------------------------------------------
    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> type[ModelForm[Any]]:
        """The form of the row's driver, or of the one that was chosen."""
        name = obj.driver if obj else request.GET.get("driver", "")
        if name in drivers and self.may(request, "change" if obj else "add", obj):
            kwargs["form"] = provider_form(name)
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Provider | None = None) -> Any:
        """What every provider has, then the driver's settings, then its secrets."""
        common = list(COMMON) + (["shared"] if access_of(request).operator else [])
        if access_of(request).is_single:
            common.remove("tenant")
        driver = drivers.get(obj.driver if obj else request.GET.get("driver", ""))
        if driver is None or not self.may(request, "change" if obj else "add", obj):
            shown = [*common, "driver_label", "state", "shown_settings"]
            return [(None, {"fields": shown})]
        groups = [
            (None, common),
            (driver.label, declared(SETTING, driver)),
            ("Secrets", declared(SECRET, driver)),
        ]
        return [(title, {"fields": names}) for title, names in groups if names]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """First the choice of a driver, then its form."""
        if not self.has_add_permission(request) or request.GET.get("driver") in drivers:
            title = drivers[request.GET["driver"]].label if "driver" in request.GET else ""
            shown = {**(extra_context or {}), "title": f"Add a provider: {title}"}
            return super().add_view(request, form_url, shown)
        offered = {
            channel.label: [(n, d.label) for n, d in drivers.items() if d.channel == key]
            for key, channel in channels.items()
        }
        shown = self.context(request, "Add a provider", offered=offered)
        return TemplateResponse(request, "portal/provider_drivers.html", shown)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The form, with the provider's state and its test."""
        provider = self.get_object(request, object_id)
        if provider is None:
            raise Http404
        shown = {
            **(extra_context or {}),
            "title": provider.name,
            "pause": _pause(provider),
            "trouble": _trouble(provider),
            # With its token in it: for those who set up the vendor's side.
            "callback_url": self.may(request, "change", provider) and reports_to(provider),
            "can_test": self.may(request, "test", provider) and provider.driver in drivers,
        }
        return super().change_view(request, object_id, form_url, shown)

    def save_model(
        self, request: HttpRequest, obj: Provider, form: ModelForm[Provider], change: bool
    ) -> None:
        """Make or change it the one way there is, which also ends a pause."""
        self.ensure(request, "change" if change else "add", obj)
        given = form.cleaned_data
        common = {name: given[name] for name in OWN}
        if change:
            stored = Provider.objects.get(pk=obj.pk)
            removed = dict.fromkeys(stored.settings)
            settings = {**removed, **given[SETTING]}
            changes = (
                common | {SETTING: settings} | ({SECRET: given[SECRET]} if given[SECRET] else {})
            )
            providers.change(stored, ProviderChange(**changes))
        else:
            kind: dict[str, Any] = {"channel": drivers[obj.driver].channel, "driver": obj.driver}
            secret = {SETTING: given[SETTING], SECRET: given[SECRET]}
            new = NewProvider(**common, **kind, **secret)
            obj.pk = providers.add(obj.tenant_id, new).pk
        if "shared" in form.changed_data:
            Provider.objects.filter(pk=obj.pk).update(shared=given["shared"])

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """As everywhere; what somebody else did at the same moment is said."""
        try:
            found: HttpResponse = super().changeform_view(request, *args, **kwargs)
        except Problem as problem:
            messages.error(request, problem.detail)
            return HttpResponseRedirect(self.link("changelist"))
        return found

    def delete_model(self, request: HttpRequest, obj: Provider) -> None:
        """Remove it the one way there is."""
        self.ensure(request, "delete", obj)
        providers.remove(obj)

    # --- The test ------------------------------------------------------------------------------
    def get_urls(self) -> list[URLPattern]:
        """The admin's addresses and the test's."""
        return [self.page("<path:object_id>/test/", self.test, "test"), *super().get_urls()]

    def test(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send a test message and show what the provider answered."""
        provider: Provider = self.reach(request, object_id, "test")
        if provider.driver not in drivers:
            raise Http404
        form = TestForm(request.POST if request.method == "POST" else None)
        answer = _probe(provider, form) if form.is_valid() else None
        if answer:
            self.log_change(request, provider, "Tested.")
        shown = self.context(
            request, f"Test {provider.name}", provider=provider, form=form, answer=answer
        )
        return TemplateResponse(request, "portal/provider_test.html", shown)

    def response_change(self, request: HttpRequest, obj: Provider) -> HttpResponse:
        """After a change, say what it means for what waits."""
        if not obj.enabled:
            messages.info(request, "This provider is disabled: it is not used until enabled.")
        return super().response_change(request, obj)


def _probe(provider: Provider, form: TestForm) -> InWords | None:
    """The provider's answer; None when the recipient is none, which the form then says."""
    try:
        return answer_in_words(*test_provider(provider, form.cleaned_data["recipient"]))
    except Shadowed:
        return InWords("info", "Nothing was sent: this tenant is in shadow mode.", "")
    except Problem as problem:
        form.add_error("recipient", " ".join(error.detail for error in problem.errors))
        return None


def _pause(provider: Provider) -> dict[str, Any] | None:
    """Why delivery does not use it just now, if it does not."""
    health = getattr(provider, "health", None)
    if health is None or health.paused_at is None:
        return None
    return {"at": health.paused_at, "reason": health.reason, "detail": health.detail}


def _trouble(provider: Provider) -> dict[str, Any] | None:
    """Why it gets less than its part just now, if it does."""
    health = getattr(provider, "health", None)
    if health is None or health.degraded_at is None:
        return None
    text = trouble_in_words(health.trouble, health.share)
    return {"at": health.degraded_at, "text": text}
