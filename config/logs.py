"""Logs: one JSON object a line; secrets and personal data are taken out before it is written."""

import logging
import re

import structlog

_SECRETS = re.compile(
    r"(?i)((?:access_token|corpsecret|secret|password|authorization|token|key|cookie|"
    r"welcome_code|code)[\"']?\s*[=:]\s*[\"']?(?:bearer\s+)?)[^\s\"'&,}]+"
)
_PHONES = re.compile(r"(?<!\d)(1[3-9]\d)\d{4}(\d{4})(?!\d)")


def redact(text: str) -> str:
    """``text`` without token values, keys, passwords and the middle of phone numbers."""
    return _PHONES.sub(r"\1****\2", _SECRETS.sub(r"\1***", text))


class RedactFilter(logging.Filter):
    """Redacts the finished message and the text of exceptions."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.msg, dict):
            record.msg = {k: redact(v) if isinstance(v, str) else v for k, v in record.msg.items()}
            return True
        record.msg, record.args = redact(record.getMessage()), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = redact(logging.Formatter().formatException(record.exc_info))
        return True


def _shared_processors() -> list:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _exception_text(_logger, _method, event: dict) -> dict:
    record = event.get("_record")
    if record is not None and record.exc_text:
        event["exception"] = record.exc_text
    return event


def json_formatter() -> logging.Formatter:
    """The formatter of the console handler."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared_processors(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_shared_processors(),
        processors=[
            _exception_text,
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
    )
