"""Blocks: a stop of all that a tenant sends, or of one channel; added and lifted."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin import register
from django.contrib.admin.models import DELETION, LogEntry
from django.db import transaction
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils import timezone
from django.utils.html import format_html

from hiram.lib import ids
from notifications.accept import Owner
from notifications.models import Block
from notifications.withhold import withhold_from_channel
from portal.access import BUILDERS, EVERYBODY, access_of
from portal.admin.columns import column, moment
from portal.admin.feed import ChannelFilter, ModeFilter
from portal.admin.scoped import ScopedAdmin
from portal.admin.site import site
from portal.forms.blocks import BlockForm


@register(Block, site=site)
class BlockAdmin(ScopedAdmin):
    """A block is never changed: it is lifted, and another one is added."""

    who = {"view": EVERYBODY, "add": BUILDERS, "lift": BUILDERS}
    form = BlockForm
    columns = (
        "what", "mode", "state", "reason", moment("created_at", "since"),
        moment("expires_at", "until"),
    )  # fmt: skip
    filters = (ChannelFilter, ModeFilter)
    sortable_by = ()
    ordering = ("-created_at", "-id")
    list_select_related = ("tenant",)
    change_form_before_template = "portal/block_actions.html"
    fields = (
        "tenant", "what", "mode", "state", "because", "created_at", "expires_at", "shown_id",
    )  # fmt: skip
    readonly_fields = ("what", "state", "because", "created_at", "shown_id")

    @column("channel")
    def what(self, row: Block) -> str:
        """What is not sent."""
        return row.channel or "all channels"

    @column("state", label={"blocks": "danger", "expired": "info"})
    def state(self, row: Block) -> str:
        """Whether it holds."""
        over = row.expires_at is not None and row.expires_at <= timezone.now()
        return "expired" if over else "blocks"

    @column("reason")
    def because(self, row: Block) -> str:
        """Why, however long its words are."""
        return format_html('<span class="hiram-long">{}</span>', row.reason)

    @column("id")
    def shown_id(self, row: Block) -> str:
        """As the API names it."""
        return ids.show("blk", row.pk)

    def get_fieldsets(self, request: HttpRequest, obj: Block | None = None) -> Any:
        """What is asked for, and what is known of one."""
        if obj is not None:
            return super().get_fieldsets(request, obj)
        common = [] if access_of(request).is_single else ["tenant"]
        return [(None, {"fields": [*common, "channel", "mode", "reason", "expires_at"]})]

    def save_model(
        self, request: HttpRequest, obj: Block, form: ModelForm[Any], change: bool
    ) -> None:
        """Add it; then what is owed ends."""
        self.ensure(request, "change" if change else "add", obj)
        # The form's own values: what stands for all channels is none.
        for name in ("mode", "channel", "reason", "expires_at"):
            setattr(obj, name, form.cleaned_data[name])
        obj.save(force_insert=True)
        owner = Owner(obj.tenant_id, obj.mode)
        transaction.on_commit(lambda: self._end(request, owner, obj.channel))

    def _end(self, request: HttpRequest, owner: Owner, channel: str | None) -> None:
        ended = withhold_from_channel(owner, channel)
        messages.success(request, f"{ended} that were owed ended as suppressed.")

    def get_urls(self) -> list[URLPattern]:
        """The admin's addresses and that of lifting."""
        return [self.page("<path:object_id>/lift/", self.lift, "lift"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """What is known of it, with its end for those who may."""
        row = self.get_object(request, object_id)
        can = row is not None and self.may(request, "lift", row)
        shown = {**(extra_context or {}), "can_lift": can, "title": "Block"}
        return super().change_view(request, object_id, form_url, shown)

    def lift(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, then remove it."""
        row: Block = self.reach(request, object_id, "lift")
        if request.method == "POST":
            user: Any = request.user
            LogEntry.objects.log_actions(user.pk, [row], DELETION, "Lifted.")
            Block.objects.filter(pk=row.pk).delete()
            messages.success(request, "The block is lifted.")
            return HttpResponseRedirect(self.link("changelist"))
        shown = self.context(request, "Lift this block?", row=row, what=self.what(row))
        return TemplateResponse(request, "portal/block_lift.html", shown)
