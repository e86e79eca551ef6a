"""Columns of choice and saved views: the page, the address and the file say the same."""

import csv
import io

import pytest
from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from crm.agents.access import Role
from crm.customers import columns, saved_views
from crm.customers.models import Customer, SavedView
from crm.customers.saved_views import ViewRefused, save_view
from crm.fields.actions import set_values
from crm.fields.models import Field
from tests.factories import make_agent, make_friend, make_user

pytestmark = pytest.mark.django_db
LIST = reverse("crm:customers:list")


@pytest.fixture
def operator(client):
    user = make_user(Role.OPERATOR)
    client.force_login(user)
    return user


@pytest.fixture
def friend(operator):
    one = make_friend(make_agent(), name="阿珍", city="上海")
    Field.objects.create(key="diet", label="忌口", kind="text")
    set_values(customer=one, values={"diet": "花生"}, source="api", by=operator, now=timezone.now())
    return one


def heads(response) -> list[str]:
    return [str(column.label) for column in response.context["columns"]]


def words(response) -> list[object]:
    [(_row, cells)] = response.context["rows"]
    return [cell.value for cell in cells]


def test_the_address_names_the_columns_and_their_order(client, friend):
    usual = client.get(LIST)
    assert len(heads(usual)) == len(columns.DEFAULT)
    chosen = client.get(LIST, {"col": ["city", "field.diet", "gone", "city", "phone"]})
    assert heads(chosen) == ["城市", "忌口", "手机号"]
    assert words(chosen)[:2] == ["上海", "花生"]
    assert "忌口" in chosen.content.decode()
    assert heads(client.get(LIST, {"col": "gone"})) == heads(usual)


def test_a_field_that_is_out_of_use_is_no_column(client, friend):
    Field.objects.update(is_active=False)
    page = client.get(LIST, {"col": ["field.diet", "city"]})
    assert heads(page) == ["城市"]
    assert "花生" not in page.content.decode()


def test_the_file_has_the_columns_of_the_page(client, friend):
    asked = {"col": ["field.diet", "paid"]}
    Customer.unsafe_all.update(paid_cents=123_45)
    response = client.get(reverse("crm:customers:export"), asked)
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    head, row = csv.reader(io.StringIO(text))
    assert head == ["客户编号", "昵称", "忌口", "累计付款（元）", "是好友"]
    assert row[1:] == ["阿珍", "花生", "123.45", "是"]


def test_own_columns_cost_one_more_question_for_any_number_of_rows(
    client, friend, django_assert_max_num_queries, operator
):
    def count(**asked) -> int:
        with django_assert_max_num_queries(60) as told:
            client.get(LIST, asked)
        return len(told)

    count(col="city")  # The first page of a process asks more.
    few = count(col=["field.diet", "city"])
    for n in range(10):
        other = make_friend(make_agent(), name=f"{n}")
        said = {"customer": other, "values": {"diet": "蛋"}, "source": "api", "by": operator}
        set_values(**said, now=timezone.now())
    assert count(col=["field.diet", "city"]) == few


@given(codes=st.lists(st.sampled_from([*columns.DEFAULT, "city", "gone", ""]), max_size=40))
def test_whatever_is_asked_each_column_stands_on_one_side_once(codes):
    query = QueryDict(mutable=True)
    query.setlist(columns.PARAM, codes)
    shown, others = columns.chosen(query)
    both = [column.code for column in (*shown, *others)]
    assert sorted(both) == sorted(column.code for column in columns.all_columns())
    again = QueryDict(mutable=True)
    for name, code in columns.encoded(shown):
        again.appendlist(name, code)
    assert columns.chosen(again)[0] == shown


def saved(client, name="海岛", **given):
    query = "stage=warmth&sort=-paid&col=city&col=paid&after=x&q=阿珍"
    return client.post(reverse("crm:customers:save_view"), {"name": name, "query": query} | given)


def test_a_view_brings_conditions_order_and_columns_back(client, operator, friend):
    Customer.unsafe_all.update(stage="warmth")
    answer = saved(client)
    view = SavedView.unsafe_all.get()
    assert (view.owner, view.query) == (operator, "stage=warmth&sort=-paid&col=city&col=paid")
    page = client.get(answer["Location"])
    assert heads(page) == ["城市", "累计付款"]
    assert page.context["narrowed"]
    assert [tab["label"] for tab in page.context["tabs"] if tab["current"]] == ["海岛"]
    assert not page.context["view_changed"]
    changed = client.get(answer["Location"] + "&tag=1")
    assert changed.context["view_changed"]
    # Whoever clears the conditions keeps the columns.
    assert page.context["clear_href"] == "?col=city&col=paid"


def test_a_view_belongs_to_its_owner_and_is_seen_where_it_is_shared(client, operator):
    saved(client)
    saved(client, name="大家的", is_shared="on")
    own = SavedView.unsafe_all.get(is_shared=False)
    shared = SavedView.unsafe_all.get(is_shared=True)
    client.force_login(make_user(Role.MANAGER))
    assert [tab["label"] for tab in client.get(LIST).context["tabs"]] == ["全部", "大家的"]
    for view in (own, shared):
        for name in ("change_view", "delete_view"):
            url = reverse(f"crm:customers:{name}", args=[view.pk])
            assert client.post(url, {"name": "x"}).status_code == 404
    client.force_login(operator)
    url = reverse("crm:customers:change_view", args=[shared.pk])
    client.post(url, {"name": "我的", "query": "friend=lost"})
    shared.refresh_from_db()
    assert (shared.name, shared.query, shared.is_shared) == ("我的", "friend=lost", False)
    client.post(reverse("crm:customers:delete_view", args=[shared.pk]))
    assert SavedView.unsafe_all.get() == own


def test_what_cannot_be_kept_is_said_and_the_list_stays(client, operator, monkeypatch):
    for name, words_said in (("", "请填写名称"), ("长" * 33, "最多 32 字")):
        answer = client.post(
            reverse("crm:customers:save_view"), {"name": name, "query": "friend=lost"}, follow=True
        )
        assert words_said in answer.content.decode()
        assert answer.context["narrowed"]
    saved(client)
    assert "同名" in client.get(saved(client)["Location"]).content.decode()
    monkeypatch.setattr(saved_views, "MOST", 1)
    assert "最多存 1 个" in client.get(saved(client, name="更多")["Location"]).content.decode()
    assert SavedView.unsafe_all.count() == 1
    agent = make_user(Role.AGENT)
    with pytest.raises(ViewRefused, match="主管、运营和经理"):
        save_view(name="x", query="", is_shared=True, by=agent, now=timezone.now())
