"""What the ledger says of a period: service level, waiting, handling, misses by kind, by whom and why."""
