"""Where the figures in docs/benchmarks.md come from: each measures against a baseline."""
