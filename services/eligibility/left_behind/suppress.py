"""Small cells are not shown, and cannot be worked out by subtraction. Pure.

A table of counts is extended by its totals: each row and each column, totals included, is one equation that a reader
knows.
Cells from 1 to 4 are hidden. A hidden cell is safe when it lies on a cycle of hidden cells that changes row and column
at
every step: then 1 can be moved around the cycle, and at least two different tables agree with all that is shown. So
further
cells, the smallest ones that do it, are hidden until no hidden cell is off a cycle (a bridge of the graph whose nodes
are the
rows and columns and whose edges are the hidden cells). Zeros stay: they are nobody.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from typing import Final

SMALLEST_SHOWN: Final = 5
TOTAL: Final = "total"

Cell = tuple[str, str]
Shown = dict[Cell, int | None]
"""By row and column, `total` included; None is hidden."""


def suppress(counts: Mapping[Cell, int], rows: Sequence[str], columns: Sequence[str]) -> Shown:
    """The table as it may be shown.

    Args:
        counts: by row and column; a missing one is 0.
        rows, columns: their names; none is `total`.
    """
    whole = with_totals(counts, rows, columns)
    hidden = {cell for cell, count in whole.items() if 0 < count < SMALLEST_SHOWN}
    while bridge := _a_bridge(hidden):
        path = _cheapest_path(whole, hidden, bridge)
        if not path:  # it stands alone with its totals: then they all go
            path = [cell for cell in _alone(whole, bridge) if cell not in hidden]
        if not path:
            break
        hidden.update(path)
    return {cell: None if cell in hidden else count for cell, count in whole.items()}


def with_totals(counts: Mapping[Cell, int], rows: Sequence[str], columns: Sequence[str]) -> dict[Cell, int]:
    """The table with its totals."""
    whole = {(row, column): counts.get((row, column), 0) for row in rows for column in columns}
    for row in rows:
        whole[row, TOTAL] = sum(whole[row, column] for column in columns)
    for column in (*columns, TOTAL):
        whole[TOTAL, column] = sum(whole[row, column] for row in rows)
    return whole


def _graph(cells: set[Cell]) -> dict[tuple[str, str], list[tuple[tuple[str, str], Cell]]]:
    """Rows ("r", name) and columns ("c", name), joined by cells."""
    graph: dict[tuple[str, str], list[tuple[tuple[str, str], Cell]]] = {}
    for cell in sorted(cells):
        row, column = ("r", cell[0]), ("c", cell[1])
        graph.setdefault(row, []).append((column, cell))
        graph.setdefault(column, []).append((row, cell))
    return graph


def _a_bridge(hidden: set[Cell]) -> Cell | None:
    """A hidden cell that lies on no cycle, or None (Tarjan's low-links, without recursion)."""
    graph = _graph(hidden)
    order: dict[tuple[str, str], int] = {}
    low: dict[tuple[str, str], int] = {}
    for start in graph:
        if start in order:
            continue
        order[start] = low[start] = len(order)
        stack: list[tuple[tuple[str, str], Cell | None, int]] = [(start, None, 0)]
        while stack:
            node, came_by, position = stack.pop()
            if position < len(graph[node]):
                stack.append((node, came_by, position + 1))
                other, cell = graph[node][position]
                if cell == came_by:
                    continue
                if other in order:
                    low[node] = min(low[node], order[other])
                else:
                    order[other] = low[other] = len(order)
                    stack.append((other, cell, 0))
            elif came_by is not None:
                parent = stack[-1][0]
                low[parent] = min(low[parent], low[node])
                if low[node] > order[parent]:
                    return came_by
    return None


def _cheapest_path(whole: Mapping[Cell, int], hidden: set[Cell], bridge: Cell) -> list[Cell]:
    """The cells to hide besides, of the smallest sum, that close a cycle through the bridge (Dijkstra)."""
    usable = {cell for cell, count in whole.items() if count > 0 and cell != bridge}
    graph = _graph(usable)
    start, goal = ("r", bridge[0]), ("c", bridge[1])
    best: dict[tuple[str, str], int] = {start: 0}
    came: dict[tuple[str, str], tuple[tuple[str, str], Cell]] = {}
    queue = [(0, start)]
    while queue:
        cost, node = heapq.heappop(queue)
        if node == goal:
            break
        if cost > best[node]:
            continue
        for other, cell in graph.get(node, []):
            price = cost + (0 if cell in hidden else whole[cell])
            if price < best.get(other, price + 1):
                best[other] = price
                came[other] = (node, cell)
                heapq.heappush(queue, (price, other))
    path: list[Cell] = []
    while goal in came:
        goal, cell = came[goal]
        if cell not in hidden:
            path.append(cell)
    return path


def _alone(whole: Mapping[Cell, int], cell: Cell) -> list[Cell]:
    row, column = cell
    return [other for other in ((row, TOTAL), (TOTAL, column), (TOTAL, TOTAL)) if whole.get(other, 0) > 0]
