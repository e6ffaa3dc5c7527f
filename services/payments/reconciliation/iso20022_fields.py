"""The wanted fields of an ISO 20022 element: the text of the first element at each path, or of its attribute.

A bank writes a million entries in a handful of shapes: the same elements in the same order, other texts. So the way to
the fields is found once for a shape, and kept as one regular expression over the entry as libxml2 writes it out again:
that is canonical (no comments, no CDATA, `<` only where an element begins or ends), whatever the file looked like. Each
further entry of the shape costs one match in C, a fraction of a walk over its elements. What fits no known shape is
walked, and so is whatever is unusual: escaped characters, other namespaces, spaces in a wanted text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final

from lxml import etree

Fields = tuple[str | None, ...]
"""Texts in the order of the wanted paths; None: there is no such element."""
LONGEST: Final = 8192
"""Characters of an element that may become a shape; a longer one is walked."""
MOST: Final = 24
"""Shapes kept, those matched last first: a file that never repeats itself is walked."""
_TAG = re.compile(r"<(/?)([^\s/>]+)([^<>]*?)(/?)>[^<]*")
_ATTRIBUTE = re.compile(r'\s([^\s=]+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Shape:
    """What one kind of element looks like.

    Attributes:
        pattern: matches such elements, and captures what is wanted.
        choose: puts the groups, followed by "" and None, into the order of the wanted paths.
        times: how many elements it has at the counted path.
    """

    pattern: re.Pattern[str]
    choose: Callable[[tuple[str | None, ...]], Fields]
    times: int

    def read(self, text: str) -> tuple[Fields, int] | None:
        """The fields of an element of this shape; nothing of another."""
        match = self.pattern.fullmatch(text)
        return None if match is None else (self.choose((*match.groups(), "", None)), self.times)


class FieldReader:
    """Reads the wanted fields of elements of one kind.

    Arguments:
        wanted: two or more paths below the element, such as `Refs/EndToEndId`; an amount's currency is `Amt@Ccy`.
        prefix: of the document's tags: `{namespace}`.
        counted: a path whose elements are counted; see `read`.
    """

    def __init__(self, wanted: Sequence[str], prefix: str, counted: str = "") -> None:
        self._wanted = tuple(wanted)
        self._tree = _tree([path for path in wanted if "@" not in path], prefix)
        self._counted = counted
        self._steps = "/".join(prefix + part for part in counted.split("/")) if counted else ""
        self._shapes: list[Shape] = []

    def read(self, element: Any) -> tuple[Fields, int]:
        """The fields, and how many elements there are at the counted path."""
        text = etree.tostring(element, encoding="unicode", with_tail=False)
        shapes = self._shapes
        for index, shape in enumerate(shapes):
            read = shape.read(text)
            if read is not None:
                if index:
                    shapes.insert(0, shapes.pop(index))
                return read
        return self._learn(element, text)

    def walk(self, element: Any) -> tuple[Fields, int]:
        """The same, by visiting the elements."""
        fields: dict[str, str] = {}
        _walk(element, self._tree, fields)
        return tuple(map(fields.get, self._wanted)), len(element.findall(self._steps)) if self._steps else 0

    def _learn(self, element: Any, text: str) -> tuple[Fields, int]:
        walked = self.walk(element)
        if len(text) <= LONGEST and "&" not in text:
            shape = shape_of(text, self._wanted, self._counted)
            # Kept only where it reads what the walk has read.
            if shape is not None and shape.read(text) == walked:
                self._shapes.insert(0, shape)
                del self._shapes[MOST:]
        return walked


def shape_of(text: str, wanted: Sequence[str], counted: str = "") -> Shape | None:
    """The shape of an element as libxml2 writes it; nothing where it is too unusual for one.

    Arguments:
        text: the whole element, without a tail.
        wanted: paths whose texts are captured, the first of each.
        counted: a path whose elements are counted.
    """
    pattern: list[str] = []
    names: list[str] = []
    empty: set[str] = set()
    times = 0
    for tag in _tags(text):
        if tag is None:
            return None
        times += bool(counted) and tag.path == counted and not tag.closes
        new = not tag.closes and tag.path in wanted and tag.path not in empty and tag.path not in names
        pattern.append(_pattern_of(tag, names if new else None))
        if new and tag.is_empty:
            empty.add(tag.path)
        elif new:
            names.append(tag.path)
        pattern.append(r"([^<&\s]*)" if new and not tag.is_empty else "[^<&]*")
    places = [names.index(path) if path in names else len(names) + (path not in empty) for path in wanted]
    return Shape(re.compile("".join(pattern)), itemgetter(*places), times)


@dataclass(frozen=True, slots=True)
class _Tag:
    name: str
    path: str
    attributes: list[tuple[str, str]]
    closes: bool
    is_empty: bool


def _tags(text: str) -> Iterator[_Tag | None]:
    """The tags of an element, with their paths below it; None where there is something that no shape has."""
    at, prefix, stack = 0, "", list[str]()
    for match in _TAG.finditer(text):
        name, attributes = match[2], _ATTRIBUTE.findall(match[3])
        if match.start() == 0:
            prefix = name.rpartition(":")[0]
        elif match.start() != at or any(key.startswith("xmlns") for key, _ in attributes):
            yield None
        local = name.removeprefix(prefix + ":") if prefix else name
        if ":" in local:
            yield None
        if not match[1]:
            stack.append(local)
        path = "/".join(stack[1:])
        if match[1] or match[4]:
            stack.pop()
        at = match.end()
        yield _Tag(name, path, attributes, bool(match[1]), bool(match[4]))
    if at != len(text):
        yield None


def _pattern_of(tag: _Tag, names: list[str] | None) -> str:
    """A tag as a pattern; where its text is wanted, its currency is too."""
    made = ["</" if tag.closes else "<", re.escape(tag.name)]
    for key, value in tag.attributes:
        if key == "Ccy" and names is not None:
            names.append(f"{tag.path}@Ccy")
            made.append(r' Ccy="([^"<&\s]*)"')
        elif key.startswith("xmlns"):
            made.append(f' {re.escape(key)}="{re.escape(value)}"')
        else:
            made.append(f' {re.escape(key)}="[^"<&]*"')
    return "".join([*made, "/>" if tag.is_empty else ">"])


def _tree(wanted: Sequence[str], prefix: str) -> dict[str, Any]:
    """Nested dictionaries: tag -> (path, whether it is wanted itself, what is wanted below it)."""
    tree: dict[str, Any] = {}
    for path in wanted:
        level, parts = tree, path.split("/")
        for depth, part in enumerate(parts):
            here = "/".join(parts[: depth + 1])
            _, leaf, below = level.get(prefix + part, (here, False, {}))
            level[prefix + part] = (here, leaf or depth + 1 == len(parts), below)
            level = below
    return tree


def _walk(element: Any, tree: dict[str, Any], fields: dict[str, str]) -> None:
    for child in element:
        found = tree.get(child.tag)
        if found is None:
            continue
        path, leaf, below = found
        if leaf and path not in fields:
            fields[path] = (child.text or "").strip()
            currency = child.get("Ccy")
            if currency is not None:
                fields[path + "@Ccy"] = currency.strip()
        if below:
            _walk(child, below, fields)
