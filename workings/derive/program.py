"""Programs over time: lines of formulas run for every step, with values carried between steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from workings.derive.arithmetic import DOUBLE, Arithmetic, implementation
from workings.derive.expression import Name, Node, Number, Operation
from workings.derive.operations import Shape, Shapes


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
        self._functions: dict[tuple[int, str, bool], Callable] = {}
        self._slots: dict[Node, int] = {}
        self._nodes: list[Node] = []
        self._operands: list[tuple[int, ...]] = []
        self._timed: list[bool] = []
        self._late: list[bool] = []  # reached by a carried value
        for name in fixed:
            self._new(Name(name), (), False, False)
        for name in timed:
            self._new(Name(name), (), True, False)
        for name in self.carried:
            self._new(Name(name), (), True, True)
        for name, formula in self.lines.items():
            self._slots[Name(name)] = self._slot(formula)
        feeds = {self._slots[Name(line)] for line in self.carried.values()}
        for slot in reversed(range(len(self._nodes))):
            if slot in feeds:
                feeds.update(self._operands[slot])
        self._stages: list[list[int]] = [[], [], []]  # before, step by step, after
        for slot, node in enumerate(self._nodes):
            if not isinstance(node, Name):
                self._stages[(1 if slot in feeds else 2) if self._late[slot] else 0].append(slot)

    def _new(self, node: Node, operands: tuple[int, ...], timed: bool, late: bool) -> int:
        self._slots[node] = len(self._nodes)
        self._nodes.append(node)
        self._operands.append(operands)
        self._timed.append(timed)
        self._late.append(late)
        return self._slots[node]

    def _slot(self, node: Node) -> int:
        """The place of a formula's value; equal formulas share one."""
        node = _fused(node)
        if node in self._slots:
            return self._slots[node]
        operands = tuple(self._slot(a) for a in getattr(node, "arguments", ()))
        timed = any(self._timed[k] for k in operands)
        return self._new(node, operands, timed, any(self._late[k] for k in operands))

    def _function(self, slot: int, arithmetic: Arithmetic, over_time: bool) -> Callable:
        key = (slot, arithmetic.name, over_time)
        if key not in self._functions:
            self._functions[key] = self._new_function(slot, arithmetic, over_time)
        return self._functions[key]

    def _new_function(self, slot: int, arithmetic: Arithmetic, over_time: bool) -> Callable:
        node, operands = self._nodes[slot], self._operands[slot]
        if isinstance(node, Number):
            value = arithmetic.number(node.value)
            return lambda: value
        ranks = [len(self._shape(k)) for k in operands]
        timed = [over_time and self._timed[k] for k in operands]
        return implementation(node, ranks, timed, len(self._shape(slot)), arithmetic)

    def _shape(self, slot: int) -> Shape:
        return self.shapes(_unfused(self._nodes[slot]))

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
        values: list[Any] = [None] * len(self._nodes)
        for slot, node in enumerate(self._nodes):
            if isinstance(node, Name) and node.name not in self.carried:
                values[slot] = inputs[node.name]
        self._run_all(0, values, arithmetic)
        if self.carried:
            self._run_steps(values, steps, arithmetic, initial or {}, backwards)
        self._run_all(2, values, arithmetic)
        names = [*self.lines, *self.carried]
        return {name: values[self._slots[Name(name)]] for name in names}

    def _run_all(self, stage: int, values: list[Any], arithmetic: Arithmetic) -> None:
        for slot in self._stages[stage]:
            function = self._function(slot, arithmetic, over_time=True)
            values[slot] = function(*[values[k] for k in self._operands[slot]])

    def _run_steps(
        self,
        values: list[Any],
        steps: int,
        arithmetic: Arithmetic,
        initial: Mapping[str, Any],
        backwards: bool,
    ) -> None:
        stage = self._stages[1]
        row = list(values)
        instructions = [
            _instruction(row, slot, self._operands[slot], self._function(slot, arithmetic, False))
            for slot in stage
        ]
        used = {k for slot in stage for k in self._operands[slot]}
        used |= {self._slots[Name(line)] for line in self.carried.values()}
        order = range(steps - 1, -1, -1) if backwards else range(steps)
        # what the steps read from the stage before; a list of rows is quicker to index
        reads = [(k, list(values[k])) for k in used if self._timed[k] and values[k] is not None]
        carries = []
        for name, line in self.carried.items():
            slot = self._slots[Name(name)]
            row[slot] = initial[name]
            carries.append((slot, self._slots[Name(line)]))
        keep = [*stage, *(slot for slot, _ in carries)]
        keep = [k for k in keep if k in self._kept]
        history: list[list[Any]] = [[None] * steps for _ in keep]
        records = list(zip(keep, history, strict=True))
        for t in order:
            for slot, rows in reads:
                row[slot] = rows[t]
            for instruction in instructions:
                instruction()
            for slot, rows in records:
                rows[t] = row[slot]
            # all at once: two states may exchange their values
            following = [row[source] for _, source in carries]
            for (slot, _), value in zip(carries, following, strict=True):
                row[slot] = value
        for slot, rows in records:
            values[slot] = np.array(rows, dtype=arithmetic.dtype)

    @cached_property
    def _kept(self) -> set[int]:
        """The places whose values are read after the steps are done."""
        names = {self._slots[Name(name)] for name in [*self.lines, *self.carried]}
        return names | {k for slot in self._stages[2] for k in self._operands[slot]}


def _instruction(
    row: list[Any], slot: int, operands: tuple[int, ...], function: Callable
) -> Callable[[], None]:
    """`row[slot] = function(*operands)`, ready to be called at every step."""

    def unary() -> None:
        row[slot] = function(row[i])

    def binary() -> None:
        row[slot] = function(row[i], row[j])

    def general() -> None:
        row[slot] = function(*[row[k] for k in operands])

    if len(operands) == 1:
        (i,) = operands
        return unary
    if len(operands) == 2:
        i, j = operands
        return binary
    return general


def _fused(node: Node) -> Node:
    """diag(d) A, (diag(y) - y y^T) A and (I (x) v^T) A without the large matrix on the left."""
    match node:
        case Operation("matmul", (Operation("kronecker", (i, Operation("row", (v,)))), a)) if (
            isinstance(i, Operation) and i.kind == "identity"
        ):
            return Operation("contract_rows", (v, a), i.detail)
        case Operation("matmul", (Operation("diag", (d,)), a)):
            return Operation("scale_rows", (d, a))
        case Operation("matmul", (Operation("softmax_jacobian", (y,)), a)):
            return Operation("softmax_rows", (y, a))
    return node


def _unfused(node: Node) -> Node:
    match node:
        case Operation("contract_rows", (v, a), detail):
            row = Operation("row", (v,))
            left = Operation("kronecker", (Operation("identity", (), detail), row))
            return Operation("matmul", (left, a))
        case Operation("scale_rows", (d, a)):
            return Operation("matmul", (Operation("diag", (d,)), a))
        case Operation("softmax_rows", (y, a)):
            return Operation("matmul", (Operation("softmax_jacobian", (y,)), a))
    return node
