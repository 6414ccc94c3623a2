"""The page behind an invitation's link."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from portal.forms.members import AcceptForm
from portal.invites import Used, accept, account_of, find, new_account
from tenants.models import Invite, User

_BACKEND = "django.contrib.auth.backends.ModelBackend"


@sensitive_post_parameters()
@never_cache
@csrf_protect
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Show the invitation, or accept it.

    Only the invited address can: by the account it has, logged in, or by a new one.
    """
    try:
        found = find(token)
        account = account_of(found)
        if account is None:
            return _by_new_account(request, found)
        return _by_account(request, found, account)
    except (Used, IntegrityError):
        response = render(request, "portal/invite_used.html", status=404)
    response["Referrer-Policy"] = "no-referrer"
    return response


def _by_account(request: HttpRequest, found: Invite, account: User) -> HttpResponse:
    yours = request.user.is_authenticated and request.user.pk == account.pk
    if request.method == "POST" and yours:
        accept(found, account)
        return _welcome(request, found)
    login_url = f"{reverse('admin:login')}?next={request.path}"
    shown = {"invite": found, "yours": yours, "login_url": login_url}
    return _page(request, "portal/invite_account.html", shown)


def _by_new_account(request: HttpRequest, found: Invite) -> HttpResponse:
    form = AcceptForm(request.POST if request.method == "POST" else None)
    if request.user.is_authenticated:
        return _page(request, "portal/invite_account.html", {"invite": found, "yours": False})
    if form.is_valid():
        name, password = form.cleaned_data["name"], form.cleaned_data["password"]
        try:
            validate_password(password, User(email=found.email, name=name))
        except ValidationError as error:
            form.add_error("password", error)
        else:
            user = new_account(found, name=name, password=password)
            accept(found, user)
            login(request, user, backend=_BACKEND)
            return _welcome(request, found)
    return _page(request, "portal/invite_new.html", {"invite": found, "form": form})


def _page(request: HttpRequest, template: str, shown: dict[str, object]) -> HttpResponse:
    response = render(request, template, shown)
    response["Referrer-Policy"] = "no-referrer"
    return response


def _welcome(request: HttpRequest, found: Invite) -> HttpResponse:
    messages.success(request, f"Welcome to {found.tenant.name}.")
    return HttpResponseRedirect(reverse("admin:index"))
