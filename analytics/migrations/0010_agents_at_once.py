"""The journey by agent knows the day of the last entry, as the one by channel does: who is still
open need not be counted from the states. First replies of agents are counted before they are asked.
"""

from importlib import import_module

from django.db import migrations, models

_before = import_module("analytics.migrations.0004_standing_triggers")

_OLD = (
    "        (on_day, agent_id, n1, n2, n3, n4, n5, n6, is_merged)\n"
    "{pad}select entry_on, agent_id, n1, n2, n3, n4, n5, n6, false\n"
    "{pad}from (select entry_on, agent_id, {levels} from moved group by 1, 2) c\n"
)
_NEW = (
    "        (on_day, last_on, agent_id, n1, n2, n3, n4, n5, n6, is_merged)\n"
    "{pad}select entry_on, last_entry_on, agent_id, n1, n2, n3, n4, n5, n6, false\n"
    "{pad}from (select entry_on, last_entry_on, agent_id, {levels} from moved"
    " group by 1, 2, 3) c\n"
)
FILL = """
insert into analytics_agententryday (on_day, last_on, agent_id, n1, n2, n3, n4, n5, n6, is_merged)
select entry_on, last_entry_on, coalesce(agent_id, 0), {counts}, true
from analytics_journeystate group by 1, 2, 3
"""
_COUNTS = ", ".join(f"count(*) filter (where level = {k})" for k in range(1, 7))


def _functions() -> list[str]:
    """The two functions that write the cube, with the day of the last entry."""
    levels = _before._LEVELS
    refold = _before.REFOLD.replace("{levels}", levels).replace("{any}", _before._ANY)
    refold = refold[: refold.index("create function analytics_standing_refold_pool")]
    triggers = _before._cells(_before.TRIGGERS)
    start = triggers.index("create function analytics_standing_facts_came")
    came = triggers[start : triggers.index("create function analytics_standing_facts_went")]
    changed = []
    for text, pad in ((refold, "    "), (came, "        ")):
        old = _OLD.format(pad=pad, levels=levels)
        if pad == "        ":
            old = old.replace("        (on_day", "            (on_day", 1)
        new = _NEW.format(pad=pad, levels=levels)
        if text.count(old) != 1:
            raise RuntimeError("the standing functions are not what this migration changes")
        changed.append(
            text.replace(old, new).replace("create function", "create or replace function")
        )
    return changed


def change(apps, schema_editor):
    """Write the functions anew and fill the cube from the states."""
    for text in _functions():
        schema_editor.execute(text, params=None)
    schema_editor.execute(FILL.format(counts=_COUNTS), params=None)


class Migration(migrations.Migration):
    dependencies = [("analytics", "0009_rfm_rule")]

    operations = [
        migrations.CreateModel(
            name="AgentReplies",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("agent_id", models.BigIntegerField(verbose_name="员工")),
                ("days", models.SmallIntegerField(verbose_name="天数")),
                ("last_on", models.DateField(verbose_name="最后一天")),
                ("turns", models.IntegerField(verbose_name="客户来话")),
                ("answered", models.IntegerField(verbose_name="已回复")),
                ("median_wait", models.FloatField(null=True, verbose_name="中位等待（秒）")),
                ("p90_wait", models.FloatField(null=True, verbose_name="90% 等待（秒）")),
                ("counted_at", models.DateTimeField(verbose_name="统计时间")),
            ],
            options={
                "verbose_name": "首次回复",
                "verbose_name_plural": "首次回复",
                "constraints": [
                    models.UniqueConstraint(fields=("agent_id", "days"), name="replies_of_agent_once")
                ],
            },
        ),
        migrations.RunSQL("truncate analytics_agententryday", migrations.RunSQL.noop),
        migrations.RemoveConstraint("agententryday", "agent_entry_day_merged_once"),
        migrations.RemoveIndex("agententryday", "agent_entry_day"),
        migrations.AddField(
            "agententryday",
            "last_on",
            models.DateField(default="2000-01-01", verbose_name="最近入口日期"),
            preserve_default=False,
        ),
        migrations.AddIndex(
            "agententryday", models.Index(fields=["on_day", "agent_id"], name="agent_entry_day")
        ),
        migrations.AddConstraint(
            "agententryday",
            models.UniqueConstraint(
                condition=models.Q(("is_merged", True)),
                fields=("on_day", "last_on", "agent_id"),
                name="agent_entry_day_merged_once",
            ),
        ),
        migrations.RunPython(change, migrations.RunPython.noop),
    ]
