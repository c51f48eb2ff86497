"""The ledger: what every system is owed, in SQL; SQLite and PostgreSQL alike."""
