"""``manage.py messages``: keep the English catalogue complete. Message ids are Chinese."""

import ast
import io
import re
from collections.abc import Iterator
from pathlib import Path

import polib
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation.template import templatize

CATALOGUE = Path("config/locale/en/LC_MESSAGES/django.po")
CODE = ("crm", "analytics", "config")
# Speaks to developers, or as simulated people: no words of the interface at all.
APART = ("crm/wecom/sandbox/", "crm/management/commands/messages.py")
# Chinese that is data beside words of the interface: column names and statuses in people's files,
# units, names of the company.
DATA = (
    "analytics/dashboards/benchdata.py",
    "crm/outreach/benching.py",
    "analytics/dashboards/benching.py",
    "analytics/experiments/wording.py",  # Words in files, accepted in both languages.
    "analytics/segments/benching.py",
    "config/settings.py",
    "crm/acquisition/wording.py",  # Names of placeholders, accepted in both languages.
    "crm/content/card_names.py",  # Names of variables in texts that are Chinese.
    "crm/imports/bench.py",
    "crm/ingest/cells.py",
    "crm/datasets/rows.py",
    "crm/ingest/kinds.py",
    "crm/management/commands/demo_users.py",
    "crm/shared/formatting.py",
    "templates/500_bare.html",  # Both languages at once: it is shown when nothing else works.
    "templates/components/language_switch.html",
    "templates/components/palette.html",  # Words to search a command by, in every language at once.
)
CJK = re.compile(r"[\u3400-\u9fff]")
MARKERS = {
    name: spec
    for base, spec in {
        "gettext": (1,),
        "ngettext": (1, 2),
        "pgettext": ((1, "c"), 2),
        "npgettext": ((1, "c"), 2, 3),
    }.items()
    for name in (base, f"{base}_lazy", f"{base}_noop")
} | {"_": (1,)}
PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]|\{(\w*)\}")

Message = tuple[str | None, str, str | None]  # context, singular, plural


class Command(BaseCommand):
    requires_system_checks: list[str] = []
    help = "Collect marked texts into the English catalogue; --check fails if any lacks English."

    def add_arguments(self, parser) -> None:
        parser.add_argument("--check", action="store_true", help="change nothing, fail on a gap")
        parser.add_argument("--missing", action="store_true", help="print what lacks English")

    def handle(self, *, check: bool, missing: bool, **_options) -> None:
        root = Path(settings.BASE_DIR)
        found = dict(collect(root))
        path = root / CATALOGUE
        catalogue = polib.pofile(str(path)) if path.exists() else new_catalogue()
        if not (check or missing):
            merge(catalogue, found)
            path.parent.mkdir(parents=True, exist_ok=True)
            catalogue.save(str(path))
            self.stdout.write(f"{len(found)} messages, {len(untranslated(catalogue, found))} to do")
            return
        todo = untranslated(catalogue, found)
        problems = [f"no English: {where}: {message[1]}" for message, where in todo]
        if missing:
            self.stdout.write("\n".join(problems))
            return
        problems += wrong_placeholders(catalogue)
        problems += [f"hard-coded text: {where}" for where in hard_coded(root)]
        if problems:
            raise CommandError("\n".join([*problems, f"{len(problems)} problems in translations"]))
        self.stdout.write(f"{len(found)} messages, all in English")


def new_catalogue() -> polib.POFile:
    """An empty English catalogue with the header that gettext needs."""
    catalogue = polib.POFile(wrapwidth=100)
    catalogue.metadata = {
        "Content-Type": "text/plain; charset=UTF-8",
        "Content-Transfer-Encoding": "8bit",
        "Language": "en",
        "Plural-Forms": "nplurals=2; plural=(n != 1);",
    }
    return catalogue


def collect(root: Path) -> Iterator[tuple[Message, str]]:
    """Every marked text of code and templates, with one place where it stands."""
    from babel.messages.extract import extract_python  # a development dependency

    for path in _files(root):
        text = path.read_text("utf-8")
        if path.suffix == ".html":
            # Blotted-out markup keeps its indentation, which means nothing to Python.
            text = re.sub(r"^[ \t]+", "", templatize(text, origin=str(path)), flags=re.M)
        where = str(path.relative_to(root))
        for line, function, texts, _comments in extract_python(
            io.BytesIO(text.encode()), list(MARKERS), [], {}
        ):
            if message := _message(function, texts):
                yield message, f"{where}:{line}"


def _files(root: Path) -> Iterator[Path]:
    for folder in CODE:
        for path in sorted((root / folder).rglob("*.py")):
            where = str(path.relative_to(root))
            if "migrations" not in path.parts and not where.startswith(APART):
                yield path
    yield from sorted((root / "templates").rglob("*.html"))


def _message(function: str, texts: str | tuple) -> Message | None:
    parts = texts if isinstance(texts, tuple) else (texts,)
    spec = MARKERS[function]
    context = None
    if isinstance(spec[0], tuple):
        context, parts = parts[0], parts[1:]
    if not parts or not isinstance(parts[0], str) or not parts[0]:
        return None
    plural = parts[1] if "ngettext" in function and len(parts) > 1 else None
    return context, parts[0], plural


def merge(catalogue: polib.POFile, found: dict[Message, str]) -> None:
    """Add new messages, drop those that no longer stand anywhere; keep the order stable."""
    known = {(e.msgctxt, e.msgid): e for e in catalogue}
    wanted = {
        (context, single): (plural, where) for (context, single, plural), where in found.items()
    }
    for key in known.keys() - wanted.keys():
        catalogue.remove(known[key])
    for (context, single), (plural, _where) in wanted.items():
        if entry := known.get((context, single)):
            if bool(entry.msgid_plural) == bool(plural):
                continue
            catalogue.remove(entry)
        forms = {0: "", 1: ""} if plural else {}
        catalogue.append(
            polib.POEntry(
                msgctxt=context, msgid=single, msgid_plural=plural or "", msgstr_plural=forms
            )
        )
    catalogue.sort(key=lambda e: (e.msgid, e.msgctxt or ""))


def untranslated(catalogue: polib.POFile, found: dict[Message, str]) -> list[tuple[Message, str]]:
    """Messages in use that have no (or an empty) English text."""
    done = {(e.msgctxt, e.msgid) for e in catalogue if e.translated() and not e.fuzzy}
    return [(m, where) for m, where in found.items() if (m[0], m[1]) not in done]


def wrong_placeholders(catalogue: polib.POFile) -> list[str]:
    """Translations whose placeholders differ from the original's."""
    problems = []
    for entry in catalogue:
        wanted = set(PLACEHOLDER.findall(entry.msgid + entry.msgid_plural))
        for text in [entry.msgstr, *entry.msgstr_plural.values()]:
            if text and not set(PLACEHOLDER.findall(text)) <= wanted:
                problems.append(f"placeholders differ: {entry.msgid}")
            if text and not entry.msgid_plural and set(PLACEHOLDER.findall(text)) != wanted:
                problems.append(f"placeholder lost: {entry.msgid}")
    return problems


def hard_coded(root: Path) -> Iterator[str]:
    """Chinese outside any marker: in templates as text, in code as a plain string."""
    blocks = re.compile(r"{%\s*(blocktranslate|comment)\b.*?{%\s*end\1\s*%}|{[%{#].*?[%}#]}", re.S)
    for path in sorted((root / "templates").rglob("*.html")):
        if str(path.relative_to(root)).startswith(DATA):
            continue
        for number, line in enumerate(_blanked(blocks, path.read_text("utf-8")).splitlines(), 1):
            if CJK.search(line):
                yield f"{path.relative_to(root)}:{number}: {line.strip()[:60]}"
    for path in _files(root):
        if path.suffix == ".py" and not str(path.relative_to(root)).startswith(DATA):
            yield from _plain_strings(path, root)


def _blanked(pattern: re.Pattern, text: str) -> str:
    """``text`` with every match replaced by its own line breaks, so that line numbers hold."""
    return pattern.sub(lambda match: "\n" * match.group().count("\n"), text)


def _plain_strings(path: Path, root: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text("utf-8"))
    marked: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in MARKERS:
            marked |= {id(inner) for arg in node.args for inner in ast.walk(arg)}
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            marked.add(id(body[0].value))  # a docstring
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
            # A language is named in itself; punctuation between parts is not a word.
            if CJK.search(text) and id(node) not in marked and text != "简体中文":
                yield f"{path.relative_to(root)}:{node.lineno}: {text.strip()[:60]}"
