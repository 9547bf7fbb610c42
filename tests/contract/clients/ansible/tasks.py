"""Runs modules of the vendor's ansible collections in this process, as ansible hands them their parameters.

usage: <script> HOST:PORT TOKEN CA_FILE
A process for each task, as ansible-playbook has it, would cost two seconds for each; the modules are the same.
Prints one line per task that went well and ends with status 1 at the first that did not.
"""

import importlib
import io
import json
import os
import sys
from contextlib import redirect_stdout

from ansible.module_utils import basic

TARGET, TOKEN, CA_FILE = sys.argv[1:4]
# The collections have no parameter for it; the SDK's own default is not to verify.
os.environ["REQUESTS_CA_BUNDLE"] = CA_FILE

_passed = 0


def passed(what):
    """Counts one finished check; the caller has asserted its facts before."""
    global _passed
    _passed += 1
    print(f"ok {_passed} {what}", flush=True)


def run(module, **parameters):
    """What the module answers, as ansible would read it from its process."""
    collection = {"purefa": "flasharray", "purefb": "flashblade"}[module.split("_")[0]]
    code = importlib.import_module(f"ansible_collections.purestorage.{collection}.plugins.modules.{module}")
    login = {f"{module.split('_')[0].removeprefix('pure')}_url": TARGET, "api_token": TOKEN, "disable_warnings": True}
    basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": {**login, **parameters}}).encode()
    basic._ANSIBLE_PROFILE = "legacy"
    said = io.StringIO()
    try:
        with redirect_stdout(said):
            code.main()
    except SystemExit:
        pass
    return json.loads(said.getvalue())


def answered(what, module, **parameters):
    """The answer of a task that must not fail."""
    answer = run(module, **parameters)
    assert not answer.get("failed"), f"{what}: {answer.get('msg')}"
    return answer


def task(what, module, again=True, **parameters):
    """A task that changes something, and changes nothing when it is repeated."""
    answer = answered(what, module, **parameters)
    assert answer["changed"], f"{what}: nothing was changed: {answer}"
    if again:
        repeated = answered(f"{what}, repeated", module, **parameters)
        assert not repeated["changed"], f"{what}: repeated, it changed something again: {repeated}"
    passed(what)
    return answer
