"""Workings: a literate report generator. The engine; it knows no report."""
