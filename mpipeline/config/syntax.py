"""Says in plain words what is wrong with a text that is not YAML; never quotes it, because it may hold a password."""

from __future__ import annotations

import yaml

# A piece of PyYAML's message → what to tell people.
_WORDS = [
    ("cannot start any token", "this character cannot stand here"),
    ("found undefined alias", "undefined alias; put a text that begins with '*' in quotes"),
    ("expected alphabetic or numeric character", "put a text that begins with '*', '&' or '!' in quotes"),
    ("found duplicate anchor", "anchor defined twice"),
    ("mapping values are not allowed here", "a second ': ' in one line; put a text that holds ': ' in quotes, "
     "and mind the indentation"),
    ("could not find expected ':'", "expected 'key: value'"),
    ("expected ',' or", "a '[' or '{' is not closed, or a ',' is missing"),
    ("while scanning a quoted scalar", "a quote is not closed"),
    ("found unknown escape character", "unknown escape in \"...\"; use '...' for a text with backslashes"),
    ("expected escape sequence", "malformed escape in \"...\"; use '...' for a text with backslashes"),
    ("expected a single document", "expected one document; remove the second '---'"),
    ("expected <block end>", "wrong indentation: this line fits to none above"),
    ("far too many values", "far more values than a config has"),
    ("anchor holds itself", "an anchor holds itself, or far too much"),
    ("a key must be", "a key must be a word; quote a text that begins with '{' or '['"),
    ("expected the node content", "a value is missing"),
    ("determine a constructor", "YAML tags (!...) are not supported"),
]  # fmt: skip
# What was begun in one line and missed in a later one: the first is the line to look at.
_BEGUN_EARLIER = ("while scanning a quoted scalar", "could not find expected ':'", "expected ',' or")


def syntax_message(error: Exception, text: str) -> tuple[int, int, str]:
    """Line and column (from 1) of the error in `text`, and the sentence."""
    if isinstance(error, RecursionError):
        return 1, 1, "nested too deeply"
    if isinstance(error, yaml.reader.ReaderError):
        before = text[: error.position]
        return before.count("\n") + 1, error.position - (before.rfind("\n") + 1) + 1, "not a text file"
    sentence = f"{getattr(error, 'context', '')} {getattr(error, 'problem', '')}"
    mark = getattr(error, "problem_mark", None)
    if mark is None or any(piece in sentence for piece in _BEGUN_EARLIER):
        mark = getattr(error, "context_mark", None) or mark
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
    if _tab_at(text, line, column):
        return line, column, "a tab; YAML is indented by spaces"
    words = next((words for piece, words in _WORDS if piece in sentence), None)
    return line, column, f"not valid YAML: {words}" if words else "not valid YAML"


def _tab_at(text: str, line: int, column: int) -> bool:
    lines = text.split("\n")
    here = lines[line - 1] if line <= len(lines) else ""
    indentation = here[: len(here) - len(here.lstrip())]
    return here[column - 1 : column] == "\t" or "\t" in indentation
