"""Gauges that are read from the database when somebody asks for them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError, InterfaceError
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from hiram.ops.database import own_connection
from hiram.ops.probe import Late, Probe
from notifications.models.outbox import CLASSES

logger = logging.getLogger(__name__)

KEPT_SECONDS = 5.0
PATIENCE_SECONDS = 2.0
MOST_COUNTED = 100_000
MOST_LANES = 2_000


@dataclass(frozen=True, slots=True)
class Figure:
    """One gauge: the query's last column is the value, those before it are the labels."""

    name: str
    about: str
    labels: tuple[str, ...]
    query: str


_CLASS = "CASE {} " + " ".join(f"WHEN {rank} THEN '{name}'" for name, rank in CLASSES.items())
_CLASS += " ELSE 'other' END"

# The skip scan makes the cost follow the lanes that have rows, not the rows.
_OLDEST = f"""
WITH RECURSIVE active AS (
  (SELECT rank, lane_id FROM notifications_outboxmessage ORDER BY rank, lane_id LIMIT 1)
  UNION ALL
  SELECT n.rank, n.lane_id FROM active a CROSS JOIN LATERAL (
    SELECT o.rank, o.lane_id FROM notifications_outboxmessage o
     WHERE (o.rank, o.lane_id) > (a.rank, a.lane_id) ORDER BY o.rank, o.lane_id LIMIT 1) n
)
SELECT l.topic, {_CLASS.format("a.rank")}, max(extract(epoch FROM now() - d.due_at))
  FROM (SELECT rank, lane_id FROM active LIMIT {MOST_LANES}) a
  JOIN notifications_lane l ON l.id = a.lane_id AND l.paused_at IS NULL
 CROSS JOIN LATERAL (
    SELECT o.due_at FROM notifications_outboxmessage o
     WHERE o.rank = a.rank AND o.lane_id = a.lane_id AND o.due_at <= now()
     ORDER BY o.due_at LIMIT 1) d
 GROUP BY 1, 2
"""  # noqa: S608 - constants only

_BACKLOG = f"""
SELECT {_CLASS.format("c.rank")}, n.owed
  FROM unnest(%s::int[]) AS c(rank) CROSS JOIN LATERAL (
    SELECT count(*) AS owed FROM (
      SELECT FROM notifications_outboxmessage o WHERE o.rank = c.rank LIMIT {MOST_COUNTED}) bounded) n
"""  # noqa: S608 - constants only

FIGURES = (
    Figure(
        "hiram_oldest_due_age_seconds",
        "How long the oldest row that could be delivered has been due; paused lanes apart.",
        ("topic", "priority"),
        _OLDEST,
    ),
    Figure(
        "hiram_backlog",
        f"Rows owed, due or not; counted up to {MOST_COUNTED}.",
        ("priority",),
        _BACKLOG,
    ),
    Figure(
        "hiram_lanes_paused",
        "Lanes that are paused.",
        ("reason",),
        "SELECT CASE WHEN reason IN ('no_provider', 'provider_paused') THEN reason"
        " ELSE 'other' END, count(*) FROM notifications_lane"
        " WHERE paused_at IS NOT NULL GROUP BY 1",
    ),
    Figure(
        "hiram_restore_fence_up",
        "Whether nothing is sent because the instance was restored from a copy.",
        (),
        "SELECT count(*) FROM notifications_restorefence",
    ),
    Figure(
        "hiram_providers_paused",
        "Providers that are paused, after a refused login or by hand.",
        (),
        "SELECT count(*) FROM delivery_providerhealth WHERE paused_at IS NOT NULL",
    ),
    Figure(
        "hiram_breakers_open",
        "Providers that are left alone for a while after failures.",
        (),
        "SELECT count(*) FROM delivery_providerhealth WHERE open_until > now()",
    ),
    Figure(
        "hiram_snapshot_age_transactions",
        "Transactions since the oldest snapshot in use: what it holds back cannot be vacuumed.",
        (),
        "SELECT coalesce(max(age(backend_xmin)), 0) FROM pg_stat_activity",
    ),
    Figure(
        "hiram_outbox_dead_tuples",
        "Dead rows in the outbox, as PostgreSQL estimates.",
        (),
        "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'notifications_outboxmessage'",
    ),
)
_PARAMETERS: dict[str, list[Any]] = {"hiram_backlog": [list(CLASSES.values())]}


class Figures(Collector):
    """The gauges; without the database only `hiram_database_up 0`."""

    def __init__(self) -> None:
        """Connect at the first look."""
        self._connection = own_connection()
        self._probe = Probe(self._read, period=KEPT_SECONDS, patience=PATIENCE_SECONDS)

    def collect(self) -> Iterator[Metric]:
        """What was seen within the last 5 seconds."""
        try:
            found = self._probe.ask()
        except (Late, DatabaseError, InterfaceError):
            found = []
        up = GaugeMetricFamily("hiram_database_up", "Whether PostgreSQL answers.")
        up.add_metric([], float(bool(found)))
        return iter([up, *found])

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    def _read(self) -> list[Metric]:
        try:
            self._connection.ensure_connection()
            return [_family(figure, self._rows(figure)) for figure in FIGURES]
        except Exception:
            self._connection.close()
            raise

    def _rows(self, figure: Figure) -> list[tuple[Any, ...]]:
        """A figure that takes too long, or cannot be read yet, is left out."""
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(figure.query, _PARAMETERS.get(figure.name))
                return list(cursor.fetchall())
        except DatabaseError as error:
            if self._connection.connection is None or self._connection.connection.closed:
                raise
            logger.warning("cannot read %s: %s", figure.name, type(error).__name__)
            return []


def _family(figure: Figure, found: Iterable[tuple[Any, ...]]) -> Metric:
    family = GaugeMetricFamily(figure.name, figure.about, labels=figure.labels)
    for *labels, value in found:
        family.add_metric([str(label) for label in labels], float(value))
    return family
