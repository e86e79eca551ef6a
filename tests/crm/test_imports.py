"""Files in: all rows or none, the same file twice changes nothing, nothing is ever half done."""

import csv
import io
import json
import zipfile
from datetime import date, datetime

import openpyxl
import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from crm.agents.access import Role
from crm.catalog.actions import refresh_order_totals
from crm.catalog.models import Order, Route
from crm.customers.models import Customer
from crm.imports import actions, limits
from crm.imports.files import take_in
from crm.imports.models import FileImport, ImportMapping
from crm.imports.refusals import FileRefused
from crm.jobs.models import Job
from crm.timeline.models import Fact, FactKind
from tests.factories import (
    at,
    make_agent,
    make_channel,
    make_customer,
    make_friend,
    make_group,
    make_order,
    make_user,
)

ORDERS = "order_id,customer_id,status,paid_at,amount\n"
NOW = at(30)


@pytest.fixture
def write(tmp_path):
    """Write a file and give its path; text goes in the given encoding."""

    def put(content, name="file.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return put


def take(path, kind, **options):
    return take_in(path, kind, **{"now": NOW} | options)


def problems(path, kind):
    found = take(path, kind).outcome.problems
    return [(problem.line, problem.field, problem.code) for problem in found]


def kinds_of(customer):
    rows = Fact.unsafe_all.filter(customer=customer).order_by("kind_id", "at")
    return list(rows.values_list("kind__code", flat=True))


def order_file(*lines):
    return ORDERS + "\n".join(lines) + "\n"


# --- orders -------------------------------------------------------------------------------------


def test_orders_arrive_with_their_facts_and_open_unknown_people(db, write):
    path = write(
        order_file(
            "O1,C1,paid,2026-11-03 09:05,1234.50",
            "O2,C1,completed,2026-11-05 10:00,99",
            "O3,C2,pending,,120",
        )
    )
    result = take(path, "orders").as_json()
    assert (result["new"], result["people"], result["facts"]) == (3, 2, 3)
    buyer = Customer.unsafe_all.get(customer_no="C1")
    assert (buyer.name, buyer.origin, buyer.is_friend) == ("C1", "import", False)
    assert (buyer.order_count, buyer.paid_cents) == (2, 133_350)
    assert buyer.last_paid_at == buyer.last_fact_at == Order.unsafe_all.get(order_no="O2").paid_at
    assert kinds_of(buyer) == ["order_paid", "order_paid", "repeat_order"]
    assert kinds_of(Customer.unsafe_all.get(customer_no="C2")) == []


def test_the_same_file_twice_changes_nothing(db, write):
    path = write(order_file("O1,C1,paid,2026-11-03,5", "O2,C1,refunded,2026-11-04,7"))
    take(path, "orders")
    before = list(Order.unsafe_all.values()), list(Customer.unsafe_all.values())
    result = take(path, "orders", now=at(40)).as_json()
    assert (result["new"], result["changed"], result["same"], result["facts"]) == (0, 0, 2, 0)
    assert (list(Order.unsafe_all.values()), list(Customer.unsafe_all.values())) == before


def test_a_refund_updates_the_order_and_appends_its_fact(db, write):
    take(write(order_file("O1,C1,paid,2026-11-03,5", "O2,C1,paid,2026-11-04,7")), "orders")
    refunded = "order_id,customer_id,status,amount,refunded_at\nO1,C1,已退款,5,2026-11-06\n"
    result = take(write(refunded), "orders").as_json()
    assert (result["changed"], result["facts"]) == (1, 1)
    buyer = Customer.unsafe_all.get(customer_no="C1")
    assert (buyer.order_count, buyer.paid_cents) == (1, 700)
    assert Order.unsafe_all.get(order_no="O1").paid_at == datetime.fromisoformat(
        "2026-11-03T00:00:00+08:00"
    )
    fact = Fact.unsafe_all.get(source="order", source_key="O1:refunded")
    assert fact.at == datetime.fromisoformat("2026-11-06T00:00:00+08:00")


def test_an_earlier_order_that_comes_later_makes_the_known_one_a_repeat(db, write):
    take(write(order_file("O9,C1,paid,2026-11-09,9")), "orders")
    take(write(order_file("O1,C1,paid,2026-11-01,1")), "orders")
    repeats = Fact.unsafe_all.filter(kind__code="repeat_order")
    assert [fact.source_key for fact in repeats] == ["O9:repeat"]


def test_one_bad_row_refuses_the_whole_file(db, write):
    path = write(
        order_file(
            "O1,C1,paid,2026-11-03,5",
            "O2,C1,paid,sometime,-7",
            "O3,,lost,2026-11-03,1.234",
            "O1,C2,paid,2026-11-03,5",
            "O5,C2,paid,,5",
        )
    )
    assert problems(path, "orders") == [
        (3, "paid_at", "not_a_time"),
        (3, "amount", "negative"),
        (4, "customer_id", "missing"),
        (4, "status", "unknown_status"),
        (4, "amount", "too_precise"),
        (5, "order_id", "duplicate"),
        (6, "paid_at", "paid_without_time"),
    ]
    assert not Order.unsafe_all.exists()
    assert not Customer.unsafe_all.exists()


def test_a_duplicate_names_the_other_row(db, write):
    path = write(order_file("O1,C1,pending,,5", "O1,C1,pending,,5"))
    [problem] = take(path, "orders").outcome.problems
    assert problem.line == 3
    assert "2" in problem.problem


def test_an_order_cannot_end_before_it_starts_nor_change_hands(db, write):
    head = "order_id,customer_id,status,paid_at,amount,start_on,end_on\n"
    path = write(head + "O1,C1,paid,2026-11-03,5,2026-12-05,2026-12-01\n")
    assert problems(path, "orders") == [(2, "end_on", "end_before_start")]
    make_order(make_customer(customer_no="C7"), order_no="O7")
    path = write(order_file("O7,C8,paid,2026-11-03,5"))
    assert problems(path, "orders") == [(2, "customer_id", "other_customers_order")]


def test_a_friend_is_found_by_the_wecom_id(db, write):
    friend = make_friend(make_agent(), customer_no=None, external_userid="wmABC")
    take(write(order_file("O1,wmABC,paid,2026-11-03,5")), "orders")
    assert Order.unsafe_all.get().customer == friend
    assert Customer.unsafe_all.count() == 1


def test_empty_cells_and_absent_columns_erase_nothing(db, write):
    order = make_order(make_customer(customer_no="C1"), order_no="O1", product="三亚 5 日")
    path = write(
        "order_id,customer_id,status,paid_at,amount,product\n"
        f"O1,C1,paid,{order.paid_at.isoformat()},1280.00,\n"
    )
    result = take(path, "orders").as_json()
    assert (result["same"], result["changed"]) == (1, 0)


def test_totals_are_the_same_whether_written_at_once_or_counted_later(db, write):
    path = write(
        "order_id,customer_id,status,paid_at,amount,refunded_at\n"
        "O1,C1,paid,2026-11-03,5,\nO2,C1,refunded,2026-11-01,7,2026-11-09\n"
        "O3,C1,cancelled,,8,\nO4,C2,pending,,9,\nO5,C2,cancelled,,9,\n"
    )
    take(path, "orders")
    names = ["order_count", "paid_cents", "last_paid_at", "last_fact_at", "known_since"]
    people = Customer.unsafe_all.order_by("pk")
    at_once = list(people.values_list(*names))
    people.update(order_count=99, paid_cents=99, last_paid_at=None, last_fact_at=None)
    refresh_order_totals([person.pk for person in people], now=NOW)
    assert list(people.values_list(*names)) == at_once
    assert at_once[0][:2] == (1, 500)


# --- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_files_of_any_usual_encoding_and_separator_are_read(db, write, encoding, separator):
    rows = [["客户编号", "昵称", "手机号", "城市"], ["C1", "王小明𠮷🌊", "138 0013 8000", "杭州"]]
    if encoding == "utf-16":
        rows[1][1] = "王小明"
    content = "\r\n".join(separator.join(row) for row in rows) + "\r\n"
    take(write(content, encoding=encoding), "customers")
    customer = Customer.unsafe_all.get(customer_no="C1")
    assert (customer.name, customer.phone, customer.city) == (rows[1][1], "13800138000", "杭州")
    assert "xiaoming" in customer.name_sort


def test_quoted_newlines_and_separators_stay_in_their_cell(db, write):
    take(write('customer_id,name,city\nC1,"王,\n""小明""",杭州\n'), "customers")
    assert Customer.unsafe_all.get().name == '王,\n"小明"'


def test_a_workbook_is_read_with_dates_numbers_and_text(db, tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["订单号", "客户编号", "订单状态", "付款时间", "金额", "出发日期"])
    paid_at = datetime.fromisoformat("2026-11-03T09:05")
    book.active.append([10001, 20002.0, "已付款", paid_at, 1234.5, date(2026, 12, 1)])
    book.active.append(["O2", "C2", "paid", "2026/11/3 9:05", "¥1,234.50", "2026/12/1"])
    path = tmp_path / "orders.xlsx"
    book.save(path)
    take(path, "orders")
    for order in Order.unsafe_all.all():
        assert order.amount_cents == 123_450
        assert order.paid_at == datetime.fromisoformat("2026-11-03T09:05:00+08:00")
        assert order.start_on == date(2026, 12, 1)
    assert Order.unsafe_all.get(order_no="10001").customer.customer_no == "20002"


def xlsx(**parts):
    """A workbook with the given parts in place of its own."""
    buffer, whole = io.BytesIO(), io.BytesIO()
    openpyxl.Workbook().save(whole)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(buffer, "w", 8) as target:
        for name in source.namelist():
            target.writestr(name, parts.get(name.split("/")[-1], source.read(name)))
        for name, content in parts.items():
            if name not in [known.split("/")[-1] for known in source.namelist()]:
                target.writestr(name, content)
    return buffer.getvalue()


ENTITIES = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]><worksheet>&a;</worksheet>'
BAD_FILES = {
    "nothing": b"",
    "blank lines": b"\n\n\n",
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20,
    "old excel": b"\xd0\xcf\x11\xe0" + b"\x00" * 600,
    "half a zip": b"PK\x03\x04" + b"\x00" * 40,
    "a zip that is no workbook": None,
    "a bomb": xlsx(**{"bomb.xml": b"\x00" * 60_000_000}),
    "entities": xlsx(**{"sheet1.xml": ENTITIES}),
    "broken xml": xlsx(**{"sheet1.xml": b"<worksheet><sheetData><row><c"}),
    "no columns that we know": "甲,乙\n1,2\n".encode(),
    "missing columns": b"order_id,amount\nO1,5\n",
    "two columns of one name": b"order_id,order_id,customer_id,status,amount\n1,1,1,paid,5\n",
    "two columns for one field": "order_id,订单号,customer_id,status,paid_at,amount\n".encode(),
    "an open quote": ORDERS.encode() + b'O1,"C1,paid,2026-11-03,5\n' * 3,
    "text after a quote": ORDERS.encode() + b'"O1"x,C1,paid,2026-11-03,5\n',
    "a cell of ten megabytes": ORDERS.encode() + b"O1," + b"x" * 10_000_000 + b",paid,,5\n",
    "too many columns": b",".join(b"c%d" % n for n in range(300)) + b"\n",
    "bytes of no encoding": b"order_id,customer_id\n\x81\x20\xff\xff\n",
}


def zip_of_text():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("orders.csv", ORDERS)
    return buffer.getvalue()


BAD_FILES["a zip that is no workbook"] = zip_of_text()


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_is_no_table_gets_one_clear_error(db, write, name):
    path = write(BAD_FILES[name])
    if name == "two columns for one field":
        # Only the first is taken; the file has no rows and changes nothing.
        assert take(path, "orders").as_json()["new"] == 0
        return
    with pytest.raises(FileRefused) as refusal:
        take(path, "orders")
    assert str(refusal.value)
    assert not Order.unsafe_all.exists()


def test_limits_hold(db, write, monkeypatch):
    path = write(order_file("O1,C1,pending,,5", "O2,C1,pending,,5"))
    for limit, value in (("MAX_CSV_BYTES", 10), ("MAX_ROWS", 1), ("MAX_CELL", 1)):
        with monkeypatch.context() as patch:
            patch.setattr(limits, limit, value)
            with pytest.raises(FileRefused):
                take(path, "orders")
    assert not Order.unsafe_all.exists()


def test_what_a_spreadsheet_would_run_is_kept_as_text_and_reported_harmless(db, write, tmp_path):
    take(write("customer_id,name\nC1,=1+1\n"), "customers")
    assert Customer.unsafe_all.get().name == "=1+1"
    report = tmp_path / "report.csv"
    path = write(order_file("O1,C1,=cmd|x,2026-11-03,5"))
    with pytest.raises(SystemExit):
        call_command("import", "orders", str(path), report=report, stdout=io.StringIO())
    [_header, row] = csv.reader(io.StringIO(report.read_text("utf-8-sig")))
    assert row[0] == "2" and "(status)" in row[1] and row[2] == "'=cmd|x"


def test_ten_thousand_problems_are_listed_and_the_rest_counted(db, write):
    path = write(order_file(*(f"O{n},C1,lost,,5" for n in range(10_050))))
    found = take(path, "orders").outcome.problems
    assert (found.count, len(found.kept)) == (10_050, 10_000)


# --- customers ----------------------------------------------------------------------------------


def test_customers_keep_what_they_are_told(db, write):
    make_channel(code="wechat-ads")
    path = write(
        "customer_id,name,phone,city,birthday,channel,created_at\n"
        "C1,王芳,13800138000,杭州,1990/5/6,wechat-ads,2025-01-02\n"
    )
    take(path, "customers")
    customer = Customer.unsafe_all.get(customer_no="C1")
    assert customer.birthday == date(1990, 5, 6)
    assert customer.channel.code == "wechat-ads"
    assert customer.known_since == datetime.fromisoformat("2025-01-02T00:00:00+08:00")
    assert (customer.origin, customer.is_friend) == ("import", False)
    assert take(path, "customers").as_json()["same"] == 1


def test_a_unionid_joins_the_row_to_the_friend(db, write):
    friend = make_friend(make_agent(), customer_no=None, unionid="U1", name="小王")
    take(write("customer_id,name,unionid,city\nM1,王芳,U1,杭州\n"), "customers")
    friend.refresh_from_db()
    # The nickname is WeCom's to say; the company's number and city are ours.
    assert (friend.customer_no, friend.name, friend.city) == ("M1", "小王", "杭州")
    assert Customer.unsafe_all.count() == 1


def test_contradicting_evidence_is_refused_with_a_remedy(db, write):
    make_customer(customer_no="M1", unionid="U1")
    make_customer(customer_no="M2", unionid=None)
    head = "customer_id,name,unionid\n"
    assert problems(write(head + "M1,王芳,U9\n"), "customers") == [
        (2, "unionid", "unionid_differs")
    ]
    assert problems(write(head + "M2,王芳,U1\n"), "customers") == [(2, "unionid", "unionid_taken")]
    assert problems(write(head + "M9,王芳,U1\n"), "customers") == [
        (2, "customer_id", "number_differs")
    ]
    assert problems(write(head + "M5,王芳,U5\nM6,王芳,U5\n"), "customers") == [
        (3, "unionid", "same_unionid")
    ]


def test_a_person_named_in_two_ways_is_one_row_only(db, write):
    make_friend(make_agent(), customer_no="M1", external_userid="wmX")
    path = write("customer_id,name\nM1,王芳\nwmX,王芳\n")
    assert problems(path, "customers") == [(3, "customer_id", "same_person")]


# --- events and routes --------------------------------------------------------------------------


EVENTS = "customer_id,event,at,agent_id,page\n"


def test_events_become_facts_and_new_names_are_declared(db, write):
    agent = make_agent(userid="zhang")
    path = write(
        EVENTS + "C1,Brochure_Opened,2026-11-03 09:05,zhang,三亚\nC1,加微,2026-11-01,zhang,\n"
    )
    result = take(path, "events").as_json()
    assert (result["new"], result["new_events"]) == (2, ["brochure_opened"])
    fact = Fact.unsafe_all.get(kind__code="brochure_opened")
    assert (fact.agent, fact.properties) == (agent, {"page": "三亚"})
    assert FactKind.objects.get(code="brochure_opened").id >= 1000
    customer = Customer.unsafe_all.get(customer_no="C1")
    assert "friend_added" in kinds_of(customer)
    assert "retained" in kinds_of(customer)
    assert customer.last_fact_at == fact.at


def test_equal_lines_are_two_events_but_the_same_file_twice_adds_nothing(db, write):
    path = write(EVENTS + "C1,call,2026-11-03,,\nC1,call,2026-11-03,,\n")
    assert take(path, "events").as_json()["new"] == 2
    again = take(path, "events").as_json()
    assert (again["new"], again["same"]) == (0, 2)
    assert Fact.unsafe_all.count() == 2


def test_an_event_number_names_one_event_for_ever(db, write):
    head = "event_id,customer_id,event,at\n"
    path = write(head + "E1,C1,call,2026-11-03\nE1,C1,call,2026-11-03\n")
    result = take(path, "events").as_json()
    assert (result["new"], result["same"]) == (1, 1)
    other = write(head + "E1,C1,call,2026-11-04\n")
    assert problems(other, "events") == [(2, "event_id", "event_id_reused")]
    twice = write(head + "E2,C1,call,2026-11-03\nE2,C2,call,2026-11-03\n")
    assert problems(twice, "events") == [(3, "event_id", "duplicate")]


def test_unknown_agents_and_groups_stay_readable_and_are_counted(db, write):
    group = make_group()
    path = write(
        "customer_id,event,at,agent_id,group_id\n"
        f"C1,call,2026-11-03,nobody,{group.chat_id}\nC1,call,2026-11-04,,wrNone\n"
    )
    result = take(path, "events").as_json()
    assert (result["unknown_agents"], result["unknown_groups"]) == (1, 1)
    first, second = Fact.unsafe_all.filter(kind__code="call").order_by("at")
    assert (first.group, first.properties) == (group, {"agent_id": "nobody"})
    assert second.properties == {"group_id": "wrNone"}


def test_a_column_mistaken_for_event_names_is_refused(db, write):
    path = write(EVENTS + "".join(f"C1,event{n},2026-11-03,,\n" for n in range(300)))
    assert ("too_many_names") in {code for _line, _field, code in problems(path, "events")}
    assert problems(write(EVENTS + "C1,has blank,2026-11-03,,\n"), "events") == [
        (2, "event", "bad_event_name")
    ]


def test_routes_are_kept_at_their_latest_state(db, write):
    path = write(
        "线路编号,线路名称,目的地,天数,价格,出发城市,主题\n"
        "R1,三亚 5 日,三亚,5天,3999,上海,海岛、亲子\n"
    )
    take(path, "routes")
    route = Route.objects.get()
    assert (route.days, route.price_cents, route.themes) == (5, 399_900, ["海岛", "亲子"])
    assert take(path, "routes").as_json()["same"] == 1


# --- the command --------------------------------------------------------------------------------


def run_command(*arguments):
    out = io.StringIO()
    call_command("import", *map(str, arguments), "--json", stdout=out)
    return json.loads(out.getvalue())


def test_the_command_counts_and_a_dry_run_writes_nothing(transactional_db, write):
    path = write("编号,客户,订单状态,付款时间,金额\nO1,C1,paid,2026-11-03,5\n")
    mapping = "编号=order_id,customer_id=客户"
    dry = run_command("orders", path, "--mapping", mapping, "--dry-run")
    assert (dry["new"], dry["applied"]) == (1, False)
    assert not Order.unsafe_all.exists()
    done = run_command("orders", path, "--mapping", mapping)
    assert (done["new"], done["applied"], done["state"]) == (1, True, "done")
    assert Job.unsafe_all.latest("pk").percent == 100


def test_the_command_fails_loudly_and_changes_nothing(transactional_db, write):
    path = write(order_file("O1,C1,paid,never,5"))
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("import", "orders", str(path), stdout=out)
    assert "row 2, paid_at: 'never'" in out.getvalue()
    assert Job.unsafe_all.get().state == Job.State.FAILED
    with pytest.raises(SystemExit):
        call_command("import", "orders", str(write(b"")), stdout=io.StringIO())
    assert not Order.unsafe_all.exists()


# --- the pages ----------------------------------------------------------------------------------


@pytest.fixture
def operator(db, client, settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path / "media")
    user = make_user(Role.OPERATOR)
    client.force_login(user)
    return user


def upload(client, content, *, kind="orders", name="orders.csv"):
    file = io.BytesIO(content if isinstance(content, bytes) else content.encode())
    file.name = name
    return client.post(reverse("crm:imports:upload"), {"kind": kind, "file": file})


def step(client, name, found, data=None):
    return client.post(reverse(f"crm:imports:{name}", args=[found.pk]), data or {})


def work_off(found):
    found.refresh_from_db()
    actions.run_import(found.job_id, now=timezone.now())
    found.refresh_from_db()


def page(client, found):
    return client.get(reverse("crm:imports:detail", args=[found.pk]))


def columns(*names):
    return {f"column_{position}": name for position, name in enumerate(names)}


MATCHED = columns("order_id", "customer_id", "status", "paid_at", "amount")


def test_a_file_is_uploaded_checked_confirmed_and_taken_in_once(operator, client):
    upload(client, order_file("O1,C1,paid,2026-11-03,5"))
    found = FileImport.unsafe_all.get()
    assert found.mapping["order_id"] == "order_id"
    assert "O1" in page(client, found).content.decode()
    step(client, "apply", found)
    assert not Job.unsafe_all.exists()
    step(client, "check", found, MATCHED)
    step(client, "check", found, MATCHED)
    assert Job.unsafe_all.count() == 1
    work_off(found)
    assert "确认后写入" in page(client, found).content.decode()
    assert not Order.unsafe_all.exists()
    step(client, "apply", found)
    step(client, "apply", found)
    work_off(found)
    actions.run_import(found.job_id, now=timezone.now())
    assert Order.unsafe_all.count() == 1
    assert "已导入" in page(client, found).content.decode()
    step(client, "check", found, MATCHED)
    assert Job.unsafe_all.count() == 2


def test_problems_are_shown_and_their_report_is_the_owners_alone(operator, client):
    upload(client, order_file("O1,C1,paid,never,5"))
    found = FileImport.unsafe_all.get()
    step(client, "check", found, MATCHED)
    work_off(found)
    shown = page(client, found).content.decode()
    assert "无法识别的日期或时间" in shown
    report = reverse("crm:jobs:report", args=[found.job_id])
    response = client.get(report)
    assert response["Cache-Control"] == "no-store"
    assert "never" in b"".join(response.streaming_content).decode()
    step(client, "apply", found)
    assert not Order.unsafe_all.exists()
    for role in (Role.OPERATOR, Role.ADMIN):
        client.force_login(make_user(role))
        assert client.get(report).status_code == 404


def test_a_confirmed_mapping_is_remembered_for_the_same_columns(operator, client):
    upload(client, "甲,乙,丙,丁,戊\nO1,C1,paid,2026-11-03,5\n")
    found = FileImport.unsafe_all.get()
    assert found.mapping == {}
    refused = step(client, "check", found, columns("order_id"))
    assert refused.status_code == 422
    step(client, "check", found, MATCHED)
    work_off(found)
    assert ImportMapping.objects.count() == 1
    upload(client, "甲,乙,丙,丁,戊\nO2,C1,paid,2026-11-03,5\n")
    assert FileImport.unsafe_all.latest("pk").mapping["戊"] == "amount"


@pytest.mark.parametrize("name", ["nothing", "a picture", "a bomb", "an open quote"])
def test_a_bad_upload_is_refused_in_words(operator, client, name):
    upload(client, order_file("O1,C1,paid,2026-11-03,5"))
    FileImport.unsafe_all.update(file_name="waits for its columns.csv")
    response = upload(client, BAD_FILES[name])
    assert response.status_code == 422
    assert "waits for its columns.csv" in response.content.decode()
    assert "error-summary" in response.content.decode()
    assert FileImport.unsafe_all.count() == 1


def test_a_file_that_breaks_in_the_middle_is_told_by_its_row(operator, client):
    good = [f"O{n},C1,pending,,5" for n in range(20)]
    upload(client, order_file(*good, 'O99,"C1,pending,,5'))
    found = FileImport.unsafe_all.get()
    step(client, "check", found, MATCHED)
    work_off(found)
    assert found.job.state == Job.State.FAILED
    assert "第 22 行" in found.job.message
    assert "第 22 行" in page(client, found).content.decode()


def test_an_import_belongs_to_its_owner(operator, client):
    upload(client, order_file("O1,C1,pending,,5"))
    found = FileImport.unsafe_all.get()
    client.force_login(make_user(Role.OPERATOR))
    assert page(client, found).status_code == 404
    for name in ("check", "apply", "cancel"):
        assert step(client, name, found).status_code == 404
    client.force_login(make_user(Role.AGENT))
    assert page(client, found).status_code == 403


def test_a_waiting_import_is_cancelled_before_it_starts(operator, client):
    upload(client, order_file("O1,C1,pending,,5"))
    found = FileImport.unsafe_all.get()
    step(client, "check", found, MATCHED)
    step(client, "cancel", found)
    work_off(found)
    assert found.job.state == Job.State.CANCELLED


def test_files_go_a_day_after_their_last_step(operator, client):
    upload(client, order_file("O1,C1,pending,,5"))
    found = FileImport.unsafe_all.get()
    path = actions.stored_path(found)
    assert path.is_file()
    actions.remove_old_files(now=timezone.now() + actions.KEPT_FOR * 2)
    assert not path.exists()
    assert "重新上传" in page(client, found).content.decode()
