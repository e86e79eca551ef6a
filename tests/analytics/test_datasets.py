"""Files from anywhere: kept apart from the live data, asked by the same code as pages."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from openpyxl import Workbook

from analytics.events.datasets import DatasetSource, root_of
from crm.customers.models import Customer
from crm.datasets.actions import DatasetRefused, take_into_dataset
from crm.datasets.models import Dataset, DatasetFact, DatasetUnit
from crm.datasets.rows import moment
from crm.imports.refusals import FileRefused
from crm.ingest.problems import BadCell
from crm.timeline.models import Fact, FactKind
from tests import factories

pytestmark = pytest.mark.django_db
NOW = factories.at(30)
LOG = """unit,event,at,platform
u-1,A,2026-03-01T00:00:00.000000+00:00,web
u-1,B,2026-03-01T00:00:10.000000+00:00,web
u-2,A,2026-03-01T00:00:00.000001+00:00,app
u-2,B,2026-03-01T00:00:10.000002+00:00,app
张三,B,2026-03-01T00:00:00Z,web
"""


@pytest.fixture(autouse=True)
def _own_columns(settings, tmp_path):
    settings.COLUMNS_DIR = tmp_path / "columns"


@pytest.fixture
def write(tmp_path):
    def put(content: str, name: str = "log.csv"):
        path = tmp_path / name
        path.write_text(content)
        return path

    return put


def command(capsys, *words) -> dict:
    call_command(*[str(word) for word in words], "--json")
    return json.loads(capsys.readouterr().out)


def levels(capsys, *words) -> dict:
    return command(capsys, "funnel", "--levels", "--dataset", "log", *words)["levels"]


def test_a_file_kept_apart_touches_no_customer_and_no_catalogue(write, capsys):
    kinds = FactKind.objects.count()
    told = command(capsys, "import", "events", write(LOG), "--dataset", "log")
    assert (told["rows"], told["new"], told["units"], told["events"]) == (5, 5, 3, ["A", "B"])
    assert FactKind.objects.count() == kinds
    assert not Customer.unsafe_all.exists()
    assert not Fact.unsafe_all.exists()


def test_the_window_is_inclusive_to_the_microsecond_and_units_are_the_files_own(write, capsys):
    take_into_dataset(write(LOG), "log", now=NOW)
    asked = ("--steps", "A,B", "--window", "10s")
    assert levels(capsys, *asked) == {"u-1": 2, "u-2": 1, "张三": 0}
    answer = command(capsys, "funnel", "--dataset", "log", *asked)
    assert [step["reached"] for step in answer["steps"]] == [2, 1]


def test_the_same_file_twice_changes_nothing_and_a_longer_one_adds_the_rest(write):
    first = take_into_dataset(write(LOG), "log", now=NOW)
    again = take_into_dataset(write(LOG), "log", now=NOW + timedelta(days=1))
    assert (first.new, again.new, again.same) == (5, 0, 5)
    assert Dataset.objects.get().revision == 1
    longer = take_into_dataset(write(LOG + "u-9,A,2026-03-02T00:00:00Z,web\n"), "log", now=NOW)
    assert (longer.new, longer.same) == (1, 5)
    assert DatasetFact.objects.count() == 6


def test_two_equal_lines_are_two_events_unless_they_have_a_number(write, capsys):
    twice = "unit,event,at\nu,A,2026-03-01\nu,A,2026-03-01\n"
    take_into_dataset(write(twice), "log", now=NOW)
    assert levels(capsys, "--steps", "A,A", "--window", "1d") == {"u": 2}
    call_command("datasets", "--drop", "log")
    capsys.readouterr()
    named = "event_id,unit,event,at\n7,u,A,2026-03-01\n8,u,C,2026-02-01\n7,u,A,2026-03-01\n"
    outcome = take_into_dataset(write(named), "log", now=NOW)
    assert (outcome.new, outcome.same) == (2, 1)
    assert levels(capsys, "--steps", "A,A", "--window", "1d") == {"u": 1}


def test_a_number_used_for_two_events_is_refused_with_its_row(write):
    reused = "event_id,unit,event,at\n7,u,A,2026-03-01\n7,u,B,2026-03-01\n"
    outcome = take_into_dataset(write(reused), "log", now=NOW)
    assert [(p.line, p.field, p.code) for p in outcome.problems] == [(3, "event_id", "duplicate")]
    assert not Dataset.objects.exists()
    take_into_dataset(write("event_id,unit,event,at\n7,u,A,2026-03-01\n"), "log", now=NOW)
    other = take_into_dataset(write("event_id,unit,event,at\n7,w,A,2026-03-01\n"), "log", now=NOW)
    assert [(p.line, p.code) for p in other.problems] == [(2, "event_id_reused")]
    assert DatasetUnit.objects.count() == 1


def test_bad_rows_are_told_by_row_field_and_remedy_and_nothing_is_kept(write, capsys):
    bad = "unit,event,at\nu,A,sometime\n,A,2026-03-01\nu,,2026-03-01\nu,A,1890-01-01\n"
    with pytest.raises(SystemExit):
        call_command("import", "events", str(write(bad)), "--dataset", "log", "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["problems"] == 4
    assert [(p["line"], p["field"]) for p in told["first"]] == [
        (2, "at"),
        (3, "unit"),
        (4, "event"),
        (5, "at"),
    ]
    assert all(p["problem"] and p["remedy"] for p in told["first"])
    assert not Dataset.objects.exists()


def test_json_lines_keep_nested_properties_and_ask_the_same(write, capsys):
    rows = [
        {"user_id": 1, "session_id": "s1", "event": "View item", "ts": 1_767_225_600},
        {"ts": 1_767_225_600.5, "event": "Buy", "user_id": 1, "properties": {"amount": 12.5}},
        {"ts": 1_767_225_601_000, "event": "Buy", "user_id": "2", "tags": ["x", {"y": None}]},
    ]
    lines = "\n".join(json.dumps(row) for row in rows)
    told = command(capsys, "import", "events", write(lines, "log.jsonl"), "--dataset", "log")
    assert (told["new"], told["units"], told["events"]) == (3, 2, ["Buy", "View item"])
    assert levels(capsys, "--steps", "Buy[amount>=12]", "--window", "1s") == {"1": 1, "2": 0}
    kept = DatasetFact.objects.get(unit__key="1", kind__code="Buy")
    assert kept.at == datetime(2026, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)
    assert kept.properties == {"amount": 12.5}
    assert DatasetFact.objects.get(unit__key="2").properties == {"tags": ["x", {"y": None}]}


def test_events_may_be_called_anything(write, capsys):
    log = 'unit,event,at\nu,"Add to cart, big",0\nu,加购,1\nu,buy@home,2\n'
    take_into_dataset(write(log), "log", now=NOW)
    steps = '"Add to cart, big",加购,buy@home'
    answer = command(capsys, "funnel", "--dataset", "log", "--steps", steps, "--window", "9s")
    assert [step["reached"] for step in answer["steps"]] == [1, 1, 1]
    assert answer["steps"][0]["label"] == "Add to cart, big"
    again = ",".join(answer["question"]["steps"])
    assert levels(capsys, "--steps", again, "--window", "9s") == {"u": 3}


def test_a_workbook_is_read_like_any_other_file(tmp_path, capsys):
    book = Workbook()
    for row in (
        ["用户", "事件", "时间", "channel"],
        ["u", "加购", datetime.fromisoformat("2026-03-01 09:00"), "web"],
        ["u", "下单", datetime.fromisoformat("2026-03-01 10:00"), "app"],
    ):
        book.active.append(row)
    book.save(tmp_path / "log.xlsx")
    told = command(capsys, "import", "events", tmp_path / "log.xlsx", "--dataset", "log")
    assert (told["new"], told["events"]) == (2, ["下单", "加购"])


def test_a_channel_of_the_file_breaks_an_answer_down_as_of_the_entry(write, capsys):
    log = (
        "unit,event,at,channel\nu,A,2026-03-01,web\nu,B,2026-03-02,app\nw,A,2026-03-01,app\n"
        "x,A,2026-03-01,\n"
    )
    take_into_dataset(write(log), "log", now=NOW)
    asked = ("funnel", "--dataset", "log", "--steps", "A,B", "--breakdown", "channel")
    cells = command(capsys, *asked)["cells"]
    found = {c["cell"]["channel"]: [s["reached"] for s in c["steps"]] for c in cells}
    assert found == {"web": [1, 1], "app": [1, 0], "": [1, 0]}


def test_retention_answers_on_a_dataset(write, capsys):
    log = "unit,event,at\n" + "".join(
        f"{unit},order,2026-03-{day:02d}T12:00:00+08:00\n"
        for unit, day in [("a", 2), ("a", 10), ("b", 3), ("c", 16)]
    )
    take_into_dataset(write(log), "log", now=NOW)
    asked = ("--birth", "order", "--return", "order", "--period", "week")
    answer = command(capsys, "retention", "--dataset", "log", *asked)
    week = answer["periods"][0]
    assert (week["eligible"], week["returned"]) == (2, 0)
    assert answer["size"] == 3


def test_a_question_after_another_import_sees_its_events(write, capsys):
    take_into_dataset(write("unit,event,at\nu,A,2026-03-01\n"), "log", now=NOW)
    assert levels(capsys, "--steps", "A", "--window", "1d") == {"u": 1}
    take_into_dataset(write("unit,event,at\nw,A,2026-03-01\n"), "log", now=NOW)
    assert levels(capsys, "--steps", "A", "--window", "1d") == {"u": 1, "w": 1}
    assert len(list(root_of(Dataset.objects.get()).glob("2*"))) == 2


def test_dropping_forgets_rows_and_files_and_an_unknown_name_says_which_there_are(write, capsys):
    take_into_dataset(write(LOG), "log", now=NOW)
    DatasetSource.named("log").snapshot  # Writes the column files.
    root = root_of(Dataset.objects.get())
    assert root.is_dir()
    told = command(capsys, "datasets", "--drop", "log")
    assert (told["events"], told["datasets"]) == (5, [])
    assert not root.exists()
    assert not DatasetFact.objects.exists()
    take_into_dataset(write(LOG), "other", now=NOW)
    with pytest.raises(CommandError, match=r"dataset: .*other"):
        call_command("funnel", "--steps", "A", "--dataset", "log")


@pytest.mark.parametrize("name", ["", "a b", "../x", "n" * 65])
def test_an_impossible_name_is_refused(write, name):
    with pytest.raises(DatasetRefused):
        take_into_dataset(write(LOG), name, now=NOW)


@pytest.mark.parametrize(
    "content", ['{"unit": "u"\n', "[{}]", '{"a": NaN}', "{" * 100_000, '{"unit": 1}\n[]\n']
)
def test_what_is_no_json_lines_is_refused_with_its_line(write, content):
    with pytest.raises(FileRefused):
        take_into_dataset(write(content, "log.jsonl"), "log", now=NOW)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("0", "1970-01-01T00:00:00+00:00"),
        ("12", "1970-01-01T00:00:12+00:00"),
        ("1767225600", "2026-01-01T00:00:00+00:00"),
        ("1767225600.000001", "2026-01-01T00:00:00.000001+00:00"),
        (1767225600.5, "2026-01-01T00:00:00.500000+00:00"),
        (1767225600.123456, "2026-01-01T00:00:00.123456+00:00"),
        ("1767225600123", "2026-01-01T00:00:00.123000+00:00"),
        ("1767225600123456", "2026-01-01T00:00:00.123456+00:00"),
        ("20260101", "2026-01-01T00:00:00+08:00"),
        ("202601010905", "2026-01-01T09:05:00+08:00"),
        ("2026-01-01 09:05:00.25", "2026-01-01T09:05:00.250000+08:00"),
        ("2026-01-01T09:05:00-05:00", "2026-01-01T09:05:00-05:00"),
    ],
)
def test_times_are_read_as_they_are_written(written, meant):
    assert moment(written) == datetime.fromisoformat(meant)


@pytest.mark.parametrize("written", ["99999999999", "2120-01-01", "1969-12-31", "soon", True])
def test_a_time_that_columns_cannot_hold_is_refused(written):
    with pytest.raises(BadCell):
        moment(written)
