"""What a trigger guards better than code: the audit trail and the facts are appended, never edited."""

from django.db import migrations

CREATE = """
create function crm_refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only', tg_table_name using errcode = 'integrity_constraint_violation';
end $$;
create trigger audit_is_append_only before update or delete on crm_auditentry
    for each row execute function crm_refuse_change();
create trigger facts_are_not_edited before update on crm_fact
    for each row execute function crm_refuse_change();
"""

DROP = """
drop trigger facts_are_not_edited on crm_fact;
drop trigger audit_is_append_only on crm_auditentry;
drop function crm_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("crm", "0001_initial")]
    operations = [migrations.RunSQL(CREATE, DROP)]
