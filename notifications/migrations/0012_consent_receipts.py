from django.db import migrations

# What a receipt says is never changed. An erasure may blank whose it is, and only a receipt that
# names nobody any more can be deleted: who deletes a tenant blanks first.
NEVER_CHANGED = """
CREATE FUNCTION notifications_consent_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF OLD.user_id IS NOT NULL OR OLD.address IS NOT NULL THEN
      RAISE EXCEPTION 'a consent receipt that names somebody is not deleted'
        USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN OLD;
  END IF;
  IF (to_jsonb(NEW) - 'user_id' - 'address') <> (to_jsonb(OLD) - 'user_id' - 'address')
     OR (NEW.user_id IS NOT NULL AND NEW.user_id IS DISTINCT FROM OLD.user_id)
     OR (NEW.address IS NOT NULL AND NEW.address IS DISTINCT FROM OLD.address) THEN
    RAISE EXCEPTION 'a consent receipt is not changed'
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;

CREATE TRIGGER notifications_consent_kept BEFORE UPDATE OR DELETE ON notifications_consent
FOR EACH ROW EXECUTE FUNCTION notifications_consent_kept();
"""

CHANGEABLE = """
DROP TRIGGER notifications_consent_kept ON notifications_consent;
DROP FUNCTION notifications_consent_kept();
"""


class Migration(migrations.Migration):
    dependencies = [("notifications", "0011_deduplication")]

    operations = [migrations.RunSQL(NEVER_CHANGED, CHANGEABLE)]
