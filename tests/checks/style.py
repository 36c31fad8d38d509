"""Checks what a reader would trip over: length of files, format, left-over notes, shell syntax."""

import ast
import os
import re
import subprocess
import sys

SOURCE_LIMIT, TEST_LIMIT = 500, 800
CLANG_FORMAT = "clang-format-19"
# Notes to oneself, in code that ships or its tests.
NOTES = re.compile(r"\b(TODO|FIXME|XXX|HACK|WIP)\b")
# Folders of one machine, and hosts that only a build has to do with.
MACHINE = re.compile(r"(?<![\w.])/(work|root)/[\w.-]+|\b(deb\.debian\.org|pypi\.org|"
                     r"files\.pythonhosted\.org|proxy\.golang\.org|registry\.npmjs\.org|"
                     r"static\.crates\.io|repo\.maven\.apache\.org)\b")
# Needs a later standard library than g++ 12's or libc++ 19's.
TOO_NEW = re.compile(r"#\s*include\s*<(format|print|expected|generator|flat_map)>|"
                     r"\bstd::(format|print|println|expected)\b|std::ranges::to\b")


def tracked():
    """Files of the checkout that git knows or would know; all files where there is no git."""
    try:
        out = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached",
                              "--others", "--exclude-standard"],
                             capture_output=True, check=True).stdout
        names = out.decode().split("\0")
    except (OSError, subprocess.CalledProcessError):
        names = [os.path.relpath(os.path.join(folder, name)) for folder, _, files in os.walk(".")
                 for name in files if "/build/" not in folder + "/" and "/.peers" not in folder
                 and "/.git/" not in folder + "/"]
    return sorted(name for name in set(names) if name and os.path.isfile(name))


def text_of(path):
    with open(path, "rb") as file:
        data = file.read()
    return None if b"\0" in data else data.decode("utf-8", "replace")


def is_cpp(path):
    return path.endswith((".h", ".cc"))


def is_shell(path, text):
    return path.endswith(".sh") or re.match(r"#!.*\bbash\b", text) is not None


def lines_that_match(texts, pattern, wanted):
    return [f"{path}:{number}: {line.strip()[:120]}" for path, text in texts.items() if wanted(path)
            for number, line in enumerate(text.splitlines(), 1) if pattern.search(line)]


def check_length(texts):
    found = []
    for path, text in texts.items():
        if path.endswith((".h", ".cc", ".py", ".sh")):
            limit = TEST_LIMIT if path.startswith("tests/") else SOURCE_LIMIT
            if (count := text.count("\n")) > limit:
                found.append(f"{path}: {count} lines, at most {limit}")
    return found


def check_format(texts):
    files = [path for path in texts if is_cpp(path)]
    done = subprocess.run([CLANG_FORMAT, "--dry-run", "-Werror", *files], capture_output=True,
                          text=True, check=False)
    wrong = sorted({line.split(":")[0] for line in done.stderr.splitlines() if ": error:" in line})
    if done.returncode and not wrong:
        return [done.stderr.strip()[:2000]]
    return [f"{path}: run {CLANG_FORMAT} -i {path}" for path in wrong]


def check_shell(texts):
    found = []
    for path, text in texts.items():
        if is_shell(path, text):
            done = subprocess.run(["bash", "-n", path], capture_output=True, text=True, check=False)
            if done.returncode:
                found.append(f"{path}: {done.stderr.strip()}")
            if text.startswith("#!") and not os.access(path, os.X_OK):
                found.append(f"{path}: starts with #! and is not executable")
    return found


def check_python(texts):
    found = []
    for path, text in texts.items():
        if path.endswith(".py"):
            try:
                ast.parse(text, path)
            except SyntaxError as error:
                found.append(f"{path}: {error}")
    return found


def check_text(texts):
    found = []
    for path, text in texts.items():
        if path.endswith((".h", ".cc", ".py", ".sh", ".md", ".txt", ".cmake", ".json")):
            if text and not text.endswith("\n"):
                found.append(f"{path}: no newline at its end")
            if "\r" in text or "\t" in text:
                found.append(f"{path}: holds a tab or carriage return")
        if path.endswith(".h") and "#pragma once" not in text:
            found.append(f"{path}: no #pragma once")
    return found


def check_links(texts):
    """Links from one document to another lead to a file, and to a heading of it."""
    def anchors(path):
        return {re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).strip().replace(" ", "-")
                for line in texts.get(path, "").splitlines() if line.startswith("#")}
    found = []
    for path, text in texts.items():
        if not path.endswith(".md"):
            continue
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"\w+:", target):
                continue
            name, _, anchor = target.partition("#")
            there = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
            if not os.path.exists(there):
                found.append(f"{path}: {target} is not there")
            elif anchor and anchor not in anchors(there):
                found.append(f"{path}: {there} has no heading for #{anchor}")
    return found


def main():
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
    itself = os.path.relpath(os.path.abspath(__file__))
    texts = {path: text for path in tracked() if (text := text_of(path)) is not None}
    own = {path: text for path, text in texts.items() if path != itself}
    results = {
        "files are short": check_length(texts),
        "C++ is formatted": check_format(texts),
        "shell scripts parse": check_shell(texts),
        "Python parses": check_python(texts),
        "text files are clean": check_text(texts),
        "links between documents lead somewhere": check_links(texts),
        "no notes left in the code": lines_that_match(
            own, NOTES, lambda path: path.startswith(("src/", "tests/", "bench/", "deploy/"))),
        "no paths or hosts of one machine": lines_that_match(own, MACHINE, lambda path: True),
        "nothing newer than both standard libraries": lines_that_match(
            own, TOO_NEW, lambda path: is_cpp(path) and not path.startswith("tests/fuzz/corpus")),
    }
    for name, problems in results.items():
        print(f"FAIL {name}: {len(problems)} problems" if problems else f"ok {name}")
        for problem in problems:
            print(f"    {problem}")
    return 1 if any(results.values()) else 0


sys.exit(main())
