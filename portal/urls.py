"""The portal's addresses, to be included at the root."""

from __future__ import annotations

from django.urls import path

from portal.admin.site import site
from portal.views.invites import invitation
from portal.views.passwords import Ask, Asked, Done, Set
from portal.views.trestleboard import News, board

urlpatterns = [
    # The theme's log-in page links to the name `admin_password_reset`; the others are Django's.
    path("portal/password-reset/", Ask.as_view(), name="admin_password_reset"),
    path("portal/password-reset/sent/", Asked.as_view(), name="password_reset_done"),
    path("portal/password-reset/done/", Done.as_view(), name="password_reset_complete"),
    path("portal/password-reset/<uidb64>/<token>/", Set.as_view(), name="password_reset_confirm"),
    path("portal/invite/<str:token>/", invitation, name="portal_invite"),
    path("portal/", site.urls),
    path("trestleboard/", board, name="trestleboard"),
    path("trestleboard/feed.atom", News(), name="trestleboard_feed"),
]
