"""``--network predictions:FILE``: results of a detector, with logits, in place of a network."""
