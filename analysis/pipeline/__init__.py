"""What the Snakefile and the job runner use: configuration, fingerprints, files, messages."""
