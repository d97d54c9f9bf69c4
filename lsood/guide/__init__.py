"""The LaREx guide's function names as thin functions over the core."""
