"""The commands of `workings`, a module each."""
