"""What tests stand on: real PostgreSQL and Kafka, migrated schemas, tokens, and waiting on conditions."""

from shared.testing.keys import TestKeys
from shared.testing.service import TestService
from shared.testing.waiting import wait_for

__all__ = ["TestKeys", "TestService", "wait_for"]
