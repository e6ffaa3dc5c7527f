"""Small cells are not shown, and cannot be worked out: not from one table, nor from all the tables of a population.

Tables of one population are linked. The country's table has a column a province; a province's table has a column a
district, and its margin is the province's column of the table above; so on down to villages. Tables by sex, by age and
by disability (of the whole country) share the margin of reasons. All of them are protected together:

* Reasons that are rare in the whole population are counted together as `rare`, until they come to five or more. So the
  country's margin never hides anything, in no table, and says nothing of one that another keeps back.
* Cells from 1 to 4 are hidden. A hidden cell is safe in its table when it lies on a cycle of hidden cells that changes
  row and column at every step and leaves the margin alone: then 1 can be moved around the cycle, and at least two
  populations agree with all that is shown. Further cells, the smallest that do it, are hidden until each lies on one.
* Where the hidden reasons of a column come to fewer than five together, its total is hidden with them.
* A cell hidden in the table above is the margin of a row of the table below. There, one cell of that row is hidden with
  it (and its column's total, where the margin's rows do not share a column): whatever the margin may have been, that
  cell takes it up, and so on down. A table below never gives its margin away, nor does moving 1 above need anything
  else below.

Every step depends on the counts alone, so whoever asks for whichever table gets the same cells hidden, until the counts
themselves change. What changes between two days is not protected. Zeros stay: they are nobody. Pure.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

SMALLEST_SHOWN: Final = 5
TOTAL: Final = "total"
RARE: Final = "rare"
"""The reason under which rare ones are counted together."""

Cell = tuple[str, str]
Shown = dict[Cell, int | None]
"""By row and column, `total` included; None is hidden."""
Node = tuple[str, str]


def pooled(totals: Mapping[str, int]) -> dict[str, str]:
    """Under which name each reason is counted, by how many it has in the whole population.

    Returns:
        The reason itself, or `rare`. If all together are fewer than five, all are `rare`.
    """
    small = {reason for reason, count in totals.items() if 0 < count < SMALLEST_SHOWN}
    common = sorted((count, reason) for reason, count in totals.items() if reason not in small)
    while small and sum(totals[reason] for reason in small) < SMALLEST_SHOWN and common:
        small.add(common.pop(0)[1])
    return {reason: RARE if reason in small else reason for reason in totals}


def suppress(
    counts: Mapping[Cell, int], rows: Sequence[str], columns: Sequence[str], margin: Iterable[str] = ()
) -> Shown:
    """One table as it may be shown.

    Args:
        counts: by row and column; a missing one is 0.
        rows, columns: their names; none is `total`.
        margin: rows (`total` too) that the table above hides in the column that this table breaks down.
    """
    whole = with_totals(counts, rows, columns)
    above = {row for row in margin if whole.get((row, TOTAL), 0) > 0}
    if whole[TOTAL, TOTAL] < SMALLEST_SHOWN and not above:
        above = {row for row in (*rows, TOTAL) if whole[row, TOTAL] > 0}  # the whole population is a small cell
    inner = {cell: count for cell, count in whole.items() if cell[1] != TOTAL}
    hidden = {cell for cell, count in inner.items() if 0 < count < SMALLEST_SHOWN}
    takes_up = _take_up(inner, above, columns)
    hidden |= takes_up
    while True:
        hidden |= {(TOTAL, column) for column in columns if _gives_away(inner, hidden, rows, column)}
        loose = [cell for cell in sorted(_bridges(hidden)) if cell not in takes_up]
        path: list[Cell] = []
        for cell in loose:
            path = _cheapest_path(inner, hidden, cell)
            if path:
                break
        if not path:
            break
        hidden.update(path)
    hidden |= {(row, TOTAL) for row in above}
    return {cell: None if cell in hidden else count for cell, count in whole.items()}


def with_totals(counts: Mapping[Cell, int], rows: Sequence[str], columns: Sequence[str]) -> dict[Cell, int]:
    """The table with its totals."""
    whole = {(row, column): counts.get((row, column), 0) for row in rows for column in columns}
    for row in rows:
        whole[row, TOTAL] = sum(whole[row, column] for column in columns)
    for column in (*columns, TOTAL):
        whole[TOTAL, column] = sum(whole[row, column] for row in rows)
    return whole


def hidden_in(shown: Shown, column: str) -> list[str]:
    """The rows that a table hides in one column: the margin of the table that breaks that column down."""
    return [row for (row, other), count in shown.items() if other == column and count is None]


def _gives_away(inner: Mapping[Cell, int], hidden: set[Cell], rows: Sequence[str], column: str) -> bool:
    """Whether a column's total, shown, would say that its hidden reasons together are fewer than five."""
    together = sum(inner[row, column] for row in rows if (row, column) in hidden)
    return 0 < together < SMALLEST_SHOWN and (TOTAL, column) not in hidden


def _take_up(inner: Mapping[Cell, int], above: set[str], columns: Sequence[str]) -> set[Cell]:
    """A cell of each row whose margin is hidden, which moves as the margin may; all in one column where that is there.

    A margin that moves moves its column's total too, unless the rows move against each other in the same column.
    """
    if not above:
        return set()
    common = [column for column in columns if all(inner[row, column] > 0 for row in above)]
    if common:
        column = min(common, key=lambda name: (sum(inner[row, name] for row in above), name))
        return {(row, column) for row in above}
    chosen: set[Cell] = set()
    for row in above - {TOTAL}:
        column = min((name for name in columns if inner[row, name] > 0), key=lambda name: (inner[row, name], name))
        chosen |= {(row, column), (TOTAL, column)}
    return chosen


def _graph(cells: Iterable[Cell]) -> dict[Node, list[tuple[Node, Cell]]]:
    """Rows ("r", name) and columns ("c", name), joined by cells."""
    graph: dict[Node, list[tuple[Node, Cell]]] = {}
    for cell in sorted(cells):
        row, column = ("r", cell[0]), ("c", cell[1])
        graph.setdefault(row, []).append((column, cell))
        graph.setdefault(column, []).append((row, cell))
    return graph


def _bridges(hidden: set[Cell]) -> set[Cell]:
    """The hidden cells that lie on no cycle of hidden cells (Tarjan's low-links, without recursion)."""
    graph = _graph(hidden)
    order: dict[Node, int] = {}
    low: dict[Node, int] = {}
    found: set[Cell] = set()
    for start in graph:
        if start in order:
            continue
        order[start] = low[start] = len(order)
        stack: list[tuple[Node, Cell | None, int]] = [(start, None, 0)]
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
                    found.add(came_by)
    return found


def _cheapest_path(inner: Mapping[Cell, int], hidden: set[Cell], bridge: Cell) -> list[Cell]:
    """The cells to hide besides, of the smallest sum, that close a cycle through the bridge (Dijkstra)."""
    graph = _graph(cell for cell, count in inner.items() if count > 0 and cell != bridge)
    start, goal = ("r", bridge[0]), ("c", bridge[1])
    best: dict[Node, int] = {start: 0}
    came: dict[Node, tuple[Node, Cell]] = {}
    queue = [(0, start)]
    while queue:
        cost, node = heapq.heappop(queue)
        if node == goal:
            break
        if cost > best[node]:
            continue
        for other, cell in graph.get(node, []):
            price = cost + (0 if cell in hidden else inner[cell])
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
