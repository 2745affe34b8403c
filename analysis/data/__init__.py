"""The embedded digits, and the files that hold digits and network between jobs."""
