"""One forward pass per image: hooks, Monte-Carlo samples, entropies, and what is stored of them."""
