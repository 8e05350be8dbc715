"""HTML documents that our own pages show in a frame: mails and message previews."""

import base64
import hashlib
import re

from starlette.responses import Response

from broadcaster.web.base.middleware import FRAMED_CSP


def framed(document: str, *, sandbox: str = "allow-popups") -> Response:
    """Serve an HTML document for a frame: links open outside it, no cache stores it.

    Its policy allows only its own inline styles; `sandbox` lists what the sandbox permits.
    """
    styles = re.findall(r"<style[^>]*>(.*?)</style>", document, re.DOTALL)
    sources = " ".join(f"'sha256-{_digest(style)}'" for style in styles) or "'none'"
    policy = FRAMED_CSP.replace("script-src 'self'", "script-src 'none'")
    policy = policy.replace("style-src 'self'", f"style-src {sources}")
    headers = {
        "Content-Security-Policy": f"{policy}; sandbox {sandbox}",
        "Cache-Control": "no-store",
    }
    return Response(
        document.replace("<head>", '<head><base target="_blank">', 1),
        media_type="text/html",
        headers=headers,
    )


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
