"""Reads YAML into plain values that remember where they stand and which of them came from the environment.

YAML's own reader would forget lines, keep the last of two equal keys, and take `no` for false, `1:30` for 90 and `010`
for 8. Here a plain scalar means what YAML 1.2's core schema says; anything else is text.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from mpipeline.config.environment import InterpolationError, interpolate
from mpipeline.config.locate import KeyPath, Place, Places, Problem, shortened
from mpipeline.config.syntax import syntax_message
from mpipeline.credentials import passwords, redact, redact_address
from mpipeline.errors import ConfigError

_STANDARD = "tag:yaml.org,2002:"
_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"(true|True|TRUE)|false|False|FALSE")
_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]")
_MOST_VALUES = 100_000


class Document:
    """A config as read: `data` in plain values, the place of each, and what must not be shown of them.

    `problems` are those that do not keep the rest from being checked: a missing variable, a key given twice.
    """

    def __init__(self, data: Any, root: Place | None = None) -> None:
        self.data = data
        self.places = Places(root)
        self.file: str | None = None  # where it was read from
        self.shown: dict[KeyPath, str] = {}
        self.problems: list[Problem] = []
        self._secrets: list[tuple[str, str]] = []

    def hide(self, path: KeyPath, shown: str, secrets: tuple[tuple[str, str], ...]) -> None:
        """The text at `path` holds values of the environment; people see it as `shown`."""
        self.shown[path] = shown
        self._secrets.extend(secrets)

    def hide_address(self, text: str) -> None:
        """`text` may be an address with a password."""
        hidden = redact_address(text)
        if hidden != text:
            self._secrets.append((text, hidden))
            self._secrets.extend((password, "***") for password in passwords(text))

    def adopt(self, other: Document, path: KeyPath, place: Place) -> None:
        """What stood at `path` has been replaced by the data of `other`, which came from `place`."""
        self.places.replace(path, place)
        self.shown = {known: text for known, text in self.shown.items() if known[: len(path)] != path}
        self.problems = [one for one in self.problems if one.place or one.path[: len(path)] != path]
        self.shown |= {(*path, *inner): text for inner, text in other.shown.items()}
        self.problems += [Problem((*path, *one.path), one.message, place) for one in other.problems]
        self._secrets += other._secrets

    def scrub(self, message: str) -> str:
        """A message of other people's code, without values of the environment and credentials."""
        for secret, shown in sorted(set(self._secrets), key=lambda pair: -len(pair[0])):
            for form in (secret, repr(secret)[1:-1]):
                message = message.replace(form, shown)
        return redact(message)


def parse(text: str, origin: Place) -> Document:
    """The document in `text`. `origin` is the file, or what stands in its place (then lines are not told).

    Raises ConfigError if it is not YAML.
    """
    try:
        node = yaml.compose(text, Loader=_BoundedLoader)
        document = Document(None, origin)
        if node is not None:
            document.data = _Reader(document, origin).read(node, ())
    except (yaml.YAMLError, RecursionError) as error:
        line, column, message = syntax_message(error, text)
        place = Place(origin.origin, line, column) if origin.line else origin
        raise ConfigError(f"{place}: {message}") from None
    return document


class _BoundedLoader(yaml.SafeLoader):
    """YAML's own first steps, up to a number of nodes: each takes a kilobyte of memory before anyone can look at it."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._count = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._count += 1
        if self._count > _MOST_VALUES:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem="far too many values", problem_mark=mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        return node


class _Reader:
    """Turns the nodes of one YAML text into values of a document."""

    def __init__(self, document: Document, origin: Place) -> None:
        self._document = document
        self._origin = origin
        self._open: list[yaml.Node] = []
        self._count = 0

    def read(self, node: yaml.Node, path: KeyPath) -> Any:
        self._look(node)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        standard = "map" if isinstance(node, yaml.MappingNode) else "seq"
        if node.tag != _STANDARD + standard:
            self._wrong(path, "YAML tags (!...) are not supported")
        self._open.append(node)
        value: Any = self._mapping(node, path) if isinstance(node, yaml.MappingNode) else self._list(node, path)
        self._open.pop()
        return value

    def _look(self, node: yaml.Node) -> None:
        """Counts a node that is taken, in whichever way: aliases of aliases are more than anyone has written."""
        self._count += 1
        if any(node is outer for outer in self._open) or self._count > _MOST_VALUES:
            raise yaml.MarkedYAMLError(problem="an anchor holds itself, or far too much", problem_mark=node.start_mark)

    def _list(self, node: yaml.Node, path: KeyPath) -> list[Any]:
        values = []
        for index, item in enumerate(node.value):
            self._put(item, (*path, index))
            values.append(self.read(item, (*path, index)))
        return values

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str | int, Any]:
        values: dict[str | int, Any] = {}
        lines: dict[str | int, int] = {}
        merged: list[yaml.Node] = []
        for key_node, value_node in node.value:
            if key_node.tag == _STANDARD + "merge":
                merged.append(value_node)
                continue
            key = self._key(key_node)
            inner = (*path, key)
            if key in values:
                self._wrong(inner, f"key given twice, here and in line {lines[key]}")
            lines[key] = key_node.start_mark.line + 1
            self._put(key_node, inner)
            values[key] = self.read(value_node, inner)
        for value_node in merged:
            for source in value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]:
                self._merge(source, path, values)
        return values

    def _merge(self, node: yaml.Node, path: KeyPath, values: dict[str | int, Any]) -> None:
        """`<<: *anchor`: adds the keys that are not there yet; their places are the anchor's."""
        if not isinstance(node, yaml.MappingNode):
            self._wrong(path, "expected a mapping behind '<<'")
            return
        self._look(node)
        kept = [pair for pair in node.value if pair[0].tag == _STANDARD + "merge" or self._key(pair[0]) not in values]
        values.update(self._mapping(yaml.MappingNode(node.tag, kept, node.start_mark, node.end_mark), path))

    def _key(self, node: yaml.Node) -> str | int:
        if not isinstance(node, yaml.ScalarNode):
            raise yaml.MarkedYAMLError(
                problem="a key must be a word; quote a text that begins with '{' or '['", problem_mark=node.start_mark
            )
        value = _plain(node)
        return value if type(value) is int else str(node.value)

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Any:
        if not node.tag.startswith(_STANDARD):
            self._wrong(path, "YAML tags (!...) are not supported; put a text that begins with '!' in quotes")
        value = _plain(node)
        if not isinstance(value, str):
            return value
        if "$" in value:
            try:
                filled = interpolate(value)
            except InterpolationError as error:
                self._wrong(path, str(error))
                return value
            if filled.secrets:
                self._document.hide(path, filled.shown, filled.secrets)
            value = filled.text
        if "//" in value:
            self._document.hide_address(value)
        return value

    def _put(self, node: yaml.Node, path: KeyPath) -> None:
        place = self._origin
        if place.line:
            place = Place(place.origin, node.start_mark.line + 1, node.start_mark.column + 1)
        self._document.places.set(path, place)

    def _wrong(self, path: KeyPath, message: str) -> None:
        self._document.problems.append(Problem(path, message))


def _plain(node: yaml.ScalarNode) -> str | int | float | bool | None:
    """The value of a scalar: typed if it is plain (unquoted), else text."""
    text: str = node.value
    if node.style is not None or node.tag == _STANDARD + "str":
        return text
    if _NULL.fullmatch(text):
        return None
    if truth := _BOOL.fullmatch(text):
        return truth[1] is not None
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and not _LEADING_ZERO.match(text):
        return float(text)
    return text


def show(value: Any, shown: str | None = None) -> str:
    """A value of the config for people: short, on one line, without credentials; `shown` stands for it if given."""
    if shown is not None:
        return f"'{shortened(redact_address(shown))}'"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return shortened(repr(value), 30)
    if isinstance(value, str):
        return f"'{shortened(redact_address(value))}'"
    word = "mapping" if isinstance(value, dict) else "list"
    return f"a {word}" if value else f"an empty {word}"
