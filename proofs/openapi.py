"""The OpenAPI document against the service that it describes, by schemathesis, with all of its checks.

One check is told more than the document can say: which tags, dimensions, tracks and cursors there are, and what is
audio, no schema tells, so a request that fits the schema may be refused with the status that the document has for it.
"""

import re
import subprocess
import sys
from pathlib import Path

from proofs.processes import ROOT, facet_environment, run_facet, serving
from proofs.proving import NotPossibleHereError, check, tell
from proofs.small_catalogue import small_catalogue

CONFIGURATION = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 400, 404, 409, 413, 415, 422]
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 409, 413, 415, 422]
"""
SECONDS = 3600
SEED = 1


def prove(size: int, folder: Path) -> None:
    """Ask as much as schemathesis makes up from `size` examples a call.

    Raises:
        NotProvenError: If a check fails, or the service makes a mistake.
        NotPossibleHereError: If schemathesis is not installed.
    """
    try:
        import schemathesis
    except ImportError as error:
        raise NotPossibleHereError("schemathesis is not installed: `make test` installs it") from error
    small = small_catalogue(folder, files=8)
    check(run_facet("ingest", small.music, environment=small.environment).returncode == 0, "nothing was ingested")
    made = run_facet("keys", "create", "proof", "--scope", "admin", environment=small.environment)
    check(made.returncode == 0, f"no key was made: {made.stderr}")
    (folder / "schemathesis.toml").write_text(CONFIGURATION)
    with serving(folder, small.environment) as served:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "run", f"{served.address}/openapi.json"),
                *("--checks", "all", "--max-examples", str(size), "--seed", str(SEED), "--continue-on-failure"),
                # One of the checks is that nothing is answered without it.
                *("--header", f"Authorization: Bearer {made.stdout.strip()}"),
                *("--generation-database", "none", "--no-color", "--request-timeout", "60"),
            ],
            cwd=folder,
            env={**facet_environment({}), "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        check(served.process.poll() is None, "the service ended")
    tell("schemathesis", schemathesis.__version__)
    for pattern in (r"Tested: (\d+)", r"(\d+) generated"):
        found = re.search(pattern, done.stdout)
        tell("calls" if "Tested" in pattern else "requests", found[1] if found else "unknown")
    check(done.returncode == 0, f"schemathesis found something:\n{done.stdout[-8000:]}{done.stderr[-2000:]}")
    mistakes = [line for line in served.log.read_text().splitlines() if '"request_failed"' in line]
    check(not mistakes, f"the service made a mistake: {mistakes[:1]}")
