"""Audit bundles, and the log in them, as pkg/bundle/spec.md and pkg/auditlog/spec.md say."""

import base64
import binascii
import hashlib
import json
import struct
import zipfile
import zlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from objects import read_bytes, write_text
from recording import Digests, Recording
from refused import Refused, need

WIDTH = 256
AT_WORK = {
    "stop", "sign-in", "sign-in-failed", "sign-out", "request", "session-denied", "api-denied", "policy-explain", "recording-read", "audit-export",
}
FULL16, FULL32 = 0xFFFF, 0xFFFFFFFF


def node(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(hashes):
    """RFC 6962, 2.1."""
    if len(hashes) == 1:
        return hashes[0]
    k = 1 << ((len(hashes) - 1).bit_length() - 1)
    return node(root_of(hashes[:k]), root_of(hashes[k:]))


def tile_name(level, n, width):
    groups = ["%03d" % (n % 1000)]
    while n >= 1000:
        n //= 1000
        groups.insert(0, "x%03d" % (n % 1000))
    return f"tile/{level}/" + "/".join(groups) + (f".p/{width}" if width < WIDTH else "")


def tiles_of(size, level):
    """All tiles of a level: number and width."""
    n = size >> (8 * level)
    tiles = [(i, WIDTH) for i in range(n // WIDTH)]
    return tiles + [(n // WIDTH, n % WIDTH)] if n % WIDTH else tiles


# The archive.


def same_archive(b, files):
    """The archive that the files make, in the one way."""
    out, directory = bytearray(), bytearray()
    for name, data in files:
        n, crc, size, at = name.encode(), zlib.crc32(data), min(len(data), FULL32), len(out)
        common = struct.pack("<HHHHHIII", 20, 0, 0, 0, 0x21, crc, size, size)
        out += struct.pack("<I", 0x04034B50) + common + struct.pack("<HH", len(n), 0) + n + data
        extra = b""
        if len(data) >= FULL32 or at >= FULL32:
            extra = struct.pack("<HHQQQ", 1, 24, len(data), len(data), at)
            common = common[:-8] + struct.pack("<II", FULL32, FULL32)
        directory += struct.pack("<IH", 0x02014B50, 20) + common
        directory += struct.pack("<HHHHHII", len(n), len(extra), 0, 0, 0, 0, min(at, FULL32)) + n + extra
    count, size, start = len(files), len(directory), len(out)
    out += directory
    if count >= FULL16 or size >= FULL32 or start >= FULL32:
        out += struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, count, count, size, start)
        out += struct.pack("<IIQI", 0x07064B50, 0, start + size, 1)
        count, size, start = FULL16, FULL32, FULL32
    out += struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, count, count, size, start, 0)
    need(out == b, "the archive is not what its files make it")


def read_archive(path):
    with open(path, "rb") as f:
        b = f.read()
    try:
        with zipfile.ZipFile(path) as z:
            files = [(i.filename, z.read(i)) for i in z.infolist()]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError, EOFError, zlib.error) as e:
        raise Refused(f"the archive: {e}") from e
    need(len(set(name for name, _ in files)) == len(files), "a file stands twice")
    same_archive(b, files)
    return files


# Checkpoints.


def strict_base64(text):
    try:
        return read_bytes(text)
    except Refused as e:
        raise Refused("base64 with stray bits") from e


class Key:
    """A log's verifier key, "name+hash+key" (C2SP signed-note)."""

    def __init__(self, text):
        fields = text.split("+", 2)
        need(len(fields) == 3, "not a verifier key")
        self.text, self.name = text, fields[0]
        key = strict_base64(fields[2])
        need(len(key) == 33 and key[0] == 1, "not an Ed25519 key")
        self.hash = hashlib.sha256(self.name.encode() + b"\n" + key).digest()[:4]
        need(fields[1] == self.hash.hex(), "the key's hash")
        self.key = Ed25519PublicKey.from_public_bytes(key[1:])

    def open(self, signed):
        """The checkpoint of a signed note: size and root."""
        try:
            text, signatures = signed.decode("utf-8").rsplit("\n\n", 1)
        except ValueError as e:
            raise Refused("not a signed note") from e
        text += "\n"
        need(signatures.endswith("\n") and len(signed) <= 64 << 10, "not a signed note")
        held = False
        for line in signatures[:-1].split("\n"):
            parts = line.split(" ")
            need(len(parts) == 3 and parts[0] == "—", "not a signature")
            signature = strict_base64(parts[2])
            need(len(signature) >= 5, "not a signature")
            if parts[1] == self.name and signature[:4] == self.hash:
                need(not held, "signed twice")
                try:
                    self.key.verify(signature[4:], text.encode())
                except InvalidSignature as e:
                    raise Refused("the signature does not hold") from e
                held = True
        need(held, "not signed by the key")
        lines = text.split("\n")
        need(len(lines) == 4 and lines[3] == "" and lines[0] == self.name, "not a checkpoint of this log")
        need(lines[1].isascii() and lines[1].isdigit() and str(int(lines[1])) == lines[1], "the checkpoint's size")
        root = strict_base64(lines[2])
        need(len(root) == 32, "the checkpoint's root")
        return int(lines[1]), root


# Sessions.


class Sessions:
    def __init__(self, entered):
        self.open, self.ended, self.entered = {}, {}, entered
        self.expired, self.recovered = {}, 0

    def take(self, e):
        session, counter, kind = e.get("session", ""), e.get("counter", 0), e["type"]
        need(counter >= 0 and not (counter and not session), "a counter without a session")
        if kind == "start":
            need(not self.open, "the gateway started, and a session is open")
        if kind == "recording-expired":
            need(session and not counter, "an expiry inside a session")
            hashes = [d["value"] for d in e.get("details", []) if d["name"] == "sha256"]
            need(hashes, "an expiry without the hash")
            self.expired.setdefault(session, hashes[0])
            return
        if kind == "session-start":
            need(session and counter == 1, "a session's start")
            need(session not in self.open and session not in self.ended, "a session starts twice")
            self.open[session] = 1
            return
        if kind in ("statement", "result", "session-end", "recovery"):
            need(counter, f"a {kind} without its place")
        if not counter:
            return
        if session in self.open:
            need(counter == self.open[session] + 1, f"session {session} has a gap at {counter}")
        else:
            need(self.entered and session not in self.ended, f"session {session} goes on")
        if "result" in e:
            need(e["result"]["statement"] < counter, "a result before its statement")
        self.open[session] = counter
        if kind in ("session-end", "recovery"):
            need("recording" in e and e["recording"]["events"] == counter, f"session {session} commits to another count")
            del self.open[session]
            self.ended[session] = e
            self.recovered += kind == "recovery"


class Run:
    """Within one run of a gateway, the clock that nobody sets goes forward."""

    def __init__(self):
        self.mono, self.started = 0, True

    def take(self, e):
        mono, kind = e.get("mono_ns", 0), e["type"]
        need(mono >= 0, "mono_ns below zero")
        if kind == "start":
            self.mono, self.started = mono, True
            return
        if not mono:
            return
        if mono < self.mono:
            self.started = False
        self.mono = mono
        at_work = kind in AT_WORK or e.get("counter", 0) > 0 and kind != "recovery"
        need(self.started or not at_work, "mono_ns goes back within a run")


# The bundle.


def write_manifest(m):
    """bundle.json, in its one form."""
    fields = [
        "format", "origin", "size", "root", "first", "end", "from", "to", "since", "cosigned", "recordings", "report",
    ]
    need(set(m) <= set(fields), "bundle.json has another field")
    lines = []
    for name in fields:
        if name not in m:
            continue
        value = m[name]
        if isinstance(value, str):
            text = write_text(value)
        else:
            text = json.dumps(value)
        lines.append(f'  "{name}": {text}')
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


class Bundle:
    def __init__(self, path, key, objects, identity):
        self.objects, self.identity = objects, identity
        self.names = []
        self.files = {}
        for name, data in read_archive(path):
            self.names.append(name)
            self.files[name] = data
        self.key = Key(key)
        need(self.file("key.pub") == key.encode() + b"\n", "key.pub is not the key")
        self.size, self.root = self.key.open(self.file("checkpoint"))
        self.manifest()

    def file(self, name):
        need(name in self.files, f"{name} is missing")
        return self.files[name]

    def manifest(self):
        b = self.file("bundle.json")
        try:
            self.m = json.loads(b)
            need(write_manifest(self.m) == b, "bundle.json is not in its one form")
            self.first, self.end = self.m["first"], self.m["end"]
            need(self.m["format"] == 2 and self.m["origin"] == self.key.name, "bundle.json is of another log")
            need(self.m["size"] == self.size, "bundle.json is of another size")
            need(self.m["root"] == base64.b64encode(self.root).decode(), "bundle.json is of another root")
            need(0 <= self.first < self.end <= self.size, "bundle.json: its span")
            need("from" in self.m or self.first == 0, "bundle.json leaves events out and does not say from when it is")
            need("to" in self.m or self.end == self.size, "bundle.json leaves events out and does not say until when it is")
        except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as e:
            raise Refused(f"bundle.json: {e}") from e
        need(self.file("checkpoint").split(b"\n\n")[1].count(b"\n") == 1, "the checkpoint has other signatures than the log's")
        self.outside = self.read_outside()
        if self.m.get("cosigned"):
            need(self.key.open(self.file("cosigned"))[0] == self.m["cosigned"], "cosigned is of another size")

    def read_outside(self):
        """The events that are not in the entries here: index and canonical bytes."""
        if "outside" not in self.files:
            return {}
        lines = self.file("outside").split(b"\n")
        need(lines.pop() == b"" and lines, "outside is empty, or has no end")
        found, last = {}, -1
        for line in lines:
            number, space, event = line.partition(b" ")
            need(space and number.isdigit() and str(int(number)).encode() == number, "outside: not an index")
            need(last < int(number) < self.size, "outside: not in the order of the log, or not in it")
            last = int(number)
            found[last] = event
        return found

    def expected(self):
        """The names of all files, in their order."""
        names = ["README.txt", "bundle.json", "key.pub", "checkpoint"]
        names += ["cosigned"] if self.m.get("cosigned") else []
        names += ["outside"] if self.outside else []
        names += ["report.html", "report.json"]
        names += [f"policies/{p}.json" for p in sorted(self.policies)]
        level = 0
        while self.size >> (8 * (level + 1)):
            level += 1
        for above in range(level, 0, -1):
            names += [tile_name(above, n, width) for n, width in tiles_of(self.size, above)]
        names += [tile_name(0, n, width) for n, width in self.without_events]
        for n, width in self.with_events:
            names += [tile_name(0, n, width), tile_name("entries", n, width)]
        names += [f"recordings/{s}.hrec" for s in self.recordings]
        return names

    def split(self):
        """Which tiles of level 0 are here with their events, and which without."""
        first, last = max(self.first - 1, 0) // WIDTH, min(self.end, self.size - 1) // WIDTH
        tiles = tiles_of(self.size, 0)
        self.with_events = tiles[first : last + 1]
        rest = [t for t in tiles if t not in self.with_events]
        here = {index // WIDTH for index in self.outside}
        here |= {size // WIDTH for size in (self.m.get("since", 0), self.m.get("cosigned", 0)) if size % WIDTH}
        self.without_events = [t for t in rest if t[1] < WIDTH or t[0] in here]
        need(not any(index // WIDTH in dict(self.with_events) for index in self.outside), "outside has an event of the entries here")

    def tile(self, level, n, width):
        b = self.file(tile_name(level, n, width))
        need(len(b) == 32 * width, f"{tile_name(level, n, width)}: its length")
        return [b[i : i + 32] for i in range(0, len(b), 32)]

    def tree(self):
        """The hashes of all leaves or, where there is none, of the level above."""
        have = {n: self.tile(0, n, width) for n, width in self.with_events + self.without_events}
        level, below = 1, []
        for n, width in tiles_of(self.size, 0):
            if width == WIDTH and n in have:
                below.append(root_of(have[n]))
            elif width == WIDTH:
                below.append(self.tile(1, n // WIDTH, dict(tiles_of(self.size, 1))[n // WIDTH])[n % WIDTH])
        while self.size >> (8 * level):
            for n, width in tiles_of(self.size, level):
                need(self.tile(level, n, width) == below[n * WIDTH : n * WIDTH + width], f"a tile of level {level}")
            below = [root_of(below[n * WIDTH : (n + 1) * WIDTH]) for n in range(len(below) // WIDTH)]
            level += 1
        # The right edge, from the highest level: all full subtrees, left to right.
        parts = []
        for above in range(level - 1, -1, -1):
            for n, width in tiles_of(self.size, above):
                if width < WIDTH:
                    parts.append(self.tile(above, n, width))
        root = None
        for hashes in reversed(parts):
            for part in reversed(subtrees(hashes)):
                root = part if root is None else node(part, root)
        need(root == self.root, "the root is not the checkpoint's")
        return have

    def events(self, leaves):
        """All events here, in order, each at its place."""
        for n, width in self.with_events:
            b = self.file(tile_name("entries", n, width))
            for i in range(width):
                need(len(b) >= 2, "an entry is missing")
                length = int.from_bytes(b[:2], "big")
                entry, b = b[2 : 2 + length], b[2 + length :]
                need(len(entry) == length, "an entry is cut")
                need(hashlib.sha256(b"\x00" + entry).digest() == leaves[n][i], f"event {n * WIDTH + i} is not its leaf")
                yield n * WIDTH + i, self.objects.read("event", entry)
            need(not b, "bytes follow the last entry")

    def beyond(self, leaves, sessions):
        """The events in outside: each at its place, and what they say."""
        gone, told = {}, []
        for index, entry in self.outside.items():
            need(hashlib.sha256(b"\x00" + entry).digest() == leaves[index // WIDTH][index % WIDTH], f"event {index}, in outside, is not its leaf")
            e = self.objects.read("event", entry)
            if e["type"] == "checkpoint":
                told.append((index, e))
                continue
            need(e["type"] == "recording-expired", f"nothing rests on event {index}, in outside")
            need(e["session"] not in sessions.expired and e["session"] not in gone, f"outside says what is said already at {index}")
            alone = Sessions(True)
            alone.take(e)
            gone[e["session"]] = (index, alone.expired[e["session"]])
        return gone, told

    def cosignatures(self, told):
        """The cosigned checkpoint is the newest that events here tell of, as they say."""
        newest, root, lines, by = 0, "", "", []
        for index, e in sorted(told, key=lambda t: t[0]):
            of = {d["name"]: d["value"] for d in reversed(e["details"])}
            size = int(of["size"])
            if size > newest:
                newest, root, lines, by = size, of["root"], "", []
            if size == newest:
                lines += f"— {of['witness']} {of['cosignature']}\n"
                by.append(index)
        need(self.m.get("cosigned", 0) == newest, "another checkpoint was cosigned, as events here tell")
        need(set(by) >= {i for i, _ in told if i in self.outside}, "outside tells of a checkpoint that is not the cosigned one")
        if newest:
            text, signatures = self.file("cosigned").decode().split("\n\n", 1)
            own, rest = signatures.split("\n", 1)
            need(own.startswith(f"— {self.key.name} ") and rest == lines, "cosigned has other signatures than events here tell of")
            need(text.split("\n")[2] == root, "cosigned has another root than events here tell of")

    def verify(self):
        self.split()
        leaves = self.tree()
        sessions, told = Sessions(self.with_events[0][0] > 0), []
        run = Run()
        self.policies, self.recordings, committed, results, counts = set(), [], [], {}, {}
        for index, e in self.events(leaves):
            sessions.take(e)
            run.take(e)
            if e["type"] == "checkpoint":
                told.append((index, e))
            if not self.first <= index < self.end:
                self.beside(index, e)
                continue
            self.edges(index, e)
            counts[e["type"]] = counts.get(e["type"], 0) + 1
            if e.get("policy"):
                self.policies.add(e["policy"])
            if e["type"] == "result":
                results.setdefault(e["session"], {})[e["result"]["statement"]] = e["result"]
            if e.get("recording", {}).get("sha256"):
                committed.append((index, e))
        self.texts()
        gone, others = self.beyond(leaves, sessions)
        self.cosignatures(told + others)
        report = []
        for index, e in committed if self.m["recordings"] else []:
            session = e["session"]
            if f"recordings/{session}.hrec" in self.files:
                need(session not in gone, f"recording {session} is here, and outside says that it is gone")
                self.recordings.append(session)
                report.append(self.recording(session, e, results.get(session, {})))
                continue
            if session in gone:
                at, digest = gone.pop(session)
                need(at > index, f"recording {session} is gone before it was made")
            else:
                need(session in sessions.expired, f"recording {session} is missing")
                digest = sessions.expired[session]
            need(digest == e["recording"]["sha256"], f"recording {session} expired with another hash")
        need(not gone, "outside says of a recording that it is gone, and none is missing")
        need(self.names == self.expected(), "other files than there should be, or in another order")
        return {
            "size": self.size, "root": self.m["root"], "events": counts, "sessions": len(sessions.ended),
            "recovered": sessions.recovered, "open": len(sessions.open), "policies": len(self.policies), "recordings": report,
        }

    def beside(self, index, e):
        """An event beside the span lies outside the time."""
        if index < self.first:
            need(instant(e["time"]) < instant(self.m["from"]), "an event of the time was left out")
        else:
            need(instant(e["time"]) >= instant(self.m["to"]), "an event of the time was left out")

    def edges(self, index, e):
        """The span begins and ends with events of the time."""
        if index == self.first and "from" in self.m:
            need(instant(e["time"]) >= instant(self.m["from"]), "the first event is of another time")
        if index == self.end - 1 and "to" in self.m:
            need(instant(e["time"]) < instant(self.m["to"]), "the last event is of another time")

    def texts(self):
        for revision in self.policies:
            text = self.file(f"policies/{revision}.json")
            need(hashlib.sha256(text).hexdigest() == revision, f"policies/{revision}.json was changed")

    def recording(self, session, e, results):
        b = self.file(f"recordings/{session}.hrec")
        committed = e["recording"]
        need(len(b) == committed["size"], f"recording {session}: its size")
        need(hashlib.sha256(b).hexdigest() == committed["sha256"], f"recording {session}: its hash")
        r = Recording(b)
        need(r.session == session, f"recording {session} is of another session")
        need(r.finished or e["type"] == "recovery", f"recording {session} has no end")
        r.open(self.identity)
        digests, kinds, every = Digests(), {}, hashlib.sha256()
        for record in r.records(self.objects):
            digests.take(record)
            kinds[record.kind] = kinds.get(record.kind, 0) + 1
            every.update(record.raw)
            if record.kind == "result" and record.counter in results:
                need(record.meta["result"] == results.pop(record.counter), f"recording {session}: a result is not the log's")
        need(not results, f"recording {session} lacks results of the log")
        return {
            "session": session, "sha256": committed["sha256"], "frames": len(r.frames), "finished": r.finished, "kinds": kinds,
            "records_sha256": every.hexdigest(), "results": digests.checked, "length": r.index.length,
            "statements": r.index.statements, "marks": r.index.marks,
        }


def subtrees(hashes):
    """The roots of the full subtrees of a partial tile, left to right."""
    out, at, width = [], 0, WIDTH
    while width:
        if len(hashes) & width:
            out.append(root_of(hashes[at : at + width]))
            at += width
        width //= 2
    return out


def instant(text):
    """A time as something that can be compared: to the nanosecond."""
    day, _, fraction = text.removesuffix("Z").partition(".")
    return day, fraction.ljust(9, "0")
