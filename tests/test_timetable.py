"""The timetable of everything periodic."""

from config.celery import BEAT_SCHEDULE, QUEUES, app


def test_every_line_names_a_task_that_workers_know():
    app.loader.import_default_modules()
    assert {line["task"] for line in BEAT_SCHEDULE.values()} <= set(app.tasks)


def test_every_task_goes_to_a_queue_that_somebody_takes_from():
    routes = {app.amqp.router.route({}, line["task"]).get("queue") for line in lines()}
    assert {getattr(queue, "name", queue) or "celery" for queue in routes} <= set(QUEUES)


def test_what_nobody_took_in_time_does_not_pile_up():
    assert all(line["options"]["expires"] >= line["schedule"] for line in lines())


def lines() -> list[dict]:
    assert BEAT_SCHEDULE
    return list(BEAT_SCHEDULE.values())
