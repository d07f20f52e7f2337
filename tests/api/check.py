"""Holds all services against the descriptions of their APIs, with Schemathesis.

Run by `check`. Starts a stack and a fleet on free ports with the programs in the given directory (as `make
fleet` builds them), asks each service for its /openapi.json, sends it what that allows and what it forbids,
and checks every answer against it. Stops everything in the end. Exits with 0 if nothing is found, else with
1; what was found is printed with a curl command that shows it again.
"""

import json
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
DECLARATIONS = (HERE.parent.parent / "services").glob("*/declaration.json")
SERVICES = sorted(path.parent.name for path in DECLARATIONS)
EXAMPLE_PRODUCT = {"name": "Green tea", "unit_price": {"amount": 450, "currency": "EUR"}}
# How long, in seconds: the fleet and its stories, the requests to one service, and stopping.
START_LIMIT, CHECK_LIMIT, STOP_LIMIT = 240, 240, 30


def main():
    programs = Path(sys.argv[1]).resolve()
    schemathesis = Path(sys.executable).parent / "schemathesis"
    # Ending in order, so that the fleet ends, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="farandole-api-") as directory:
        fleet = Fleet(programs)
        try:
            found = check(schemathesis, fleet.urls(), Path(directory))
        finally:
            fleet.stop()
    sys.exit(1 if found else 0)


class Fleet:
    """The demo's: it plays its stories first, so that there is something to ask for."""

    def __init__(self, programs):
        self.process = subprocess.Popen(
            [programs / "farandole-demo", "--free-ports"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )
        self.lines, self.ended = [], threading.Event()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(re.sub(r"\x1b\[[0-9;]*m", "", line))
        self.ended.set()

    def urls(self):
        """Where the services are, as the demo says in the end."""
        place = re.compile(rf"^({'|'.join(SERVICES)}) +(http://\S+)/docs$", re.MULTILINE)
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline and not self.ended.is_set():
            urls = dict(place.findall("".join(self.lines)))
            if len(urls) == len(SERVICES):
                return urls
            time.sleep(0.1)
        sys.exit("".join(self.lines) + "the fleet did not come up")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            # Its parts die with it.
            self.process.kill()
            self.process.wait()


def check(schemathesis, urls, directory):
    """Checks one service after the other; returns in which something was found."""
    with urllib.request.urlopen(f"{urls['order']}/orders?limit=200", timeout=10) as answer:
        orders = [order["order_id"] for order in json.load(answer)["orders"]]
    # The examples in the descriptions are of tea.
    put(f"{urls['order']}/products/tea", EXAMPLE_PRODUCT)
    put(f"{urls['inventory']}/stock/tea", {"on_hand": 1_000_000})
    (directory / "orders.txt").write_text("".join(f'"{order}"\n' for order in orders))
    (directory / "schemathesis.toml").write_text((HERE / "schemathesis.toml").read_text())
    results, began = [], time.monotonic()
    for service in SERVICES:
        start = time.monotonic()
        run = [schemathesis, "--no-color", "run", f"{urls[service]}/openapi.json", "--checks", "all"]
        try:
            done = subprocess.run(
                run, cwd=directory, timeout=CHECK_LIMIT, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )
            output, failed = done.stdout, done.returncode != 0
        except subprocess.TimeoutExpired as error:
            output, failed = f"{(error.stdout or b'').decode()}\nit took more than {CHECK_LIMIT} s\n", True
        if failed:
            print(output, flush=True)
        cases = re.search(r"(\d+) generated", output)
        count = cases.group(1) if cases else "?"
        verdict = "✘" if failed else "✔"
        results.append((service, failed))
        print(f"{verdict} {service}: {count} requests, {time.monotonic() - start:.0f} s", flush=True)
    found = [service for service, failed in results if failed]
    what = f"something is found in {', '.join(found)}" if found else "nothing is found"
    print(f"api-check: {what}, after {time.monotonic() - began:.0f} s", flush=True)
    return found


def put(url, body):
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method="PUT")
    urllib.request.urlopen(request, timeout=10).close()


if __name__ == "__main__":
    main()
