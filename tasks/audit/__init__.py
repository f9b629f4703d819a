"""Where a number comes from, whether it still holds, and what changed it."""
