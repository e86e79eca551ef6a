from django.db import migrations

# Which columns of a table an earlier state keeps; one is written where they differ.
KEPT = {
    "customer": (
        "stage", "channel_id", "gender", "city", "birthday", "is_friend", "friend_since", "tag_ids",
    ),
    "contact": ("customer_id", "agent_id", "added_at", "ended_at"),
    "membership": ("customer_id", "group_id", "joined_at", "left_at"),
    "order": ("customer_id", "status", "paid_at", "amount_cents", "start_on", "end_on"),
}  # fmt: skip
# Stays of colleagues and strangers belong to no customer.
ONLY = {"membership": "old.customer_id is not null and "}


def _writer(name: str, columns: tuple[str, ...]) -> str:
    """Keeps the old row of a change that matters."""
    old, new = (", ".join(f"{row}.{column}" for column in columns) for row in ("old", "new"))
    return f"""
    create function analytics_keep_{name}() returns trigger language plpgsql as $$
    begin
        insert into analytics_{name}past (row_id, until, came_at, {", ".join(columns)})
        values (old.id, clock_timestamp(), old.created_at, {old});
        return null;
    end $$;
    create trigger segments_past after update on crm_{name} for each row
        when ({ONLY.get(name, "")}({old}) is distinct from ({new}))
        execute function analytics_keep_{name}();
    """


def _ender(name: str) -> str:
    """Keeps the old row of a deletion; of a customer who is deleted nothing is kept."""
    return f"""
    create trigger segments_past_end after delete on crm_{name} for each row
        when ({ONLY.get(name, "")}true) execute function analytics_keep_{name}();
    """


FORGET = """
create function analytics_forget_past() returns trigger language plpgsql as $$
begin
    delete from analytics_customerpast where row_id = old.id;
    delete from analytics_contactpast where customer_id = old.id;
    delete from analytics_membershippast where customer_id = old.id;
    delete from analytics_orderpast where customer_id = old.id;
    return null;
end $$;
create trigger segments_past_forgotten after delete on crm_customer for each row
    execute function analytics_forget_past();
insert into analytics_pastsince (id, since) values (1, clock_timestamp());
"""
UNDO = "".join(f"drop function analytics_keep_{name}() cascade;" for name in KEPT)
UNDO += "drop function analytics_forget_past() cascade; delete from analytics_pastsince;"


class Migration(migrations.Migration):
    dependencies = [("analytics", "0007_past_states"), ("crm", "0005_welcomes")]

    operations = [
        migrations.RunSQL(
            "".join(_writer(*one) for one in KEPT.items())
            + "".join(_ender(name) for name in KEPT if name != "customer")
            + FORGET,
            UNDO,
        ),
    ]
