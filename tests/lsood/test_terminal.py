"""Control characters in names of files, sets and methods do not reach the terminal or the log file."""

import io
import logging
import sys

import pytest
from rich.table import Table
from rich.text import Text

from benchmarks.console import to_file, to_terminal, watch
from lsood.command import BAD_USAGE, FAILED, reporting
from lsood.io import log
from lsood.terminal import Terminal, printable

HOSTILE = "a\x1b[2J\x1b]0;title\x07\x08\rb\x9b31m"
SHOWN = "a\\x1b[2J\\x1b]0;title\\x07\\x08\\x0db\\x9b31m"


def test_printable():
    assert printable(HOSTILE) == SHOWN and printable("ä\tb\n[x] \\") == "ä\tb\n[x] \\"


def test_text_and_tables():
    found = io.StringIO()
    terminal = Terminal(file=found, force_terminal=True, width=200)
    table = Table("name")
    table.add_row(Text(HOSTILE, "red"))
    for one in (HOSTILE, Text(HOSTILE), table):
        terminal.print(one, markup=False)
    text = found.getvalue()
    assert text.count("a\\x1b") == 3 and found_in(text) == []
    assert "\x1b[31m" in text, "colours of our own"


def test_codes_of_emojis_stay_text(capsys):
    found, table = io.StringIO(), Table("name", title=":car:")
    table.add_row(":car:")
    for one in (":car:", table):
        Terminal(file=found, width=200).print(one)
    with pytest.raises(SystemExit), reporting(FAILED, False):
        raise ValueError("folder:car: 2 images")
    assert found.getvalue().count(":car:") == 3
    assert capsys.readouterr().err == "error: folder:car: 2 images\n"


def found_in(text):
    return [one for one in ("\x1b]", "\x1b[2J", "\x07", "\x9b") if one in text]


def test_errors(capsys):
    with pytest.raises(SystemExit), reporting(FAILED, False):
        raise ValueError(HOSTILE)
    shown = capsys.readouterr().err
    assert chr(27) not in shown and "a\\x1b[2J\\x1b]0;title" in shown


def test_log_lines(tmp_path, capsys):
    before = log.handlers[:], log.propagate, log.level
    try:
        to_terminal()
        with to_file(tmp_path / "run.log"):
            log.warning("%s: lost", HOSTILE)
            logging.getLogger("lsood-bench").info("two\nlines")
        text = (tmp_path / "run.log").read_text()
    finally:
        for handler in log.handlers:
            handler.close()
        log.handlers[:], log.propagate = before[:2]
        log.setLevel(before[2])
    assert SHOWN in text and "two\nlines" in text
    assert "\x1b]" not in capsys.readouterr().err


def test_titles_of_progress_bars_are_no_markup(monkeypatch):
    terminal = Terminal(file=io.StringIO(), force_terminal=True, width=100)
    monkeypatch.setattr("benchmarks.console.console", terminal)
    assert list(watch("folder:[/red]", [1, 2])) == [1, 2]


def test_code_of_the_user_that_exits_is_an_error(capsys):
    """Otherwise a command that did nothing would end with 0."""
    with pytest.raises(SystemExit) as ended, reporting(BAD_USAGE, debug=False):
        sys.exit(0)
    assert ended.value.code == FAILED
    assert "error: code that was run ended the process (sys.exit(0))" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended, reporting(BAD_USAGE, debug=True):
        sys.exit(0)
    assert ended.value.code == 0
