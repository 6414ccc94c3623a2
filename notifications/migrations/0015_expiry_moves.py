from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("notifications", "0014_erasure")]

    operations = [
        migrations.AddField(
            model_name="notification",
            name="expiry_moves",
            field=models.BooleanField(db_default=False),
        ),
    ]
