"""Drawing helpers that several families of anomalies use."""
