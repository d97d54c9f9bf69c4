"""Methods that need further networks or stochastic passes."""
