"""What is written about a complete set: README, statistics, difficulty, preview."""
