"""The signatures, by the vector that the documentation gives to receivers."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from delivery.signature import signature
from notifications import secrets

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text(encoding="utf-8")
VECTOR = dict(re.findall(r"^\| `?([^|`]+?)`? \| `([^|]+)` \|$", PAGE, re.MULTILINE))
KEPT = {
    "secrets": [{"secret": VECTOR["secret"], "until": None}],
    "key": f"whsk_{base64.b64encode(bytes(range(32))).decode()}",
    "headers": {},
}


def test_the_vector_is_what_is_sent() -> None:
    at = int(VECTOR["webhook-timestamp"])
    made = signature(VECTOR["webhook-id"], at, VECTOR["body"].encode(), KEPT, asymmetric=True)
    assert made == {
        "webhook-id": VECTOR["webhook-id"],
        "webhook-timestamp": str(at),
        "webhook-signature": f"{VECTOR['v1']} {VECTOR['v1a']}",
        "X-Hiram-Signature": VECTOR["X-Hiram-Signature"],
    }
    assert secrets.public_key(KEPT) == VECTOR["public key"]


def example(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def facts(changed: str = "") -> dict[str, str]:
    return {
        "webhook-id": VECTOR["webhook-id"] + changed,
        "webhook-timestamp": VECTOR["webhook-timestamp"],
        "webhook-signature": f"v1,AAAA {VECTOR['v1']}",
    }


@pytest.mark.parametrize(("changed", "wanted"), [("", True), ("x", False)])
def test_the_example_in_python_verifies_it(changed: str, wanted: bool) -> None:
    code = example("python").replace("> 300", "> 1e12")
    space: dict[str, object] = {}
    exec(code, space)  # noqa: S102
    verify = space["verify"]
    assert callable(verify)
    assert verify(VECTOR["secret"], facts(changed), VECTOR["body"].encode()) is wanted


NODE = shutil.which("node") or ""


@pytest.mark.skipif(not NODE, reason="node is not installed")
@pytest.mark.parametrize(("changed", "wanted"), [("", "true"), ("x", "false")])
def test_the_example_in_javascript_verifies_it(changed: str, wanted: str, tmp_path: Path) -> None:
    call = f"verify({VECTOR['secret']!r}, {facts(changed)!r}, {VECTOR['body']!r})"
    script = tmp_path / "verify.js"
    script.write_text(example("javascript").replace("> 300", "> 1e12") + f"\nconsole.log({call})")
    done = subprocess.run(
        [NODE, str(script)], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.strip() == wanted
