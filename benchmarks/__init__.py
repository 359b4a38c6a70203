"""Named workloads, ours beside peers in one run; `python -m benchmarks --help`."""
