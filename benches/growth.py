#!/usr/bin/env python3
"""How a store does as it grows, with the server in a control group of limited memory.

    cargo build --release
    sudo benches/growth.py --events 100M --memory 1GiB --work /var/tmp/growth --out growth.jsonl

Grows one store with new ids, and then does to it, at that size: new ids, in turn with an empty
store; repeated ids of the last hour's worth and of random age, at a share and as a storm; reads
while publishers go on at half rate; `kill -9` under load; the whole index deleted and rebuilt.
Every figure is a JSON line in `--out`, and a table on stdout. Needs the rights to make a control
group, and Linux.
"""

import argparse
import json
import mmap
import os
import pathlib
import random
import shutil
import signal
import subprocess
import threading
import time
import urllib.request

PORT = 18_700
URL = f"http://127.0.0.1:{PORT}"
SEED = 7
ROOT = pathlib.Path(__file__).resolve().parent.parent
UNITS = {"K": 10**3, "M": 10**6, "G": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def number(text):
    for unit in sorted(UNITS, key=len, reverse=True):
        if text.endswith(unit):
            return int(float(text[: -len(unit)]) * UNITS[unit])
    return int(text)


def get(path, timeout=60):
    with urllib.request.urlopen(URL + path, timeout=timeout) as answer:
        return answer.read()


def stats():
    return json.loads(get("/stats"))


class Group:
    """A control group whose memory, page cache included, is limited."""

    def __init__(self, limit, name="growth"):
        v1 = pathlib.Path("/sys/fs/cgroup/memory")
        self.is_v1 = v1.is_dir()
        self.path = (v1 if self.is_v1 else pathlib.Path("/sys/fs/cgroup")) / f"{name}-{os.getpid()}"
        self.path.mkdir()
        name = "memory.limit_in_bytes" if self.is_v1 else "memory.max"
        (self.path / name).write_text(str(limit))

    def enter(self):
        (self.path / "cgroup.procs").write_text(str(os.getpid()))

    def used(self):
        name = "memory.usage_in_bytes" if self.is_v1 else "memory.current"
        return int((self.path / name).read_text())

    def remove(self):
        for _ in range(100):
            try:
                return self.path.rmdir()
            except OSError:
                time.sleep(0.1)


class Server:
    """The server in its group, and how much memory it takes meanwhile."""

    def __init__(self, options, group, directory="data", port=PORT):
        self.options = options
        self.group = group
        self.directory = options.work / directory
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.anonymous = 0
        self.process = None

    def start(self, publishes=True):
        """Starts it; gives the seconds to the first answer, and to the first 200. To a publish,
        if that may be."""
        command = [self.options.binary, "serve", "--data-dir", self.directory]
        command += ["--listen", f"127.0.0.1:{self.port}", *self.options.serve]
        errors = open(self.options.work / "stderr", "ab")
        began = time.monotonic()
        self.process = subprocess.Popen(command, stderr=errors, preexec_fn=self.group.enter)
        threading.Thread(target=self.watch, daemon=True).start()
        headers = {"content-type": "application/json"}
        first = None
        while True:
            request = urllib.request.Request(self.url + "/readyz")
            if publishes:
                event = {"topic": "growth", "event_id": str(time.monotonic_ns()), "payload": 1}
                body = json.dumps(event).encode()
                request = urllib.request.Request(self.url + "/publish", body, headers)
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    seconds = round(time.monotonic() - began, 3)
                    first = first or seconds
                    if answer.status == 200:
                        return first, seconds
            except OSError:
                if self.process.poll() is not None:
                    raise SystemExit("the server ended: see its stderr")
            time.sleep(0.005)

    def watch(self):
        process = self.process
        status = pathlib.Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            try:
                lines = status.read_text().splitlines()
            except OSError:
                return
            found = [int(line.split()[1]) for line in lines if line.startswith("RssAnon")]
            self.anonymous = max([self.anonymous, *(kib * 1024 for kib in found)])
            time.sleep(0.2)

    def take_anonymous(self):
        """The most since it was asked last."""
        most, self.anonymous = self.anonymous, 0
        return most

    def end(self, how):
        self.process.send_signal(how)
        return self.process.wait()


class Growth:
    def __init__(self, options):
        self.options = options
        self.group = Group(options.memory)
        self.server = Server(options, self.group)
        self.sent = 0
        self.out = open(options.out, "a")

    def tell(self, what, **figures):
        line = {"what": what, **figures}
        print(json.dumps(line), file=self.out, flush=True)
        shown = "  ".join(f"{name} {value}" for name, value in figures.items())
        print(f"{what}: {shown}", flush=True)

    def bench(self, *arguments, url=URL, sent=None, **popen):
        sent = self.sent if sent is None else sent
        command = [self.options.binary, "bench", "--url", url, "--json", "--seed", str(SEED)]
        command += ["--topics", str(self.options.topics), "--sent-before", str(sent)]
        if self.options.payload_bytes is not None:
            command += ["--payload-bytes", str(self.options.payload_bytes)]
        command += [str(argument) for argument in arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, **popen)

    def result(self, process):
        report = json.loads(process.communicate()[0])
        self.sent = report["sent_in_all"]
        if report["differences"] or report["errors_total"]:
            self.tell("differences", found=report["differences"], errors=report["errors"])
        return report

    def sizes(self):
        figures = stats()
        unique = max(1, figures["unique_processed"])
        return {
            "log_bytes_per_event": round(figures["log"]["bytes"] / unique, 1),
            "index_bytes_per_event": round(figures["index"]["bytes"] / unique, 1),
        }

    def events_of(self, ids):
        """How many events have so many new ids among them. In whole numbers, as `bench` counts:
        one id too few would be a step of its own."""
        new_in_1e9 = 10**9 - round(self.options.duplicates * 10**9)
        return (ids - 1) * 10**9 // new_in_1e9 + 1

    def grow(self):
        """Step by step up to so many ids; each step has its own rate, latencies and memory, and
        sends as much as the others, the last one apart."""
        options = self.options
        while self.sent < options.events:
            shape = (
                *("--batch", 1000, "--connections", 16, "--ids", options.ids),
                *("--events", min(options.step, self.events_of(options.events - self.sent))),
                *("--duplicates", options.duplicates, "--duplicate-age", options.duplicate_age),
            )
            process = self.bench(*shape)
            most_index = 0
            while process.poll() is None and not self.is_readable(process):
                most_index = max(most_index, stats()["index"]["bytes"])
            report = self.result(process)
            beside = self.beside_a_new_store(report, shape) if options.beside_steps else {}
            self.tell(
                "grow",
                events=self.sent,
                events_per_second=round(report["events_per_second"]),
                p50_ms=report["latency_ms"]["p50"],
                p999_ms=report["latency_ms"]["p999"],
                max_ms=report["latency_ms"]["max"],
                duplicates=report["verdicts"]["duplicates"],
                pending_answers=report["pending"],
                server_cpu_seconds_per_million=report["server_cpu_seconds_per_million"],
                anonymous_mb=round(self.server.take_anonymous() / 1e6),
                with_page_cache_mb=round(self.group.used() / 1e6),
                index_most_bytes_per_event=round(most_index / self.sent, 1),
                **self.sizes(),
                **beside,
            )
        if options.duplicates and options.duplicate_age == "any":
            self.random_reads()

    @staticmethod
    def is_readable(process):
        """Waits a while; says whether the process has something to say, which ends it."""
        try:
            process.wait(0.5)
            return True
        except subprocess.TimeoutExpired:
            return False

    PAIRS = 5

    def beside_a_new_store(self, report, shape):
        """How a new store does the same, right after: the speed of a machine that is shared changes
        from minute to minute. The grown one is held meanwhile, so that it does nothing in the
        time of the other."""
        group = Group(self.options.memory, "growth-empty")
        new = Server(self.options, group, "empty", PORT + 1)
        sent_in_all = self.sent
        self.server.process.send_signal(signal.SIGSTOP)
        new.start()
        of_new = self.result(self.bench(*shape, url=new.url, sent=0))
        new.end(signal.SIGTERM)
        self.server.process.send_signal(signal.SIGCONT)
        self.sent = sent_in_all
        shutil.rmtree(new.directory)
        group.remove()
        rates = [one["events_per_second"] for one in (report, of_new)]
        return {
            "of_a_new_store": round(rates[1]),
            "ratio": round(rates[0] / rates[1], 2),
            "of_a_new_store_p999_ms": of_new["latency_ms"]["p999"],
            "of_a_new_store_cpu_seconds_per_million": of_new["server_cpu_seconds_per_million"],
        }

    def beside_empty(self):
        """The rate at this size and that of a new store in turn."""
        shape = ("--batch", 1000, "--connections", 16, "--duration", "10s")
        for _ in range(self.PAIRS):
            sent = self.sent
            report = self.result(self.bench(*shape))
            self.tell(
                "beside an empty store",
                events=sent,
                events_per_second=round(report["events_per_second"]),
                p999_ms=report["latency_ms"]["p999"],
                server_cpu_seconds_per_million=report["server_cpu_seconds_per_million"],
                **self.beside_a_new_store(report, shape),
            )

    def load(self, name, *arguments):
        report = self.result(self.bench(*arguments))
        self.tell(
            name,
            events_per_second=round(report["events_per_second"]),
            unique=report["verdicts"]["unique"],
            duplicates=report["verdicts"]["duplicates"],
            p50_ms=report["latency_ms"]["p50"],
            p99_ms=report["latency_ms"]["p99"],
            p999_ms=report["latency_ms"]["p999"],
            pending_answers=report["pending"],
            server_cpu_seconds_per_million=report["server_cpu_seconds_per_million"],
            anonymous_mb=round(self.server.take_anonymous() / 1e6),
        )
        return report

    def repeats(self):
        seconds = f"{self.options.seconds}s"
        shape = ("--batch", 1000, "--connections", 16, "--duration", seconds)
        self.load("new ids", *shape)
        self.random_reads()
        for name, share, age in [
            ("20 % repeated, of the last million", 0.2, "1M"),
            ("20 % repeated, of any age", 0.2, "any"),
            ("all repeated, of the last million", 1, "1M"),
            ("all repeated, of any age", 1, "any"),
        ]:
            self.load(name, *shape, "--duplicates", share, "--duplicate-age", age)

    CONFLICTS = 10_000

    def publish_others(self, payload):
        """A batch of ids that only this publishes; gives the answer and how long it took."""
        text = "x" * 140
        events = [
            {"topic": "others", "event_id": f"other-{place}", "payload": [payload, place, text]}
            for place in range(self.CONFLICTS)
        ]
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(URL + "/publish", json.dumps(events).encode(), headers)
        began = time.monotonic()
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read()), time.monotonic() - began

    def conflicts(self):
        """The first batch of all was sent when the store was empty: now it comes with others."""
        for what in ["from the disk", "once more"]:
            answer, seconds = self.publish_others(what)
            self.tell(
                f"a batch of {self.CONFLICTS} conflicts, {what}",
                conflicts=answer["conflicts"],
                seconds=round(seconds, 3),
            )

    def random_reads(self):
        """What the disk gives: 4 KiB at random from the largest file, past the page cache, one at
        a time and eight."""
        files = [path for path in (self.options.work / "data").rglob("*") if path.is_file()]
        index = [path for path in files if "index" in path.parts]
        largest = max(index, key=lambda path: path.stat().st_size)
        blocks = largest.stat().st_size // 4096
        file = os.open(largest, os.O_RDONLY | os.O_DIRECT)
        counts = []

        def read_on(until):
            buffer, count = mmap.mmap(-1, 4096), 0
            while time.monotonic() < until:
                os.preadv(file, [buffer], random.randrange(blocks) * 4096)
                count += 1
            counts.append(count)

        for depth in [1, 8]:
            counts.clear()
            until = time.monotonic() + 3
            readers = [threading.Thread(target=read_on, args=(until,)) for _ in range(depth)]
            for reader in readers:
                reader.start()
            for reader in readers:
                reader.join()
            self.tell(f"the disk's random reads, {depth} at a time", per_second=round(sum(counts) / 3))
        os.close(file)

    def half_rate(self, batch, connections):
        rate = self.load(
            f"most, batches of {batch}",
            *("--batch", batch, "--connections", connections, "--duration", "10s"),
        )["events_per_second"]
        return round(rate / 2)

    def latencies(self):
        for batch, connections in [(1, 64), (100, 16)]:
            rate = self.half_rate(batch, connections)
            self.load(
                f"open loop at half of it, batches of {batch}",
                *("--batch", batch, "--connections", connections, "--rate", rate),
                *("--duration", f"{self.options.seconds}s"),
            )
            self.syncs()

    def syncs(self):
        """What the disk gives: 26 kB written into prepared room, and synced."""
        path = self.options.work / "probe"
        file = os.open(path, os.O_RDWR | os.O_CREAT)
        piece = bytes(26_000)
        for at in range(2_000):
            os.pwrite(file, piece, at * len(piece))
        os.fsync(file)
        took = []
        for at in range(2_000):
            began = time.monotonic()
            os.pwrite(file, piece, at * len(piece))
            os.fdatasync(file)
            took.append((time.monotonic() - began) * 1000)
        os.close(file)
        path.unlink()
        took.sort()
        share = lambda part: round(took[int(len(took) * part)], 3)
        self.tell("fdatasync of 26 kB", p50_ms=share(0.5), p99_ms=share(0.99), p999_ms=share(0.999))

    def reads(self):
        rate = self.half_rate(1000, 16)
        shape = ("--batch", 1000, "--connections", 16, "--rate", rate)
        self.load("publishers alone at half rate", *shape, "--duration", "10s")
        for name, read in [
            ("whole scan", self.scan),
            ("pages of 100 by topic", self.pages),
            ("events by seq", self.by_seq),
        ]:
            publishers = self.bench(*shape, "--duration", f"{self.options.seconds}s")
            time.sleep(1)
            figures = read(time.monotonic() + self.options.seconds - 2)
            report = self.result(publishers)
            self.tell(
                name,
                **figures,
                published_per_second=round(report["events_per_second"]),
                published_p99_ms=report["latency_ms"]["p99"],
                anonymous_mb=round(self.server.take_anonymous() / 1e6),
            )

    def scan(self, until):
        """By curl, which costs less than a client in Python; events are counted by their size."""
        command = ["curl", "-s", "-o", "/dev/null", "-w", "%{size_download} %{time_total}"]
        command += ["--max-time", str(round(until - time.monotonic())), URL + "/events"]
        size, seconds = subprocess.run(command, capture_output=True, text=True).stdout.split()
        page = get("/events?limit=1000")
        each = len(page) / len(json.loads(page))
        per_second = float(size) / float(seconds)
        return {
            "events_per_second": round(per_second / each),
            "megabytes_per_second": round(per_second / 1e6),
        }

    def pages(self, until):
        names = [topic["name"] for topic in json.loads(get("/topics?limit=1000"))["topics"]]
        path = lambda: f"/events?limit=100&topic={random.choice(names)}"
        return self.ask(until, path)

    def by_seq(self, until):
        last = stats()["received"]
        return self.ask(until, lambda: f"/events/{random.randint(1, last)}")

    @staticmethod
    def ask(until, path):
        took = []
        while time.monotonic() < until:
            began = time.monotonic()
            get(path())
            took.append((time.monotonic() - began) * 1000)
        took.sort()
        share = lambda part: round(took[int(len(took) * part)], 2)
        return {"count": len(took), "p50_ms": share(0.5), "p99_ms": share(0.99)}

    def kill(self):
        publishers = self.bench(
            *("--batch", 1000, "--connections", 16, "--duration", "60s"),
            stderr=subprocess.DEVNULL,
        )
        time.sleep(8)
        before = stats()
        self.server.end(signal.SIGKILL)
        report = json.loads(publishers.communicate()[0])
        self.sent = report["sent_in_all"]
        first, seconds = self.server.start()
        after = stats()
        while after["pending"]:
            time.sleep(0.05)
            after = stats()
        acknowledged = self.sent
        self.tell(
            "kill -9 under load",
            first_answer_seconds=first,
            first_200_seconds=seconds,
            received_before=before["received"],
            received_after=after["received"],
            unique_after=after["unique_processed"],
            is_conserved=after["received"]
            == after["unique_processed"] + after["duplicate_dropped"] + after["pending"],
            acknowledged_ids_at_most=acknowledged,
        )

    def rebuild(self):
        before = stats()
        self.server.end(signal.SIGTERM)
        seconds, _ = self.server.start(publishes=False)
        self.tell("clean restart", ready_seconds=seconds)
        self.server.end(signal.SIGTERM)
        shutil.rmtree(self.options.work / "data" / "index")
        began = time.monotonic()
        seconds, _ = self.server.start(publishes=False)
        while True:
            after = stats()
            if after["state"]["state"] == "ready" and not after["pending"]:
                break
            time.sleep(0.2)
        took = time.monotonic() - began
        self.tell(
            "rebuild of the whole index",
            ready_seconds=seconds,
            seconds=round(took, 1),
            events_per_second=round(after["received"] / took),
            unique=after["unique_processed"],
            is_equal=[after[name] == before[name] for name in ("fold_hash", "unique_processed")],
            anonymous_mb=round(self.server.take_anonymous() / 1e6),
            **self.sizes(),
        )

    def run(self):
        if self.options.work.exists():
            shutil.rmtree(self.options.work)
        self.options.work.mkdir(parents=True)
        try:
            self.tell(
                "start",
                memory=self.options.memory,
                ids=self.options.ids,
                duplicates=self.options.duplicates,
                duplicate_age=self.options.duplicate_age,
            )
            self.server.start()
            self.publish_others("first")
            for part in self.options.parts.split(","):
                getattr(self, part)()
        finally:
            if self.server.process and self.server.process.poll() is None:
                self.server.end(signal.SIGTERM)
            self.group.remove()
            if not self.options.keep:
                shutil.rmtree(self.options.work)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--events", type=number, default=100 * 10**6)
    parser.add_argument("--step", type=number, default=10 * 10**6)
    parser.add_argument("--memory", type=number, default=2**30)
    parser.add_argument("--ids", choices=["random", "ordered"], default="random")
    parser.add_argument("--duplicates", type=float, default=0, help="the share of them while it grows")
    parser.add_argument("--duplicate-age", default="1M", help="one of so many ids, or any")
    parser.add_argument("--beside-steps", action="store_true", help="hold each step against one of a new store")
    parser.add_argument("--topics", type=number, default=10_000)
    parser.add_argument("--payload-bytes", type=number)
    parser.add_argument("--seconds", type=int, default=20, help="for each part that has a time")
    parser.add_argument("--parts", default="grow,rebuild,beside_empty,repeats,conflicts,latencies,reads,kill")
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "target/release/oncelog")
    parser.add_argument("--work", type=pathlib.Path, required=True, help="is deleted before and after")
    parser.add_argument("--keep", action="store_true", help="and not deleted after")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("growth.jsonl"))
    parser.add_argument("--serve", action="append", default=[], help="an option of the server's")
    options = parser.parse_args()
    if not 0 <= options.duplicates < 1:
        parser.error("--duplicates: from 0 to less than 1, or nothing grows")
    Growth(options).run()


if __name__ == "__main__":
    main()
