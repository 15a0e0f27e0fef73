"""What the README's figures come from: each script measures against a baseline in the same run."""
