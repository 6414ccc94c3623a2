"""Sources as they came, compiled, rendered, and what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, TypeAlias

from liquid import BoundTemplate, Node, RenderContext
from liquid.builtin.expressions import FilteredExpression, StringLiteral
from liquid.exceptions import (
    LiquidError,
    LiquidSyntaxError,
    LiquidValueError,
    OutputStreamLimitError,
    ResourceLimitError,
    TemplateNotFoundError,
    UndefinedError,
    UnknownFilterError,
)
from liquid.expression import Expression
from liquid.token import Token

from notifications.renderer.language import FILTERS, HTML, PARTIALS, PLAIN
from notifications.renderer.line import ONE_LINE, one_line
from notifications.renderer.wire import PARTIAL

_MOST_FLAWS = 20
_DETAIL = 300
_UNDEFINED = re.compile(r"'?(.+?)'? is undefined", re.DOTALL)

Flaw: TypeAlias = dict[str, Any]


class Compiled:
    """One source: parts that are rendered together, with the partials they may use."""

    def __init__(
        self, parts: dict[str, str], partials: dict[str, str], escaped: list[str]
    ) -> None:
        """Nothing is parsed yet."""
        self._sources = parts
        self._partials = partials
        self._escaped = frozenset(escaped)
        self._templates: dict[str, BoundTemplate] = {}
        self._made: dict[tuple[str, bool], BoundTemplate] = {}
        self._broken: Flaw | None = None

    def render(self, data: dict[str, Any]) -> list[str] | Flaw:
        """Its parts in their order, or what is wrong."""
        PARTIALS.use(self._partials, self._made)
        part = ""
        texts = []
        try:
            if self._broken:
                return self._broken
            for part in self._sources:
                text = self._template(part).render(data)
                if "\0" in text:
                    raise LiquidError("its output has a NUL character in it", token=None)
                texts.append(one_line(text) if part in ONE_LINE else text)
        except Exception as error:  # whatever Python may raise
            flaw = self._flaw(part, error)
            if part not in self._templates and not isinstance(error, MemoryError):
                self._broken = flaw
            return flaw
        else:
            return texts

    def check(self) -> list[Flaw]:
        """What is wrong whatever the data."""
        PARTIALS.use(self._partials, self._made)
        flaws: list[Flaw] = []
        names = [*self._sources, *(PARTIAL + name for name in self._partials)]
        for name in names:
            try:
                flaws += (self._flaw(name, error) for error in self._errors(self._template(name)))
            except Exception as error:  # whatever Python may raise
                flaws.append(self._flaw(name, error))
        return flaws[:_MOST_FLAWS]

    def _template(self, name: str) -> BoundTemplate:
        made = self._templates.get(name)
        if made is None:
            environment = HTML if name in self._escaped else PLAIN
            source = self._sources.get(name)
            if source is None:
                source = self._partials[name.removeprefix(PARTIAL)]
            made = self._templates[name] = environment.from_string(source)
        return made

    def _errors(self, template: BoundTemplate) -> Iterator[LiquidError]:
        """Filters and partials that there are not."""
        context = RenderContext(template)
        nodes: list[Node] = list(reversed(template.nodes))
        while nodes:
            node = nodes.pop()
            expressions: list[Expression] = list(node.expressions())
            while expressions:
                expression = expressions.pop()
                if isinstance(expression, FilteredExpression):
                    for used in expression.filters or ():
                        if used.name not in FILTERS:
                            yield UnknownFilterError(
                                f"unknown filter '{used.name}'", token=used.token
                            )
                expressions += expression.children()
            name = getattr(node, "name", None) if node.partial_scope() else None
            if isinstance(name, StringLiteral) and name.value not in self._partials:
                yield TemplateNotFoundError(
                    f"there is no partial '{name.value[:100]}'", token=name.token
                )
            nodes += reversed(list(node.children(context, include_partials=False)))

    def _flaw(self, part: str, error: Exception) -> Flaw:
        cause = error.__cause__
        if isinstance(cause, MemoryError | RecursionError):
            error = cause
        token = getattr(error, "token", None)
        code = _code(error)
        if code == "undefined_variable":
            detail = _name(error, token)
        elif isinstance(error, LiquidError):
            detail = str(error.message)
        else:
            detail = _DETAILS.get(code) or f"it cannot be rendered: {type(error).__name__}"
        part, line, column = self._place(part, token)
        return {
            "part": part, "line": line, "column": column, "code": code, "detail": detail[:_DETAIL],
        }  # fmt: skip

    def _place(self, part: str, token: Token | None) -> tuple[str, int | None, int | None]:
        """The part, or partial, and where in it; both counted from one."""
        if token is None:
            return part, None, None
        if token.start_index < 0:  # the end of what was being parsed
            text = self._sources.get(part) or self._partials.get(part.removeprefix(PARTIAL), "")
            return part, text.count("\n") + 1, None
        text = token.source
        if self._sources.get(part) != text:
            for name, source in self._partials.items():
                if source == text:
                    part = PARTIAL + name
                    break
        before = text[: token.start_index]
        return part, before.count("\n") + 1, len(before) - before.rfind("\n")


_DETAILS = {
    "template_too_much_memory": "it takes too much memory",
    "template_limit": "it is nested too deeply",
}
# The first that fits, so a class comes before those it is derived from.
_CODES: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    (UndefinedError, "undefined_variable"),
    (OutputStreamLimitError, "template_output_too_large"),
    ((ResourceLimitError, RecursionError), "template_limit"),
    (LiquidValueError, "template_error"),
    ((LiquidSyntaxError, UnknownFilterError, TemplateNotFoundError), "template_syntax"),
    (MemoryError, "template_too_much_memory"),
)


def _code(error: Exception) -> str:
    return next((code for kind, code in _CODES if isinstance(error, kind)), "template_error")


def _name(error: Exception, token: Token | None) -> str:
    """Which variable is undefined."""
    found = _UNDEFINED.fullmatch(str(error.args[0]))
    if found:
        return found[1]
    return token.value if token else "a variable"
