"""The travel company's own files: UTF-8 with BOM, as office programs write them."""

import csv
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from .clock import DAY, SHANGHAI, iso
from .dice import Dice
from .past import Past

CUSTOMERS = ["customer_id", "name", "phone", "unionid", "city", "birthday", "channel", "created_at"]
ORDERS = [
    *("order_id", "customer_id", "status", "paid_at", "amount", "currency"),
    *("product", "destination", "start_on", "end_on"),
]
EVENTS = ["customer_id", "event", "at", "event_id", "agent_id", "group_id", "route_id", "channel"]
MEMBERS = ["customer_id", "tier", "begins_on", "ends_on"]
# How many trips give which card, the best first; a card holds for a year from the trip on.
TIERS = ((5, "黑卡"), (3, "金卡"), (2, "银卡"))
CARD_DAYS = 365
ROUTES = ["route_id", "title", "destination", "days", "price", "departure_city", "theme"]


def write(folder: Path, past: Past, dice: Dice) -> None:
    """customers.csv, orders.csv, events.csv, routes.csv and members.csv of a generated past."""
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(
        folder / "customers.csv",
        CUSTOMERS,
        ((*row[:7], iso(row[7])) for row in sorted(past.customers)),
    )
    ordered = sorted(past.orders, key=lambda order: (order["paid_at"], order["customer_id"]))
    write_csv(
        folder / "orders.csv",
        ORDERS,
        (order_row(f"O{number:08d}", order) for number, order in enumerate(ordered, start=1)),
    )
    told = sorted(past.events, key=lambda event: (event[2], event[0], event[1]))
    write_csv(
        folder / "events.csv",
        EVENTS,
        (
            (event[0], event[1], iso(event[2]), f"E{number:08d}", *event[3:])
            for number, event in enumerate(told, start=1)
        ),
    )
    write_csv(
        folder / "routes.csv", ROUTES, ([route[name] for name in ROUTES] for route in past.routes)
    )
    write_csv(folder / "members.csv", MEMBERS, sorted(cards(ordered)))


def cards(ordered: Iterable[dict]) -> Iterator[tuple[str, str, str, str]]:
    """Cards that customers earned by their trips: the best of each, from the trip that gave it."""
    trips: dict[str, list[float]] = {}
    for order in ordered:
        if order["status"] in ("paid", "completed"):
            trips.setdefault(order["customer_id"], []).append(order["paid_at"])
    for customer, paid in trips.items():
        for needed, name in TIERS:
            if len(paid) >= needed:
                begins = paid[needed - 1]
                ends = begins + (CARD_DAYS - 1) * DAY
                yield customer, name, local_date(begins), local_date(ends)
                break


def order_row(order_id: str, order: dict) -> list:
    return [
        order_id,
        order["customer_id"],
        order["status"],
        iso(order["paid_at"]),
        order["amount"],
        order["currency"],
        order["product"],
        order["destination"],
        local_date(order["start"]),
        local_date(order["end"]),
    ]


def write_csv(path: Path, header: list[str], rows: Iterable) -> None:
    """Whole or not at all: a reader never sees half a file."""
    unfinished = path.with_suffix(".part")
    with unfinished.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        writer.writerows(rows)
    unfinished.replace(path)


def local_date(at: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(at + SHANGHAI))


def copy_files(source: Path, target: Path) -> None:
    """The generated files once more, where somebody else expects them."""
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.glob("*.csv")):
        shutil.copyfile(path, target / path.name)
