"""Declared variables: which declarations are taken, and what they say of data."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from notifications.catalog.declared import SCHEMA_OCTETS, flaws
from notifications.catalog.quick import quick
from notifications.catalog.variables import Variables, default_flaws


def declared(required: list[str] | None = None, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required or [], "properties": properties}


def wrong(schema: dict[str, Any], data: dict[str, Any]) -> list[tuple[str, str]]:
    assert flaws(schema) == []
    variables = Variables(schema)
    return [(e.pointer, e.code) for e in variables.errors(variables.filled(data))]


ORDER = declared(
    ["order"],
    order=declared(
        ["number"],
        number={"type": "integer"},
        note={"type": "string", "default": "none"},
        lines={"type": "array", "items": declared(["name"], name={"type": "string"},
                                                 count={"type": "integer", "default": 1})},
    ),
    theme=declared(color={"default": "red"}),
    greeting={"type": ["string", "null"], "default": None},
)  # fmt: skip


class TestData:
    def test_defaults_appear_inside_too(self) -> None:
        data = {"order": {"number": 1, "lines": [{"name": "a"}, {"name": "b", "count": 2}]}}
        assert Variables(ORDER).filled(data) == {
            "order": {
                "number": 1, "note": "none",
                "lines": [{"name": "a", "count": 1}, {"name": "b", "count": 2}],
            },
            "theme": {"color": "red"}, "greeting": None,
        }  # fmt: skip
        assert data == {
            "order": {"number": 1, "lines": [{"name": "a"}, {"name": "b", "count": 2}]}
        }

    def test_what_is_given_stays(self) -> None:
        data = {"greeting": "Hi", "theme": {"color": None}, "more": 1, "order": 3}
        assert Variables(ORDER).filled(data) == data

    def test_an_object_that_lacks_something_is_not_made_of_defaults(self) -> None:
        assert "order" not in Variables(ORDER).filled({})

    def test_defaults_of_references_and_of_all_of_appear(self) -> None:
        schema = {
            "type": "object",
            "$defs": {"who": declared(name={"default": "you"})},
            "properties": {"who": {"$ref": "#/$defs/who"}},
            "allOf": [declared(more={"default": 1})],
        }
        assert flaws(schema) == default_flaws(schema) == []
        assert Variables(schema).filled({}) == {"who": {"name": "you"}, "more": 1}

    @pytest.mark.parametrize(
        ("data", "expected"),
        [
            ({"order": {"number": 1}}, []),
            ({}, [("/order", "required")]),
            ({"order": {}}, [("/order/number", "required")]),
            ({"order": {"number": "1"}}, [("/order/number", "type")]),
            ({"order": {"number": True}}, [("/order/number", "type")]),
            ({"order": {"number": 1, "lines": [{}]}}, [("/order/lines/0/name", "required")]),
            ({"order": []}, [("/order", "type")]),
            ({"order": {"number": 1}, "a/b": 1}, []),
        ],
    )
    def test_what_is_missing_or_wrong(
        self, data: dict[str, Any], expected: list[tuple[str, str]]
    ) -> None:
        assert wrong(ORDER, data) == expected

    def test_the_detail_names_the_variable_and_no_value(self) -> None:
        variables = Variables(ORDER)
        (error,) = variables.errors({"order": {"number": "secret-482913"}})
        assert error.detail == "The variable order.number must be a whole number."
        (error,) = variables.errors({"order": {"number": 1, "lines": [{}]}})
        assert error.detail == "The variable order.lines[0].name is needed."

    def test_other_keywords_and_unknown_names(self) -> None:
        schema = {**declared(a={"type": "string", "minLength": 2}), "additionalProperties": False}
        assert wrong(schema, {"a": "x", "b": 1}) == [
            ("/a", "invalid"), ("/b", "unknown_field"),
        ] or wrong(schema, {"a": "x", "b": 1}) == [("/b", "unknown_field"), ("/a", "invalid")]  # fmt: skip

    def test_nothing_declared_takes_anything(self) -> None:
        assert wrong({}, {"a": [1, {"b": None}]}) == []


class TestDeclarations:
    @pytest.mark.parametrize(
        ("schema", "pointer"),
        [
            ({"type": "string"}, "/type"),
            ({"properties": {}}, "/type"),
            (declared(a={"pattern": "(a+)+$"}), "/properties/a/pattern"),
            ({"type": "object", "patternProperties": {"^a": {}}}, "/patternProperties"),
            (declared(a={"$ref": "https://x.example/s.json"}), "/properties/a/$ref"),
            (declared(a={"$ref": "#"}), "/properties/a/$ref"),
            (declared(a={"$ref": "#/$defs/none"}), "/properties/a/$ref"),
            ({"type": "object", "$id": "https://x.example/s.json"}, "/$id"),
            ({"type": "object", "$schema": "http://json-schema.org/draft-07/schema#"}, "/$schema"),
            (declared(a={"type": "text"}), "/properties/a/type"),
            (declared(a=3), "/properties/a"),
            (declared(brand={"type": "string"}), "/properties/brand"),
            ({"type": "object", "wording": {}}, "/wording"),
            ({"type": "object", "required": "a"}, "/required"),
            ({"type": "object", "title": "x" * SCHEMA_OCTETS}, ""),
        ],
    )
    def test_what_cannot_declare(self, schema: dict[str, Any], pointer: str) -> None:
        assert pointer in [error.pointer for error in flaws(schema)]

    def test_a_variable_may_be_called_like_a_keyword(self) -> None:
        assert flaws(declared(pattern={"type": "string"}, allOf={"type": "string"})) == []

    def test_depth_is_bounded(self) -> None:
        schema: dict[str, Any] = declared()
        for _ in range(30):
            schema = declared(a=schema)
        assert [error.code for error in flaws(schema)] == ["too_deep"]

    def test_a_default_must_fit(self) -> None:
        schema = declared(
            a={"type": "string", "default": 1}, b=declared(c={"enum": [1], "default": 2})
        )
        assert [e.pointer for e in default_flaws(schema)] == [
            "/properties/a/default", "/properties/b/properties/c/default",
        ]  # fmt: skip

    def test_references_that_never_end_are_refused(self) -> None:
        loop = {"type": "object", "$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}
        chain = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(25)}
        bomb = {"type": "object", "$defs": chain | {"a25": {}}, "$ref": "#/$defs/a0"}
        for schema in (loop, bomb):
            assert [error.code for error in default_flaws(schema)] == ["too_complex"]

    def test_work_on_data_is_bounded(self) -> None:
        schema = declared(a={"uniqueItems": True}, b={"items": {"enum": list(range(500))}})
        assert wrong(schema, {"a": [{"n": n} for n in range(1_000)]}) == [("", "too_complex")]
        assert wrong(schema, {"b": [499] * 10_000}) == [("", "too_complex")]
        assert wrong(schema, {"a": [{"n": n} for n in range(20)], "b": [1, 2]}) == []


SCALARS = st.sampled_from(["string", "integer", "number", "boolean", "null"]).map(
    lambda kind: {"type": kind}
) | st.builds(lambda least, more: {"type": "string", "minLength": least, "maxLength": least + more},
              st.integers(0, 3), st.integers(0, 3))  # fmt: skip
NAMES = st.sampled_from(["a", "b", "c"])
SCHEMAS: st.SearchStrategy[dict[str, Any]] = st.recursive(
    SCALARS,
    lambda inner: (
        st.builds(
            lambda properties, required: {
                "type": "object", "properties": properties, "required": sorted(required),
            },
            st.dictionaries(NAMES, inner), st.sets(NAMES),
        )
        | st.builds(lambda items, most: {"type": "array", "items": items, "maxItems": most},
                    inner, st.integers(0, 3))
    ),
    max_leaves=6,
)  # fmt: skip
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(allow_nan=False)
    | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@given(SCHEMAS, VALUES)
def test_the_quick_look_never_takes_what_does_not_fit(schema: dict[str, Any], value: Any) -> None:
    fits = quick(schema)
    assert fits is not None
    if fits(value):
        assert Draft202012Validator(schema).is_valid(value)


@pytest.mark.parametrize("schema", [{"enum": [1]}, {"type": "string", "x-y": 1}, False])
def test_the_quick_look_leaves_other_keywords_alone(schema: Any) -> None:
    assert quick(schema) is None
