"""What an answer says, worked out by hand; the same on page, in file, API and command."""

import json
from datetime import timedelta
from io import StringIO

import plotly.graph_objects as go
import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.charts.rates import Rate
from analytics.events.live import LiveSource
from analytics.funnels.charts import funnel_chart
from analytics.funnels.engine import answer, people
from analytics.funnels.parsing import FIELDS, parse_as_of, parse_steps, parse_window, question_from
from analytics.funnels.question import QuestionRefused
from crm.agents.access import Role
from crm.audiences.models import Audience, AudienceMember
from tests import factories

pytestmark = pytest.mark.django_db

STEPS = "friend_added,group_joined,order_paid"


@pytest.fixture(autouse=True)
def _own_columns(settings, tmp_path):
    settings.COLUMNS_DIR = tmp_path / "columns"


def customer_who(agent=None, channel=None, **days):
    customer = factories.make_friend(agent) if agent else factories.make_customer()
    for kind, day in days.items():
        own = {"channel_id": channel.pk} if channel and kind == "friend_added" else {}
        own |= {"agent_id": agent.pk} if agent and kind == "friend_added" else {}
        factories.make_fact(customer, kind, day, **own)
    return customer


def ask(**values):
    question = question_from({"steps": STEPS, "window": "10d", **values})
    return answer(question, LiveSource())


def states(step):
    return (step.reached, step.converted, step.dropped, step.open)


def test_every_step_splits_into_three_states():
    customer_who(friend_added=0, group_joined=1, order_paid=2)
    customer_who(friend_added=0, group_joined=1, order_paid=11)
    customer_who(friend_added=5, group_joined=6)
    customer_who(friend_added=0)
    customer_who(group_joined=0)
    found = ask(as_of="2026-11-13")
    assert [states(step) for step in found.steps] == [(4, 3, 1, 0), (3, 1, 1, 1), (1, 1, 0, 0)]
    assert [step.median_seconds for step in found.steps] == [0, 86_400, 2 * 86_400]
    assert found.steps[2].of_first == Rate(1, 4)
    assert found.steps[2].of_previous == Rate(1, 3)


def test_every_number_lists_exactly_its_people():
    done = customer_who(friend_added=0, group_joined=1, order_paid=2)
    gone = customer_who(friend_added=0, group_joined=1)
    waiting = customer_who(friend_added=8)
    question = question_from({"steps": STEPS, "window": "10d", "as_of": "2026-11-15"})
    expected = {
        (1, "reached"): [done, gone, waiting],
        (1, "converted"): [done, gone],
        (1, "open"): [waiting],
        (1, "dropped"): [],
        (2, "dropped"): [gone],
        (3, "reached"): [done],
        (3, "converted"): [done],
        (3, "open"): [],
    }
    for (step, state), customers in expected.items():
        found = people(question, LiveSource(), step=step, state=state)
        assert found.tolist() == sorted(customer.pk for customer in customers)


def test_breakdowns_take_the_value_as_of_the_entry_and_add_up():
    spring, autumn = factories.make_channel(code="spring"), factories.make_channel(code="autumn")
    team = factories.make_department(name="一队")
    agent = factories.make_agent(department=team)
    customer_who(agent, spring, friend_added=0, group_joined=1)
    twice = customer_who(agent, spring, friend_added=0)
    factories.make_fact(twice, "friend_added", 20, channel_id=autumn.pk)
    factories.make_fact(twice, "group_joined", 21)
    recorded = factories.make_customer(channel=autumn)
    factories.make_fact(recorded, "friend_added", 3)
    customer_who(friend_added=8)
    cells = {
        name: {
            tuple(value.key for value in cell.values): [step.reached for step in cell.steps]
            for cell in ask(breakdown=name).cells
        }
        for name in ("channel", "team", "week", "channel,week", "stage")
    }
    assert cells["channel"] == {("spring",): [1, 1, 0], ("autumn",): [2, 1, 0], ("",): [1, 0, 0]}
    assert cells["team"] == {(str(team.wecom_id),): [2, 2, 0], ("",): [2, 0, 0]}
    assert cells["week"] == {
        ("2026-10-26",): [1, 1, 0],
        ("2026-11-02",): [1, 0, 0],
        ("2026-11-09",): [1, 0, 0],
        ("2026-11-16",): [1, 1, 0],
    }
    assert cells["channel,week"][("autumn", "2026-11-16")] == [1, 1, 0]
    assert cells["stage"] == {("acquaintance",): [4, 2, 0]}


def test_a_filter_leaves_everybody_else_out_and_times_follow():
    spring, autumn = factories.make_channel(code="spring"), factories.make_channel(code="autumn")
    customer_who(None, spring, friend_added=0, group_joined=1)
    customer_who(None, autumn, friend_added=0, group_joined=9)
    found = ask(filters={"channel": ["spring"]}, breakdown="week")
    assert [step.reached for step in found.steps] == [1, 1, 0]
    assert found.steps[1].median_seconds == 86_400
    assert sum(cell.steps[0].reached for cell in found.cells) == 1


def test_cohort_dates_are_whole_days_of_the_corporation():
    # 10:00 in Shanghai on 1 November; day 0.58 is 23:55, day 0.59 the day after.
    customer_who(friend_added=0.58)
    customer_who(friend_added=0.59)
    assert ask(**{"from": "2026-11-01", "to": "2026-11-01"}).steps[0].reached == 1
    assert ask(**{"from": "2026-11-02", "to": "2026-11-02"}).steps[0].reached == 1
    assert ask(**{"from": "2026-11-01", "to": "2026-11-02"}).steps[0].reached == 2


def test_without_an_as_of_date_windows_are_measured_at_the_data_time():
    customer_who(friend_added=0)
    assert states(ask().steps[0]) == (1, 0, 0, 1)
    customer_who(friend_added=20)
    assert states(ask().steps[0]) == (2, 0, 1, 1)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"steps": ""}, "steps"),
        ({"steps": ["friend_added"] * 40}, "steps"),
        ({"steps": "friend_added,no_such_thing"}, "steps"),
        ({"steps": "friend_added["}, "steps"),
        ({"steps": "friend_added[amount]"}, "steps"),
        ({"steps": [3]}, "steps"),
        ({"steps": "friend_added\x00"}, "steps"),
        ({"window": "0s"}, "window"),
        ({"window": 0}, "window"),
        ({"window": "soon"}, "window"),
        ({"window": "999999999d"}, "window"),
        ({"order": "sideways"}, "order"),
        ({"entry": "last"}, "entry"),
        ({"from": "2026-11-02", "to": "2026-11-01"}, "from"),
        ({"from": "yesterday"}, "from"),
        ({"from": "0001-01-01"}, "from"),
        ({"as_of": "1999-01-01"}, "as_of"),
        ({"as_of": 7}, "as_of"),
        ({"breakdown": "weather"}, "breakdown"),
        ({"breakdown": ["channel", "agent", "week"]}, "breakdown"),
        ({"breakdown": "stage@last"}, "breakdown"),
        ({"breakdown": "property:platform@9"}, "breakdown"),
        ({"breakdown": "property:"}, "breakdown"),
        ({"unit": "team"}, "unit"),
        ({"unit": "property:session", "breakdown": "stage"}, "breakdown"),
        ({"unit": "property:session", "filters": {"stage": ["warmth"]}}, "filters"),
        ({"count": "most"}, "count"),
        ({"count": "totals", "entry": "first"}, "entry"),
        ({"compare": "previous"}, "from"),
        ({"compare": "previous", "from": "2026-11-01"}, "to"),
        ({"compare": "tomorrow"}, "compare"),
        ({"step_window": "0s"}, "step_window"),
        ({"step_window": "1d,2d,3d"}, "step_window"),
        ({"min_gap": "6d"}, "min_gap"),
        ({"min_gap": "2d", "step_window": "1d"}, "min_gap"),
        ({"window": "0s", "min_gap": "1s"}, "window"),
        ({"steps": "friend_added", "step_window": "1d"}, "step_window"),
        ({"exclude": "unfriended@2-2"}, "exclude"),
        ({"exclude": "unfriended@1-4"}, "exclude"),
        ({"exclude": "group_joined"}, "exclude"),
        ({"exclude": "x["}, "exclude"),
        ({"steps": "friend_added", "exclude": "unfriended"}, "exclude"),
        ({"order": "any", "min_gap": "1s"}, "min_gap"),
        ({"order": "any", "exclude": "unfriended"}, "exclude"),
        ({"hold": "x" * 65}, "hold"),
        ({"filters": ["channel"]}, "filters"),
        ({"filters": {"week": ["2026-11-02"]}}, "filters"),
        ({"filters": {"channel": ["nowhere"]}}, "filters"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_impossible_questions_name_the_field(values, field):
    customer_who(friend_added=0)
    with pytest.raises(QuestionRefused) as refusal:
        ask(**values)
    assert refusal.value.field == field
    assert str(refusal.value)


def test_steps_windows_and_moments_are_read_as_written():
    steps = parse_steps("a, b[amount>=2000,city=大理] ,c")
    assert [str(step) for step in steps] == ["a", "b[amount>=2000,city=大理]", "c"]
    assert [parse_window(text) for text in ("30d", "12h", "90m", "10s", "45", "2w")] == [
        2_592_000, 43_200, 5_400, 10, 45, 1_209_600,
    ]  # fmt: skip
    assert str(parse_steps("a[city in 大理|丽江]")[0]) == "a[city in 大理|丽江]"
    assert parse_as_of("2026-11-01").isoformat() == "2026-11-01T15:59:59.999999+00:00"
    assert parse_as_of("2026-11-01T09:30").isoformat() == "2026-11-01T09:30:00+08:00"


def test_every_option_is_read_and_written_alike():
    question = question_from(
        {
            "steps": "a,b[x in 1|2],c", "step_window": "1d,2d", "min_gap": "1h", "order": "strict",
            "exclude": "x,y[z=1]@1-2", "hold": "city", "count": "totals", "compare": "previous",
            "unit": "property:session_id", "from": "2026-11-01", "to": "2026-11-07",
            "breakdown": "property:platform@last,agent@2", "value": "price",
            "filters": {"property:city": ["大理"]},
        }
    )  # fmt: skip
    assert question.window == 3 * 86_400
    assert question.longest_gaps == (86_400, 2 * 86_400)
    assert question.shortest_gaps == (3_600, 3_600)
    assert question_from(json.loads(json.dumps(question.as_json()))) == question
    before = question.previous(parse_as_of("2026-11-10"))
    assert (str(before.since), str(before.until)) == ("2026-10-25", "2026-10-31")
    assert before.as_of == parse_as_of("2026-11-03")


def test_a_rate_has_the_wilson_interval_and_no_data_is_no_rate():
    assert [round(limit, 4) for limit in Rate(15, 148).interval] == [0.0624, 0.1605]
    assert Rate(0, 0).value is None
    assert Rate(0, 0).interval is None
    assert Rate(5, 5).high == 1


def funnel_command(*options):
    out = StringIO()
    call_command("funnel", *options, stdout=out)
    return json.loads(out.getvalue().splitlines()[-1])


def test_page_file_api_and_command_say_the_same(client):
    channel = factories.make_channel(code="spring")
    customer_who(None, channel, friend_added=0, group_joined=1, order_paid=2)
    customer_who(friend_added=0, group_joined=1)
    client.force_login(factories.make_user(Role.OPERATOR))
    values = {"steps": STEPS, "window": "10d", "breakdown": "channel", "as_of": "2026-11-20"}
    by_api = client.post(
        reverse("analytics:funnels:api"), values, content_type="application/json"
    ).json()
    by_command = funnel_command(
        "--steps", STEPS, "--window", "10d", "--breakdown", "channel", "--as-of", "2026-11-20",
        "--json",
    )  # fmt: skip
    numbers = [
        [(step["step"], step["reached"], step["dropped"]) for step in body["steps"]]
        for body in (by_api, by_command)
    ]
    assert numbers[0] == numbers[1]
    assert numbers[0] == [("friend_added", 2, 0), ("group_joined", 2, 1), ("order_paid", 1, 0)]
    assert [cell["cell"] for cell in by_api["cells"]] == [{"channel": ""}, {"channel": "spring"}]
    page = client.get(reverse("analytics:funnels:funnel"), values)
    assert [row.reached.value for row in page.context["rows"]] == [2, 2, 1]
    file = client.get(reverse("analytics:funnels:export"), values)
    lines = b"".join(file.streaming_content).decode().splitlines()
    assert [line.split(",")[3] for line in lines[1:4]] == ["2", "2", "1"]
    assert len(lines) == 1 + 3 + 2 * 3


def test_levels_are_named_by_customer_number():
    one = customer_who(friend_added=0, group_joined=1)
    two = customer_who(order_paid=1)
    body = funnel_command("--steps", STEPS, "--window", "10d", "--levels", "--json")
    assert body["levels"] == {one.customer_no: 2, two.customer_no: 0}


def test_the_command_names_the_field_it_refuses():
    with pytest.raises(CommandError, match="window"):
        funnel_command("--steps", STEPS, "--window", "soon", "--json")


def people_url(**values):
    query = {"steps": STEPS, "window": "10d", "as_of": "2026-11-20", **values}
    return reverse("analytics:figures:people", args=["funnel"]), query


def test_a_lead_counts_and_opens_the_own_team_only(client):
    company = factories.make_department()
    ours, theirs = (factories.make_department(parent=company) for _ in range(2))
    mine = customer_who(factories.make_agent(department=ours), friend_added=0)
    other = customer_who(factories.make_agent(department=theirs), friend_added=0)
    lead = factories.make_user(Role.LEAD, departments=[ours])
    client.force_login(lead)
    url, query = people_url(step=1, state="reached")
    text = client.get(url, query).content.decode()
    assert mine.name in text
    assert other.name not in text
    api = client.post(
        reverse("analytics:funnels:api"),
        {"steps": STEPS, "levels": True},
        content_type="application/json",
    ).json()
    assert api["steps"][0]["reached"] == 1
    assert api["levels"] == {mine.customer_no: 1}
    client.force_login(factories.make_user(Role.OPERATOR))
    assert "2 位客户" in client.get(url, query).content.decode()


def test_people_come_in_pages_and_in_the_panel(client):
    customers = [customer_who(friend_added=0) for _ in range(51)]
    client.force_login(factories.make_user(Role.OPERATOR))
    url, query = people_url(step=1, state="dropped")
    first = client.get(url, query).context["page"]
    assert (len(first.rows), first.total, first.before) == (50, 51, None)
    second = client.get(url, query | {"after": first.after}, headers={"HX-Request": "true"})
    assert "<html" not in second.content.decode()
    assert [row.id for row in second.context["page"].rows] == [customers[-1].pk]
    back = client.get(url, query | {"before": second.context["page"].before}).context["page"]
    assert [row.id for row in back.rows] == [row.id for row in first.rows]


def test_the_people_of_a_number_become_an_audience(client):
    lost = customer_who(friend_added=0)
    customer_who(friend_added=0, group_joined=1)
    user = factories.make_user(Role.OPERATOR)
    client.force_login(user)
    _url, query = people_url(step=1, state="dropped", audience_name="没入群的人")
    client.post(reverse("analytics:figures:save_audience", args=["funnel"]), query)
    [audience] = Audience.unsafe_all.all()
    assert (audience.name, audience.created_by, audience.customer_count) == ("没入群的人", user, 1)
    assert list(AudienceMember.objects.values_list("customer_id", flat=True)) == [lost.pk]
    assert audience.question["figure"] == {"step": 1, "state": "dropped", "cell": {}}


def test_nobody_becomes_no_audience(client):
    customer_who(friend_added=0)
    client.force_login(factories.make_user(Role.OPERATOR))
    _url, query = people_url(step=2, state="dropped", audience_name="空")
    response = client.post(reverse("analytics:figures:save_audience", args=["funnel"]), query)
    assert response.status_code == 422
    assert not Audience.unsafe_all.exists()


def test_the_page_opens_with_the_standard_journey_of_ninety_days(client):
    customer = factories.make_customer()
    yesterday = timezone.now() - timedelta(days=1)
    factories.make_fact(customer, "friend_added", yesterday)
    client.force_login(factories.make_user(Role.MANAGER, departments=[factories.make_department()]))
    response = client.get(reverse("analytics:funnels:funnel"))
    assert [row.event for row in response.context["form"].step_rows()][:6] == [
        "friend_added", "group_joined", "retained", "active", "order_paid", "repeat_order",
    ]  # fmt: skip
    assert response.context["rows"][0].reached.value == 1
    assert response.context["rows"][0].open.value == 1


def test_a_wrong_question_keeps_what_was_typed_and_says_why(client):
    client.force_login(factories.make_user(Role.OPERATOR))
    response = client.get(
        reverse("analytics:funnels:funnel"), {"steps": "friend_added", "window": "soon"}
    )
    assert response.status_code == 422
    text = response.content.decode()
    assert "看不懂转化窗口「soon」" in text
    assert 'value="soon"' in text


@pytest.mark.parametrize(
    "query",
    [
        {"step": "x"},
        {"step": "9", "state": "reached"},
        {"step": "1", "state": "lost"},
        {"step": "1", "cell_week": "2026-11-02"},
        {"step": "1", "after": "x" * 30},
        {},
    ],
)
def test_a_number_that_cannot_be_opened_is_no_crash(client, query):
    customer_who(friend_added=0)
    client.force_login(factories.make_user(Role.OPERATOR))
    url, question = people_url(**query)
    assert client.get(url, question).status_code in (200, 422)


@pytest.mark.parametrize(
    "body",
    ["[]", "3", "null", '"x"', "{}", '{"steps": {"a": 1}}', '{"steps": ["\\ud800"]}', "{",
     '{"steps": ["friend_added[a=\\u0000]"]}', '{"steps": "friend_added", "levels": 3}',
     '{"steps": "friend_added", "filters": {"channel": [1]}}',
     '{"steps": "friend_added", "breakdown": [[1]]}', '{"steps": "friend_added", "window": [1]}'],
)  # fmt: skip
def test_malformed_bodies_get_one_clear_error(client, body):
    client.force_login(factories.make_user(Role.OPERATOR))
    response = client.post(reverse("analytics:funnels:api"), body, content_type="application/json")
    assert response.status_code in (400, 422)
    assert response.json()["error"]


def test_an_agent_has_no_funnel(client):
    client.force_login(factories.make_user(Role.AGENT))
    assert client.get(reverse("analytics:funnels:funnel")).status_code == 403


def test_the_chart_is_a_figure_that_plotly_accepts():
    customer_who(friend_added=0, group_joined=1)
    figure = funnel_chart(ask().steps, lambda step, state: f"/people/?step={step}&state={state}")
    assert len(go.Figure(figure).data) == 3


words = st.text(max_size=12)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
plausible = st.sampled_from(
    ["a", "a,b[x=1]", "30d", "ordered", "any", "2026-11-01", "channel", ["a"], {"channel": "x"}]
)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.dictionaries(st.sampled_from(FIELDS), anything | plausible))
def test_whatever_is_asked_is_a_question_or_a_clear_refusal(values):
    try:
        question = question_from(values)
    except QuestionRefused as refusal:
        assert refusal.field
        assert str(refusal)
    else:
        assert question_from(question.as_json()) == question
