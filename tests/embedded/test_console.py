"""The log of all processes."""

from __future__ import annotations

import re
import sys

from hiram.embedded.console import Console


def test_a_line_has_time_and_name_and_no_colour_in_the_file_nor_in_a_pipe(tmp_path, capsys):
    console = Console(tmp_path / "hiram.log")
    console.line("web", "hello \N{SNOWMAN}")
    console.close()

    text = (tmp_path / "hiram.log").read_text()
    assert re.fullmatch(
        "\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z web       hello \N{SNOWMAN}\n", text
    )
    assert capsys.readouterr().out == "web       hello \N{SNOWMAN}\n"


def test_a_terminal_gets_a_colour_a_name(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    console = Console(tmp_path / "hiram.log")
    for name in ("web", "beat", "web"):
        console.line(name, "x")
    console.close()

    first, other, again = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"\x1b\[\d\dmweb      \x1b\[0m x", first)
    assert first == again
    assert first.replace("web ", "beat") != other
    assert "\x1b" not in (tmp_path / "hiram.log").read_text()


def test_the_file_is_bounded_and_no_line_is_lost_on_the_way(tmp_path):
    console = Console(tmp_path / "hiram.log", screen=False)
    line = "x" * 64 * 1024
    for _ in range(700):
        console.line("web", line)
    console.close()

    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(sizes) == {"hiram.log", "hiram.log.1", "hiram.log.2", "hiram.log.3"}
    assert max(sizes.values()) < 9 * 1024 * 1024
    with Console(tmp_path / "hiram.log", screen=False)._file as again:
        assert again.tell() == sizes["hiram.log"]


def test_what_is_said_to_the_person_is_not_in_the_file(tmp_path, capsys):
    console = Console(tmp_path / "hiram.log")
    console.say("the password is x")
    console.close()

    assert capsys.readouterr().out == "the password is x\n"
    assert (tmp_path / "hiram.log").read_text() == ""
