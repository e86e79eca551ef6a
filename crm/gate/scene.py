"""In the scene or not: whether a customer showed a need before they are written to."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from crm.gate.models import SIGNALS, SceneRule
from crm.timeline.queries import KIND_IDS

CODE = "scene"
DAYS = 30


@dataclass(frozen=True)
class Scene:
    """Signs of how many days count, and the share without them that a send may have at most."""

    days: int = DAYS
    most_percent: int | None = None
    version: int | None = None

    def named(self, at: datetime) -> dict:
        """Values for ``IN_SCENE`` at an instant."""
        return {
            "scene_kinds": [KIND_IDS[code] for code in SIGNALS],
            "scene_since": at - timedelta(days=self.days),
            "scene_until": at,
        }


IN_SCENE = """exists (
    select from crm_fact sign where sign.customer_id = {customer}
        and sign.kind_id = any(%(scene_kinds)s)
        and sign.at > %(scene_since)s and sign.at <= %(scene_until)s)"""


def scene_at(at: datetime) -> Scene:
    """The rule in force at an instant."""
    rule = SceneRule.in_force(at).get(CODE)
    return Scene(rule.days, rule.most_percent, rule.version) if rule else Scene()
