"""Projects to compare with: the same partitions and settings, an asset that does nothing."""
