"""One other tool per file; each says what it needs, and gives a workload's loss."""
