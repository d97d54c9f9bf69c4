"""Control images that should not raise an alarm: processed by the generator without being made anomalous.

A detector that raises an alarm on these has learned traces of the generator. Their alpha is zero everywhere, so their
masks say "not anomalous".
"""
