"""Value layers as a draw or a plan keeps them; they are worked out by a room above this one."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

NO_LAYERS: tuple[str, dict[str, Any]] = (
    "select null::bigint as customer_id, '' as layer where false",
    {},
)
_LAYERS: list[Callable[[datetime], tuple[str, dict[str, Any]]]] = []


def freeze_layers(told: Callable[[datetime], tuple[str, dict[str, Any]]]) -> None:
    """Let plans keep value layers: ``told`` gives a query of customer_id and layer, and values."""
    _LAYERS[:] = [told]


def layers_for(now: datetime) -> tuple[str, dict[str, Any]]:
    """Everybody's layer now, as a query with its values."""
    return _LAYERS[0](now) if _LAYERS else NO_LAYERS
