"""One pandera model per table, one file per room. Imports no orchestrator."""
