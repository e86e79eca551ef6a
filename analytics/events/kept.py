"""What an answer found of each customer, kept for a while: opening a number need not fold again.

Files lie beside the snapshot, for every process of this machine: ids in ascending order, and for
each the level, whether it may still rise, and the cell. An answer is found again by its token, only
by the viewer for whom it was made, only while that viewer may see the same customers. Without it
(expired, another machine, another viewer) the question is folded again.
"""

import json
import secrets
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from django.conf import settings

from analytics.events import kernel
from analytics.events.columns import Part
from analytics.events.folding import Folded

KEPT_SECONDS = 30 * 60
ROOM_BYTES = 2 << 30
TOKEN_BYTES = 12
NAMES = ("ids", "levels", "opens", "cells")


class KeptIds(Sequence):
    """Ascending ids of chosen rows; nothing is copied before it is asked for."""

    def __init__(self, ids: np.ndarray, rows: np.ndarray) -> None:
        self._ids, self._rows = ids, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: Any) -> Any:
        found = self._ids[self._rows[place]]
        return found if isinstance(place, slice) else int(found)


@dataclass(frozen=True)
class Kept:
    """One kept answer: rows of customers who entered, and what the cells mean."""

    ids: np.ndarray
    levels: np.ndarray
    opens: np.ndarray
    cells: np.ndarray
    cell_keys: list[list[str]]
    data_time: datetime

    def people(self, *, step: int, state: str, steps: int, cells: Sequence[int] | None) -> KeptIds:
        """Ids behind a figure; ``cells`` are the numbers of the cells that count, None for all."""
        chosen = in_state(self.levels, self.opens, step, state, steps)
        if cells is not None:
            wanted = np.zeros(max(len(self.cell_keys), 1), bool)
            wanted[list(cells)] = True
            chosen &= wanted[self.cells]
        return KeptIds(self.ids, np.flatnonzero(chosen))


def in_state(
    levels: np.ndarray, opens: np.ndarray, step: int, state: str, steps: int
) -> np.ndarray:
    """Which entries a figure counts: those of this step (from 1) in this state."""
    if state == "reached" or (state == "converted" and step == steps):
        return levels >= step
    if state == "converted":
        return levels > step
    if step == steps:
        return np.zeros(len(levels), bool)
    return (levels == step) & ((opens == kernel.OPEN) == (state == "open"))


class Keeper:
    """Collects folded blocks of one answer, from several threads, and writes them down."""

    def __init__(self, *, viewer: int, scope: str) -> None:
        self.viewer, self.scope = viewer, scope
        self._lock = Lock()
        self._blocks: dict[tuple[int, int], tuple[np.ndarray, ...]] = {}

    def take(self, part: Part, block: Folded) -> None:
        """Keep what a block says of those who entered and whom no filter left out."""
        entered = (block.levels > 0) & (block.cells >= 0)
        found = (
            part.columns.ids_at(block.units[entered]),
            block.levels[entered],
            block.opens[entered],
            block.cells[entered].astype(np.uint16),
        )
        with self._lock:
            self._blocks[block.part, block.low] = found

    def write(
        self, question: dict[str, Any], cell_keys: list[list[str]], data_time: datetime
    ) -> str:
        """Write the files and return the token."""
        blocks = [self._blocks[place] for place in sorted(self._blocks)]
        columns = [np.concatenate(column) for column in zip(*blocks, strict=True)] if blocks else []
        if columns and (np.diff(columns[0]) < 0).any():  # Customers with newer facts come last.
            order = np.argsort(columns[0], kind="stable")
            columns = [column[order] for column in columns]
        token = secrets.token_hex(TOKEN_BYTES)
        folder, root = _folder(token), _root()
        building = root / f".{token}"
        make_room(root)
        building.mkdir(parents=True)
        for name, column in zip(NAMES, columns, strict=False):
            np.save(building / f"{name}.npy", column)
        about = {
            "viewer": self.viewer,
            "scope": self.scope,
            "question": question,
            "cells": cell_keys,
            "data_time": data_time.isoformat(),
        }
        (building / "about.json").write_text(json.dumps(about))
        building.rename(folder)
        return token


def kept_answer(
    token: str, *, viewer: int, scope: str, question: dict[str, Any], now: float | None = None
) -> Kept | None:
    """The answer of this token, if it is this viewer's, to this question, and still there."""
    if len(token) != 2 * TOKEN_BYTES or not token.isalnum():
        return None
    folder = _folder(token)
    try:
        about = json.loads((folder / "about.json").read_text())
        age = (time.time() if now is None else now) - (folder / "about.json").stat().st_mtime
        if age > KEPT_SECONDS or about["question"] != json.loads(json.dumps(question)):
            return None
        if (about["viewer"], about["scope"]) != (viewer, scope):
            return None
        columns = [_column(folder / f"{name}.npy") for name in NAMES]
    except (FileNotFoundError, ValueError, KeyError):
        return None
    return Kept(*columns, about["cells"], datetime.fromisoformat(about["data_time"]))


def make_room(root: Path, *, now: float | None = None) -> None:
    """Delete what has expired and, beyond the room there is, the oldest."""
    now = time.time() if now is None else now
    folders = [path for path in root.iterdir() if path.is_dir()] if root.exists() else []
    aged = sorted((_written(path), path) for path in folders)
    room = ROOM_BYTES
    for written, path in reversed(aged):
        room -= sum(file.stat().st_size for file in _files(path))
        if now - written > KEPT_SECONDS or room < 0:
            shutil.rmtree(path, ignore_errors=True)


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # Another process made room.
        return 0.0


def _files(path: Path) -> list[Path]:
    return [file for file in path.glob("*") if file.exists()]


def _column(path: Path) -> np.ndarray:
    if not path.exists() and (path.parent / "about.json").exists():
        return np.empty(0, np.int64)  # Nobody entered.
    return np.load(path, mmap_mode="r")


def _root() -> Path:
    return settings.COLUMNS_DIR / "answers"


def _folder(token: str) -> Path:
    return _root() / token
