"""YAML read strictly, with the line and column of every path: an officer is told where in her file to look."""

from __future__ import annotations

from typing import Any

import yaml

MAX_FILE_DEPTH = 20
Position = tuple[int, int]


class YamlRefused(Exception):
    """It cannot be read; `line` and `column` (from 1) say where, if that is known."""

    def __init__(self, message: str, position: Position | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.position = position


class _Loader(yaml.SafeLoader):
    """YAML without what hides surprises: no aliases, no key given twice."""

    depth = 0

    def _mark(self) -> Any:
        return self.peek_event().start_mark  # type: ignore[no-untyped-call]

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.MarkedYAMLError(problem="aliases are not used here", problem_mark=self._mark())
        self.depth += 1
        if self.depth > MAX_FILE_DEPTH:
            raise yaml.MarkedYAMLError(problem="nested too deeply", problem_mark=self._mark())
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, (list, dict)) or key in seen:
                raise yaml.MarkedYAMLError(problem=f"{key!r} is given twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def read_yaml(source: bytes) -> tuple[Any, dict[str, Position]]:
    """The document, and where each path of it (`eligibility[0].when`) stands in the text.

    Raises:
        YamlRefused: not UTF-8, not YAML, an alias, a key given twice, or nested too deeply.
    """
    try:
        text = source.decode()
    except UnicodeDecodeError as error:
        raise YamlRefused("Write the file in UTF-8.") from error
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        document = loader.construct_document(node) if node is not None else None
        return document, dict(_positions(node))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise YamlRefused(str(error.problem), (mark.line + 1, mark.column + 1) if mark else None) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise YamlRefused("This is not YAML.") from error
    finally:
        if loader is not None:
            loader.dispose()


def _positions(node: Any) -> list[tuple[str, Position]]:
    found: list[tuple[str, Position]] = []
    pending: list[tuple[str, Any]] = [("", node)] if node is not None else []
    while pending:
        path, current = pending.pop()
        found.append((path, (current.start_mark.line + 1, current.start_mark.column + 1)))
        if isinstance(current, yaml.MappingNode):
            pending.extend((f"{path}.{key.value}" if path else str(key.value), value) for key, value in current.value)
        elif isinstance(current, yaml.SequenceNode):
            pending.extend((f"{path}[{index}]", item) for index, item in enumerate(current.value))
    return found


def nearest(positions: dict[str, Position], path: str) -> Position | None:
    """Where a path stands, or the part of it that is there."""
    while path:
        if path in positions:
            return positions[path]
        cut = max(path.rfind("."), path.rfind("["))
        path = path[:cut] if cut > 0 else ""
    return positions.get("")


__all__ = ["MAX_FILE_DEPTH", "Position", "YamlRefused", "nearest", "read_yaml"]
