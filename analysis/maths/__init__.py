"""The mathematics, pure: it touches no files and knows nothing of the report."""
