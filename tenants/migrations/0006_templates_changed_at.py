import django.db.models.functions.datetime
from django.db import migrations, models

# The moment never goes back, also where a whole row that was read before is saved; and it is never
# the same twice, whatever the clock does and where a backup came back. A tenant's locale decides
# which text is sent.
ONWARD = """
CREATE FUNCTION tenants_templates_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.templates_changed_at = greatest(NEW.templates_changed_at, OLD.templates_changed_at);
  IF NEW.locale IS DISTINCT FROM OLD.locale THEN
    NEW.templates_changed_at = greatest(clock_timestamp(),
                                        OLD.templates_changed_at + interval '1 microsecond');
  END IF;
  RETURN NEW;
END $$;

CREATE TRIGGER tenants_templates_changed BEFORE UPDATE ON tenants_tenant FOR EACH ROW
WHEN (NEW.locale IS DISTINCT FROM OLD.locale OR NEW.templates_changed_at < OLD.templates_changed_at)
EXECUTE FUNCTION tenants_templates_changed();
"""

BACK = """
DROP TRIGGER tenants_templates_changed ON tenants_tenant;
DROP FUNCTION tenants_templates_changed();
"""


class Migration(migrations.Migration):
    dependencies = [("tenants", "0005_retention")]

    operations = [
        migrations.AddField(
            model_name="tenant",
            name="templates_changed_at",
            field=models.DateTimeField(
                db_default=django.db.models.functions.datetime.Now(), editable=False
            ),
        ),
        migrations.RunSQL(ONWARD, BACK),
    ]
