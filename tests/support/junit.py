"""JUnit reports, read as strictly as the strictest reader of them."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import xmlschema


@cache
def _schema() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(str(Path(__file__).with_name("junit.xsd")))


def read_report(text: str) -> ElementTree.Element:
    """The root of a report; fails where it is against the schema, or where its counts are not what it holds."""
    _schema().validate(text)
    root = ElementTree.fromstring(text)
    for each in (root, *root.iter("testsuite")):
        cases = list(each.iter("testcase"))
        assert int(each.get("tests", "")) == len(cases)
        for attribute, element in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            if attribute in each.keys():  # noqa: SIM118 - an element is no mapping
                assert int(each.get(attribute, "")) == sum(case.find(element) is not None for case in cases)
        total = sum(float(case.get("time", "")) for case in cases)
        assert abs(float(each.get("time", "")) - total) < 0.001 * (len(cases) + 1)
    return root


def outcomes(text: str) -> dict[tuple[str, str], tuple[str, str]]:
    """By suite and case of a report: how it ended (`passed` or the element's name), and the message or text."""
    found = {}
    for suite in read_report(text).iter("testsuite"):
        for case in suite.iter("testcase"):
            ends: Sequence[ElementTree.Element] = list(case)
            said = (ends[0].tag, ends[0].get("message") or ends[0].text or "") if ends else ("passed", "")
            found[suite.get("name", ""), case.get("name", "")] = said
    return found
