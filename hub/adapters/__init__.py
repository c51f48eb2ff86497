"""Adapters: transport only, one transport a file. They never see routing, the ledger or Kafka."""
