"""Feature maps: taken from a network, enlarged to the image, compared with it, and classified.

Images are float32 in 0..1, (N, 1, rows, columns).
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn


@torch.no_grad()
def feature_maps(network: nn.Sequential, images: torch.Tensor) -> list[torch.Tensor]:
    """The maps of every convolution after the ReLU that follows it, (N, C, h, w) each."""
    maps, x, before = [], images, None
    for layer in network:
        x = layer(x)
        if isinstance(before, nn.Conv2d):
            maps.append(x)  # (N, C, h, w)
        before = layer
    return maps


@dataclass(frozen=True)
class Answers:
    """The largest answer of each channel to each image, and the cell of the map that gives it."""

    largest: np.ndarray  # (N, C)
    row: np.ndarray  # (N, C)
    column: np.ndarray  # (N, C)


def answers(network: nn.Sequential, images: np.ndarray, batch: int = 200) -> list[Answers]:
    """What each channel of each convolution answers to each image, (N, 1, rows, columns)."""
    found: list[list[Answers]] = []
    for part in torch.from_numpy(images).split(batch):
        found.append([])
        for maps in feature_maps(network, part):  # (B, C, h, w)
            largest, place = maps.flatten(2).max(dim=2)  # (B, C)
            row, column = np.divmod(place.numpy(), maps.shape[3])
            found[-1].append(Answers(largest.numpy(), row, column))
    parts = ("largest", "row", "column")
    return [
        Answers(**{part: np.concatenate([getattr(a, part) for a in layer]) for part in parts})
        for layer in zip(*found, strict=True)
    ]


def enlargement(middles: np.ndarray, pixels: int) -> np.ndarray:
    """The matrix E, pixels x cells, that interpolates cell values at c_0 < c_1 < ... linearly.

        (E m)(x) = (1 - s) m_i + s m_{i+1},     s = (x - c_i)/(c_{i+1} - c_i),

    and the first or the last value outside c_0 ... c_n.  Along rows and columns this is bilinear
    interpolation, and the rows of E add up to 1.
    """
    x = np.arange(pixels)
    return np.stack([np.interp(x, middles, cell) for cell in np.eye(len(middles))], axis=1)


def enlarge(maps: torch.Tensor, E: np.ndarray) -> torch.Tensor:
    """E M E^T for every map M: (N, C, cells, cells) to (N, C, pixels, pixels)."""
    E = torch.as_tensor(E, dtype=maps.dtype)
    return E @ maps @ E.T


def correlation(maps: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Pearson's r over the pixels between each channel and its image, (N, C).

        r = <m - m̄, x - x̄> / (|m - m̄| |x - x̄|)

    A flat map (or image) shows nothing, so its r is set to 0.

    Args:
        maps: (N, C, rows, columns), already of the image's size.
        images: (N, 1, rows, columns).
    """
    m, x = maps.double().flatten(2), images.double().flatten(2)  # (N, C, P), (N, 1, P)
    flat = (m.amax(2) == m.amin(2)) | (x.amax(2) == x.amin(2))  # (N, C)
    m, x = m - m.mean(2, keepdim=True), x - x.mean(2, keepdim=True)
    lengths = m.norm(dim=2) * x.norm(dim=2)  # (N, C)
    return ((m * x).sum(2) / lengths.where(~flat, 1.0)).where(~flat, 0.0)  # (N, C)


def largest_correlation(image: np.ndarray, E: np.ndarray) -> float:
    """The largest r that any map of that size, enlarged, can have with the image.

    E M E^T runs through a linear space that holds the constants, so the best map is the
    least-squares one, the image's projection P = E E^+ X (E E^+)^T (the multiple correlation).
    """
    project = E @ np.linalg.pinv(E)
    projected = project @ image @ project.T
    return float(np.corrcoef(projected.ravel(), image.ravel())[0, 1])


class NearestMean:
    """The nearest-class-mean classifier: the label of the mean that is nearest (Euclidean).

        mu_k = mean of the training x with label k,     label(x) = argmin_k |x - mu_k|^2

    The means are gathered batch by batch, so the maps of a whole training set are never in memory.
    """

    def __init__(self, classes: int = 10) -> None:
        self._sums: torch.Tensor | float = 0.0
        self._counts = torch.zeros(classes, dtype=torch.float64)

    def add(self, features: torch.Tensor, labels: torch.Tensor) -> None:
        """Add features, (N, ...), with their labels, (N,), to the means."""
        x = features.flatten(1).double()  # (N, F)
        own = x.new_zeros(len(self._counts), x.shape[1]).index_add_(0, labels, x)
        self._sums = self._sums + own
        self._counts += torch.bincount(labels, minlength=len(self._counts))

    @property
    def means(self) -> torch.Tensor:
        """(classes, F)"""
        return self._sums / self._counts[:, None]

    def predict(self, features: torch.Tensor) -> torch.Tensor:
        """The label of each row of features, (N, ...) to (N,)."""
        x, mu = features.flatten(1).double(), self.means
        # |x - mu|^2 without |x|^2, which is the same for every class
        return (mu.square().sum(1) - 2 * x @ mu.T).argmin(1)  # (N,)
