"""What starts a run."""
