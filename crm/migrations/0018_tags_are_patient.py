from django.db import migrations

# Tags that were queued before they gave way.
PATIENT = """
update crm_outboxitem set is_patient = true
where kind = 'tag' and state not in ('done', 'skipped', 'failed')
"""


class Migration(migrations.Migration):
    dependencies = [("crm", "0017_outbox_patient")]

    operations = [migrations.RunSQL(PATIENT, migrations.RunSQL.noop)]
