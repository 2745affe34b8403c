"""Fit the body mass to the length of the flipper."""

from __future__ import annotations

import numpy as np

from analysis import penguins
from workings import figures
from workings.measurements import record, write


def line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Slope and intercept of the straight line y = a + b x with the least squares.

    b = Σ (xᵢ − x̄)(yᵢ − ȳ) / Σ (xᵢ − x̄)²,  a = ȳ − b x̄
    """
    centred = x - x.mean()
    slope = centred @ (y - y.mean()) / (centred @ centred)
    return slope, y.mean() - slope * x.mean()


def resampled(x: np.ndarray, y: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """The slopes of the line through birds drawn with replacement, `resamples` times."""
    random = np.random.default_rng(seed)
    drawn = random.integers(len(x), size=(resamples, len(x)))
    return np.array([line(x[birds], y[birds])[0] for birds in drawn])


def measure(flipper: np.ndarray, mass: np.ndarray, resamples: int, seed: int) -> dict:
    """The fitted line, how much of the variance it explains, and an interval of its slope.

    Args:
        flipper: the length of each bird's flipper, in mm.
        mass: of each bird, in g.
    """
    slope, intercept = line(flipper, mass)
    rest = mass - intercept - slope * flipper
    low, high = np.quantile(resampled(flipper, mass, resamples, seed), [0.025, 0.975])
    return record(
        birds=len(mass),
        slope=slope,  # g/mm
        intercept=intercept,  # g
        explained=1 - rest.var() / mass.var(),
        lowest_slope=low,
        highest_slope=high,
    )


def draw(flipper: np.ndarray, mass: np.ndarray, found: dict):
    """Each bird, and the line."""
    figure, axes = figures.new("text", height=60)
    axes.plot(flipper, mass, ".", markersize=3)
    ends = np.array([flipper.min(), flipper.max()])
    axes.plot(ends, found["intercept"] + found["slope"] * ends)
    axes.set(xlabel="flipper length in mm", ylabel="body mass in g")
    return figure


def main(config, inputs, outputs) -> None:
    flipper, mass = (
        column.astype(float)
        for column in penguins.columns(inputs.penguins, "flipper_length_mm", "body_mass_g")
    )
    found = measure(flipper, mass, **config["mass"])
    write(outputs.measurements, found)
    figures.save(draw(flipper, mass, found), outputs.figure)
