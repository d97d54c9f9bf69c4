"""In-distribution data modules: one file per data set."""
