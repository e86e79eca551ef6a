"""Whatever bytes come as a file: one clear error or rows by the rules, never a crash."""

import csv
import io

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st

from crm.catalog.models import Order, Route
from crm.customers.models import Customer
from crm.imports.files import take_in, write_report
from crm.imports.refusals import FileRefused
from crm.ingest.actions import Collision
from crm.ingest.kinds import ROW_KINDS
from crm.timeline.models import Fact
from tests.factories import at

KINDS = st.sampled_from(sorted(ROW_KINDS))
CELLS = st.sampled_from(
    [
        "",
        "C1",
        "paid",
        "已退款",
        "2026-11-03",
        "2026/11/3 9:05",
        "1.5",
        "-3",
        "=1+1",
        "#REF!",
        "加微",
        "1e99",
        "9" * 400,
        'a"b',
        "line\nbreak",
        "\x00",
        "𠮷🌊",
        "\u202eabc",
        "'",
        "\\N",
        "nan",
    ]
) | st.text(max_size=20)
HOSTILE = st.one_of(
    st.binary(max_size=400),
    st.text(max_size=400).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.binary(max_size=200).map(lambda tail: b"PK\x03\x04" + tail),
    st.text(max_size=200).map(lambda text: text.encode("utf-16")),
)


@st.composite
def tables(draw):
    """Something like a table of the kind: its columns, perhaps others, any cells."""
    kind = draw(KINDS)
    known = [field.name for field in ROW_KINDS[kind].fields]
    headers = draw(st.permutations(known + draw(st.lists(CELLS, max_size=2))))
    rows = draw(st.lists(st.lists(CELLS, max_size=len(headers) + 1), max_size=5))
    separator = draw(st.sampled_from(",;\t"))
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator=draw(st.sampled_from("\r\n")))
    writer.writerows([headers, *rows])
    text = out.getvalue()[: draw(st.integers(0, 4_000))]
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "gb18030", "utf-16"]))
    return kind, text.encode(encoding, "replace")


def world():
    models = (Customer.unsafe_all, Order.unsafe_all, Fact.unsafe_all, Route.objects)
    return [rows.count() for rows in models]


def take(path, kind, content):
    """Import the bytes; whatever comes of it, a refusal has words and changes nothing."""
    path.write_bytes(content)
    before = world()
    try:
        result = take_in(path, kind, now=at(30))
    except (FileRefused, Collision) as refusal:
        assert str(refusal)
        assert world() == before
        return
    problems = result.outcome.problems
    if problems:
        assert not result.outcome.applied
        assert world() == before
        assert all(problem.problem and problem.remedy for problem in problems)
        write_report(problems, path.with_suffix(".report"), ROW_KINDS[kind])
    else:
        again = take_in(path, kind, now=at(40)).as_json()
        assert (again["new"], again["changed"], again["facts"]) == (0, 0, 0)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("files") / "file"


FEARLESS = how(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@FEARLESS
@given(table=tables())
def test_any_table_is_taken_in_or_refused_in_words(db, scratch, table):
    take(scratch, *table)


@FEARLESS
@given(kind=KINDS, content=HOSTILE)
def test_any_bytes_are_refused_in_words(db, scratch, kind, content):
    take(scratch, kind, content)
