"""Which events a command asks: the live ones, or those of a dataset."""

from django.core.management.base import CommandParser

from analytics.events.datasets import DatasetSource
from analytics.events.live import LiveSource
from analytics.events.source import Source


def add_dataset_argument(parser: CommandParser) -> None:
    """`--dataset NAME`, the same for every question."""
    parser.add_argument(
        "--dataset",
        default="",
        metavar="NAME",
        help="ask events that were imported apart: import events FILE --dataset NAME",
    )


def source_named(dataset: str) -> Source:
    """The dataset of that name, or without a name all live facts; raises DatasetRefused."""
    return DatasetSource.named(dataset) if dataset else LiveSource()
