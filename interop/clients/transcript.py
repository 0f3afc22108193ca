"""What the scripts of Python clients share: the records, and how lines of a transcript look.

A transcript says what a client saw, and nothing that differs from run to run: times count from
BASE_MS, ids of members and of producers are left out.
"""

import hashlib
import time

BASE_MS = int(time.time() * 1000) - 1_000_000
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
_WAIT_S_MAX = 60
_SHOWN_BYTES_MAX = 40


def section(name):
    print(f"== {name}", flush=True)


def say(*words):
    print(*words, flush=True)


def sample_records():
    """Key, value, headers and time of records with everything that a record can have."""
    for i in range(12):
        key = None if i == 5 else f"key-{i % 4}".encode()
        value = {3: b"", 7: None, 9: b"large " * 20_000}.get(i, f"välue {i}".encode())
        headers = [("n", str(i).encode()), ("n", b"again"), ("empty", b"")] if i % 2 else []
        yield key, value, headers, BASE_MS + i


def shown(partition, offset, time_ms, key, value, headers):
    """One record as a line."""
    labels = ",".join(f"{name}={_text(content)}" for name, content in headers or ())
    when = f"t+{time_ms - BASE_MS}"
    return f"{partition}@{offset} {when} {_text(key)} {_text(value)} [{labels}]"


def say_sorted(lines):
    """Records of several partitions come in any order."""
    for line in sorted(lines):
        say(line)


def until(what, probe):
    """The first answer that is true; waits for it, since servers tell news with a delay."""
    deadline = time.monotonic() + _WAIT_S_MAX
    while time.monotonic() < deadline:
        answer = probe()
        if answer:
            return answer
        time.sleep(0.02)
    raise TimeoutError(what)


def _text(content):
    if content is None:
        return "null"
    if len(content) > _SHOWN_BYTES_MAX:
        return f"<{len(content)} bytes {hashlib.sha256(content).hexdigest()[:8]}>"
    return repr(content.decode())
