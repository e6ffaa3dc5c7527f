"""A stand-in for `python -m services.<name> ROLE`: it migrates nothing and is ready at once, or fails when told to."""

import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Answers every GET with 200 and the service's database role."""

    def do_GET(self) -> None:
        body = os.environ["SAMAKI_DATABASE_URL"].split("//")[1].split(":")[0].encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing per request."""


def main() -> None:
    """One role."""
    role = sys.argv[1]
    if os.environ.get("DUMMY_FAILS") == role:
        sys.exit("the dummy fails as told")
    if role != "migrate":
        variable = "SAMAKI_HTTP_PORT" if role == "api" else "SAMAKI_OPS_PORT"
        ThreadingHTTPServer(("127.0.0.1", int(os.environ[variable])), Handler).serve_forever()


if __name__ == "__main__":
    main()
