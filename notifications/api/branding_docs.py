"""The operations on partials and the brand as the OpenAPI document publishes them."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from notifications.api.template_shapes import BrandRecord, PartialList, PartialRecord
from notifications.catalog.shapes import NAME_PATTERN, BrandGiven, PartialGiven

_TAGS = ["templates"]
_NAME = OpenApiParameter(
    "name",
    {"type": "string", "pattern": NAME_PATTERN},
    OpenApiParameter.PATH,
    description="`layout` goes around the HTML of all e-mails.",
)

list_partials = extend_schema(
    operation_id="listTemplatePartials",
    summary="List partials",
    description="All, by name.",
    tags=_TAGS,
    responses={200: PartialList},
)
get_partial = extend_schema(
    operation_id="getTemplatePartial",
    summary="Read a partial",
    tags=_TAGS,
    parameters=[_NAME],
    responses={200: PartialRecord},
)
put_partial = extend_schema(
    operation_id="putTemplatePartial",
    summary="Write a partial",
    description="What is published keeps the partial that it was published with.",
    tags=_TAGS,
    request=PartialGiven,
    parameters=[_NAME],
    responses={200: PartialRecord, 201: OpenApiResponse(PartialRecord, "It is new.")},
    examples=[OpenApiExample("A footer", {"body": "<p>{{ brand.name }}</p>"}, request_only=True)],
)
delete_partial = extend_schema(
    operation_id="deleteTemplatePartial",
    summary="Delete a partial",
    description="What is published keeps it.",
    tags=_TAGS,
    parameters=[_NAME],
    responses={204: OpenApiResponse(description="Gone.")},
)
get_brand = extend_schema(
    operation_id="getBrand",
    summary="Read the brand",
    tags=_TAGS,
    responses={200: BrandRecord},
)
put_brand = extend_schema(
    operation_id="putBrand",
    summary="Write the brand",
    description="As a whole. What is published keeps the brand that it was published with.",
    tags=_TAGS,
    request=BrandGiven,
    responses={200: BrandRecord},
    examples=[
        OpenApiExample(
            "Name and color", {"variables": {"name": "Acme", "color": "#0a7"}}, request_only=True
        )
    ],
)
