"""Refusal: why a notification must not go out. Asked by the statement that accepts it, and again
by the read before each call of a provider, so that nobody is written to who refused meanwhile."""

from __future__ import annotations

_REFUSED = """coalesce(
  (SELECT 'block' FROM notifications_block b
    WHERE b.tenant_id = {tenant} AND b.mode = {mode}
      AND (b.channel IS NULL OR b.channel = {row}.channel)
      AND (b.expires_at IS NULL OR b.expires_at > statement_timestamp()) LIMIT 1),
  (SELECT 'suppression:' || s.reason FROM notifications_suppression s
    WHERE s.tenant_id = {tenant} AND s.mode = {mode} AND s.channel = {row}.channel
      AND s.address = {address}
      AND (s.category IS NULL OR s.category = {row}.category)
      AND (s.expires_at IS NULL OR s.expires_at > statement_timestamp())
    ORDER BY s.category NULLS FIRST LIMIT 1),
  CASE WHEN {row}.user_id IS NOT NULL AND NOT coalesce({policy}.required, false) THEN (
    SELECT CASE WHEN coalesce(wish.said, {row}.category <> 'marketing') THEN NULL
                WHEN wish.said IS NULL THEN 'consent' ELSE 'preference' END
      FROM (SELECT (SELECT coalesce(w.templates -> {row}.template ->> {row}.channel,
                                    w.categories -> {row}.category ->> {row}.channel)::boolean
                      FROM notifications_preference w
                     WHERE w.tenant_id = {tenant} AND w.mode = {mode}
                       AND w.user_id = {row}.user_id) AS said) wish) END)"""


def refused(*, row: str, tenant: str, mode: str, address: str, policy: str) -> str:
    """The reason as an SQL expression, null where it may go out.

    `row` has channel, category, template and user_id, `policy` is the tenant's for the category;
    the rest are expressions. A block comes before a suppression, that before what the user wants:
    of the template, else of the category, else yes but for marketing, which needs a yes. What is
    `required` asks no user.
    """
    return _REFUSED.format(row=row, tenant=tenant, mode=mode, address=address, policy=policy)
