"""Session recordings, as pkg/recording/spec.md says."""

import hashlib
import hmac
import json
import subprocess

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from objects import read_bytes
from refused import Refused, need

MAGIC = b"HOOPREC2"
RECORDS, COMPRESSED, END, INDEX = 1, 2, 3, 4
KINDS = ["start", "statement", "output", "input", "notice", "approval", "result", "end"]
TAG = 16
MOST = 72 << 20
SPACING, MARKS = 65536, 1024


def run(command, stdin):
    done = subprocess.run(command, input=stdin, capture_output=True, check=False)
    need(done.returncode == 0, f"{command[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def mac(key, *parts):
    m = hmac.new(key, digestmod=hashlib.sha256)
    for part in parts:
        m.update(part)
    return m.digest()


def derive(data_key, info):
    """HKDF-SHA256 of one block, without salt (RFC 5869)."""
    return mac(mac(bytes(32), data_key), info, b"\x01")


class Frame:
    def __init__(self, number, offset, kind, sealed):
        self.number, self.offset, self.kind, self.sealed = number, offset, kind, sealed


class Recording:
    """The structure of a file: what can be read without a key."""

    def __init__(self, b):
        need(b[:8] == MAGIC and len(b) >= 12, "not a recording")
        length = int.from_bytes(b[8:12], "big")
        need(length <= 1 << 20 and len(b) >= 12 + length + 32, "the header")
        self.header = b[: 12 + length + 32]
        try:
            self.json = json.loads(b[12 : 12 + length])
            self.session = self.json["session"]["id"]
        except (ValueError, KeyError, TypeError) as e:
            raise Refused("the header's JSON") from e
        self.frames, self.finished = [], False
        self._frames(b)

    def _frames(self, b):
        at, index = len(self.header), None
        while at + 5 <= len(b):
            length, kind = int.from_bytes(b[at : at + 4], "big"), b[at + 4]
            need(RECORDS <= kind <= INDEX and TAG <= length <= MOST + TAG, f"the frame at {at}")
            need((kind == END) == (index is not None), f"the frame at {at}: its type")
            need(kind != END or length == TAG, "the end frame is not empty")
            if at + 5 + length > len(b):
                return
            frame = Frame(len(self.frames), at, kind, b[at + 5 : at + 5 + length])
            self.frames.append(frame)
            at += 5 + length
            if kind == INDEX:
                index = frame
            if kind == END:
                footer = index.offset.to_bytes(8, "big") + index.number.to_bytes(8, "big")
                need(len(b) <= at + 16, "bytes follow the end")
                if len(b) == at + 16:
                    need(b[at:] == footer, "the footer")
                    self.finished = True
                return

    def open(self, identity):
        """The keys, with the identity in a file."""
        try:
            key = run(["age", "--decrypt", "--identity", identity], read_bytes(self.json["key"]))
        except (KeyError, TypeError) as e:
            raise Refused("the header's key") from e
        need(len(key) == 32, "the data key")
        expected = mac(derive(key, b"hoop recording 2 header"), self.header[:-32])
        need(hmac.compare_digest(expected, self.header[-32:]), "the header's MAC")
        self.aead = AESGCM(derive(key, b"hoop recording 2 frames"))
        self.ad = hashlib.sha256(self.header).digest()

    def content(self, frame):
        try:
            plain = self.aead.decrypt(frame.number.to_bytes(12, "big"), frame.sealed, self.ad + bytes([frame.kind]))
        except InvalidTag as e:
            raise Refused(f"frame {frame.number} does not decrypt") from e
        if frame.kind == COMPRESSED:
            plain = run(["zstd", "--decompress", "--stdout", "--quiet"], plain)
            need(len(plain) <= MOST, f"frame {frame.number} is too long")
        return plain

    def records(self, objects):
        """All records, in order. Checks the index on the way."""
        index = Index()
        for frame in self.frames:
            content = self.content(frame)
            if frame.kind == INDEX:
                need(content == index.encode(), "the index is not that of the frames")
                self.index = index
            if frame.kind == END:
                need(content == b"", "the end frame is not empty")
            if frame.kind not in (RECORDS, COMPRESSED):
                continue
            first = True
            while content:
                record, content = read_record(objects, content)
                index.add(frame, record, first)
                first = False
                yield record
        self.index = index


class Index:
    """The one index of frames."""

    def __init__(self):
        self.length, self.statements, self.marks, self.spacing = 0, 0, [], SPACING

    def add(self, frame, record, first):
        self.length = max(self.length, record.at)
        if record.kind != "statement":
            return
        if first and (not self.marks or frame.offset - self.marks[-1][1] >= self.spacing):
            self.marks.append((frame.number, frame.offset, self.length, self.statements))
            while len(self.marks) > MARKS:
                self.thin()
        self.statements += 1

    def thin(self):
        self.spacing *= 2
        kept = self.marks[:1]
        for mark in self.marks[1:]:
            if mark[1] - kept[-1][1] >= self.spacing:
                kept.append(mark)
        self.marks = kept

    def encode(self):
        out, last = [self.length, self.statements, len(self.marks)], (0, 0, 0, 0)
        for mark in self.marks:
            out += [a - b for a, b in zip(mark, last)]
            last = mark
        return b"".join(map(uvarint, out))


def uvarint(n):
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def read_uvarint(b):
    n = 0
    for i, c in enumerate(b[:10]):
        n |= (c & 0x7F) << (7 * i)
        if c < 0x80:
            need(n < 1 << 64 and uvarint(n) == b[: i + 1], "a varint that is not in its shortest form")
            return n, b[i + 1 :]
    raise Refused("a varint without an end")


def read_piece(b):
    n, b = read_uvarint(b)
    need(n <= len(b), "a record is cut")
    return b[:n], b[n:]


class Record:
    def __init__(self, kind, at, counter, meta, wire, raw):
        self.kind, self.at, self.counter, self.meta, self.wire, self.raw = kind, at, counter, meta, wire, raw


def read_record(objects, b):
    """The first record of b, and what follows it."""
    need(b and 1 <= b[0] <= len(KINDS), "an unknown kind of record")
    at, rest = read_uvarint(b[1:])
    counter, rest = read_uvarint(rest)
    need(at <= 1 << 62 and counter <= 1 << 62, "a record's time or counter")
    meta, rest = read_piece(rest)
    wire, rest = read_piece(rest)
    need(meta != b"{}", "an object without a field stands")
    known = objects.read("meta", meta) if meta else {}
    return Record(KINDS[b[0] - 1], at, counter, known, wire, b[: len(b) - len(rest)]), rest


class Digests:
    """The chain of windows, against the results."""

    def __init__(self):
        self.key, self.chain, self.checked = None, b"", 0

    def take(self, record):
        if record.kind == "start":
            self.key = read_bytes(record.meta.get("digest_key", ""))
        if record.kind in ("output", "input"):
            own = mac(self.key, record.wire)
            if "dropped" in record.meta:
                need(not record.wire, "bytes that were dropped, and stand")
                own = bytes.fromhex(record.meta["digest"])
            if record.kind == "output":
                self.chain = mac(self.key, self.chain, own)
        if record.kind == "result":
            need(record.meta["result"].get("digest", "") == self.chain.hex(), "a result's digest")
            self.checked += 1
