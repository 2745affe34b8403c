"""The web edition: the filled sections as one page that needs nothing else."""
