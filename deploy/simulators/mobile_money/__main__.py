"""`python -m deploy.simulators.mobile_money --port 8092`: run the operator.

The secret that signs callbacks comes from the environment (SAMAKI_MOBILE_MONEY_CALLBACK_SECRET), never from the
command line, where other users of the machine could read it.
"""

from __future__ import annotations

import argparse
import os

import uvicorn

from deploy.simulators.mobile_money.app import create_app
from deploy.simulators.mobile_money.behaviour import Behaviour

SECRET = "SAMAKI_MOBILE_MONEY_CALLBACK_SECRET"  # noqa: S105 the variable's name


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line and serve until stopped."""
    parser = argparse.ArgumentParser(prog="python -m deploy.simulators.mobile_money", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8092)
    parser.add_argument("--callbacks", choices=("off", "batch", "transaction"), default="batch")
    parser.add_argument("--callback-delay-ms", type=int, default=0)
    parser.add_argument("--stall", type=int, default=0, help="accept the first so many batches, then answer too late")
    parser.add_argument("--stall-seconds", type=float, default=30.0)
    options = parser.parse_args(arguments)
    secret = os.environ.get(SECRET)
    if not secret:
        parser.error(f"set {SECRET}: it signs the callbacks")
    behaviour = Behaviour(
        callbacks=options.callbacks,
        callback_delay_ms=options.callback_delay_ms,
        stall=options.stall,
        stall_seconds=options.stall_seconds,
    )
    uvicorn.run(create_app(secret, behaviour), host=options.host, port=options.port, log_level="warning")


if __name__ == "__main__":
    main()
