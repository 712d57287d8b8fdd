"""Speed claims, printed as ratios against the peers in one run."""
