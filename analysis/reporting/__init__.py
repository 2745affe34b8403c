"""From measurements to the page: recording, number formatting, figures, LaTeX, provenance."""
