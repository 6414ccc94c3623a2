"""Statements: what settle writes, each for all rows of one kind at once.

Their parameter is a JSON array of the rows that `verdict` makes.
"""

from __future__ import annotations

from notifications.states import State, before
from notifications.undisturbed import REASON

LOCKS = {
    table: f"SELECT FROM unnest(%s::uuid[]) x(id) JOIN notifications_{table} t ON t.id = ANY(ARRAY[x.id])"
    " ORDER BY x.id FOR UPDATE OF t"
    for table in ("outboxmessage", "notification")
}

_ROWS = """
WITH x AS MATERIALIZED (
  SELECT * FROM jsonb_to_recordset(%s::jsonb) AS x(
    id uuid, fence bigint, attempt_id uuid, event_ids uuid[], lane_id uuid, provider_id uuid,
    provider_name text, driver text, outcome text, fault text, code text, enhanced_code text,
    error text, response text, provider_message_id text, payload_sha256 text, copies jsonb,
    wait float,
    counts smallint, status text, reason text, until timestamptz)
)"""

# One moment for all that one fact changes: a call does not end after its message is sent.
_ATTEMPT = """
attempt AS (
  UPDATE notifications_attempt a
     SET outcome = x.outcome, fault = x.fault, code = x.code,
         enhanced_code = x.enhanced_code, error = coalesce(x.error, a.error), copies = x.copies,
         response = x.response,
         provider_message_id = x.provider_message_id, payload_sha256 = x.payload_sha256,
         finished_at = CASE WHEN a.outcome = 'unknown' THEN a.finished_at
                            ELSE statement_timestamp() END
    FROM x WHERE a.id = ANY(ARRAY[x.attempt_id]) AND a.outcome IN ({from_outcomes})
  RETURNING a.subject_id, a.tenant_id, a.id, a.number, a.outcome
), attempted AS (
  INSERT INTO notifications_event (id, tenant_id, notification_id, mode, type, data)
  SELECT x.event_ids[1], a.tenant_id, n.id, n.mode, 'notification.attempted',
         jsonb_build_object('attempt_id', a.id, 'number', a.number, 'outcome', a.outcome,
                            'fault', x.fault, 'provider', x.provider_name)
    FROM attempt a JOIN x ON x.attempt_id = a.id
    JOIN notifications_notification n ON n.id = ANY(ARRAY[a.subject_id])
)"""

# `evidence` is for the answer to a call of which a receipt was heard before; where all attempts
# are written above there is none, and it is not looked for.
_FACT = f"""{_ROWS}, {_ATTEMPT},
evidence AS (
  UPDATE notifications_attempt a
     SET code = coalesce(x.code, a.code), copies = coalesce(x.copies, a.copies),
         payload_sha256 = coalesce(x.payload_sha256, a.payload_sha256),
         provider_message_id = coalesce(x.provider_message_id, a.provider_message_id)
    FROM x WHERE a.id = ANY(ARRAY[x.attempt_id]) AND a.outcome = 'sent'
     AND (SELECT count(*) FROM attempt) < (SELECT count(*) FROM x)
), owed AS (
  DELETE FROM notifications_outboxmessage o USING x WHERE o.id = ANY(ARRAY[x.id])
), notification AS (
  UPDATE notifications_notification n
     SET status = 'sent', reason = NULL, sent_at = statement_timestamp(),
         settled_at = coalesce(n.settled_at, statement_timestamp()), provider_id = x.provider_id,
         provider_name = x.provider_name, driver = x.driver,
         provider_message_id = x.provider_message_id
    FROM x WHERE n.id = ANY(ARRAY[x.id]) AND n.status IN ({", ".join(f"'{s}'" for s in before(State.SENT))})
  RETURNING n.id, n.tenant_id, n.mode
), webhook AS (
  UPDATE notifications_webhookdelivery w
     SET status = 'sent', reason = NULL, settled_at = coalesce(w.settled_at, statement_timestamp())
    FROM x WHERE w.id = ANY(ARRAY[x.id]) AND w.status <> 'sent'
  RETURNING w.id, w.tenant_id
), revived AS (
  UPDATE notifications_deadletter d SET closed_at = now()
    FROM (SELECT id, tenant_id FROM notification UNION ALL SELECT * FROM webhook) n
   WHERE d.tenant_id = n.tenant_id AND d.notification_id = ANY(ARRAY[n.id]) AND d.closed_at IS NULL
)
INSERT INTO notifications_event (id, tenant_id, notification_id, mode, type, data)
SELECT x.event_ids[2], n.tenant_id, n.id, n.mode, 'notification.sent',
       jsonb_build_object('provider', x.provider_name, 'driver', x.driver)
  FROM notification n JOIN x USING (id)
"""

SENT = _FACT.format(from_outcomes="'started', 'abandoned'")
HEARD = _FACT.format(from_outcomes="'started', 'abandoned', 'unknown'")
"""A receipt also knows of a call whose answer was lost."""

RETRY = f"""{_ROWS}, {_ATTEMPT.format(from_outcomes="'started'")}
UPDATE notifications_outboxmessage o
   SET due_at = least(clock_timestamp() + make_interval(secs => x.wait), o.expires_at),
       leased_by = NULL, tries = o.tries + x.counts, claims = 0
  FROM x WHERE o.id = ANY(ARRAY[x.id]) AND o.fence = x.fence
"""

HOLD = f"""{_ROWS}, {_ATTEMPT.format(from_outcomes="'started'")},
owed AS (
  UPDATE notifications_outboxmessage o
     SET due_at = o.expires_at, leased_by = NULL, tries = o.tries + x.counts, claims = 0
    FROM x WHERE o.id = ANY(ARRAY[x.id]) AND o.fence = x.fence
  RETURNING o.id
), notification AS (
  UPDATE notifications_notification n SET status = 'held', reason = x.reason
    FROM x JOIN owed USING (id) WHERE n.id = ANY(ARRAY[x.id]) AND n.status IN ('accepted', 'scheduled')
  RETURNING n.id, n.tenant_id, n.mode
)
INSERT INTO notifications_event (id, tenant_id, notification_id, mode, type, data)
SELECT x.event_ids[2], n.tenant_id, n.id, n.mode, 'notification.held',
       jsonb_build_object('reason', x.reason)
  FROM notification n JOIN x USING (id)
"""

END = f"""{_ROWS}, {_ATTEMPT.format(from_outcomes="'started'")},
owed AS (
  DELETE FROM notifications_outboxmessage o USING x WHERE o.id = ANY(ARRAY[x.id]) AND o.fence = x.fence
  RETURNING o.id
), notification AS (
  UPDATE notifications_notification n
     SET status = x.status, reason = x.reason, settled_at = clock_timestamp(),
         provider_id = x.provider_id, provider_name = x.provider_name, driver = x.driver
    FROM x JOIN owed USING (id) WHERE n.id = ANY(ARRAY[x.id]) AND n.status IN ('accepted', 'scheduled', 'held')
  RETURNING n.id, n.tenant_id, n.mode, n.status
), webhook AS (
  UPDATE notifications_webhookdelivery w
     SET status = x.status, reason = x.reason, settled_at = clock_timestamp()
    FROM x JOIN owed USING (id) WHERE w.id = ANY(ARRAY[x.id]) AND w.status = 'accepted'
  RETURNING w.id, w.tenant_id, w.status
), letter AS (
  INSERT INTO notifications_deadletter (id, tenant_id, notification_id, reason, detail)
  SELECT gen_random_uuid(), n.tenant_id, n.id, x.reason, coalesce(x.error, '')
    FROM (SELECT id, tenant_id, status FROM notification UNION ALL SELECT * FROM webhook) n
    JOIN x USING (id) WHERE n.status = 'failed'
  ON CONFLICT DO NOTHING
)
INSERT INTO notifications_event (id, tenant_id, notification_id, mode, type, data)
SELECT x.event_ids[2], n.tenant_id, n.id, n.mode, 'notification.' || n.status,
       jsonb_build_object('reason', x.reason)
  FROM notification n JOIN x USING (id)
"""

# Time in which the user is left alone is not counted where the notification's own is so many
# seconds; where it ends at a moment that was asked for, that stays, even if it is before `until`.
# What an erasure has ended stays ended.
DEFER = f"""{_ROWS}, mine AS MATERIALIZED (
  SELECT o.id, x.until, x.event_ids[2] AS event_id,
         o.expires_at + CASE WHEN n.expiry_moves AND o.expires_at > clock_timestamp()
                             THEN greatest(x.until - clock_timestamp(), interval '0')
                             ELSE interval '0' END AS ends_at
    FROM x JOIN notifications_outboxmessage o ON o.id = ANY(ARRAY[x.id]) AND o.fence = x.fence
    JOIN notifications_notification n ON n.id = ANY(ARRAY[o.id])
), owed AS (
  UPDATE notifications_outboxmessage o
     SET due_at = least(m.until, m.ends_at), expires_at = m.ends_at, leased_by = NULL, claims = 0
    FROM mine m WHERE o.id = ANY(ARRAY[m.id])
), notification AS (
  UPDATE notifications_notification n
     SET status = 'scheduled', reason = '{REASON}', scheduled_at = m.until, expires_at = m.ends_at
    FROM mine m WHERE n.id = ANY(ARRAY[m.id]) AND n.status IN ('accepted', 'scheduled')
  RETURNING n.id, n.tenant_id, n.mode
)
INSERT INTO notifications_event (id, tenant_id, notification_id, mode, type, data)
SELECT m.event_id, n.tenant_id, n.id, n.mode, 'notification.scheduled',
       jsonb_build_object('reason', '{REASON}', 'until', m.until)
  FROM notification n JOIN mine m USING (id)
"""

PARK = f"""{_ROWS}, lane AS (
  UPDATE notifications_lane l
     SET paused_at = now(), reason = x.reason,
         resume_at = now() + make_interval(secs => x.wait)
    FROM (SELECT lane_id, min(reason) AS reason, max(wait) AS wait FROM x GROUP BY lane_id) x
   WHERE l.id = ANY(ARRAY[x.lane_id]) AND l.paused_at IS NULL
)
UPDATE notifications_outboxmessage o SET due_at = clock_timestamp(), leased_by = NULL, claims = 0
  FROM x WHERE o.id = ANY(ARRAY[x.id]) AND o.fence = x.fence
"""
