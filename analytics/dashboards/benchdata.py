"""A company for `bench pages`: customers, relations, groups, facts and orders, made in SQL."""

from django.db import connection
from django.utils import timezone

from crm.agents.access import Role
from crm.agents.models import Agent, Department, User
from crm.customers.models import Channel, Tag, TagGroup
from crm.groups.models import Group
from crm.shared.text import search_terms, sort_key
from crm.timeline.queries import KIND_IDS

FAMILY = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜"
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华文玉兰萍红建国志云鹏飞宇欣怡梓涵"
NAMES = 20_000
AGENTS, TEAMS, GROUPS, CHANNELS, TAGS = 60, 6, 150, 12, 80

_CUSTOMERS = """
insert into crm_customer (id, external_userid, customer_no, name, name_sort, search, avatar, gender,
    phone, city, birthday, channel_id, stage, is_friend, friend_since, tag_ids, group_count,
    order_count, paid_cents, last_paid_at, last_message_at, last_fact_at, origin, known_since,
    created_at, updated_at)
select n, 'wm' || n, 'C' || lpad(n::text, 9, '0'), names.name, names.sort, names.search, '', n %% 3,
       '138' || lpad((n %% 100000000)::text, 8, '0'), '城市' || n %% 40,
       date '1950-01-01' + (n::bigint * 7919 %% 20000)::integer, channels[1 + n %% %(channels)s],
       (array['acquaintance', 'familiarity', 'warmth', 'fatigue', 'win_back'])[1 + n %% 5],
       n %% 10 < 8,
       %(now)s - (n * 31 %% 400) * interval '1 day' - (n %% 86400) * interval '1 second',
       array[tags[1 + n %% 80], tags[1 + n * 13 %% 80]]::integer[], (n %% 7 = 0)::integer,
       (n %% 3 = 0)::integer, (n %% 3 = 0)::integer * (10000 + n %% 900000),
       case when n %% 3 = 0 then %(now)s - (n %% 200) * interval '1 day' end,
       %(now)s - (n %% 90) * interval '1 day', %(now)s - (n %% 90) * interval '1 day', 'bench',
       %(now)s - interval '400 days', %(now)s, %(now)s
from generate_series(1, %(people)s) n
join bench_name names on names.id = n %% %(names)s,
     (select array_agg(id order by id) channels from crm_channel) c,
     (select array_agg(id order by id) tags from crm_tag) t
"""
_CONTACTS = """
insert into crm_contact (customer_id, agent_id, status, added_at, ended_at, add_way, state,
    channel_id, remark, description, created_at, updated_at)
select c.id, agents[1 + c.id %% %(agents)s],
       case when c.is_friend then 'active' else 'deleted_by_customer' end, c.friend_since,
       case when c.is_friend then null else %(now)s end, 1, '', c.channel_id, '', '', %(now)s,
       %(now)s
from crm_customer c, (select array_agg(id order by id) agents from crm_agent) a
"""
_FACTS = """
insert into crm_fact (customer_id, kind_id, at, recorded_at, agent_id, channel_id, amount_cents,
    source, source_key, properties)
select c.id, {kind}, {at}, %(now)s, agents[1 + c.id %% %(agents)s], c.channel_id, {amount},
       'bench', '{kind}:' || c.id, '{{}}'
from crm_customer c, (select array_agg(id order by id) agents from crm_agent) a
where {only}
"""
_ORDERS = """
insert into crm_order (order_no, customer_id, status, paid_at, amount_cents, currency, product,
    destination, start_on, end_on, created_at, updated_at)
select 'O' || id, id, 'paid', last_paid_at, paid_cents, 'CNY', '三亚 5 日', '三亚',
       (last_paid_at + interval '20 days')::date, (last_paid_at + interval '25 days')::date,
       %(now)s, %(now)s
from crm_customer where order_count > 0
"""
_STAYS = """
insert into crm_membership (group_id, userid, customer_id, nickname, joined_at, join_scene, state,
    invited_by, created_at, updated_at)
select groups[1 + (c.id / 7) %% %(groups)s], 'wm' || c.id, c.id, '', c.friend_since, 3, '', '',
       %(now)s, %(now)s
from crm_customer c, (select array_agg(id order by id) groups from crm_group) g
where c.id %% 7 = 0 and c.id <= %(groups)s * 7 * 180
"""
_KINDS = (
    # kind, when, amount, whose
    ("friend_added", "c.friend_since", "null", "true"),
    ("message_received", "c.last_message_at - interval '2 hours'", "null", "c.id % 2 = 0"),
    ("message_sent", "c.last_message_at - interval '1 hour'", "null", "c.id % 4 = 0"),
    ("retained", "c.friend_since + interval '7 days'", "null", "c.id % 10 < 7"),
    ("group_joined", "c.friend_since + interval '2 days'", "null", "c.id % 7 = 0"),
    ("order_paid", "c.last_paid_at", "c.paid_cents", "c.order_count > 0"),
    ("friend_deleted_by_customer", "c.last_message_at", "null", "not c.is_friend"),
)


def make_company(people: int) -> list[User]:
    """Fill an empty database; returns an operator, a manager of all and a lead of one team."""
    now = timezone.now()
    root = Department.objects.create(wecom_id=1, name="公司", path="/1/")
    teams = [
        Department.objects.create(wecom_id=n, name=f"团队{n}", parent=root, path=f"/1/{n}/")
        for n in range(2, TEAMS + 2)
    ]
    for n in range(AGENTS):
        Agent.unsafe_all.create(userid=f"a{n}", name=f"顾问{n}", department=teams[n % TEAMS])
    for n in range(CHANNELS):
        Channel.objects.create(code=f"c{n}", name=f"渠道{n}")
    shelf = TagGroup.objects.create(wecom_id="etGroup", name="偏好")
    Tag.objects.bulk_create(
        Tag(wecom_id=f"et{n}", name=f"标签{n}", group=shelf) for n in range(TAGS)
    )
    owner = Agent.unsafe_all.first()
    for n in range(GROUPS):
        Group.unsafe_all.create(chat_id=f"wr{n}", name=f"群{n}", owner=owner, opened_at=now)
    _make_names()
    _fill(people, {"now": now, "people": people})
    users = []
    for role, departments in ((Role.OPERATOR, []), (Role.MANAGER, [root]), (Role.LEAD, [teams[0]])):
        user = User.objects.create(username=f"bench_{role}", role=role)
        user.departments.set(departments)
        users.append(user)
    return users


def _make_names() -> None:
    names = [
        f"{FAMILY[n % len(FAMILY)]}{GIVEN[n // 7 % len(GIVEN)]}{GIVEN[n // 311 % len(GIVEN)]}"
        for n in range(NAMES)
    ]
    with connection.cursor() as cursor:
        cursor.execute("create table bench_name (id integer, name text, sort text, search text[])")
        with cursor.copy("copy bench_name from stdin") as copy:
            for n, name in enumerate(names):
                copy.write_row((n, name, sort_key(name), search_terms(name)))


def _fill(people: int, values: dict) -> None:
    values |= {"names": NAMES, "agents": AGENTS, "channels": CHANNELS, "groups": GROUPS}
    with connection.cursor() as cursor:
        for statement in (_CUSTOMERS, _CONTACTS, _ORDERS, _STAYS):
            cursor.execute(statement, values)
        for kind, at, amount, only in _KINDS:
            places = {"at": at, "amount": amount, "only": only.replace("%", "%%")}
            cursor.execute(_FACTS.format(kind=KIND_IDS[kind], **places), values)
        cursor.execute("select setval('crm_customer_id_seq', %s)", [people])
        cursor.execute(
            "update crm_group set customer_count = (select count(*) from crm_membership m"
            " where m.group_id = crm_group.id)"
        )
        cursor.execute("vacuum analyze")
