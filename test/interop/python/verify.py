"""A second reader of hoopctl's evidence, written from pkg/auditlog/spec.md,
pkg/recording/spec.md and pkg/bundle/spec.md. It shares no code with the first.

    verify.py SPECS bundles KEY IDENTITY-FILE    of each line, the name of a bundle: what it proves, as JSON
    verify.py SPECS judge                        of each line, "event BASE64" or "record BASE64": {}

A line that is refused gives {"refused": why}. SPECS is the folder that has these three.
It needs Python's standard library, python3-cryptography, and the programs age and zstd.
"""

import base64
import json
import sys
from pathlib import Path

from bundle import Bundle
from objects import Objects
from recording import read_record
from refused import Refused, need


def judge(objects, line):
    kind, _, text = line.partition(" ")
    b = base64.b64decode(text)
    if kind == "event":
        need(len(b) <= 65535, "an event is too long")
        objects.read("event", b)
        return {}
    _, rest = read_record(objects, b)
    need(not rest, "bytes follow the record")
    return {}


def main(specs, command, *arguments):
    objects = Objects((Path(specs) / name / "spec.md").read_text("utf-8") for name in ("auditlog", "recording"))
    for line in sys.stdin:
        line = line.removesuffix("\n")
        try:
            if command == "bundles":
                key, identity = arguments
                found = Bundle(line, key, objects, identity).verify()
            else:
                found = judge(objects, line)
        except Refused as e:
            found = {"refused": str(e)}
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
