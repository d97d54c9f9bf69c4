"""Methods that combine several layers."""
