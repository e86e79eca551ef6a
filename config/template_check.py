"""Compile every template, and see that what it includes, extends and links to exists.

`python -m config.template_check`; a broken template otherwise shows only when its page is opened.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import django
from django.conf import settings
from django.template import Template, TemplateDoesNotExist, TemplateSyntaxError
from django.template.base import Node
from django.template.defaulttags import URLNode
from django.template.loader import get_template
from django.template.loader_tags import ExtendsNode, IncludeNode
from django.urls import get_resolver


def names() -> Iterator[str]:
    """Every template of ours, by the name that pages use."""
    for folder in settings.TEMPLATES[0]["DIRS"]:
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file() and path.suffix in {".html", ".txt"}:
                yield path.relative_to(folder).as_posix()


def problems(name: str) -> Iterator[str]:
    try:
        template: Template = get_template(name).template
        for node in template.nodelist.get_nodes_by_type(Node):
            yield from _missing(node)
    except (TemplateSyntaxError, TemplateDoesNotExist) as error:
        yield f"{type(error).__name__}: {error}"


def _missing(node: Node) -> Iterator[str]:
    if isinstance(node, URLNode) and node.asvar is None:  # With "as", a missing one is allowed.
        view = node.view_name.var
        if isinstance(view, str) and not _url_exists(view):
            yield f"no URL is named {view!r}"
    if isinstance(node, IncludeNode | ExtendsNode):
        expression = node.template if isinstance(node, IncludeNode) else node.parent_name
        if isinstance(expression.var, str):
            get_template(expression.var)


def _url_exists(view: str) -> bool:
    resolver, (*namespaces, name) = get_resolver(), view.split(":")
    for namespace in namespaces:
        if namespace not in resolver.namespace_dict:
            return False
        resolver = resolver.namespace_dict[namespace][1]
    return name in resolver.reverse_dict


def main() -> int:
    django.setup()
    found = [f"{name}: {problem}" for name in names() for problem in problems(name)]
    print("\n".join(found) or "Every template compiles.")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
