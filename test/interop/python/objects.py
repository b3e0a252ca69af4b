"""Objects in their one form, by the tables of fields in the specifications:
pkg/auditlog/spec.md, "Objects". Nothing here knows a field; the tables do."""

import base64
import binascii
import datetime
import json
import re

from refused import Refused, need

ROW = re.compile(r"^\| `([a-z0-9_]+)` \| ([^|]+) \|")
ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
ZERO_TIME = "0001-01-01T00:00:00Z"
TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d{0,8}[1-9])?Z")
DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(\d+)(?:\.(\d+))?(s|ms|µs|ns)")
UNITS = {"s": 10**9, "ms": 10**6, "µs": 10**3, "ns": 1}


def read_tables(texts):
    """The tables of fields: object, then a list of (field, type, may be left out)."""
    tables = {}
    for text in texts:
        name = None
        for line in text.splitlines():
            if line.startswith("#"):
                name = line.removeprefix("### ")
            row = ROW.match(line)
            if row:
                kind = row.group(2).removesuffix(" (o)")
                tables.setdefault(name, []).append((row.group(1), kind, kind != row.group(2)))
    return tables


def write_text(value):
    need(isinstance(value, str), "not a text")
    out = []
    for c in value:
        if c in ESCAPES:
            out.append(ESCAPES[c])
        elif c < " " or c in "<>&\u2028\u2029":
            out.append("\\u%04x" % ord(c))
        else:
            need(not "\ud800" <= c <= "\udfff", "a text that is not Unicode")
            out.append(c)
    return '"' + "".join(out) + '"'


def integer(value, least, most):
    need(type(value) is int and least <= value <= most, "not an integer, or too large")
    return str(value)


def check_time(value):
    need(isinstance(value, str), "not a time")
    m = TIME.fullmatch(value)
    need(m, f"{value!r} is not a time")
    year, month, day, hour, minute, second = map(int, m.groups()[:6])
    try:
        # Year 0 is a leap year as 2000 is; Python's calendar begins with 1.
        datetime.datetime(year or 2000, month, day, hour, minute, second)
    except ValueError as e:
        raise Refused(f"{value!r} is not a time") from e


def show_decimals(n, unit):
    whole, rest = divmod(n, unit)
    decimals = str(rest).zfill(len(str(unit)) - 1).rstrip("0") if rest else ""
    return f"{whole}.{decimals}" if decimals else str(whole)


def show_duration(ns):
    if ns == 0:
        return "0s"
    for unit in ("ns", "µs", "ms"):
        if ns < UNITS[unit] * 1000:
            return show_decimals(ns, UNITS[unit]) + unit
    minutes, rest = divmod(ns, 60 * 10**9)
    text = show_decimals(rest, 10**9) + "s"
    if minutes:
        text = f"{minutes % 60}m{text}"
    if minutes >= 60:
        text = f"{minutes // 60}h{text}"
    return text


def read_duration(value):
    need(isinstance(value, str), "not a duration")
    m = DURATION.fullmatch(value)
    need(m, f"{value!r} is not a duration")
    hours, minutes, number, decimals, unit = m.groups()
    decimals = decimals or ""
    ns = (int(hours or 0) * 60 + int(minutes or 0)) * 60 * 10**9
    ns += (int(number + decimals) * UNITS[unit]) // 10 ** len(decimals)
    need(ns < 2**63 and show_duration(ns) == value, f"{value!r} is another way to write a duration")
    return ns


def read_bytes(value):
    need(isinstance(value, str), "not bytes")
    try:
        b = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as e:
        raise Refused("not base64") from e
    need(base64.b64encode(b).decode() == value, "base64 with stray bits")
    return b


class Objects:
    """Reads and writes the objects of some tables."""

    def __init__(self, texts):
        self.tables = read_tables(texts)

    def read(self, name, b):
        """The object in b, which must be its one form."""
        try:
            value = json.loads(b.decode("utf-8"))
        except ValueError as e:
            raise Refused(f"{name}: not JSON") from e
        except RecursionError as e:
            raise Refused(f"{name}: too deep") from e
        need(self.write(name, value).encode("utf-8") == b, f"{name}: not in its one form")
        return value

    def write(self, kind, value):
        """value as it stands in an object."""
        if kind.startswith("list of "):
            need(isinstance(value, list), "not a list")
            return "[" + ",".join(self.write(kind.removeprefix("list of "), v) for v in value) + "]"
        if kind == "text":
            return write_text(value)
        if kind == "integer":
            return integer(value, -(2**63), 2**63 - 1)
        if kind == "oid":
            return integer(value, 0, 2**32 - 1)
        if kind == "boolean":
            need(isinstance(value, bool), "not a boolean")
            return "true" if value else "false"
        if kind == "time":
            check_time(value)
            return write_text(value)
        if kind == "duration":
            read_duration(value)
            return write_text(value)
        if kind == "bytes":
            read_bytes(value)
            return write_text(value)
        return self.write_object(kind, value)

    def write_object(self, name, value):
        need(isinstance(value, dict), f"not a {name}")
        fields = self.tables[name]
        unknown = set(value) - {field for field, _, _ in fields}
        need(not unknown, f"{name} has no field {unknown}")
        out = []
        for field, kind, optional in fields:
            if field not in value:
                need(optional, f"{name} without {field}")
                continue
            if value[field] is None:
                need(kind.startswith("list of ") and not optional, f"{name}: {field} is null")
                out.append(f'"{field}":null')
                continue
            text = self.write(kind, value[field])
            if not (optional and self.empty(kind, text)):
                out.append(f'"{field}":{text}')
        return "{" + ",".join(out) + "}"

    def empty(self, kind, text):
        """Whether a field that may be left out is, by how it would stand."""
        return text in {
            "integer": ["0"], "oid": ["0"], "boolean": ["false"], "text": ['""'], "bytes": ['""'],
            "time": [f'"{ZERO_TIME}"'], "duration": ['"0s"'],
        }.get(kind, ["[]", "{}"])
