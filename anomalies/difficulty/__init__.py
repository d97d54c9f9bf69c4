"""How well simple image statistics detect anomalies, without a network."""
