"""Who a report is about, and the systems' own numbers and characters: whole cities on a real Kafka."""
