"""The sign-in page, as browsers use it."""

from support.browsing import Answer, Running
from support.staff_rows import sign_in_form
from support.staffing import PASSWORD

SIGN_IN = "/redaksi/masuk"


async def enter(
    site: Running,
    name: str,
    password: str = PASSWORD,
    *,
    target: str = "",
    cookie: str = "",
    address: str = "",
    form: tuple[str, str] | None = None,
    **headers: str,
) -> Answer:
    """Send the sign-in form, a fresh one unless `form` gives its cookie and token; `cookie` is what
    the browser had before, `address` what the proxy in front of us says.
    """
    form_cookie, token = form or await sign_in_form(site)
    request_headers = {
        "Cookie": "; ".join(part for part in (form_cookie, cookie) if part),
        "Origin": site.url,
        **({"X-Forwarded-For": address} if address else {}),
        **headers,
    }
    data = {"csrf": token, "nama": name, "sandi": password, "ke": target}
    return await site.ask(SIGN_IN, "POST", data=data, headers=request_headers)


def lasting_cookies(answer: Answer) -> str:
    """Return the Cookie header of the browser once its session is over."""
    return "; ".join(
        f"{name}={value}" for name, value in answer.cookies.items() if name != "redaksi"
    )
