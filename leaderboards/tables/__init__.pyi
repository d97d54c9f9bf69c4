from .aggregate import rows
from .levels import LEVELS, Level
from .terminal import terminal_tables

__all__ = ["LEVELS", "Level", "rows", "terminal_tables"]
