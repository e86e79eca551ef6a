"""Every method of the client against the sandbox process, held to the documented contract.

A method that is declared without an example, without documented terms or without a route in the
sandbox fails here.
"""

import json
from urllib.parse import parse_qsl

import httpx
import pytest

from crm import wecom
from crm.wecom.methods import METHODS, Method, Repeat
from tests.crm.wecom_contract import TERMS, missing
from tests.crm.wecom_examples import EXAMPLES, World

pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture
def heard(wecom_sandbox):
    """(path, verb, names of the fields sent, answer) of every call, as they stood on the wire."""
    calls = []

    def note(response: httpx.Response) -> None:
        request = response.request
        sent = dict(parse_qsl(request.url.query.decode(), keep_blank_values=True))
        if request.headers.get("Content-Type", "").startswith("application/json"):
            sent |= json.loads(request.content)
        response.read()
        is_file = "json" not in response.headers["Content-Type"]
        answer = {"errcode": 0} if is_file else response.json()
        path = request.url.path.removeprefix("/cgi-bin/")
        calls.append((path, request.method, set(sent) - {"access_token"}, answer))

    ears = [wecom.client()._transport._http, wecom.archive_client()._transport._http]
    for ear in ears:
        ear.event_hooks = {"response": [note]}
    yield calls
    for ear in ears:
        ear.event_hooks = {}


def test_every_method_has_a_route_a_class_terms_and_an_example(sandbox):
    routes = {row["path"]: row["verb"] for row in sandbox.read("routes")}
    assert _without(METHODS, routes) == []


def test_a_method_without_route_terms_or_example_would_be_found(sandbox):
    routes = {row["path"]: row["verb"] for row in sandbox.read("routes")}
    planted = Method("externalcontact/invented", "POST", Repeat.REPEATABLE)
    other_verb = Method("externalcontact/list", "POST", Repeat.REPEATABLE)
    found = _without({planted.path: planted, other_verb.path: other_verb}, routes)
    assert found == ["externalcontact/invented", "externalcontact/list"]


def test_every_route_of_the_sandbox_is_a_method_of_the_client(sandbox):
    assert {row["path"] for row in sandbox.read("routes")} <= METHODS.keys()


def _without(methods, routes):
    """The methods that lack a route, terms, an example or a class."""
    return [
        path
        for path, method in methods.items()
        if routes.get(path) != method.verb
        or path not in TERMS
        or path not in EXAMPLES
        or not isinstance(method.repeat, Repeat)
    ]


@pytest.mark.parametrize(
    "use", dict.fromkeys(EXAMPLES.values()), ids=lambda use: use.__qualname__.split(".")[0]
)
def test_a_use_asks_and_is_answered_as_documented(wecom_sandbox, heard, use):
    use(World(wecom_sandbox))
    promised = {path for path, function in EXAMPLES.items() if function is use}
    answered = {path for path, *_rest, answer in heard if answer["errcode"] == 0}
    assert promised - answered == set()
    for path, verb, sent, _answer in heard:
        assert verb == METHODS[path].verb
        assert sent <= TERMS[path].asked, path
    for path in promised:
        answers = [answer for key, *_rest, answer in heard if key == path]
        lacking = {
            field: [answer for answer in answers if missing(answer, field)]
            for field in TERMS[path].answered
        }
        # Lists may be empty at the beginning or the end of an example, not all the way.
        assert {f for f, bad in lacking.items() if len(bad) == len(answers)} == set(), path
