"""What Dagster materialises."""
