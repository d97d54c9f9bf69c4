"""Training of VMDLS (Dinari & Freifeld, UAI 2022)."""
