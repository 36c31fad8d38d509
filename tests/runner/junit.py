"""Reads what pytest's cases did from its report."""

import xml.etree.ElementTree as xml

import jobs


def read(results, done):
    """(number passed, [(name, output)] of problems, number skipped). A run that broke is a problem."""
    try:
        cases = list(xml.parse(results).getroot().iter("testcase"))
    except (OSError, xml.ParseError):
        cases = []
    passed, problems, skipped = 0, {}, 0
    for case in cases:
        name = f"{case.get('classname')}.{case.get('name')}"
        bad = [child for child in case if child.tag in ("failure", "error")]
        if bad:
            said = [child.text or "" for child in case
                    if child.tag in ("failure", "error", "system-out", "system-err")]
            problems[name] = "\n".join(said)  # a case whose teardown fails too comes twice
        elif any(child.tag == "skipped" for child in case):
            skipped += 1
        else:
            passed += 1
    if not problems and (not done.ok or not cases):
        problems["pytest"] = f"{done.describe()}\n{jobs.tail(done.log, 120)}"
    return passed, list(problems.items()), skipped
