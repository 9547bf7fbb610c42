"""What both scripts share: arguments, numbered checks, counted calls, and how to read the SDK's answers.

usage: <script> HOST:PORT TOKEN CA_FILE [REST_VERSION]
Prints one line per check that passed, and at the end how many different calls of the SDK were made.
Ends with status 1 at the first check that did not pass.
"""

import inspect
import re
import sys

from pypureclient import ErrorResponse, PureError, ValidResponse
from pypureclient.configuration import Configuration

TARGET, TOKEN, CA_FILE = sys.argv[1:4]
VERSION = sys.argv[4] if len(sys.argv) > 4 else None

_passed = 0
_called = set()


class Counted:
    """A client of the SDK that keeps which of its calls were made."""

    def __init__(self, client):
        self._client = client

    def __getattr__(self, name):
        if re.match("(get|post|put|patch|delete)_", name):
            _called.add(name)
        return getattr(self._client, name)


def finished():
    """The last line: how many different calls were made."""
    print(f"calls {len(_called)}", flush=True)


def passed(what):
    """Counts one finished check; the caller has asserted its facts before."""
    global _passed
    _passed += 1
    print(f"ok {_passed} {what}", flush=True)


def items(response):
    """The items of a successful answer, all pages of them."""
    assert isinstance(response, ValidResponse), f"refused: {response}"
    return list(response.items)


def one(response):
    """The only item of a successful answer."""
    found = items(response)
    assert len(found) == 1, f"{len(found)} items, one was wanted: {found}"
    return found[0]


def done(response):
    """A successful answer whose body does not matter."""
    assert isinstance(response, ValidResponse), f"refused: {response}"


def refused(response, status, message, context=None):
    """An ErrorResponse with this status, words in its first message, and this context."""
    assert isinstance(response, ErrorResponse), f"not refused: {response}"
    assert response.status_code == status, f"status {response.status_code}, wanted {status}: {response}"
    first = response.errors[0]
    assert message.lower() in (first.message or "").lower(), f"message {first.message!r}, wanted {message!r}"
    assert context is None or first.context == context, f"context {first.context!r}, wanted {context!r}"


def verifying():
    """TLS settings that trust CA_FILE alone."""
    settings = Configuration(ssl_ca_cert=CA_FILE)
    settings.verify_ssl = True
    return settings


def login_with_wrong_token_fails(client_class):
    """The SDK raises PureError for a token that the array does not know."""
    try:
        client_class(TARGET, api_token="00000000-0000-0000-0000-000000000000", configuration=verifying(), retries=1)
    except PureError as error:
        assert "session token" in str(error).lower(), str(error)
        return
    raise AssertionError("a wrong API token was accepted")


def login(client_class):
    """A client that verifies the array's certificate against CA_FILE, and the REST version that it speaks."""
    client = client_class(TARGET, api_token=TOKEN, version=VERSION, configuration=verifying())
    # Its class stands in a module such as FB_2_27; only one kind has a call for it.
    rest = re.search("_(2_[0-9]+)", type(client).__module__).group(1).replace("_", ".")
    assert VERSION is None or rest == VERSION, rest
    return Counted(client), rest


def every_list_is_read(array, no_lists):
    """Each list that the SDK can read without saying what of it, but for those named in `no_lists`."""
    names = sorted(
        name.removeprefix("get_") for name, call in inspect.getmembers(type(array._client), inspect.isfunction)
        if name.startswith("get_") and name.removeprefix("get_") not in no_lists and not needs_arguments(call)
    )
    for name in names:
        answer = getattr(array, f"get_{name}")()
        assert isinstance(answer, ValidResponse), f"{name}: {answer}"
        for item in answer.items:
            item.to_dict()
    passed(f"{len(names)} lists are read")


def needs_arguments(call):
    """Whether a method of the SDK cannot be called without saying anything."""
    _self, *others = inspect.signature(call).parameters.values()
    return any(one.default is one.empty for one in others)
