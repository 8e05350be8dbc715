"""Documents for frames: they run nothing, load nothing of others and look as they should."""

import base64
import hashlib

import pytest

from broadcaster.web.base.framed_documents import framed

STYLES = ("p { color: red }", "\n.a { margin: 0 }\n")


def directives(policy: str) -> dict[str, str]:
    """Split a policy into its directives by name."""
    return dict((part.strip() + " ").split(" ", 1) for part in policy.split(";"))


def test_only_its_own_styles_apply_and_no_script_runs() -> None:
    document = "<html><head>" + "".join(f"<style>{style}</style>" for style in STYLES) + "</head>"
    headers = framed(document).headers
    policy = directives(headers["Content-Security-Policy"])
    assert policy["style-src"].split() == [
        f"'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'"
        for style in STYLES
    ]
    assert policy["script-src"].strip() == "'none'"
    assert policy["frame-ancestors"].strip() == "'self'"
    assert headers["Cache-Control"] == "no-store"


def test_a_document_without_styles_has_none() -> None:
    policy = directives(framed("<p>Halo</p>").headers["Content-Security-Policy"])
    assert policy["style-src"].strip() == "'none'"


@pytest.mark.parametrize("sandbox", ["allow-popups", "allow-popups allow-forms"])
def test_its_links_open_outside_the_frame(sandbox: str) -> None:
    response = framed("<html><head></head></html>", sandbox=sandbox)
    assert bytes(response.body) == b'<html><head><base target="_blank"></head></html>'
    policy = directives(response.headers["Content-Security-Policy"])
    assert policy["sandbox"].strip() == sandbox
