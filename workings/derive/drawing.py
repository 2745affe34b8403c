"""A cell drawn as a network, unrolled over time, from its formulas.

Every name of the cell stands at its place: what has a value at each step is a node, in a row above all
that it is computed from; a parameter stands on the arrow of the one name that it multiplies, or else
beside the node that it is a part of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, FancyArrowPatch
from matplotlib.path import Path

from workings import figures
from workings.derive.cell import Cell
from workings.derive.expression import INPUT, LOSS, TARGET, Name, Node, Operation, names_in
from workings.derive.operations import Divide, Dot, Matmul, Multiply, Outer
from workings.derive.symbols import symbol, symbol_width

RADIUS = 3.6  # mm, of a node
APART = 13.0  # mm, between nodes of a row
UP = 11.0  # mm, between rows
HIGHEST = 200.0  # mm, of the drawing, if its rows are many
STEP = (30.0, 46.0)  # mm, from step to step, at least and at most
CLOSER = 0.85  # than these, where more steps are seen then
GAP = 12.0  # mm, for steps that are left out
SIZE = 8.5  # pt
BENDS = (
    0.0,
    0.06,
    -0.06,
    0.12,
    -0.12,
    0.2,
    -0.2,
    0.3,
    -0.3,
    0.45,
    -0.45,
)  # of an arrow, the first that is free
ALONG = (0.5, 0.58, 0.42, 0.66, 0.74, 0.34, 0.82, 0.26)  # where a parameter may stand on its arrow

Point = Sequence[float]  # x and y, in millimetres
Place = tuple[str, int]  # a name, and the column of its step


def parts_of(formula: Node, fixed: set[str]) -> tuple[dict[str, list[str]], list[str]]:
    """The names of a step in a formula, each with the parameters that multiply it alone; and the
    other parameters."""
    factors: dict[str, list[str]] = {}
    others: list[str] = []

    def walk(node: Node) -> None:
        match node:
            case Name(name=name) if name in fixed:
                others.append(name)
            case Name(name=name):
                factors.setdefault(name, [])
            case Multiply(u, v) | Matmul(u, v) | Divide(u, v) | Dot(u, v) | Outer(u, v):
                for by, inner in ((u, v), (v, u)):
                    own = set(names_in(inner)) - fixed
                    if fixed.issuperset(names_in(by)) and len(own) == 1:
                        factors.setdefault(*own, []).extend(names_in(by))
                        return walk(inner)
                return walk_all(node)
            case Operation():
                walk_all(node)

    def walk_all(node: Operation) -> None:
        for argument in node.arguments:
            walk(argument)

    walk(formula)
    return factors, others


def rows_of(cell: Cell) -> dict[str, int]:
    """The row of each name of a step: the input in the lowest, a line above all that it uses."""
    rows = {INPUT: 0} if INPUT in cell.sequences else {}
    for name, formula in cell.lines.items():
        rows[name] = 1 + max((rows[u] for u in names_in(formula) if u in rows), default=0)
    if TARGET in cell.sequences:
        users = [rows[v] for v, formula in cell.lines.items() if TARGET in names_in(formula)]
        rows[TARGET] = min(users, default=1) - 1
    return rows


def unrolled(cell: Cell) -> Figure:
    """The network over all steps or, where these have no room, the first ones and the last."""
    return _Drawing(cell).figure


class _Drawing:
    def __init__(self, cell: Cell):
        self.cell, self.rows = cell, rows_of(cell)
        self.fixed = {*cell.parameters, *cell.constants}
        self.is_function = cell.steps == 1 and not cell.states
        rows = max(self.rows.values()) + 1
        self.up = min(UP, HIGHEST / rows)
        self.lay_out()
        height = rows * self.up
        self.figure = figures.blank("wide", height + 4)
        self.axes = figures.panel(self.figure, 0, 0, figures.WIDTHS["wide"], height + 4)
        self.axes.set(
            xlim=(0, figures.WIDTHS["wide"]), ylim=(-self.up / 2 - 3, height - self.up / 2 + 1)
        )
        self.axes.axis("off")
        self.curves: list[np.ndarray] = []  # points on the arrows
        self.wanted: list[tuple[str, Sequence[Point]]] = []  # parameters, and where they may stand
        for at, step in enumerate(self.steps):
            self.draw_arrows(at, step)
        for place in self.places:
            self.draw_node(*place)
        self.write_parameters()
        for x, step in zip(self.centres, self.steps, strict=True):
            if not self.is_function and step not in (None, -1):
                self.axes.text(
                    x, -self.up / 2 - 1, f"$t = {step}$", ha="center", va="center", size=7, color=figures.GREY
                )  # fmt: skip

    def lay_out(self) -> None:
        """The steps that are drawn, -1 for the initial state and None for a gap; each node's place."""
        states = self.cell.initial_state
        before = APART * self.most_in_a_row(states)
        room = figures.WIDTHS["wide"] - before - RADIUS
        least = max(STEP[0], APART * self.most_in_a_row(self.rows))
        fit, T = max(1, int(room / (CLOSER * least))), self.cell.steps
        steps: list[int | None] = list(range(T))
        if fit < T and T > 2:
            steps = [*range(max(1, min(fit - 1, 2))), None, T - 1]
        room -= GAP * steps.count(None)
        width = min(room / len([t for t in steps if t is not None]), max(STEP[1], least))
        widest = APART * (self.most_in_a_row(self.rows) + 0.4)
        self.scale = min(1.0, width / widest, self.up / (2.4 * RADIUS))
        self.steps, self.places = [-1, *steps] if states else steps, {}
        self.centres: list[float] = []  # of the columns
        left = 0.0
        for at, step in enumerate(self.steps):
            across = {None: GAP, -1: before}.get(step, width)
            self.centres.append(left + across / 2)
            for name, (right, up) in self.node_places(states if step in (None, -1) else self.rows):
                self.places[name, at] = np.array([self.centres[at] + right * self.scale, up])
            left += across

    def most_in_a_row(self, names: Iterable[str]) -> int:
        return max(Counter(self.rows[name] for name in names).values(), default=0)

    def node_places(self, names: Iterable[str]) -> Iterator[tuple[str, Point]]:
        """Where nodes stand in their column: each row centred, the target on its right."""
        for row in {self.rows[name] for name in names}:
            own = [name for name in names if self.rows[name] == row and name != TARGET]
            for k, name in enumerate([*own, *([TARGET] if TARGET in names else [])]):
                if self.rows[name] == row:
                    yield name, (APART * (k - (len(own) - 1) / 2), self.up * row)

    def draw_node(self, name: str, at: int) -> None:
        step, (x, y) = self.steps[at], self.places[name, at]
        if step is None:
            self.axes.text(
                x, y, r"$\cdots$", ha="center", va="center", size=SIZE, math_fontfamily="stix"
            )
            return
        text = symbol(name, None if self.is_function else str(step))
        if self.is_function and name == LOSS:
            text = "L"
        colour = {INPUT: figures.GREY, TARGET: figures.GREY, LOSS: figures.WARM}.get(
            name, "#16202B"
        )
        state = name in self.cell.initial_state
        width = max(2 * RADIUS, 1.25 * symbol_width(text) + 1) * self.scale
        self.axes.add_patch(
            Ellipse(
                (x, y), width, 2 * RADIUS * self.scale, lw=0.7, ec=figures.ACCENT if state else colour,
                fc="#E3EEF5" if state else "white", ls=(0, (2, 1.5)) if step == -1 else "-",
            )
        )  # fmt: skip
        self.write(x, y, text, colour)

    def write(self, x: float, y: float, text: str, colour: str) -> None:
        self.axes.text(
            x, y, f"${text}$", ha="center", va="center", size=SIZE * self.scale, color=colour,
            math_fontfamily="stix",
        )  # fmt: skip

    def draw_arrows(self, at: int, step: int | None) -> None:
        """The arrows to the nodes of one step, each with its parameters."""
        if step is None:
            for state in self.cell.initial_state:
                self.arrow((state, at - 1), (state, at))
            return
        for name, formula in self.cell.lines.items() if step >= 0 else ():
            factors, others = parts_of(formula, self.fixed)
            for source, by in factors.items():
                carried = source in self.cell.states
                start = (self.cell.states[source], at - 1) if carried else (source, at)
                self.arrow(start, (name, at), dict.fromkeys(by), carried)
            if others:
                text = ", ".join(map(symbol, dict.fromkeys(others)))
                x, y = self.places[name, at]
                right, up = RADIUS * self.scale + 0.7 * symbol_width(text) + 0.5, 0.7 * RADIUS
                places = [
                    (x + i * right, y + j * up) for i in (1, -1) for j in (-1, 0, 1, -1.5, 1.5)
                ]
                self.wanted.append((text, places))

    def arrow(
        self,
        start: Place,
        end: Place,
        parameters: Iterable[str] = (),
        carried: bool = False,
    ) -> None:
        """An arrow that goes around other nodes, with parameters on it."""
        a, b = self.places[start], self.places[end]
        others = [xy for place, xy in self.places.items() if place not in (start, end)]
        others = np.reshape(others, (-1, 2))
        across = np.array([a[1] - b[1], b[0] - a[0]])
        s = np.linspace(0, 1, 161)[:, None]

        def curve(bend: float) -> np.ndarray:
            middle = (a + b) / 2 + 2 * bend * across
            return (1 - s) ** 2 * a + 2 * s * (1 - s) * middle + s**2 * b

        def clearance(points: np.ndarray) -> float:
            edges = [points[:, 0].min(), figures.WIDTHS["wide"] - points[:, 0].max()]
            return min([*np.linalg.norm(points[:, None] - others, axis=2).min(axis=0), *edges])

        curves = [curve(bend) for bend in BENDS]
        free = [points for points in curves if clearance(points) > 1.15 * RADIUS * self.scale]
        points = free[0] if free else max(curves, key=clearance)
        ends = np.linalg.norm(points - a, axis=1), np.linalg.norm(points - b, axis=1)
        inner = points[(ends[0] > RADIUS * self.scale) & (ends[1] > RADIUS * self.scale + 0.3)]
        colour = figures.ACCENT if carried or start[1] != end[1] else figures.GREY
        self.axes.add_patch(
            FancyArrowPatch(
                path=Path(inner), arrowstyle="-|>,head_length=2.6,head_width=1.2", mutation_scale=1,
                lw=0.7, color=colour, zorder=0.5, shrinkA=0, shrinkB=0,
            )
        )  # fmt: skip
        self.curves.append(inner)
        if parameters:
            text = ", ".join(map(symbol, parameters))
            normal = across / np.linalg.norm(across)
            normal *= np.sign(normal[0] + 0.01 * normal[1])  # to the right, or above
            beside = normal * (abs(normal) @ [0.7 * symbol_width(text) + 0.7, 1.7])
            along = [inner[int(share * (len(inner) - 1))] for share in ALONG]
            self.wanted.append((text, [p + side * beside for side in (1, -1) for p in along]))

    def write_parameters(self) -> None:
        """Each where it is free of nodes, arrows and other parameters, or where it is most so."""
        nodes, curves = (
            np.array(list(self.places.values())),
            np.vstack([[(-99, -99)], *self.curves]),
        )
        boxes: list[tuple[float, float, float]] = []  # place, and half a width
        for text, places in self.wanted:
            half = 0.7 * symbol_width(text)

            def free(place: Point, half: float = half) -> float:
                def gaps(points: np.ndarray, right: float, up: float) -> float:
                    return np.max(abs(points - place) - [half + right, 1.3 + up], axis=1).min()

                others = [
                    max(abs(place[0] - x) - half - w, abs(place[1] - y) - 2.6) for x, y, w in boxes
                ]
                return min(
                    gaps(nodes, RADIUS * 0.8, RADIUS * 0.8), gaps(curves, 0, 0), *others, 0.0
                )

            x, y = max(places, key=free)  # the first of the best
            boxes.append((x, y, half))
            self.write(x, y, text, figures.ACCENT)
