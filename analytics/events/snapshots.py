"""Snapshots of facts on disk: written beside the last good one, switched to by one rename.

`<root>/<version>/` holds one folder per bucket of customer ids, each with plain array files, and a
manifest that names types, lengths and check sums. `<root>/CURRENT` names the version in use.
Readers keep what they have mapped even after its files are gone. A bucket without new facts is not
written again but linked from the version before.
"""

import json
import os
import shutil
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from analytics.events.columns import Columns, Dictionary, Dimension, sealed
from analytics.events.facts import DIMENSIONS

FORMAT = 1
# Customers per bucket, a power of two so that a customer's bucket never changes.
BUCKET_BITS = 17
KEPT_VERSIONS = 2


class SnapshotDamaged(Exception):
    """The files of a snapshot are not what its manifest says; rebuild it."""


@dataclass(frozen=True)
class Snapshot:
    """One immutable version: facts with id <= upto, mapped bucket by bucket."""

    path: Path
    manifest: dict[str, Any]
    buckets: tuple[Columns, ...]

    @property
    def version(self) -> str:
        return self.manifest["version"]

    @property
    def upto(self) -> int:
        return self.manifest["upto"]

    @property
    def data_time(self) -> datetime:
        return datetime.fromisoformat(self.manifest["data_time"])

    @property
    def built_at(self) -> datetime:
        return datetime.fromisoformat(self.manifest["built_at"])

    @property
    def events(self) -> int:
        return self.manifest["events"]

    @property
    def span(self) -> tuple[int, int]:
        return tuple(self.manifest["span"])

    def dictionaries(self) -> tuple[Dictionary, dict[str, Dictionary]]:
        """Codes of kinds and of each dimension's values."""
        values = self.manifest["values"]
        return (
            Dictionary(np.array(self.manifest["kinds"], np.int64), 0),
            {name: Dictionary(np.array(values[name], np.int64), 1) for name in DIMENSIONS},
        )


def current(root: Path) -> Snapshot | None:
    """The snapshot in use, or None where there is no sound one."""
    try:
        version = (root / "CURRENT").read_text().strip()
        return _opened(root / version)
    except (FileNotFoundError, SnapshotDamaged):
        return None


@lru_cache(maxsize=2)
def _opened(path: Path) -> Snapshot:
    try:
        manifest = json.loads((path / "manifest.json").read_text())
    except ValueError as error:
        raise SnapshotDamaged(f"{path.name}: manifest") from error
    if manifest.get("format") != FORMAT:
        raise SnapshotDamaged(f"{path.name}: format")
    buckets = tuple(_mapped(path, manifest, bucket) for bucket in manifest["buckets"])
    return Snapshot(path, manifest, buckets)


def _mapped(path: Path, manifest: dict[str, Any], bucket: dict[str, Any]) -> Columns:
    arrays = {}
    for name, (dtype, length, _checksum) in bucket["arrays"].items():
        file = path / bucket["name"] / name
        if file.stat().st_size != length * np.dtype(dtype).itemsize:
            raise SnapshotDamaged(f"{path.name}: {bucket['name']}/{name}")
        arrays[name] = sealed(np.memmap(file, dtype, "r")) if length else sealed(np.empty(0, dtype))
    dimensions = {
        name: Dimension(
            arrays[f"{name}.codes"],
            np.array(manifest["values"][name], np.int64),
            arrays[f"{name}.rows"],
        )
        for name in manifest["values"]
    }
    ids = range(*bucket["ids"]) if bucket["ids"] else arrays["ids"]
    return Columns(
        ids=ids,
        kind_ids=np.array(manifest["kinds"], np.int64),
        dimensions=dimensions,
        **{n: arrays[n] for n in ("offsets", "seconds", "kinds", "micro_rows", "micros")},
    )


class Writer:
    """Writes one version: buckets in any order, then `publish`. Nobody sees it before."""

    def __init__(self, root: Path, version: str) -> None:
        self.root, self.version = root, version
        self.building = root / f".building-{version}"
        root.mkdir(parents=True, exist_ok=True)
        for left_over in root.glob(".building-*"):
            shutil.rmtree(left_over, ignore_errors=True)
        self.building.mkdir()
        self.buckets: list[dict[str, Any]] = []

    def write(self, number: int, columns: Columns) -> None:
        """Write one bucket."""
        name = f"bucket-{number:06d}"
        folder = self.building / name
        folder.mkdir()
        arrays = {
            "offsets": columns.offsets,
            "seconds": columns.seconds,
            "kinds": columns.kinds,
            "micro_rows": columns.micro_rows,
            "micros": columns.micros,
        }
        for label, dimension in columns.dimensions.items():
            arrays |= {f"{label}.codes": dimension.codes, f"{label}.rows": dimension.rows}
        if not isinstance(columns.ids, range):
            arrays["ids"] = columns.ids
        self.buckets.append(
            {
                "name": name,
                "number": number,
                "ids": [columns.ids.start, columns.ids.stop]
                if isinstance(columns.ids, range)
                else None,
                "customers": int(np.count_nonzero(np.diff(columns.offsets))),
                "events": columns.events,
                "span": [int(columns.seconds.min()), int(columns.seconds.max())],
                "arrays": {label: _save(folder / label, array) for label, array in arrays.items()},
            }
        )

    @contextmanager
    def aside(self) -> Iterator[Path]:
        """A folder for what is only needed while writing; it goes with a build that dies, too."""
        folder = self.building / "aside"
        folder.mkdir()
        yield folder
        shutil.rmtree(folder)

    def link(self, earlier: Snapshot, bucket: dict[str, Any]) -> None:
        """Take over an unchanged bucket of an earlier version, without copying it."""
        folder = self.building / bucket["name"]
        folder.mkdir()
        for name in bucket["arrays"]:
            os.link(earlier.path / bucket["name"] / name, folder / name)
        self.buckets.append(bucket)

    def publish(
        self,
        *,
        database: str,
        upto: int,
        data_time: datetime,
        built_at: datetime,
        kinds: Dictionary,
        dictionaries: dict[str, Dictionary],
    ) -> Snapshot:
        """Write the manifest and make this version the current one."""
        spans = [bucket["span"] for bucket in self.buckets] or [[0, 0]]
        manifest = {
            "format": FORMAT,
            "version": self.version,
            "database": database,
            "upto": upto,
            "data_time": data_time.isoformat(),
            "built_at": built_at.isoformat(),
            "customers": sum(bucket["customers"] for bucket in self.buckets),
            "events": sum(bucket["events"] for bucket in self.buckets),
            "span": [min(span[0] for span in spans), max(span[1] for span in spans)],
            "kinds": kinds.ids.tolist(),
            "values": {name: found.ids.tolist() for name, found in dictionaries.items()},
            "buckets": sorted(self.buckets, key=lambda bucket: bucket["number"]),
        }
        with (self.building / "manifest.json").open("w") as file:
            json.dump(manifest, file)
            file.flush()
            os.fsync(file.fileno())
        path = self.root / self.version
        self.building.rename(path)
        _point_to(self.root, self.version)
        _prune(self.root)
        return _opened(path)


def _save(path: Path, array: np.ndarray) -> list[Any]:
    data = np.ascontiguousarray(array)
    with path.open("wb") as file:
        data.tofile(file)
        file.flush()
        os.fsync(file.fileno())
    return [data.dtype.str, len(data), zlib.crc32(data)]


def _point_to(root: Path, version: str) -> None:
    pointer = root / ".CURRENT"
    with pointer.open("w") as file:
        file.write(version)
        file.flush()
        os.fsync(file.fileno())
    pointer.replace(root / "CURRENT")


def _prune(root: Path) -> None:
    versions = sorted(path for path in root.iterdir() if (path / "manifest.json").exists())
    for path in versions[:-KEPT_VERSIONS]:
        shutil.rmtree(path, ignore_errors=True)


def damaged_files(snapshot: Snapshot) -> Iterable[str]:
    """Files whose check sum is not that of the manifest."""
    for bucket in snapshot.manifest["buckets"]:
        for name, (dtype, _length, checksum) in bucket["arrays"].items():
            file = snapshot.path / bucket["name"] / name
            if zlib.crc32(np.fromfile(file, dtype)) != checksum:
                yield f"{bucket['name']}/{name}"


def size_on_disk(snapshot: Snapshot) -> int:
    """Bytes of all array files."""
    return sum(
        length * np.dtype(dtype).itemsize
        for bucket in snapshot.manifest["buckets"]
        for dtype, length, _checksum in bucket["arrays"].values()
    )
