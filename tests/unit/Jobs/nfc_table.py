"""Without arguments: prints master/jobs/nfc.txt. With "ask": reads texts as JSON, one a line, and prints their form C."""
import json
import sys
import unicodedata


def table():
    print(f"# Canonical decompositions (! = never composed again) and combining classes of Unicode {unicodedata.unidata_version}, by tests/unit/Jobs/nfc_table.py")
    for code in range(0x110000):
        parts = unicodedata.decomposition(chr(code)) if not 0xAC00 <= code <= 0xD7A3 else ""
        if parts and not parts.startswith("<"):
            print(f"{code:x}={parts.lower()}" + ("" if unicodedata.normalize("NFC", chr(code)) == chr(code) else "!"))
    first = 0
    for code in range(1, 0x110001):
        before = unicodedata.combining(chr(first))
        if code == 0x110000 or unicodedata.combining(chr(code)) != before:
            if before:
                print(f"{first:x}-{code - 1:x}:{before}")
            first = code


if sys.argv[1:] == ["ask"]:
    for line in sys.stdin:
        print(json.dumps(unicodedata.normalize("NFC", json.loads(line))))
else:
    table()
