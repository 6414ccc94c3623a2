"""What the engine waits for: credentials, paused providers, parked lanes, rows long due."""

from __future__ import annotations

from collections.abc import Iterator

from delivery.fence import is_up
from delivery.management.diagnosis.finding import BROKEN, OK, WARNING, Finding, rows
from delivery.models import ProviderHealth
from hiram.lib import ids
from hiram.lib.vault import SealBroken
from tenants.models import Provider

OLDEST_SECONDS = 60


def credentials() -> Iterator[Finding]:
    """All readable."""
    lost = []
    for provider in Provider.objects.order_by("pk").iterator(chunk_size=500):
        try:
            provider.open()
        except SealBroken:
            lost.append(ids.show("prv", provider.pk))
    if lost:
        text = f"{len(lost)} providers cannot be read: {', '.join(lost[:10])}"
        remedy = "Bring the missing key back into HIRAM_ENCRYPTION_KEYS, or set them anew."
        yield Finding("credentials", BROKEN, text, remedy)
    else:
        yield Finding("credentials", OK, "all readable")


def paused() -> Iterator[Finding]:
    """Providers that were refused."""
    healths = ProviderHealth.objects.filter(paused_at__isnull=False, provider__enabled=True)
    named = [
        f"{ids.show('prv', health.provider_id)} ({health.reason})"
        for health in healths.order_by("paused_at")[:11]
    ]
    if named:
        text = f"paused: {', '.join(named[:10])}{' and more' if len(named) > 10 else ''}"
        remedy = "Mend their credentials or settings; that ends the pause."
        yield Finding("providers", WARNING, text, remedy)
    else:
        yield Finding("providers", OK, "none is paused")


def parked() -> Iterator[Finding]:
    """Lanes that wait for something."""
    reasons = rows(
        "SELECT reason, count(*) FROM notifications_lane WHERE paused_at IS NOT NULL"
        " GROUP BY reason ORDER BY reason"
    )
    if reasons:
        text = ", ".join(f"{count} for {reason}" for reason, count in reasons)
        remedy = "set_provider, or a shared provider of the system tenant, lets them go on."
        yield Finding("lanes", WARNING, f"waiting: {text}", remedy)
    else:
        yield Finding("lanes", OK, "none waits")


def fence() -> Iterator[Finding]:
    """Whether this is a copy that sends nothing yet."""
    if is_up():
        remedy = "See docs/operations.md, then manage.py restore_fence --release."
        yield Finding("restore_fence", WARNING, "up: nothing is sent", remedy)
    else:
        yield Finding("restore_fence", OK, "down")


def oldest_due() -> Iterator[Finding]:
    """What should have been taken long ago."""
    [(seconds,)] = rows(_OLDEST)
    if is_up():
        yield Finding("oldest_due", OK, "nothing is taken behind the restore fence")
    elif seconds is None:
        yield Finding("oldest_due", OK, "nothing is due")
    elif seconds <= OLDEST_SECONDS:
        yield Finding("oldest_due", OK, f"due since {seconds:.0f} s")
    else:
        remedy = "Start workers, or more of them: see their log for why they take nothing."
        yield Finding("oldest_due", BROKEN, f"due since {seconds:.0f} s", remedy)


_OLDEST = """
SELECT extract(epoch FROM now() - min(o.due_at))::float
  FROM notifications_lane l
 CROSS JOIN LATERAL (
   SELECT due_at FROM notifications_outboxmessage o
    WHERE o.rank = l.rank AND o.lane_id = l.id AND o.due_at <= now()
    ORDER BY due_at LIMIT 1) o
 WHERE l.paused_at IS NULL
"""
