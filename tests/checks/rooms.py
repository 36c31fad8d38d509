"""Checks the direction of includes between the rooms of src/dray, file by file.

A room may include itself and rooms earlier in the list; protocol clients do not know each other.
Libraries for one trade stay in the rooms that own it. `--self-test` alone only proves that the
check can fail; without arguments that proof comes first, then the tree is checked.
"""

import os
import re
import sys
import tempfile

ROOMS = ["base", "http", "hub", "s3", "oci", "model", "quantize", "source", "store", "transfer", "registry", "release",
         "serve", "cli"]
STRANGERS = [{"hub", "s3", "oci"}]  # rooms at one height that may not include each other
# Libraries → the rooms that may include them.
LIBRARIES = {
    "curl/": {"http"},
    "microhttpd.h": {"http"},
    "sqlite3.h": {"registry"},
    "expat.h": {"s3"},
    "yaml.h": {"model", "cli"},
    "CLI/": {"cli"},
    "zlib.h": {"source"},
    "zstd.h": {"source"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def problems_of_file(path, room, text):
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        bracket, target = match.groups()
        where = f"{path}:{number}"
        for library, owners in LIBRARIES.items():
            if target.startswith(library) and room not in owners:
                found.append(f"{where}: {room} may not include <{target}>, only "
                             f"{', '.join(sorted(owners))}")
        if bracket != '"':
            continue
        parts = target.split("/")
        if parts[0] != "dray" or len(parts) != 3:
            found.append(f'{where}: "{target}" is not of the form "dray/ROOM/FILE"')
        elif parts[1] not in ROOMS:
            found.append(f"{where}: there is no room {parts[1]} in {os.path.basename(__file__)}")
        elif ROOMS.index(parts[1]) > ROOMS.index(room):
            found.append(f"{where}: {room} may not include {parts[1]}, which comes later")
        elif parts[1] != room and any({room, parts[1]} <= pair for pair in STRANGERS):
            found.append(f"{where}: {room} and {parts[1]} may not know each other")
    return found


def check(source):
    """(problems, number of files) of the tree whose `dray` folder holds the rooms."""
    found, files = [], 0
    top = os.path.join(source, "dray")
    for room in sorted(os.listdir(top)):
        if room not in ROOMS:
            found.append(f"{top}/{room}: not a room; add it to the list in {__file__}")
            continue
        for folder, _, names in os.walk(os.path.join(top, room)):
            for name in sorted(names):
                if name.endswith((".h", ".cc")):
                    path = os.path.join(folder, name)
                    with open(path, encoding="utf-8") as file:
                        found += problems_of_file(path, room, file.read())
                    files += 1
    return found, files


def self_test():
    """Each wrong include, put into a tree that is otherwise right, must be found."""
    right = {"base/a.h": "", "http/b.h": '#include "dray/base/a.h"\n#include <curl/curl.h>\n',
             "hub/c.h": '#include "dray/http/b.h"\n', "cli/d.cc": '#include "dray/hub/c.h"\n'}
    wrong = {
        "later room": ("base/a.h", '#include "dray/http/b.h"'),
        "stranger": ("s3/e.h", '#include "dray/hub/c.h"'),
        "third stranger": ("oci/f.h", '#include "dray/hub/c.h"'),
        "unknown room": ("cli/d.cc", '#include "dray/nowhere/x.h"'),
        "unknown folder": ("nowhere/x.h", ""),
        "odd spacing": ("base/a.h", '  #  include "dray/cli/d.h"'),
        "short path": ("cli/d.cc", '#include "c.h"'),
        "library": ("cli/d.cc", "#include <sqlite3.h>"),
    }

    def outcome(files):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in files.items():
                path = os.path.join(folder, "dray", name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text + "\n")
            return check(folder)[0]

    failures = [f"a right tree is refused: {line}" for line in outcome(right)]
    failures += [f"not found: {name}" for name, (path, text) in wrong.items()
                 if not outcome({**right, path: text})]
    return failures


def report(name, problems):
    print(f"FAIL {name}: {len(problems)} problems" if problems else f"ok {name}")
    for problem in problems:
        print(f"    {problem}")
    return not problems


def main():
    good = report("the check of includes finds wrong includes", self_test())
    if "--self-test" not in sys.argv:
        os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
        problems, files = check("src")
        good &= report("includes between rooms go one way", problems)
        good &= report("there are files to check", [] if files else ["none found below src/dray"])
    return 0 if good else 1


sys.exit(main())
