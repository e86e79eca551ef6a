"""The door to everything that changes customers, relations and tags.

Sync, callbacks and imports come in here; the files beside it hold one idea each.
"""

from crm.customers.derived import recompute_stages, refresh_customers
from crm.customers.endings import (
    end_contact,
    end_missing_contacts,
    note_friend_added,
    note_message_received,
)
from crm.customers.identity import ensure_customers, one_writer
from crm.customers.milestones import LOOK_BACK, record_milestones
from crm.customers.relations import Applied, agent_ids, apply_contacts
from crm.customers.tagging import apply_tags, change_tags, unknown_tags

__all__ = [
    "LOOK_BACK",
    "Applied",
    "agent_ids",
    "apply_contacts",
    "apply_tags",
    "change_tags",
    "end_contact",
    "end_missing_contacts",
    "ensure_customers",
    "note_friend_added",
    "note_message_received",
    "one_writer",
    "recompute_stages",
    "record_milestones",
    "refresh_customers",
    "unknown_tags",
]
