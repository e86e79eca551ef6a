from django.db import migrations

# The finaliser of MurmurHash3, 32 bits: analytics/segments/bucketing.py. 32 x 32 bits do not fit a
# signed bigint, so the multiplier is applied to each half.
BUCKET = """
create function analytics_mul32(a bigint, b bigint) returns bigint
language sql immutable parallel safe
return ((a & 65535) * b + ((((a >> 16) * b) & 65535) << 16)) & 4294967295;

create function analytics_bucket(seed bigint, id bigint) returns integer
language sql immutable parallel safe
begin atomic
    select (g # (g >> 16))::bigint % 10000
    from (select analytics_mul32(f # (f >> 13), 3266489909) as g
          from (select analytics_mul32(e # (e >> 16), 2246822507) as f
                from (select ((id & 4294967295) # (id >> 32) # seed) & 4294967295 as e) a) b) c;
end;
"""

# Appending needs no lock on anybody's row: writers of the same customer never wait here.
TRIGGERS = """
create function analytics_customers_changed() returns trigger language plpgsql as $$
begin
    insert into analytics_segmentdirty (customer_id)
    select n.id from fresh n join old_rows o on o.id = n.id
    where (n.is_friend, n.friend_since, n.channel_id, n.stage, n.gender, n.city, n.order_count,
           n.paid_cents, n.group_count, n.birthday, n.last_paid_at, n.last_message_at,
           n.last_fact_at, n.tag_ids)
          is distinct from
          (o.is_friend, o.friend_since, o.channel_id, o.stage, o.gender, o.city, o.order_count,
           o.paid_cents, o.group_count, o.birthday, o.last_paid_at, o.last_message_at,
           o.last_fact_at, o.tag_ids);
    return null;
end $$;

create function analytics_customers_came() returns trigger language plpgsql as $$
begin
    insert into analytics_segmentdirty (customer_id) select id from fresh;
    return null;
end $$;

create function analytics_customers_went() returns trigger language plpgsql as $$
begin
    insert into analytics_segmentdirty (customer_id) select id from old_rows;
    return null;
end $$;

create function analytics_their_rows_came() returns trigger language plpgsql as $$
begin
    insert into analytics_segmentdirty (customer_id)
    select distinct customer_id from fresh where customer_id is not null;
    return null;
end $$;

create function analytics_their_rows_went() returns trigger language plpgsql as $$
begin
    insert into analytics_segmentdirty (customer_id)
    select distinct customer_id from old_rows where customer_id is not null;
    return null;
end $$;

create function analytics_their_rows_changed() returns trigger language plpgsql as $$
begin
    insert into analytics_segmentdirty (customer_id)
    select customer_id from fresh where customer_id is not null
    union
    select customer_id from old_rows where customer_id is not null;
    return null;
end $$;

create function analytics_groups_changed() returns trigger language plpgsql as $$
begin
    insert into analytics_segmentdirty (customer_id)
    select distinct m.customer_id
    from fresh n join old_rows o on o.id = n.id
    join crm_membership m on m.group_id = n.id and m.left_at is null
    where n.dismissed_at is distinct from o.dismissed_at and m.customer_id is not null;
    return null;
end $$;

create trigger segments_changed after update on crm_customer
    referencing new table as fresh old table as old_rows
    for each statement execute function analytics_customers_changed();
create trigger segments_came after insert on crm_customer
    referencing new table as fresh for each statement execute function analytics_customers_came();
create trigger segments_went after delete on crm_customer
    referencing old table as old_rows for each statement execute function analytics_customers_went();
create trigger segments_groups after update on crm_group
    referencing new table as fresh old table as old_rows
    for each statement execute function analytics_groups_changed();
"""
TABLES = ("crm_contact", "crm_membership", "crm_order")
FUNCTIONS = (
    "customers_changed", "customers_came", "customers_went", "their_rows_came", "their_rows_went",
    "their_rows_changed", "groups_changed",
)  # fmt: skip


def _of(table: str) -> str:
    return f"""
    create trigger segments_came after insert on {table} referencing new table as fresh
        for each statement execute function analytics_their_rows_came();
    create trigger segments_went after delete on {table} referencing old table as old_rows
        for each statement execute function analytics_their_rows_went();
    create trigger segments_changed after update on {table}
        referencing new table as fresh old table as old_rows
        for each statement execute function analytics_their_rows_changed();
    """


UNDO = "".join(f"drop function analytics_{name}() cascade;" for name in FUNCTIONS)
UNDO += "drop function analytics_bucket(bigint, bigint);"
UNDO += "drop function analytics_mul32(bigint, bigint);"


class Migration(migrations.Migration):
    dependencies = [("analytics", "0001_segments"), ("crm", "0005_welcomes")]

    operations = [
        migrations.RunSQL(BUCKET + TRIGGERS + "".join(_of(table) for table in TABLES), UNDO),
    ]
