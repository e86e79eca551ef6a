"""Dimensions of the bitmaps, and the queries that say who has which value."""

from dataclasses import dataclass

from crm.customers.models import Customer

CHUNK_BITS = 20
EXISTS = -1  # In a sliced dimension: who has a value at all.
# Amounts may fall below zero by refunds: sliced numbers are shifted so that they never are.
PAID_SHIFT = 1 << 33
MAX_LEVEL = 9  # "At most 8 times" asks who did it 9 times.

ALL, FRIEND, CHANNEL, STAGE, GENDER, CITY = 1, 2, 3, 4, 5, 6
TAG, GROUP, AGENT, KNOWN, TRIP_START, TRIP_RETURN = 7, 8, 9, 10, 11, 12
ORDERS, PAID, GROUPS, BIRTHDAY = 20, 21, 22, 23
ADDED, PAID_DAY, MESSAGE_DAY, FACT_DAY = 24, 25, 26, 27

STAGES = tuple(Customer.Stage.values)
FRIENDSHIPS = ("friend", "lost", "never")
CITIES = "city"

# Fields of a rule by dimension.
SLICED = {
    "orders": (ORDERS, 0),
    "paid": (PAID, PAID_SHIFT),
    "groups": (GROUPS, 0),
    "age": (BIRTHDAY, 0),
    "added_days": (ADDED, 0),
    "paid_days": (PAID_DAY, 0),
    "message_days": (MESSAGE_DAY, 0),
    "fact_days": (FACT_DAY, 0),
}


@dataclass(frozen=True)
class Column:
    """One column of the customers' rows: its dimension, an SQL expression, sliced or by value."""

    dim: int
    sql: str
    is_sliced: bool = False


def _day(column: str) -> str:
    """Days are numbered from 1 January of year 1, as Python does; 0 is none."""
    return f"coalesce(({column} at time zone %(zone)s)::date - date '0001-01-01' + 1, 0)"


_STAGE = "case stage " + " ".join(f"when '{s}' then {n}" for n, s in enumerate(STAGES)) + " end"

COLUMNS = (
    Column(ALL, "0"),
    Column(
        FRIEND,
        "case when is_friend then 0 when friend_since is not null then 1 else 2 end",
    ),
    Column(CHANNEL, "coalesce(channel_id, 0)"),
    Column(STAGE, _STAGE),
    Column(GENDER, "gender"),
    Column(CITY, "coalesce(city_word.id, 0)"),
    Column(ORDERS, "order_count + 1", is_sliced=True),
    Column(PAID, f"paid_cents + {PAID_SHIFT} + 1", is_sliced=True),
    Column(GROUPS, "group_count + 1", is_sliced=True),
    Column(BIRTHDAY, "coalesce(birthday - date '0001-01-01' + 1, 0)", is_sliced=True),
    Column(ADDED, _day("friend_since"), is_sliced=True),
    Column(PAID_DAY, _day("last_paid_at"), is_sliced=True),
    Column(MESSAGE_DAY, _day("last_message_at"), is_sliced=True),
    Column(FACT_DAY, _day("last_fact_at"), is_sliced=True),
)

ROWS = f"""
select crm_customer.id::bigint, {", ".join(f"({c.sql})::bigint" for c in COLUMNS)}
from crm_customer
left join analytics_segmentword city_word
       on city_word.dim = 'city' and city_word.word = crm_customer.city
where {{only}}
"""  # noqa: S608 - nothing but the constants above

# (dimension, query): pairs of value and customer, possibly several per customer.
PAIRS = (
    (TAG, "select unnest(tag_ids)::bigint, id from crm_customer where {only}"),
    (
        GROUP,
        """select distinct m.group_id, m.customer_id from crm_membership m
           join crm_group g on g.id = m.group_id and g.dismissed_at is null
           where m.left_at is null and {only}""",
    ),
    (
        AGENT,
        "select agent_id, customer_id from crm_contact where status = 'active' and {only}",
    ),
    (KNOWN, "select agent_id, customer_id from crm_contact where {only}"),
    (
        TRIP_START,
        """select distinct (start_on - date '0001-01-01' + 1)::bigint, customer_id from crm_order
           where status in ('paid', 'completed') and start_on is not null and {only}""",
    ),
    (
        TRIP_RETURN,
        """select distinct (end_on - date '0001-01-01' + 1)::bigint, customer_id from crm_order
           where status in ('paid', 'completed') and end_on is not null and {only}""",
    ),
)
CUSTOMER_COLUMN = {TAG: "id", GROUP: "m.customer_id"}

NEW_WORDS = """
insert into analytics_segmentword (dim, word)
select distinct 'city', city from crm_customer where city <> '' and {only}
on conflict do nothing
"""
