"""Rows and tables of results."""
