"""Which bus a local platform runs on: an existing Kafka, an embedded one, or the Postgres log, and why."""

from dataclasses import dataclass

from deploy.local.topology import BusKind
from shared.embedded.kafka import EmbeddedKafka, existing_broker
from shared.embedded.process import StartFailed


@dataclass(frozen=True, slots=True)
class BusChoice:
    """The bus, the address of a broker that already runs (else empty), and a line that tells the person why."""

    kind: BusKind
    bootstrap: str
    reason: str


def choose_bus(wanted: BusKind | None) -> BusChoice:
    """The wanted bus, or by default the best there is. Raises StartFailed when the wanted one cannot run here."""
    if wanted == "postgres":
        return BusChoice("postgres", "", "the Postgres log, as asked")
    if existing := existing_broker():
        return BusChoice("kafka", existing, f"the Apache Kafka at {existing} (KAFKA_BOOTSTRAP_SERVERS)")
    usable, reason = EmbeddedKafka.available()
    if usable:
        return BusChoice("kafka", "", "an embedded Apache Kafka")
    if wanted == "kafka":
        raise StartFailed(f"Apache Kafka cannot run here: {reason}")
    return BusChoice("postgres", "", f"the Postgres log in place of Apache Kafka: {reason}")
