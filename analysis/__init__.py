"""The measurements of the report, one job per module."""
