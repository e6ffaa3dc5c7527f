"""The environment of each process of a local platform: all its settings, as variables."""

import os
from collections.abc import Mapping

from deploy.local.home import Home
from deploy.local.keys import AUDIENCE, ISSUER, Keys
from deploy.local.topology import BANK, MOBILE_MONEY, BusKind, Role, ServiceSpec, listener

LOOPBACK = "127.0.0.1"
BANK_DEBTOR_ACCOUNT = "KH25NATB0000000001"
"""Domestic number of the treasury's account. The mock bank starts empty; the demo opens it there."""
BANK_DEBTOR_BIC = "MOCKKHPP"


def url(ports: Mapping[str, int], name: str) -> str:
    """`http://127.0.0.1:port` of a listener."""
    return f"http://{LOOPBACK}:{ports[name]}"


def common_environment() -> dict[str, str]:
    """This process's own environment (so SAMAKI_LOG_LEVEL and the like pass through), unbuffered, in UTC."""
    return dict(os.environ) | {"PYTHONUNBUFFERED": "1", "TZ": "UTC"}


def service_environment(
    spec: ServiceSpec,
    role: Role | None,
    *,
    home: Home,
    keys: Keys,
    ports: Mapping[str, int],
    bus: BusKind,
    bootstrap: str,
    topic_prefix: str,
    dsns: Mapping[str, str],
) -> dict[str, str]:
    """The variables of one role of one service (role None: a command that listens nowhere, such as migrate)."""
    variables = {
        "SAMAKI_DATABASE_URL": dsns[spec.name],
        "SAMAKI_BUS": bus,
        "SAMAKI_JWKS": str(keys.jwks),
        "SAMAKI_JWT_ISSUER": ISSUER,
        "SAMAKI_JWT_AUDIENCE": AUDIENCE,
        "SAMAKI_HTTP_HOST": LOOPBACK,
        "SAMAKI_LOG_FORMAT": "json",
        "SAMAKI_TOPIC_PREFIX": topic_prefix,
        "SAMAKI_ENCRYPTION_KEY": keys.secret(f"{spec.name}-encryption"),
        "SAMAKI_HASH_KEY": keys.secret(f"{spec.name}-hash"),
    }
    if bus == "kafka":
        variables["KAFKA_BOOTSTRAP_SERVERS"] = bootstrap
    else:
        variables["SAMAKI_BUS_DATABASE_URL"] = dsns["bus"]
    if role == "api":
        variables["SAMAKI_HTTP_PORT"] = str(ports[listener(spec.name, "api")])
    elif role is not None:
        variables["SAMAKI_OPS_PORT"] = str(ports[listener(spec.name, role)])
    if spec.name == "payments":
        variables |= _rails(keys, ports)
    if spec.name == "grievance":
        variables |= {"SAMAKI_SEALED_KEY": keys.secret("grievance-sealed")}
        variables |= {"SAMAKI_NOTIFICATION_DIR": str(home.data / "messages")}
    return common_environment() | variables


def _rails(keys: Keys, ports: Mapping[str, int]) -> dict[str, str]:
    payments = url(ports, listener("payments", "api"))
    return {
        "SAMAKI_BANK_URL": url(ports, BANK),
        "SAMAKI_BANK_DEBTOR_ACCOUNT": BANK_DEBTOR_ACCOUNT,
        "SAMAKI_BANK_DEBTOR_BIC": BANK_DEBTOR_BIC,
        "SAMAKI_MOBILE_MONEY_URL": url(ports, MOBILE_MONEY),
        "SAMAKI_MOBILE_MONEY_CALLBACK_URL": f"{payments}/payments/v1/rails/mobile_money/callbacks",
        "SAMAKI_MOBILE_MONEY_CALLBACK_SECRET": keys.secret("mobile-money-callbacks"),
        # One machine, one sitting: a rail that does not answer is given up sooner.
        "SAMAKI_RAIL_TIMEOUT_SECONDS": "3",
    }


def simulator_environment(keys: Keys) -> dict[str, str]:
    """The mobile money operator's: it signs its callbacks with the key that payments checks."""
    return common_environment() | {"SAMAKI_MOBILE_MONEY_CALLBACK_SECRET": keys.secret("mobile-money-callbacks")}
