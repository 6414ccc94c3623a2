"""The language: Liquid with an allowlist of tags and filters, and limits of its own.

The limits here are the first line, and say the most exactly what was wrong. What they do not hold,
the process does: see `confine` and `serving`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TextIO

from liquid import (
    BoundTemplate,
    Environment,
    FalsyStrictUndefined,
    RenderContext,
    TokenStream,
    Undefined,
    escape,
)
from liquid import builtin as standard
from liquid.builtin import output
from liquid.builtin.expressions import FilteredExpression, Path, logical
from liquid.builtin.expressions.primitive import Blank, Empty, Nil
from liquid.builtin.filters import array
from liquid.exceptions import ResourceLimitError, TemplateNotFoundError
from liquid.expression import Expression
from liquid.loader import BaseLoader, TemplateSource
from liquid.token import Token

from notifications.renderer.wire import OUTPUT_OCTETS

TAGS = (
    "content", "output", "illegal", "#", "comment", "doc", "assign", "capture", "case", "cycle",
    "decrement", "echo", "for", "break", "continue", "if", "ifchanged", "include", "increment",
    "liquid", "render", "tablerow", "unless",
)  # fmt: skip
# All but `safe`, with which a template could say that a value needs no escaping, and `escapejs`.
FILTERS = (
    "abs", "append", "at_least", "at_most", "base64_decode", "base64_encode",
    "base64_url_safe_decode", "base64_url_safe_encode", "capitalize", "ceil", "compact", "concat",
    "date", "default", "divided_by", "downcase", "escape", "escape_once", "find", "find_index",
    "first", "floor", "has", "join", "last", "lstrip", "map", "minus", "modulo", "newline_to_br",
    "plus", "prepend", "reject", "remove", "remove_first", "remove_last", "replace",
    "replace_first", "replace_last", "reverse", "round", "rstrip", "size", "slice", "sort",
    "sort_natural", "split", "squish", "strip", "strip_html", "strip_newlines", "sum", "times",
    "truncate", "truncatewords", "uniq", "upcase", "url_decode", "url_encode", "where",
)  # fmt: skip
LOOPS = 100_000
NESTING = 30
_LOCAL_OCTETS = 4 * OUTPUT_OCTETS
_STRING = 2 * OUTPUT_OCTETS
_INTEGER_BITS = 2048


class Absent(FalsyStrictUndefined):
    """A variable that is not there: false in a condition, replaced by `default`, else an error."""

    force_liquid_default = True


class Partials(BaseLoader):
    """The only templates there are: those that came with the source being rendered."""

    def __init__(self) -> None:
        """With none, until `use`."""
        self._sources: dict[str, str] = {}
        self._made: dict[tuple[str, bool], BoundTemplate] = {}

    def use(self, sources: dict[str, str], made: dict[tuple[str, bool], BoundTemplate]) -> None:
        """These from now on; those parsed already are in, and will come into, `made`."""
        self._sources, self._made = sources, made

    def load(self, env: Environment, name: str, **_: Any) -> BoundTemplate:
        """One of them.

        Raises:
            TemplateNotFoundError: there is none of that name.
        """
        key = (name, env.autoescape)
        if key not in self._made:
            source = self.get_source(env, name)
            self._made[key] = env.from_string(source.text, name=name)
        return self._made[key]

    def get_source(self, env: Environment, template_name: str, **_: Any) -> TemplateSource:
        """What one of them was written as.

        Raises:
            TemplateNotFoundError: there is none of that name.
        """
        if template_name not in self._sources:
            raise TemplateNotFoundError(f"there is no partial '{template_name[:100]}'")
        return TemplateSource(self._sources[template_name], template_name, None)


class Variable(output.OutputNode):
    """An output of a variable alone, as most are: a string goes out by a shorter way."""

    __slots__ = ("name",)

    def __init__(self, token: Token, expression: Expression, name: str) -> None:
        """`expression` is for what is no string, or not there."""
        super().__init__(token, expression)
        self.name = name

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        """What the expression would make of it."""
        value = context.scope.get(self.name)
        if type(value) is str:
            return buffer.write(escape(value) if context.autoescape else value)
        return super().render_to_output(context, buffer)


class Output(output.Output):
    """Outputs, told apart."""

    def parse(self, stream: TokenStream) -> output.OutputNode:
        """The node of one."""
        node = super().parse(stream)
        whole = node.expression
        if type(whole) is not FilteredExpression or whole.filters or type(whole.left) is not Path:
            return node
        name = whole.left.path[0]
        if len(whole.left.path) > 1 or not isinstance(name, str):
            return node
        return Variable(node.token, whole, name)


class Language(Environment):
    """Liquid as tenants may write it."""

    block_nesting_limit = NESTING
    context_depth_limit = NESTING
    loop_iteration_limit = LOOPS
    local_namespace_limit = _LOCAL_OCTETS
    output_stream_limit = OUTPUT_OCTETS

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        """Only those of the allowlists."""
        standard.register(self)
        self.tags = {name: self.tags[name] for name in TAGS}
        self.tags["output"] = Output(self)
        self.filters = {
            name: self.filters[name] if name == "default" else _guarded(self.filters[name])
            for name in FILTERS
        }


def _guarded(inner: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that takes nothing absent, and neither takes nor gives what is too large."""

    @wraps(inner)
    def outer(value: Any, *args: Any, **named: Any) -> Any:
        _check_taken(value)
        for arg in args:
            _check_taken(arg)
        made = inner(value, *args, **named)
        if isinstance(made, str):
            if len(made) > _STRING:
                raise ResourceLimitError("a string is too long", token=None)
        elif isinstance(made, list):
            if len(made) > LOOPS:
                raise ResourceLimitError("a list is too long", token=None)
        elif isinstance(made, int) and made.bit_length() > _INTEGER_BITS:
            raise ResourceLimitError("a number is too large", token=None)
        return made

    return outer


def _check_taken(value: Any) -> None:
    """Raise what an absent variable raises, or that a range is too long."""
    if isinstance(value, Undefined):
        str(value)
    elif isinstance(value, range) and value.stop - value.start > LOOPS:
        raise ResourceLimitError("a range is too long", token=None)


_standard_equal = logical._eq


def _equal(left: object, right: object) -> bool:
    """As in Liquid elsewhere: what is absent or null is blank."""
    if isinstance(left, Undefined):
        left = None
    if isinstance(right, Undefined):
        right = None
    if (left is None and isinstance(right, Blank)) or (right is None and isinstance(left, Blank)):
        return True
    return _standard_equal(left, right)


logical._eq = _equal
# In a list within a list, Python would print where in memory they are.
for _placeholder in (type(array._NULL), Blank, Empty, Nil):
    setattr(_placeholder, "__repr__", _placeholder.__str__)  # noqa: B010

PARTIALS = Partials()
PLAIN = Language(loader=PARTIALS, undefined=Absent)
HTML = Language(loader=PARTIALS, undefined=Absent, autoescape=True)
