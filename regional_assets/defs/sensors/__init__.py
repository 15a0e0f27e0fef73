"""What asks for a run when something changed or failed."""
