"""The grid ready to be shown, written to a file, or answered to other systems."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from analytics.figures.numbers import Number, opening
from analytics.rfm.figures import NAME, definition, layer_labels, measures, score_definition
from analytics.rfm.layers import LAYERS, RfmQuestion
from crm.customers.models import Customer

Cells = dict[tuple[str, str], tuple[int, int]]
STAGES = tuple(Customer.Stage.values)


@dataclass(frozen=True)
class Row:
    """One layer: a number for each stage, their sum, and what its people paid, in cents."""

    label: str
    cells: list[Number]
    total: Number
    paid_cents: int


@dataclass(frozen=True)
class Grid:
    """Rows by layer, the sums below, and the whole."""

    heads: list[str]
    rows: list[Row]
    sums: list[Number]
    total: Number
    paid_cents: int


def grid(question: RfmQuestion, cells: Cells, query: dict[str, str]) -> Grid:
    """Every cell opens into its people; parts add up to the whole in both directions."""
    labels, stages = layer_labels(), [str(Customer.Stage(stage).label) for stage in STAGES]

    def number(layer: str = "", stage: str = "") -> Number:
        found = [
            n
            for (a_layer, a_stage), (n, _cents) in cells.items()
            if layer in ("", a_layer) and stage in ("", a_stage)
        ]
        words = [labels[layer]] if layer else []
        words += [str(Customer.Stage(stage).label)] if stage else []
        where = {name: value for name, value in (("layer", layer), ("stage", stage)) if value}
        label = " · ".join(words) or _("全部客户")
        return opening(NAME, sum(found), label, definition(), **query, **where)

    def paid(layer: str = "") -> int:
        return sum(cents for (one, _at), (_n, cents) in cells.items() if layer in ("", one))

    return Grid(
        heads=stages,
        rows=[
            Row(
                labels[layer],
                [number(layer, stage) for stage in STAGES],
                number(layer),
                paid(layer),
            )
            for layer in LAYERS
        ],
        sums=[number(stage=stage) for stage in STAGES],
        total=number(),
        paid_cents=paid(),
    )


def score_rows(
    scores: dict[str, dict[int, int]], query: dict[str, str]
) -> list[tuple[str, list[Number]]]:
    """How many have each score, measure by measure."""
    names, note = measures(), score_definition()
    return [
        (
            names[measure],
            [
                opening(NAME, n, f"{names[measure]} {at}", note, **query, measure=measure, score=at)
                for at, n in counts.items()
            ],
        )
        for measure, counts in scores.items()
    ]


def file_rows(found: Grid, total_label: str) -> Iterator[list[Any]]:
    """The grid as rows of a file."""
    for row in found.rows:
        cells = [cell.value for cell in row.cells]
        yield [row.label, *cells, row.total.value, row.paid_cents / 100]
    sums = [cell.value for cell in found.sums]
    yield [total_label, *sums, found.total.value, found.paid_cents / 100]
