from django.db import migrations

# Every process keeps what it read of a template until its tenant's moment is another one.
NOTED = """
CREATE FUNCTION notifications_template_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE tenants_tenant
     SET templates_changed_at = greatest(clock_timestamp(),
                                         templates_changed_at + interval '1 microsecond')
   WHERE id = coalesce(NEW.tenant_id, OLD.tenant_id);
  RETURN NULL;
END $$;

CREATE TRIGGER notifications_template_changed AFTER INSERT OR UPDATE OR DELETE
ON notifications_template FOR EACH ROW EXECUTE FUNCTION notifications_template_changed();

CREATE TRIGGER notifications_template_version_made AFTER INSERT
ON notifications_templateversion FOR EACH ROW WHEN (NEW.state = 'published')
EXECUTE FUNCTION notifications_template_changed();

CREATE TRIGGER notifications_template_version_changed AFTER UPDATE
ON notifications_templateversion FOR EACH ROW
WHEN (NEW.state = 'published' OR OLD.state = 'published')
EXECUTE FUNCTION notifications_template_changed();

CREATE TRIGGER notifications_template_version_gone AFTER DELETE
ON notifications_templateversion FOR EACH ROW WHEN (OLD.state = 'published')
EXECUTE FUNCTION notifications_template_changed();
"""

UNNOTED = """
DROP TRIGGER notifications_template_version_gone ON notifications_templateversion;
DROP TRIGGER notifications_template_version_changed ON notifications_templateversion;
DROP TRIGGER notifications_template_version_made ON notifications_templateversion;
DROP TRIGGER notifications_template_changed ON notifications_template;
DROP FUNCTION notifications_template_changed();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("notifications", "0015_expiry_moves"),
        ("tenants", "0006_templates_changed_at"),
    ]

    operations = [migrations.RunSQL(NOTED, UNNOTED)]
