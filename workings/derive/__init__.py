"""Gradients of recurrent cells: derived, evaluated, printed, proved and checked."""
