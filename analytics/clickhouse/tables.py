"""The tables: facts and what customers' own records say, both replaceable by key.

With `CLICKHOUSE_CLUSTER` set, data lie in `…_local` on every shard and a `Distributed` table of the
plain name spreads them by customer, so that a customer's whole past is on one shard.
"""

from django.conf import settings

from analytics.clickhouse.connection import Warehouse

_COLUMNS = {
    # Microseconds since 1970; `recorded` is when we were told. Names of agents and channels are
    # numbers of ours, or what a dataset calls them.
    "facts": (
        "dataset UInt32, customer UInt64, at Int64 codec(Delta, ZSTD), id UInt64,"
        " recorded Int64 codec(Delta, ZSTD), kind UInt32, agent LowCardinality(String),"
        " channel LowCardinality(String), amount Nullable(Int64),"
        " properties Map(LowCardinality(String), String)"
    ),
    "units": (
        "dataset UInt32, customer UInt64, channel LowCardinality(String),"
        " stage LowCardinality(String), version Int64"
    ),
}
_KEYS = {"facts": "dataset, customer, at, id", "units": "dataset, customer"}
_ENGINES = {"facts": "ReplacingMergeTree", "units": "ReplacingMergeTree(version)"}


def create(house: Warehouse) -> None:
    """Make the tables that are missing."""
    cluster = settings.CLICKHOUSE_CLUSTER
    for name, columns in _COLUMNS.items():
        stored = _stored(name)
        house.run(
            f"create table if not exists {stored}{_on(cluster)} ({columns})"
            f" engine = {_ENGINES[name]} order by ({_KEYS[name]})"
        )
        if cluster:
            house.run(
                f"create table if not exists {name}{_on(cluster)} as {stored}"
                f" engine = Distributed('{cluster}', currentDatabase(), {stored},"
                " cityHash64(customer))"
            )


def drop(house: Warehouse) -> None:
    """Forget everything; `create` and a load bring it back."""
    cluster = settings.CLICKHOUSE_CLUSTER
    for name in _COLUMNS:
        for table in {name, _stored(name)}:
            house.run(f"drop table if exists {table}{_on(cluster)} sync")


def delete(house: Warehouse, name: str, condition: str) -> None:
    """Delete rows everywhere, and wait for it."""
    cluster = settings.CLICKHOUSE_CLUSTER
    house.run(
        f"alter table {_stored(name)}{_on(cluster)} delete where {condition}"
        " settings mutations_sync = 2"
    )


def _stored(name: str) -> str:
    return f"{name}_local" if settings.CLICKHOUSE_CLUSTER else name


def _on(cluster: str) -> str:
    return f" on cluster '{cluster}'" if cluster else ""
