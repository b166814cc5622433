#!/usr/bin/env python3
"""How fast the offline tools are, beside `cat` of the same segments.

    cargo build --release
    python3 benches/offline.py --events 10000000 --rounds 5

A store is filled by `oncelog bench` (events of 260 bytes, batches of 1000, 5 % duplicates), stopped in
order, and a copy of it is kept that was killed under load. Then each command runs in turn, round by
round, with its output thrown away; a further round of each kind begins with an empty page cache, where
this may be done (root). The table has the median and the spread of the seconds, how fast that is by
`cat`'s speed in the same round, and the most memory that was resident.
"""

import argparse
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

PORT = 18979


def run(command, may_end_with=(0,)):
    """Seconds and peak MiB of a command whose output is thrown away."""
    begun = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in may_end_with:
        sys.exit(f"{command} ended with {process.returncode}")
    return seconds, usage.ru_maxrss / 1024


def serve(oncelog, data_dir):
    server = subprocess.Popen(
        [oncelog, "serve", "--data-dir", data_dir, "--listen", f"127.0.0.1:{PORT}"],
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 60
    ready = [oncelog, "health", "--ready", "--url", f"http://127.0.0.1:{PORT}"]
    while subprocess.run(ready, capture_output=True).returncode != 0:
        if time.monotonic() > until:
            sys.exit("the server does not become ready")
        time.sleep(0.1)
    return server


def load(oncelog, events, **options):
    command = [oncelog, "bench", "--url", f"http://127.0.0.1:{PORT}", "--batch", "1000"]
    command += ["--events", str(events), "--duplicates", "0.05"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, **options)


def fill(oncelog, directory, events):
    """A store that was stopped in order, and one that was killed under load."""
    stopped, killed = directory / "stopped", directory / "killed"
    server = serve(oncelog, stopped)
    if load(oncelog, events).wait() != 0:
        sys.exit("the load failed")
    server.send_signal(signal.SIGTERM)
    if server.wait() != 0:
        sys.exit("the server did not stop in order")
    shutil.copytree(stopped, killed)
    server = serve(oncelog, killed)
    more = load(oncelog, events, stderr=subprocess.DEVNULL)
    time.sleep(1)
    server.kill()
    server.wait()
    more.kill()
    more.wait()
    return stopped, killed


def some_id(oncelog, store, seq):
    """The id of an event in the middle of the log, and its topic."""
    import json

    command = [oncelog, "dump", "--data-dir", store, "--json", "--from", str(seq), "--to", str(seq)]
    event = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return event["event_id"], event["topic"]


def commands(oncelog, stopped, killed, events):
    middle = events // 2
    event_id, topic = some_id(oncelog, stopped, middle)
    of = ["--data-dir", stopped]
    # The id may hide in any topic where none is named.
    why = [oncelog, "why", event_id, "--topic", topic]
    return {
        "dump": [oncelog, "dump", *of],
        "dump --json": [oncelog, "dump", "--json", *of],
        "dump --raw": [oncelog, "dump", "--raw", *of],
        "dump --id": [oncelog, "dump", "--id", event_id, *of],
        "dump --last 10": [oncelog, "dump", "--last", "10", *of],
        "verify --log-only": [oncelog, "verify", "--log-only", *of],
        "verify": [oncelog, "verify", *of],
        "why ID": [*why, *of],
        "why --seq": [oncelog, "why", "--seq", str(middle), *of],
        "why ID, killed store": [*why, "--data-dir", killed],
    }


def empty_page_cache():
    os.sync()
    try:
        pathlib.Path("/proc/sys/vm/drop_caches").write_text("3")
    except OSError:
        return False
    return True


def measure(cat, timed, rounds, before=lambda: True):
    """For each command the seconds, the ratios to `cat` and the memory, round by round."""
    found = {name: [] for name in ("cat", *timed)}
    for number in range(rounds):
        for name, command in (("cat", cat), *timed.items()):
            if not before():
                return None
            seconds, mib = run(command)
            if name == "cat":
                of_cat = seconds
            found[name].append((seconds, of_cat / seconds, mib))
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
    return found


def table(title, found):
    print(f"\n| {title} | seconds | of `cat`'s speed | MiB |\n|---|---|---|---|")
    for name, rows in found.items():
        seconds, ratios, mib = zip(*rows)
        spread = f"{min(seconds):.2f} to {max(seconds):.2f}"
        print(
            f"| `{name}` | {statistics.median(seconds):.3f} ({spread}) "
            f"| {statistics.median(ratios):.2f} | {max(mib):.0f} |"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--oncelog", default="target/release/oncelog")
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rounds-from-disk", type=int, default=2)
    parser.add_argument("--dir", help="where the stores are made; must have room for 3 GB by default")
    options = parser.parse_args()
    oncelog = os.path.abspath(options.oncelog)
    with tempfile.TemporaryDirectory(dir=options.dir) as directory:
        stopped, killed = fill(oncelog, pathlib.Path(directory), options.events)
        segments = sorted((stopped / "log").glob("*.seg"))
        size = sum(segment.stat().st_size for segment in segments)
        print(f"{options.events} events, {len(segments)} segments, {size / 1e9:.2f} GB")
        cat = ["cat", *segments]
        timed = commands(oncelog, stopped, killed, options.events)
        run(cat)
        table("from the page cache", measure(cat, timed, options.rounds))
        from_disk = measure(cat, timed, options.rounds_from_disk, empty_page_cache)
        if from_disk is None:
            print("\nNot allowed to empty the page cache: not measured from the disk.")
        elif options.rounds_from_disk:
            table("from the disk", from_disk)


if __name__ == "__main__":
    main()
