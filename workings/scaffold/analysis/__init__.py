"""The jobs: a script for each result."""
