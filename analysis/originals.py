"""Compare every number that the original write-up printed with the recomputed one."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from analysis.maths import comparison
from workings import config as settings
from workings import measurements
from workings.derive.arithmetic import multiprecision
from workings.derive.expression import ExpressionError, number_from
from workings.derive.recurrence import Recurrence
from workings.measurements import Record, record
from workings.messages import InputError

DIGITS = 40

# What the original printed for each step of backpropagation: its name there, its symbol here, and
# the line of the derivation that has its value.
BY_STEP = {
    "dl_dy": (r"d\ell_{t}/dy_{t}", "jacobian/dl_dy[{t}]"),
    "dy_do": (r"dy_{t}/do_{t}", "jacobian/dy_do[{t}]"),
    "dl_do": (r"d\ell_{t}/do_{t}", "dl_do[{t}]"),
    "do_dh": (r"do_{t}/dh_{t}", "V"),
    "dl_dh": (r"d\ell_{t}/dh_{t}", "dl_dh[{t}]"),
    "dh_da": (r"dh_{t}/da_{t}", "jacobian/dh_da[{t}]"),
    "dl_da": (r"d\ell_{t}/da_{t}", "dl_da[{t}]"),
    "dh_prev_db": (r"dh_{p}/db", "dh_db[{p}]"),
    "da_db": (r"da_{t}/db", "da_db[{t}]"),
    "dl_db": (r"d\ell_{t}/db", "dl_db[{t}]"),
}


def differences(original: Mapping[str, Any], config: Mapping[str, Any]) -> list[str]:
    """The keys of the configuration whose values are not the original's problem."""
    chosen = config["recurrence"]
    update = chosen.get("update", {})
    pairs = {
        "recurrence.cell": (
            comparison.lines_of(chosen["cell"]),
            comparison.lines_of(original["cell"]),
        ),
        "recurrence.loss": (
            comparison.lines_of(chosen["loss"]),
            comparison.lines_of(original["loss_per_step"]),
        ),
        "recurrence.parameters": (chosen["parameters"], original["parameters"]),
        "recurrence.inputs": (chosen.get("inputs", []), original["inputs"]),
        "recurrence.initial_state": (chosen["initial_state"], {"h": original["initial_state"]}),
        "recurrence.forward_mode": (chosen.get("forward_mode", [])[:1], ["b"]),
        "recurrence.update": (
            [update.get("parameter"), update.get("rate", 0)],
            [original["update"]["parameter"], original["update"]["rate"]],
        ),
        "gradient_check.epsilon": (
            config["gradient_check"]["epsilon"],
            original["central_differences"]["epsilon"],
        ),
    }
    return [key for key, (ours, theirs) in pairs.items() if _exact(ours) != _exact(theirs)]


@dataclass(frozen=True)
class Exact:
    """What was printed with all the digits of a double, recomputed in more, so that none is noise."""

    loss: Decimal
    sides: list[tuple[Decimal, Decimal]]  # the loss with each component of b moved down, and up
    quotients: list[Decimal]
    new_b: list[Decimal]
    new_loss: Decimal


def exactly(original: Mapping[str, Any], recurrence: Mapping[str, Any]) -> Exact:
    """The losses, central differences and the update of the block `recurrence`, in many digits."""
    cell, numbers = Recurrence.from_config(recurrence), multiprecision(DIGITS)
    epsilon, rate = (
        numbers.number(number_from(text, ""))
        for text in (original["central_differences"]["epsilon"], original["update"]["rate"])
    )
    b, run = numbers.array(cell.parameters["b"]), cell.forward(arithmetic=numbers)

    def loss(moved: np.ndarray) -> Any:
        return cell.forward({"b": moved}, numbers).loss

    steps = [epsilon * numbers.array(direction) for direction in np.eye(len(b), dtype=int)]
    sides = [(loss(b - step), loss(b + step)) for step in steps]
    new_b = b + rate * cell.reverse(run)["b"]

    def decimal(number: Any) -> Decimal:
        return Decimal(str(number))

    return Exact(
        decimal(run.loss),
        [(decimal(below), decimal(above)) for below, above in sides],
        [decimal((above - below) / (2 * epsilon)) for below, above in sides],
        [decimal(component) for component in new_b],
        decimal(loss(new_b)),
    )


def compare(original: Mapping[str, Any], recurrence: Mapping, exact: Exact) -> list[Record]:
    """Each quantity that was printed: its numbers, each with its verdict, and the counts."""
    lines = recurrence["lines"]
    forward = original["forward"]
    differences_printed = original["central_differences"]
    found = [
        _quantity("y", rf"\hat y_{{{t}}}", t, printed, lines[f"y[{t}]"])
        for t, printed in enumerate(forward["y_hat"])
    ]
    found.append(_quantity("loss", "L", None, forward["loss"], exact.loss))
    epsilon = float(differences_printed["epsilon"])
    both = zip(exact.sides, exact.quotients, strict=True)
    for place, ((minus, plus), quotient) in enumerate(both, 1):
        below, above = (differences_printed[f"loss_b{place}_{side}"] for side in ("minus", "plus"))
        found += [
            _quantity("central", rf"L(b_{place} - \varepsilon)", None, below, minus),
            _quantity("central", rf"L(b_{place} + \varepsilon)", None, above, plus),
            _quantity(
                "central", rf"\Delta L/\Delta b_{place}", None, differences_printed[f"dL_db{place}"],
                quotient, follows=(float(above) - float(below)) / (2 * epsilon),
            ),
        ]  # fmt: skip
    for step in original["backpropagation"]:
        t = step["t"]
        values = {
            name: lines[line.format(t=t, p=t - 1)]
            for name, (_, line) in BY_STEP.items()
            if name in step
        }
        if "dh_da" in values:  # printed without its zeros
            values["dh_da"] = [row[i] for i, row in enumerate(values["dh_da"])]
        around = [value for matrix in values.values() for row in _rows(matrix) for value in row]
        others = [other for other in around if other]
        for name, value in values.items():
            symbol = BY_STEP[name][0].format(t=f"{{{t}}}", p=f"{{{t - 1}}}")
            found.append(_quantity(name, symbol, t, step[name], value, others=others))
    found.append(_quantity("total", "dL/db", None, original["dL_db"], lines["dL_db"]))
    printed = original["update"]
    found.append(_quantity("update", r"b_{\text{new}}", None, printed["new_b"], exact.new_b))
    found.append(_quantity("update", r"L_{\text{new}}", None, printed["new_loss"], exact.new_loss))
    return found


def measure(original: Mapping[str, Any], recurrence: Mapping, exact: Exact) -> Record:
    """The comparison number by number, those that depart, and how many there are of each kind."""
    quantities = compare(original, recurrence, exact)
    damaged = [q for q in quantities if not q["shape_kept"] or q["lost"]]
    steps = sorted({q["step"] for q in quantities if q["step"] is not None})
    shown = ("agree", "compared", "lost", "shape_kept")
    at = {(q["line"], q["step"]): record({name: q[name] for name in shown}) for q in quantities}
    symbols = {"y": r"\hat y_t"}
    symbols |= {name: s.format(t="t", p="{t-1}") for name, (s, _) in BY_STEP.items()}
    by_step = [
        record(symbol=symbol, steps=[at.get((line, t)) for t in steps])
        for line, symbol in symbols.items()
    ]
    numbers = [number for quantity in quantities for number in quantity["numbers"]]
    before, after = original["forward"]["loss"], original["update"]["new_loss"]
    return record(
        numbers=numbers,
        steps=steps,
        by_step=by_step,
        damaged_matrices=[record(symbol=q["symbol"], right=q["right"]) for q in damaged],
        departures=[n for n in numbers if n["verdict"] != comparison.AGREES],
        results_agree=all(
            q["agree"] == len(q["numbers"])
            for q in quantities
            if q["line"] in ("loss", "total", "update")
        ),
        counts=record(
            **_counts(numbers),
            quantities=len(quantities),
            of_other_shape=sum(not quantity["shape_kept"] for quantity in quantities),
        ),
        update=record(
            loss_before=before,
            loss_after=after,
            change=float(after) - float(before),
        ),
    )


def _quantity(
    line: str, symbol: str, step: int | None, printed: Any, value: Any,
    follows: float | None = None, others: Sequence[float] = (),
) -> Record:  # fmt: skip
    """One printed quantity; a number counts as an array of one."""
    if isinstance(printed, Mapping):  # marked as doubtful in the file
        printed = printed["values"]
    texts, right = _rows(printed), _rows(value)
    flat, flat_right = ([entry for row in rows for entry in row] for rows in (texts, right))
    for text in flat:
        if not (isinstance(text, str) and re.fullmatch(r"-?\d+(\.\d*)?", text)):
            raise InputError(
                f"config/original.yaml: {symbol}: {text!r:.40} is not a printed number; write its "
                'digits in quotes, such as "0.50"'
            )
    if follows is not None:
        found = [comparison.compare(flat[0], flat_right[0], follows)]
    elif len(texts) == len(right):
        rows = zip(texts, right, strict=True)
        found = [number for row in rows for number in comparison.aligned(*row, others)]
    else:
        found = comparison.aligned(flat, flat_right, others)
    numbers = [
        record(symbol=symbol, step=step, place=place, **asdict(number))
        for place, number in enumerate(found, 1)
    ]
    return record(
        line=line,
        right=value,
        symbol=symbol,
        step=step,
        **_counts(numbers),
        shape_kept=[len(row) for row in texts] == [len(row) for row in right],
        numbers=numbers,
    )


def _counts(numbers: list[Record]) -> Record:
    """How many numbers were printed, with each verdict; what was lost is counted for itself."""
    printed = [number for number in numbers if number["printed"] is not None]
    verdicts = [number["verdict"] for number in printed]
    return record(
        compared=len(printed),
        agree=verdicts.count(comparison.AGREES),
        rounding=verdicts.count(comparison.ROUNDING),
        damaged=verdicts.count(comparison.DAMAGED),
        misprints=verdicts.count(comparison.MISPRINT),
        wrong=verdicts.count(comparison.WRONG),
        lost=len(numbers) - len(printed),
    )


def _rows(value: Any) -> list[list]:
    """A number, a vector or a matrix as a list of rows; a vector is one row."""
    if not isinstance(value, list):
        return [[value]]
    return value if value and isinstance(value[0], list) else [value]


def _exact(value: Any) -> Any:
    """Numbers as exact fractions, so that 1/2 and 0.5 are equal; other texts as they are."""
    if isinstance(value, Mapping):
        return {key: _exact(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_exact(inner) for inner in value]
    try:
        return number_from(value, "")
    except ExpressionError:
        return value


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    written = settings.read_yaml(Path(inputs.original))
    original = written["rnn"]
    others = differences(original, config)
    answers = written["assertions"] | written["shown"]
    parts = {name: answer["part"] for name, answer in answers.items()}
    values = record(settings_that_differ=others, parts=parts)
    if not others:
        recurrence = measurements.read(inputs.recurrence)
        values |= measure(original, recurrence, exactly(original, config["recurrence"]))
    measurements.write(outputs.measurements, values)
