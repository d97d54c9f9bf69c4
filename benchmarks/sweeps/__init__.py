"""Experiments over one setting of a method: a table, a figure, and how they were made."""
