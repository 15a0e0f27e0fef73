"""What Dagster materialises or observes."""
