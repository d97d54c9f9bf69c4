"""Networks of the user: opened from a SPEC or given as a module, and adapted to what methods need. Loads no torch."""
