"""What the families of anomalies are drawn with."""
