"""Kafka: the only importer of FastStream and aiokafka; topics, the bus, the local broker."""
