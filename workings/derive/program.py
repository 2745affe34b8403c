"""Programs over time: lines of formulas run for every step, with values carried between steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

from workings.derive.arithmetic import DOUBLE, Arithmetic, Operands
from workings.derive.expression import Name, Node, Number, Shapes
from workings.derive.operations import Matmul

BEFORE, STEPS, AFTER = range(3)


@dataclass(frozen=True)
class _Slot:
    """The place of a formula's value; equal formulas share one."""

    node: Node
    operands: tuple[int, ...] = ()
    timed: bool = False
    late: bool = False  # reached by a carried value


class Program:
    """Lines of formulas that are run for every step, with values carried from step to step.

    A line that no carried value reaches, and one that reaches no carried value, is computed for all
    steps at once, with time as the leading axis; only the rest is run step by step.

    lines: name -> formula. carried: name of a carried value -> line whose value it takes over.
    timed, fixed: names of the inputs with, and without, a time axis.
    """

    def __init__(
        self,
        lines: Mapping[str, Node],
        shapes: Shapes,
        timed: Iterable[str],
        fixed: Iterable[str],
        carried: Mapping[str, str] | None = None,
    ):
        self.lines, self.shapes = dict(lines), shapes
        self.carried = dict(carried or {})
        self._function = cache(self._new_function)
        self._slots: list[_Slot] = []
        self._places: dict[Node, int] = {}
        for name in fixed:
            self._new(_Slot(Name(name)))
        for name in timed:
            self._new(_Slot(Name(name), timed=True))
        for name in self.carried:
            self._new(_Slot(Name(name), timed=True, late=True))
        for name, formula in self.lines.items():
            self._places[Name(name)] = self._place(formula)
        feeds = {self._places[Name(line)] for line in self.carried.values()}
        for place in reversed(range(len(self._slots))):
            if place in feeds:
                feeds.update(self._slots[place].operands)
        self._stages: list[list[int]] = [[], [], []]
        for place, slot in enumerate(self._slots):
            if not isinstance(slot.node, Name):
                stage = (STEPS if place in feeds else AFTER) if slot.late else BEFORE
                self._stages[stage].append(place)

    def _new(self, slot: _Slot) -> int:
        self._slots.append(slot)
        return self._places.setdefault(slot.node, len(self._slots) - 1)

    def _place(self, node: Node) -> int:
        if isinstance(node, Matmul):
            node = node.quicker()
        if node not in self._places:
            operands = tuple(self._place(a) for a in getattr(node, "arguments", ()))
            slots = [self._slots[k] for k in operands]
            timed, late = any(s.timed for s in slots), any(s.late for s in slots)
            self._new(_Slot(node, operands, timed, late))
        return self._places[node]

    def _new_function(self, place: int, arithmetic: Arithmetic, over_time: bool) -> Callable:
        slot = self._slots[place]
        if isinstance(slot.node, Number):
            value = arithmetic.number(slot.node.value)
            return lambda: value
        operands = [self._slots[k] for k in slot.operands]
        ranks = [len(self.shapes(s.node)) for s in operands]
        timed = [over_time and s.timed for s in operands]
        return slot.node.value(Operands(arithmetic, ranks, timed, len(self.shapes(slot.node))))

    def run(
        self,
        inputs: Mapping[str, Any],
        steps: int,
        arithmetic: Arithmetic = DOUBLE,
        initial: Mapping[str, Any] | None = None,
        backwards: bool = False,
    ) -> dict[str, np.ndarray]:
        """Every line at every step, `(T, *shape)`; a line with no time in it keeps its own shape.

        Carried values start from `initial`, at the last step if `backwards`.
        """
        values: list[Any] = [None] * len(self._slots)
        for place, slot in enumerate(self._slots):
            if isinstance(slot.node, Name) and slot.node.name not in self.carried:
                values[place] = inputs[slot.node.name]
        self._run_all(BEFORE, values, arithmetic)
        if self.carried:
            order = range(steps - 1, -1, -1) if backwards else range(steps)
            self._run_steps(values, order, arithmetic, initial or {})
        self._run_all(AFTER, values, arithmetic)
        return {name: values[self._places[Name(name)]] for name in [*self.lines, *self.carried]}

    def _run_all(self, stage: int, values: list[Any], arithmetic: Arithmetic) -> None:
        for place in self._stages[stage]:
            function = self._function(place, arithmetic, True)
            values[place] = function(*[values[k] for k in self._slots[place].operands])

    def _run_steps(
        self, values: list[Any], order: range, arithmetic: Arithmetic, initial: Mapping[str, Any]
    ) -> None:
        stage = self._stages[STEPS]
        row = list(values)
        instructions = [
            _instruction(
                row, place, self._slots[place].operands, self._function(place, arithmetic, False)
            )
            for place in stage
        ]
        carries = []
        for name, line in self.carried.items():
            place = self._places[Name(name)]
            row[place] = initial[name]
            carries.append((place, self._places[Name(line)]))
        used = {k for place in stage for k in self._slots[place].operands}
        used |= {source for _, source in carries}
        # what the steps read from the stage before; a list of rows is quicker to index
        reads = [
            (k, list(values[k])) for k in used if self._slots[k].timed and values[k] is not None
        ]
        kept = [k for k in [*stage, *(place for place, _ in carries)] if k in self._kept]
        records: list[tuple[int, list[Any]]] = [(k, [None] * len(order)) for k in kept]
        for t in order:
            for place, rows in reads:
                row[place] = rows[t]
            for instruction in instructions:
                instruction()
            for place, rows in records:
                rows[t] = row[place]
            # all at once: two states may exchange their values
            following = [row[source] for _, source in carries]
            for (place, _), value in zip(carries, following, strict=True):
                row[place] = value
        for place, rows in records:
            values[place] = np.array(rows, dtype=arithmetic.dtype)

    @cached_property
    def _kept(self) -> set[int]:
        """The places whose values are read after the steps are done."""
        names = {self._places[Name(name)] for name in [*self.lines, *self.carried]}
        return names | {k for place in self._stages[AFTER] for k in self._slots[place].operands}


def evaluate(
    formula: Node, values: Mapping[str, Any], shapes: Shapes, arithmetic: Arithmetic = DOUBLE
) -> np.ndarray:
    """One formula on named values."""
    program = Program({"value": formula}, shapes, [], values)
    return np.asarray(program.run(values, 1, arithmetic)["value"])


def _instruction(
    row: list[Any], place: int, operands: tuple[int, ...], function: Callable
) -> Callable[[], None]:
    """`row[place] = function(*operands)`, ready to be called at every step."""
    i, j = (*operands, 0, 0)[:2]

    def unary() -> None:
        row[place] = function(row[i])

    def binary() -> None:
        row[place] = function(row[i], row[j])

    def general() -> None:
        row[place] = function(*[row[k] for k in operands])

    return {1: unary, 2: binary}.get(len(operands), general)
