"""The HTTP server: events in, the ledger's views out, health and metrics."""
