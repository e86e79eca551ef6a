"""Which events a command asks, and by which engine."""

from django.core.management.base import CommandParser
from django.utils.translation import gettext as _

from analytics.clickhouse.source import ClickHouseSource
from analytics.events.datasets import DatasetSource
from analytics.events.live import LiveSource
from analytics.events.source import Source
from analytics.funnels.question import QuestionRefused

ENGINES = ("columns", "clickhouse")


def add_dataset_argument(parser: CommandParser) -> None:
    """`--dataset NAME`, the same for every question."""
    parser.add_argument(
        "--dataset",
        default="",
        metavar="NAME",
        help="ask events that were imported apart: import events FILE --dataset NAME",
    )


def add_engine_argument(parser: CommandParser) -> None:
    """`--engine`, for the questions that both engines answer."""
    parser.add_argument(
        "--engine",
        default="columns",
        help="columns (embedded; default) or clickhouse (CLICKHOUSE_URL, after clickhouse load)",
    )


def source_named(dataset: str, engine: str = "columns") -> Source:
    """The dataset of that name, or without a name all live facts; raises DomainError."""
    if engine not in ENGINES:
        raise QuestionRefused(
            _("「%(value)s」不可选，请从 %(choices)s 中选一个")
            % {"value": engine[:40], "choices": "、".join(ENGINES)},
            field="engine",
        )
    base = DatasetSource.named(dataset) if dataset else LiveSource()
    return base if engine == "columns" else ClickHouseSource(base)
