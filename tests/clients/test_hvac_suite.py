"""hvac's own integration tests, unmodified, from its source distribution. Each of their classes starts a server with TLS, initializes,
unseals and finally kills it."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from conftest import BIN, PATIENCE, ROOT

SDIST = pathlib.Path(sys.prefix) / "sdist/hvac-2.4.0.tar.gz"

# The files of each group, and how many of their tests a real Vault 1.21 passes.
GROUPS = {
    "kv_v1": (["api/secrets_engines/test_kv_v1.py"], 12),
    "kv_v2": (["api/secrets_engines/test_kv_v2.py"], 84),
    "policies": (["api/system_backend/test_policies.py", "api/system_backend/test_policy.py"], 11),
    "mounts": (["api/system_backend/test_mount.py"], 2),
    "token": (["api/auth_methods/test_token.py"], 13),
    "health": (["api/system_backend/test_health.py"], 2),
    "init": (["api/system_backend/test_init.py"], 2),
    "seal": (["api/system_backend/test_seal.py"], 2),
    "lease": (["api/system_backend/test_lease.py"], 5),
    "leader": (["api/system_backend/test_leader.py"], 1),
    "key": (["api/system_backend/test_key.py"], 4),
    "v1_system": (["v1/test_system_backend.py"], 27),
}

# How a test fails, as a regular expression, and why.
NO_WRAPPING = (r"response wrapping is not supported by this server", "no response wrapping")
NO_AUDIT = (r"unsupported path\s+, on (get|delete) \S+/v1/sys/audit(/tmpfile)?$", "no audit devices")
NO_PKI = (r"plugin not found in the catalog: pki,", "no pki engine comes with this server")
NO_APPROLE = (r"plugin not found in the catalog: approle,", "no login method approle comes with this server")
NO_GITHUB = (r"plugin not found in the catalog: github,", "no login method github comes with this server")
NO_NONCE = (r"incorrect nonce supplied, on delete \S+/v1/sys/rekey/init$", "hvac cancels a rekey without its nonce")
AFTER_NO_NONCE = (r"True is not false", "the rekey that hvac's test before it could not cancel has not ended")

# What Vault passes and this server does not.
OTHERWISE = {
    "token": {
        "test_create_wrapped_token_periodic": NO_WRAPPING,
        "test_create_wrapped_token_w_role": NO_WRAPPING,
    },
    "lease": {
        "test_list_leases": NO_PKI,
        "test_read_lease": NO_PKI,
        "test_revoke_force": NO_PKI,
        "test_revoke_lease": NO_PKI,
        "test_revoke_prefix": NO_PKI,
    },
    "v1_system": {
        "test_audit_backend_manipulation": NO_AUDIT,
        "test_audit_hash_0_hash_returned": NO_AUDIT,
        "test_audit_hash_1_audit_backend_not_enabled": NO_AUDIT,
        "test_auth_backend_manipulation": NO_GITHUB,
        "test_cubbyhole_auth": NO_WRAPPING,
        "test_read_lease": NO_PKI,
        "test_tune_auth_backend": NO_APPROLE,
        "test_wrap_write": NO_APPROLE,
        "test_wrapped_client_token_cleanup": NO_WRAPPING,
        "test_wrapped_client_token_intercept": NO_WRAPPING,
        "test_wrapped_client_token_revoke": NO_WRAPPING,
        "test_wrapped_client_token_success": NO_WRAPPING,
        "test_wrapped_token_cleanup": NO_WRAPPING,
        "test_wrapped_token_intercept": NO_WRAPPING,
        "test_wrapped_token_revoke": NO_WRAPPING,
        "test_wrapped_token_success": NO_WRAPPING,
    },
}
# What Vault 1.21 fails as well: it wants that nonce, too (exchanges 71 and 72 of tests/golden/http-vault-1.21-seal.jsonl).
FAILS_IN_VAULT = {
    "key": {"test_rekey_multi": NO_NONCE, "test_rekey_verify_multi": AFTER_NO_NONCE},
    "v1_system": {"test_rekey_multi": NO_NONCE},
}
# Why hvac skips tests, with a Vault as well.
SKIPPED = re.compile(r"only supported with Enterprise Vault|Vault HA required but not available")

# hvac starts `vault` and skips tests by the version that `vault -version` prints. `belfry -version` prints Belfry's own, so the version of
# Vault that sys/health reports is printed here. The server's log goes to a file, since hvac does not read the pipe that it gives a server.
VAULT = """#!/bin/sh
if [ "$1" = -version ]; then echo "Vault v1.21.0"; exit; fi
exec '{program}' "$@" 2>>'{folder}/server.log'
"""


@pytest.fixture(scope="module")
def folder():
    """Has hvac's sources and `bin`, all of the PATH of its tests: with a Consul there, hvac would choose another storage."""
    # Socket paths are limited to 107 bytes, and pytest's own folders are long.
    made = pathlib.Path(subprocess.check_output(["mktemp", "-d", "/tmp/belfry-test.XXXXXX"], text=True).strip())
    shutil.unpack_archive(SDIST, made)
    (made / "bin").mkdir()
    (made / "bin/vault").write_text(VAULT.format(program=(BIN / "belfry").resolve(), folder=made))
    (made / "bin/vault").chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def run(folder, files):
    """The output of pytest on these files of hvac, and its test cases. All servers have ended."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("BELFRY_", "HVAC_", "PYTEST_", "VAULT_"))}
    environment = dict(own, PATH=str(folder / "bin"), TMPDIR=str(folder), HOME=str(folder))
    results = folder / "results.xml"
    results.unlink(missing_ok=True)
    # The options of hvac's own project need a plugin that runs tests in parallel.
    options = ["-q", "--tb=short", "-W", "ignore", "-o", "addopts=", "-p", "no:cacheprovider", "--junitxml", results]
    process = subprocess.Popen([sys.executable, "-m", "pytest", *options, *(f"tests/integration_tests/{file}" for file in files)],
                               cwd=folder / "hvac-2.4.0", env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               start_new_session=True)
    try:
        printed, _ = process.communicate(timeout=10 * PATIENCE)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert process.returncode in (0, 1), printed
    return printed, list(ElementTree.parse(results).getroot().iter("testcase"))


def failure_of(case):
    found = [case.find(kind) for kind in ("failure", "error")]
    return " ".join(element.get("message") for element in found if element is not None)


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_passes_as_with_vault(folder, group):
    files, passed_by_vault = GROUPS[group]
    (folder / "server.log").write_text("")
    printed, cases = run(folder, files)
    log = (folder / "server.log").read_text(errors="replace")
    assert "ERROR: AddressSanitizer" not in log and "runtime error:" not in log, log[-8000:]

    listed = OTHERWISE.get(group, {}) | FAILS_IN_VAULT.get(group, {})
    failed = {case.get("name"): failure_of(case) for case in cases if failure_of(case)}
    skipped = [case.find("skipped").get("message") for case in cases if case.find("skipped") is not None]
    unexpected = [f"{name}: {message}" for name, message in failed.items()
                  if name not in listed or not re.search(listed[name][0], message.strip())]
    assert unexpected == [], f"{printed[-8000:]}\n{log[-4000:]}"
    assert [name for name in listed if name not in failed] == [], "listed as failing, and not failing any more"
    assert [reason for reason in skipped if not SKIPPED.search(reason)] == []
    assert len(cases) - len(failed) - len(skipped) == passed_by_vault - len(OTHERWISE.get(group, {}))


def test_the_readme_says_how_many_pass():
    said = re.search(r"of the (\d+) tests that Vault 1.21 passes, (\d+);", (ROOT / "README.md").read_text())
    by_vault = sum(passed for _, passed in GROUPS.values())
    assert (int(said[1]), int(said[2])) == (by_vault, by_vault - sum(len(listed) for listed in OTHERWISE.values()))
