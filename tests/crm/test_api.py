"""The API: the importer's rules for batches, one effect per key, bounded, described."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st

from crm.agents.access import Permission, Role
from crm.agents.actions import issue_token
from crm.api.idempotency import KEPT_FOR, forget_old_answers
from crm.api.models import KeptAnswer
from crm.catalog.models import Order
from crm.customers.models import Customer
from crm.ingest.kinds import ROW_KINDS
from crm.timeline.models import Fact, FactKind
from tests.factories import make_user

KINDS = ("customers", "orders", "events")
ORDER = {
    "order_id": "O1",
    "customer_id": "C1",
    "status": "paid",
    "paid_at": "2026-11-03T09:05:00+08:00",
    "amount": "1234.50",
}


def make_token(permission=Permission.API_INGEST, **overrides):
    values = {
        "user": make_user(Role.SERVICE),
        "name": "shop",
        "permissions": [permission],
        "expires_at": timezone.now() + timedelta(days=1),
        "by": None,
    }
    return issue_token(**values | overrides)[1]


@pytest.fixture
def token(db):
    return make_token()


def send(token, kind, body, *, key=None, content_type="application/json", **headers):
    raw = body if isinstance(body, str | bytes) else json.dumps(body)
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    headers |= {"Idempotency-Key": key} if key is not None else {}
    address = reverse(f"crm:api:{kind}")
    return Client().post(address, raw, content_type=content_type, headers=headers)


def test_orders_come_in_with_their_facts(token):
    response = send(token, "orders", {"items": [ORDER, ORDER | {"order_id": "O2", "amount": 99}]})
    assert response.status_code == 200
    assert response.json() == {
        "received": 2,
        "new": 2,
        "changed": 0,
        "same": 0,
        "customers_opened": 1,
        "facts_added": 3,
    }
    assert sorted(Order.unsafe_all.values_list("amount_cents", flat=True)) == [9_900, 123_450]
    again = send(token, "orders", {"items": [ORDER]}).json()
    assert (again["new"], again["same"], again["facts_added"]) == (0, 1, 0)


def test_customers_and_events_follow_the_importers_rules(token):
    assert send(token, "customers", {"items": [{"customer_id": 7, "name": "王芳"}]}).json()["new"]
    event = {"customer_id": 7, "event": "page_seen", "at": 1793667900, "event_id": "E1"}
    event["properties"] = {"page": "三亚", "depth": {"a": [1, 2.5, None, True]}}
    assert send(token, "events", {"items": [event]}).json()["new"] == 1
    assert send(token, "events", {"items": [event]}).json()["same"] == 1
    fact = Fact.unsafe_all.get()
    assert (fact.customer.name, fact.properties) == ("王芳", event["properties"])


def test_one_bad_item_refuses_the_batch_with_its_place(token):
    bad = ORDER | {"order_id": "O2", "amount": "-1", "paid_at": "never"}
    response = send(token, "orders", {"items": [ORDER, bad, ORDER]})
    assert response.status_code == 422
    answer = response.json()
    assert (answer["code"], answer["count"]) == ("invalid_items", 3)
    places = [
        (problem["index"], problem["field"], problem["code"]) for problem in answer["details"]
    ]
    assert places == [
        (1, "paid_at", "not_a_time"),
        (1, "amount", "negative"),
        (2, "order_id", "duplicate"),
    ]
    assert not Order.unsafe_all.exists()
    assert not Customer.unsafe_all.exists()


def test_unknown_fields_are_named_not_ignored(token):
    [problem] = send(token, "orders", {"items": [ORDER | {"owner": 1}]}).json()["details"]
    assert (problem["field"], problem["code"]) == ("owner", "unknown_field")


def test_who_may_not_send_changes_nothing(db):
    user = make_user(Role.SERVICE)
    past = timezone.now() - timedelta(seconds=1)
    for token, status in (
        (None, 401),
        ("ck00000000.wrong", 401),
        ("ck\x00", 401),
        (make_token(Permission.API_FIGURES, user=user), 403),
        (make_token(user=make_user(Role.OPERATOR)), 403),
        (make_token(user=user, expires_at=past), 401),
    ):
        assert send(token, "orders", {"items": [ORDER]}).status_code == status, token
    assert not Order.unsafe_all.exists()


def test_the_same_key_and_body_give_the_same_answer_once(token):
    body = {"items": [ORDER]}
    first = send(token, "orders", body, key="k1")
    second = send(token, "orders", body, key="k1")
    assert first.json() == second.json()
    assert first.json()["new"] == 1
    assert "Idempotent-Replay" not in first.headers
    assert second.headers["Idempotent-Replay"] == "true"


def test_a_refusal_is_repeated_too_and_another_body_is_refused(token):
    bad = {"items": [ORDER | {"amount": "x"}]}
    assert send(token, "orders", bad, key="k1").status_code == 422
    assert send(token, "orders", bad, key="k1").headers["Idempotent-Replay"] == "true"
    other = send(token, "orders", {"items": [ORDER]}, key="k1")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key")
    assert send(token, "customers", bad, key="k1").json()["code"] == "idempotency_key"
    assert not Order.unsafe_all.exists()


@pytest.mark.parametrize("key", ["", "x" * 129, "two words", "é"])
def test_a_key_that_is_none_is_refused(token, key):
    response = send(token, "orders", {"items": [ORDER]}, key=key)
    assert (response.status_code, response.json()["field"]) == (422, "Idempotency-Key")


def test_keys_of_two_accounts_are_strangers_and_live_for_a_day(token):
    send(token, "orders", {"items": [ORDER]}, key="k1")
    other = send(make_token(), "orders", {"items": [ORDER | {"order_id": "O2"}]}, key="k1")
    assert other.json()["new"] == 1
    KeptAnswer.objects.update(at=timezone.now() - KEPT_FOR * 2)
    later = send(token, "orders", {"items": [ORDER | {"order_id": "O3"}]}, key="k1")
    assert later.json()["new"] == 1
    assert forget_old_answers(now=timezone.now()) == 1


def in_parallel(number, call):
    gate = threading.Barrier(number)

    def one(n):
        gate.wait(timeout=30)
        try:
            return call(n)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(one, range(number)))


def test_twenty_at_once_with_one_key_have_one_effect(transactional_db):
    token, event = make_token(), {"customer_id": "C1", "event": "call", "at": "2026-11-03"}
    body = {"items": [event]}
    answers = in_parallel(20, lambda _n: send(token, "events", body, key="k1"))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert sum("Idempotent-Replay" not in answer.headers for answer in answers) == 1
    assert answers[0].json()["new"] == 1
    assert (Fact.unsafe_all.count(), KeptAnswer.objects.count()) == (1, 1)


def test_twenty_at_once_without_a_key_agree_on_one_truth(transactional_db):
    token = make_token()

    def call(n):
        orders = [ORDER | {"order_id": f"O{n}"}, ORDER | {"order_id": "shared"}]
        people = [{"customer_id": "C1", "name": "王芳"}, {"customer_id": f"P{n}", "name": "李"}]
        return (
            send(token, "customers", {"items": people if n % 2 else people[::-1]}),
            send(token, "orders", {"items": orders if n % 2 else orders[::-1]}),
        )

    for answers in in_parallel(20, call):
        assert [answer.status_code for answer in answers] == [200, 200]
    buyer = Customer.unsafe_all.get(customer_no="C1")
    assert (Order.unsafe_all.count(), buyer.order_count) == (21, 21)
    facts = Fact.unsafe_all.filter(customer=buyer)
    assert facts.filter(kind__code="order_paid").count() == 21
    assert facts.filter(kind__code="repeat_order").count() >= 20


def test_too_many_requests_are_told_when_to_come_back(token, settings):
    settings.API_REQUESTS_A_MINUTE = 2
    assert [send(token, "orders", {"items": [ORDER]}).status_code for _ in range(2)] == [200, 200]
    refused = send(token, "orders", {"items": [ORDER]})
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert send(make_token(), "orders", {"items": [ORDER]}).status_code == 200


def test_a_body_of_five_megabytes_is_refused_unread(token):
    assert send(token, "orders", b" " * 5_000_000).status_code == 413


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"[" * 100_000, 400),
        (b'{"items": [' + b'{"a":' * 50_000, 400),
        (b'{"items": NaN}', 400),
        (b"9" * 10_000, 400),
        (b"null", 422),
        (b"[]", 422),
        (b'{"items": []}', 422),
        (b'{"items": {}}', 422),
        (b'{"items": [null]}', 422),
        (b'{"items": [[]]}', 422),
        (json.dumps({"items": [{}] * 1_001}).encode(), 422),
        (b'{"items": [{"order_id": "\\ud800"}]}', 422),
        (b'{"items": [{"order_id": 1e999, "amount": 1e308, "customer_id": true}]}', 422),
    ],
)
def test_a_malformed_body_gets_one_clear_error(token, body, status):
    response = send(token, "orders", body)
    assert response.status_code == status, response.content
    assert response.json()["error"]


def test_another_content_type_is_refused(token):
    assert send(token, "orders", "a=1", content_type="text/plain").status_code == 415


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
FIELDS = {field.name for kind in ROW_KINDS.values() for field in kind.fields}
NAMES = st.sampled_from([*sorted(FIELDS), "properties"])
VALUES = JSON | st.sampled_from(
    ["paid", "C1", "2026-11-03", "1.5", "-3", "0" * 70, "friend_added", {"a": "\x00"}, "𠮷", "+1"]
)
ITEMS = st.dictionaries(NAMES | st.text(max_size=5), VALUES, max_size=9)
BODIES = st.fixed_dictionaries({"items": st.lists(ITEMS | JSON, max_size=4)}) | JSON


@how(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(KINDS), body=BODIES)
def test_no_body_makes_the_api_stumble(token, settings, kind, body):
    settings.API_REQUESTS_A_MINUTE = 10_000
    before = (Customer.unsafe_all.count(), Order.unsafe_all.count(), Fact.unsafe_all.count())
    response = send(token, kind, json.dumps(body))
    assert response.status_code in (200, 422), response.content
    if response.status_code == 422:
        assert response.json()["error"]
        after = (Customer.unsafe_all.count(), Order.unsafe_all.count(), Fact.unsafe_all.count())
        assert after == before


# --- kinds, tokens, description -----------------------------------------------------------------


def test_kinds_are_listed_and_declared(token):
    new = {"code": "brochure.opened", "label_zh": "打开手册", "label_en": "Brochure opened"}
    assert send(token, "event_kinds", new).status_code == 201
    assert send(token, "event_kinds", new | {"label_zh": "别的"}).json()["label_zh"] == "打开手册"
    assert FactKind.objects.get(code="brochure.opened").emitter == "api"
    for bad in ({"code": "Has Blank", "label_zh": "x"}, {"code": "x"}, [], {"code": "a\x00"}):
        assert send(token, "event_kinds", bad).status_code == 400
    address = reverse("crm:api:event_kinds")
    listed = Client().get(address, headers={"Authorization": f"Bearer {token}"}).json()
    assert listed[0]["code"] == "friend_added"
    assert listed[-1]["label_en"] == "Brochure opened"


def test_a_token_is_printed_once_and_works(db, capsys):
    make_user(Role.SERVICE, username="shop")
    arguments = ["--user", "shop", "--name", "shop", "--permission", "API_INGEST"]
    call_command("issue_token", *arguments)
    key = capsys.readouterr().out.strip()
    assert send(key, "orders", {"items": [ORDER]}).status_code == 200
    with pytest.raises(CommandError):
        call_command("issue_token", "--user", "nobody", *arguments[2:])
    with pytest.raises(CommandError):
        call_command("issue_token", *arguments[:-1], "CONFIGURE")


def test_the_schema_is_valid_and_names_every_endpoint(db, tmp_path):
    path = tmp_path / "schema.json"
    call_command("spectacular", validate=True, fail_on_warn=True, format="openapi-json", file=path)
    paths = json.loads(path.read_text())["paths"]
    for name in ("customers", "orders", "events", "event_kinds"):
        assert reverse(f"crm:api:{name}") in paths


def test_the_documentation_loads_nothing_from_elsewhere(client, db):
    client.force_login(make_user(Role.OPERATOR))
    response = client.get(reverse("api-docs"))
    page = response.content.decode()
    assert response.status_code == 200
    assert "https://" not in page and "<script>" not in page
    assert client.get(reverse("api-schema")).status_code == 200
    client.force_login(make_user(Role.AGENT))
    assert client.get(reverse("api-docs")).status_code == 403


def test_a_visitor_of_the_documentation_is_sent_to_sign_in(client):
    response = client.get("/api/v1/docs/")
    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/")
