"""Storage of the hot tables: the queue's cost is set by dead rows in its index.

Room for updates in place, and a vacuum that follows the number of dead rows, not their share.
"""

from django.db import migrations

HOT = """
ALTER TABLE notifications_outboxmessage SET (
  fillfactor = 70, vacuum_index_cleanup = on, vacuum_truncate = off,
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
  autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 20000,
  autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 20000,
  autovacuum_vacuum_cost_delay = 0, autovacuum_vacuum_cost_limit = 2000);
ALTER TABLE notifications_attempt SET (fillfactor = 80);
ALTER TABLE notifications_notification SET (fillfactor = 85);
"""

COLD = """
ALTER TABLE notifications_outboxmessage RESET (
  fillfactor, vacuum_index_cleanup, vacuum_truncate,
  autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold,
  autovacuum_vacuum_insert_scale_factor, autovacuum_vacuum_insert_threshold,
  autovacuum_analyze_scale_factor, autovacuum_analyze_threshold,
  autovacuum_vacuum_cost_delay, autovacuum_vacuum_cost_limit);
ALTER TABLE notifications_attempt RESET (fillfactor);
ALTER TABLE notifications_notification RESET (fillfactor);
"""


class Migration(migrations.Migration):
    dependencies = [("notifications", "0001_initial")]
    operations = [migrations.RunSQL(HOT, COLD)]
