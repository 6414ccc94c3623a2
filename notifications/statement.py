"""The statement that accepts: all rows of any number of notifications, or none.

It answers whether it wrote them, and which it refused. What it refuses is settled at the moment at
which it is made, which nothing is that ends later.
"""

from __future__ import annotations

import re
from functools import cache

from notifications.refusal import refused

REFUSED = refused(
    row="r",
    tenant="%(tenant)s",
    mode="%(mode)s",
    address="decode(r.address, 'hex')",
    policy="p",
)
"""Why a row must not go out, in accept's statement and in what asks the same before."""

_SPACE = re.compile(r" ?([(),]) ?")

_RECORD = """
fresh AS (
  INSERT INTO notifications_idempotencyrecord AS i
         (id, tenant_id, mode, key, fingerprint, status, body, expires_at)
  VALUES (%(record_id)s, %(tenant)s, %(mode)s, %(key)s, %(fingerprint)s, %(status)s,
          %(body)s::jsonb, statement_timestamp() + make_interval(secs => %(remembered)s))
  ON CONFLICT (tenant_id, mode, key) DO UPDATE
     SET fingerprint = excluded.fingerprint, status = excluded.status, body = excluded.body,
         created_at = statement_timestamp(), expires_at = excluded.expires_at
   WHERE i.expires_at <= now()
  RETURNING 1
),
"""

_INSERT = """
WITH {record} {first} AS MATERIALIZED (
  SELECT r.*, due_at, ends_at, {refused} AS {why}
    FROM jsonb_to_recordset(%(rows)s::jsonb) AS r(
    id uuid, event_id uuid, lane_id uuid, channel text, recipient text, subject text,
    category text, priority text, rank smallint, metadata jsonb, payload jsonb, traceparent text,
    status text, scheduled_at timestamptz, expires_at timestamptz, ttl integer,
    second_event_id uuid, cancel_key text, ordering_key text, address text, user_id text,
    org_id text, template text, template_version_id uuid, template_version integer, locale text, request_id uuid,
    sender_scope text, chosen_provider_id uuid, put_off text, dedupe text, dedupe_seconds integer)
  LEFT JOIN tenants_categorypolicy p ON p.tenant_id = %(tenant)s AND p.category = r.category,
  LATERAL (SELECT greatest(r.scheduled_at, statement_timestamp()) AS due_at) d,
  LATERAL (SELECT coalesce(r.expires_at, due_at + make_interval(
                             secs => coalesce(r.ttl, p.ttl_seconds, %(ttl)s))) AS ends_at) e
  {when_fresh}
){once}{request}, lane AS (
  INSERT INTO notifications_lane (id, tenant_id, mode, topic, rank)
  SELECT DISTINCT lane_id, %(tenant)s::uuid, %(mode)s, channel, rank FROM r WHERE suppressed IS NULL
  ON CONFLICT DO NOTHING
), content AS (
  INSERT INTO notifications_content (id, tenant_id, payload)
  SELECT id, %(tenant)s, payload FROM r
), notification AS (
  INSERT INTO notifications_notification
         (id, content_id, tenant_id, mode, channel, recipient, address, subject, category,
          priority, status, reason, settled_at, metadata, traceparent, generation, cancel_key,
          scheduled_at, expires_at, expiry_moves, user_id, org_id, template, template_version_id,
          template_version, locale,
          request_id, sender_scope, chosen_provider_id)
  SELECT id, id, %(tenant)s, %(mode)s, channel, recipient, decode(address, 'hex'), subject,
         category, priority, CASE WHEN suppressed IS NULL THEN status ELSE 'suppressed' END,
         coalesce(suppressed, put_off),
         CASE WHEN suppressed IS NOT NULL THEN statement_timestamp() END, metadata,
         traceparent, 0, cancel_key, scheduled_at, ends_at, expires_at IS NULL, user_id, org_id, template,
         template_version_id, template_version, locale, request_id, sender_scope, chosen_provider_id
    FROM r
), event AS (
  INSERT INTO notifications_event (id, tenant_id, notification_id, mode, type, data)
  SELECT event_id, %(tenant)s::uuid, id, %(mode)s, 'notification.accepted', '{{}}'::jsonb FROM r
   UNION ALL
  SELECT second_event_id, %(tenant)s, id, %(mode)s,
         'notification.' || CASE WHEN suppressed IS NULL THEN status ELSE 'suppressed' END,
         jsonb_strip_nulls(jsonb_build_object(
           'reason', coalesce(suppressed, put_off),
           'until', CASE WHEN suppressed IS NULL AND put_off IS NOT NULL THEN due_at END))
    FROM r WHERE status = 'scheduled' OR suppressed IS NOT NULL
), outbox AS (
  INSERT INTO notifications_outboxmessage
         (id, tenant_id, topic, lane_id, rank, due_at, expires_at, ordering_key, traceparent)
  SELECT id, %(tenant)s, 'notification', lane_id, rank, {due_at}, ends_at, ordering_key,
         traceparent
    FROM r WHERE suppressed IS NULL {in_order}
)
SELECT {is_fresh},
       (SELECT jsonb_object_agg(id, suppressed)::text FROM r WHERE suppressed IS NOT NULL)
"""

_REQUEST = """, request AS (
  INSERT INTO notifications_notificationrequest (id, tenant_id, mode, template, strategy, metadata)
  SELECT %(request_id)s, %(tenant)s, %(mode)s, %(template)s, %(strategy)s, %(metadata)s::jsonb
  {when_fresh}
)"""

_ONCE = """, once AS (
  INSERT INTO notifications_deduplication AS d
         (id, tenant_id, mode, digest, notification_id, expires_at)
  SELECT DISTINCT ON (dedupe) id, %(tenant)s::uuid, %(mode)s, decode(dedupe, 'hex'), id,
         statement_timestamp() + make_interval(secs => dedupe_seconds)
    FROM asked WHERE dedupe IS NOT NULL AND refused IS NULL ORDER BY dedupe, id
  ON CONFLICT (tenant_id, mode, digest) DO UPDATE
     SET notification_id = excluded.notification_id, created_at = statement_timestamp(),
         expires_at = excluded.expires_at
   WHERE d.expires_at <= statement_timestamp()
  RETURNING notification_id
), r AS MATERIALIZED (
  SELECT a.*, coalesce(refused, CASE WHEN dedupe IS NOT NULL AND NOT EXISTS (
                         SELECT FROM once o WHERE o.notification_id = a.id)
                       THEN 'duplicate' END) AS suppressed
    FROM asked a
)"""

_IN_TURN = """CASE WHEN ordering_key IS NOT NULL AND (
                row_number() OVER (PARTITION BY ordering_key ORDER BY id) > 1
                OR EXISTS (SELECT FROM notifications_outboxmessage b
                            WHERE b.tenant_id = %(tenant)s AND b.ordering_key = r.ordering_key))
              THEN ends_at ELSE due_at END"""


@cache
def statement(*, keyed: bool, ordered: bool, of_request: bool, deduped: bool) -> str:
    """With an idempotency record where `keyed`, and the row of the call where `of_request`.

    `ordered` where a row has an ordering key, `deduped` where one has a deduplication key.
    """
    gate = "WHERE EXISTS (SELECT FROM fresh)" if keyed else ""
    text = _INSERT.format(
        record=_RECORD if keyed else "",
        when_fresh=gate,
        is_fresh="EXISTS (SELECT FROM fresh)" if keyed else "true",
        refused=REFUSED,
        first="asked" if deduped else "r",
        why="refused" if deduped else "suppressed",
        once=_ONCE if deduped else "",
        request=_REQUEST.format(when_fresh=gate) if of_request else "",
        due_at=_IN_TURN if ordered else "due_at",
        in_order="ORDER BY id" if ordered else "",
    )
    # psycopg takes a statement apart at each use, unless it is short enough to be remembered.
    return _SPACE.sub(r"\1", " ".join(text.split()))
