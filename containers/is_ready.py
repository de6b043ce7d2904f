"""The health check of the `serve` image: exit status 0 if the service in this container says that it is ready."""

import http.client
import os
import sys

# Less than the five seconds after which the engine calls it a failure.
TIMEOUT_SECONDS = 4


def main() -> int:
    """Ask `/readyz`; what it answered, or why it did not, is kept with the container's health."""
    port = int(os.environ.get("FACET_PORT", "8000"))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        print(response.read().decode(errors="replace").strip())
    except (OSError, http.client.HTTPException) as error:
        print(f"no answer from port {port}: {error}")
        return 1
    finally:
        connection.close()
    return 0 if response.status == http.client.OK else 1


if __name__ == "__main__":
    sys.exit(main())
