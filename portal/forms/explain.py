"""A send to be explained; what is wrong with it the API's checks say."""

from __future__ import annotations

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from notifications.shelves import channel_choices
from portal.access import Access
from portal.forms.source import CATEGORIES, JsonText, Source
from portal.forms.webhooks import MODES
from tenants.models import Tenant

OPTIONAL = ("recipient", "user_id", "template", "locale", "category", "subject", "body")


def _line(label: str, about: str = "") -> forms.CharField:
    widget = UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"})
    return forms.CharField(
        required=False, max_length=2_000, label=label, help_text=about, widget=widget
    )


class ExplainForm(forms.Form):
    """What stays empty is not in the send."""

    tenant = forms.ModelChoiceField(Tenant.objects.none(), widget=UnfoldAdminSelectWidget)
    mode = forms.ChoiceField(choices=list(MODES.items()), widget=UnfoldAdminSelectWidget)
    channel = forms.ChoiceField(choices=channel_choices, widget=UnfoldAdminSelectWidget)
    recipient = _line("Recipient", "An address, or below a user's id.")
    user_id = _line("User's id")
    template = _line("Template", "Its slug; or a text of your own below.")
    locale = _line("Locale")
    given = JsonText(rows=4, label="Data", help_text="Values of the template's variables.")
    category = forms.ChoiceField(
        choices=[("", "as the template's"), *((name, name) for name in CATEGORIES)],
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    subject = _line("Subject")
    body = Source(rows=4, label="Text")

    def __init__(self, access: Access, data: Any = None) -> None:
        """For the tenants of this user; where there is one it is not asked for."""
        super().__init__(data)
        self.own = access.tenants()
        if access.is_single:
            del self.fields["tenant"]
        else:
            tenant: Any = self.fields["tenant"]
            tenant.queryset = self.own

    @property
    def whose(self) -> Tenant:
        """Whose send it is."""
        chosen: Tenant | None = self.cleaned_data.get("tenant")
        return chosen or self.own.get()

    @property
    def request(self) -> dict[str, Any]:
        """The send, as a caller of the API writes it."""
        given = self.cleaned_data
        sent = {name: given[name] for name in OPTIONAL if given[name]}
        data = {"data": given["given"]} if given["given"] else {}
        return {"channel": given["channel"], **sent, **data}

    def show(self, errors: list[dict[str, str]]) -> None:
        """Each finding at its field."""
        for error in errors:
            name, _, rest = error["pointer"].strip("/").partition("/")
            name = "given" if name == "data" else name
            where = f"{rest}: " if rest else ""
            if name in self.fields:
                self.add_error(name, f"{where}{error['detail']}")
            else:
                self.add_error(None, f"{error['pointer'].strip('/')}: {error['detail']}")
