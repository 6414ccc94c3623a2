"""Plans: the engine's statements go by keys, whatever statistics say.

The outbox is empty one moment and has a million rows the next, while its statistics are of a minute
ago and prepared plans live on. A plan that was made for an empty table reads all of it: in its
index's order just as well as by a sequential scan, which no setting forbids. Therefore what joins
rows by their keys says `o.id = ANY(ARRAY[x.id])`: an index can be asked that, but nothing can be
merged, hashed or sorted by it, so that there is no other way than one probe a row. What asks
whether a row is there says `OFFSET 0`, so that it is asked of each and made no join.
"""

from __future__ import annotations

from typing import Any

from django.db.backends.signals import connection_created

_SETTINGS = """
SELECT set_config('enable_seqscan', 'off', false), set_config('enable_hashjoin', 'off', false),
       set_config('enable_mergejoin', 'off', false)
"""


def go_by_keys() -> None:
    """Have every connection of this process made so from now on."""
    connection_created.connect(by_keys, dispatch_uid="plans")


def by_keys(connection: Any, **_: Any) -> None:
    """Have the statements of this connection so."""
    with connection.cursor() as cursor:
        cursor.execute(_SETTINGS)
