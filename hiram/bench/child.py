"""A program of the bench that stays: a line of JSON there, a line of JSON back."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from hiram.bench.stage import BenchFailed, Stage

_ANSWER_SECONDS = 300


class Child:
    """Asked one thing at a time."""

    def __init__(self, process: subprocess.Popen[str], name: str) -> None:
        """Its standard input and output are pipes of ours."""
        self._process = process
        self._name = name

    def ask(self, **asked: Any) -> Any:
        """What it answers.

        Raises:
            BenchFailed: it ended, or has said nothing for five minutes.
        """
        there, back = _pipes(self._process)
        there.write(json.dumps(asked) + "\n")
        there.flush()
        heard, _, _ = select.select([back], [], [], _ANSWER_SECONDS)
        said = back.readline() if heard else ""
        if not said:
            raise BenchFailed(f"{self._name}: no answer to {asked}; bench.log may say why")
        return json.loads(said)


@contextmanager
def child(stage: Stage, *words: str, python: str = sys.executable) -> Iterator[Child]:
    """A Python with the stage's environment."""
    with (stage.home.log / "bench.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603
            [python, *words],
            env=stage.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        yield Child(process, " ".join(words))
    finally:
        process.kill()
        process.communicate()


def _pipes(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    assert process.stdin is not None  # noqa: S101
    assert process.stdout is not None  # noqa: S101
    return process.stdin, process.stdout
