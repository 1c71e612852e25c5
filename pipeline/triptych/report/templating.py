"""Filling in pages: everything escaped, nothing fetched, only our own script runs.

Templates of Markdown (`*.md.j2`) escape nothing by themselves, but have the filters `md`, `cell`
and `yaml` for it.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from triptych.report.markdown import escape as escape_markdown
from triptych.report.text import one_line

__all__ = ["json_script", "render", "render_markdown"]

# Inside <script>, "</script" would end it; U+2028 and U+2029 end lines of old JavaScript.
_UNSAFE = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("triptych.report", "templates"),
        autoescape=lambda name: not (name or "").endswith(".md.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = _breakable
    environment.filters["md"] = lambda text: escape_markdown(str(text))
    # Nothing in a cell begins a line, so a number need not be kept from reading as a list's.
    environment.filters["cell"] = lambda text: escape_markdown(f"·{text}")[1:]
    environment.filters["yaml"] = _yaml
    return environment


def _breakable(name: str) -> Markup:
    """A file name that may break after its underscores, escaped."""
    return Markup(re.sub(r"([_.-]+)", r"\1<wbr>", str(escape(name))))


def _yaml(text: str) -> str:
    """A text as YAML reads it whatever it holds: quoted as in JSON, printable."""
    text = one_line("".join(c if c.isprintable() else " " for c in text))
    return json.dumps(text, ensure_ascii=False)


@functools.cache
def _asset(name: str) -> str:
    file = resources.files("triptych.report") / "templates" / name
    return file.read_text(encoding="utf-8")


def json_script(value: Any) -> Markup:
    """JSON that is safe inside a script element whatever its texts hold.

    >>> str(json_script("</script>"))
    '"\\\\u003c/script\\\\u003e"'
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.translate(_UNSAFE))


def render(template: str, *, styles: tuple[str, ...], script: str, **values: Any) -> str:
    """A whole page with its style and script inside.

    Args:
        template: name of the page's template.
        styles: names of the style sheets, in order.
        script: name of the one script, the only one that the page's policy lets run.
        values: what the template shows; text is escaped.
    """
    code = _asset(script)
    digest = base64.b64encode(hashlib.sha256(code.encode("utf-8")).digest()).decode()
    policy = (
        "default-src 'none'; img-src data: file: 'self'; media-src data: file: blob: 'self'; "
        f"style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'; "
        "form-action 'none'"
    )
    return (
        _environment()
        .get_template(template)
        .render(
            csp=policy,
            style=Markup("\n".join(_asset(name) for name in styles)),
            script=Markup(code),
            **values,
        )
    )


def render_markdown(template: str, **values: Any) -> str:
    """A page of Markdown, without the runs of empty lines that absent parts leave.

    Args:
        template: name of the page's template, `*.md.j2`.
        values: what the template shows through its filters.
    """
    text = _environment().get_template(template).render(**values)
    text = re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"
