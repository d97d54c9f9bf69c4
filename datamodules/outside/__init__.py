"""Data sets of the user in folders of common layouts: ``--ind folder:DIR`` and others."""
