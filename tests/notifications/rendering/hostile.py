"""Templates by the thousand: honest, broken, random and hostile ones."""

from __future__ import annotations

import random

from notifications.renderer.language import FILTERS

HOSTILE = (
    "{% for i in (1..A) %}{% for j in (1..A) %}{{ i | times: j }}{% endfor %}{% endfor %}",
    "{% assign x = 'ab' %}{% for i in (1..A) %}{% assign x = x | append: x %}{% endfor %}{{ x }}",
    "{% assign x = 9 %}{% for i in (1..A) %}{% assign x = x | times: x %}{% endfor %}{{ x }}",
    "{% if (1..A) contains 'x' %}a{% endif %}",
    "{{ (1..A) | reverse | join: s | split: '' | uniq | size }}",
    "{% for i in (1..A) reversed %}{{ i }}{% endfor %}",
    "{% assign y = s | replace: 'a', s | replace: 'e', s | replace: 'x', s %}{{ y | replace: '', y }}",
    "{{ s | truncate: A }}{{ 1.5 | round: A }}{{ 'A' | plus: 1 }}{{ s | slice: A, A }}",
    "{% include 'self' %}",
    "{% render 'self', x: s %}",
    "{{ ''.__class__.__mro__ }}{{ s.__globals__ }}{{ d.keys }}{{ forloop.__init__ }}",
    "{% include '/etc/passwd' %}{% render '../../.env' %}{% extends 'x' %}{% load x %}{% debug %}",
    "{{ settings.SECRET_KEY }}{{ environ }}{{ self }}{{ context }}{{ env.globals }}",
    "{{ 'A' | date: '%A%A%A%A%s%c' }}{{ s | date: s }}{{ A | date: '%Y' }}",
    "{% tablerow i in (1..A) cols: A %}{{ i }}{% endtablerow %}",
    "{% cycle s: s, d, l %}{% increment A %}{% capture c %}{{ c }}{{ s }}{% endcapture %}{{ c }}",
    "{% liquid\nassign q = s\nfor i in (1..A)\necho q\nassign q = q | append: q\nendfor %}",
    "{{ s | base64_encode | base64_encode | base64_encode | url_encode | url_encode | escape }}",
    "{{ l | concat: l | concat: l | sort_natural | map: 'k' | sum }}{{ l | where: 'k', s }}",
    "{% case s %}{% when A, l, d %}{{ s }}{% else %}{{ d }}{% endcase %}{% ifchanged %}A{% endifchanged %}",
)  # fmt: skip
NAMES = ("s", "n", "l", "d", "d.k", "l[0]", "l.first", "nil", "blank", "now", "missing", "s.size")
NUMBERS = (
    "0",
    "1",
    "-1",
    "2",
    "40",
    "3000",
    "99999",
    "10000000",
    "1000000000000",
    "1.5",
    "9" * 400,
)
PIECES = ("{{", "}}", "{%", "%}", "|", "'", '"', "(", ")", "..", "[", "]", "if", "for", "in", "<b>",
          "endif", "endfor", "raw", "endraw", "comment", "\0", "\u2028", "é", "\n", "-", "#")  # fmt: skip
WORDS = ("a", "x,y", "%Y-%m", "<b>&", " ", "", "k", "%%41", "é" * 50)
TAKING = {
    "append", "at_least", "at_most", "concat", "date", "default", "divided_by", "find",
    "find_index", "has", "join", "map", "minus", "modulo", "plus", "prepend", "reject", "remove",
    "remove_first", "remove_last", "replace", "replace_first", "slice", "split", "times",
    "truncate", "truncatewords", "where",
}  # fmt: skip


def template(number: int) -> str:
    """The template of this number: the same in every run."""
    chance = random.Random(number)  # noqa: S311
    kind = chance.random()
    if kind < 0.06:
        return chance.choice(HOSTILE).replace("A", chance.choice(NUMBERS))
    if kind < 0.12:
        return _garbage(chance)
    made = _nodes(chance, 0)
    if kind < 0.2:
        made = _broken(chance, made)
    return made


def _nodes(chance: random.Random, depth: int) -> str:
    return "".join(_node(chance, depth) for _ in range(chance.randint(1, 4)))


def _node(chance: random.Random, depth: int) -> str:
    kind = chance.random()
    if depth > chance.randint(1, 8) or kind < 0.4:
        return f"{{{{ {_value(chance)}{_filters(chance)} }}}}"
    inside = _nodes(chance, depth + 1)
    if kind < 0.55:
        compared = f"{chance.choice(('==', '!=', 'and', 'or'))} {_value(chance)}"
        return f"{{% if {_value(chance)} {compared} %}}{inside}{{% else %}}x{{% endif %}}"
    if kind < 0.7:
        return f"{{% for i in {_range(chance)} %}}{inside}{{% endfor %}}"
    if kind < 0.8:
        return f"{{% assign s = {_value(chance)}{_filters(chance)} %}}{inside}"
    if kind < 0.85:
        return f"{{% capture s %}}{inside}{{% endcapture %}}"
    if kind < 0.9:
        return f"{{% {chance.choice(('render', 'include'))} 'p', s: {_value(chance)} %}}"
    return f"<p>{inside}</p>"


def _range(chance: random.Random) -> str:
    if chance.random() < 0.5:
        return chance.choice(("l", "d", "s"))
    return f"(1..{chance.choice(NUMBERS[:5] if chance.random() < 0.9 else NUMBERS)})"


def _value(chance: random.Random) -> str:
    kind = chance.random()
    if kind < 0.6:
        return chance.choice(NAMES[:8] if chance.random() < 0.9 else NAMES)
    return chance.choice(NUMBERS) if kind < 0.8 else f"'{chance.choice(WORDS)}'"


def _filters(chance: random.Random) -> str:
    used = (chance.choice(FILTERS) for _ in range(chance.randint(0, 2)))
    return "".join(
        f" | {name}"
        + (f": {_value(chance)}" if (name in TAKING) != (chance.random() < 0.05) else "")
        for name in used
    )


def _garbage(chance: random.Random) -> str:
    return "".join(chance.choice(PIECES + NAMES) for _ in range(chance.randint(1, 300)))


def _broken(chance: random.Random, made: str) -> str:
    at = chance.randrange(len(made))
    return made[:at] + chance.choice(PIECES) + made[at + chance.randint(0, 3) :]
