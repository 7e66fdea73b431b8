"""Is one commit slower than another? Rounds measured side by side, and what may be said of them."""
