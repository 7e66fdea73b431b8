"""What the published site has beside asv's own pages: speed against memory, and what verdicts and loaders are worth."""
