"""Old places of classes that a dagster.yaml may still name; the next release does not have them."""

import warnings


def warn(moved: type, config: str = "") -> None:
    """Says which lines dagster.yaml should have. A FutureWarning, because Python hides a
    DeprecationWarning from whoever reads a daemon's output."""
    old = moved.__module__.replace("dagster_kit", "defs")
    warnings.warn(
        f"dagster.yaml names {old}, which the next release does not have. Write there:\n"
        f"  module: {moved.__module__}\n  class: {moved.__name__}\n{config}",
        FutureWarning,
        stacklevel=3,
    )
