"""Whoever asks for help, however, gets the help of what was asked for; whoever errs is told what and how."""

import re

import pytest
from all_commands import WITHOUT_REQUESTS, all_commands, all_families, belfry, help_of

COMMANDS = all_commands()
FAMILIES = all_families()
OF_CLIENTS = [command for command in COMMANDS if command not in WITHOUT_REQUESTS]


def words(command):
    return " ".join(command)


def test_the_commands_are_found():
    assert ("kv", "metadata", "get") in COMMANDS and ("version",) in COMMANDS and ("events",) in FAMILIES


@pytest.mark.parametrize("command", COMMANDS, ids=words)
def test_help_is_the_same_wherever_it_is_asked_for(command):
    expected = help_of(*command)
    assert re.match(rf"Usage: belfry {words(command)}\b", expected)
    spellings = [("help", *command), ("-h", *command), (*command, "--help"), (*command, "argument", "-h")]
    spellings += [(*command[:i], word, *command[i:]) for i, word in zip(range(1, len(command)), ("help", "-h"))]
    for spelling in spellings:
        asked = belfry(*spelling)
        assert (asked.returncode, asked.stdout, asked.stderr) == (0, expected, ""), spelling


@pytest.mark.parametrize("family", FAMILIES, ids=words)
def test_a_family_lists_its_commands(family):
    for spelling in ("help", *family), ("-h", *family), (*family, "--help"):
        asked = belfry(*spelling)
        assert asked.returncode == 0 and asked.stdout.startswith(f"Usage: {' '.join(['belfry', *family, '<command>'])}")
    alone, unknown = belfry(*family), belfry(*family, "nosuch")
    # 127 is what a shell says of an unknown command.
    assert alone.returncode == unknown.returncode == (1 if family else 127)
    assert alone.stdout == unknown.stdout == ""
    assert "Commands:" in alone.stderr and f'"{" ".join([*family, "nosuch"])}"' in unknown.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=words)
def test_help_has_an_example_and_a_description(command):
    text = help_of(*command)
    about = text.split("\n\n")[1]
    assert about[0].isupper() and "." in about
    examples = re.findall(r"^    \$ (.*)$", text.split("\nExamples:\n")[1], re.MULTILINE)
    assert examples and all(f"belfry {words(command)}" in example for example in examples)


@pytest.mark.parametrize("command", OF_CLIENTS, ids=words)
def test_help_says_where_address_and_token_come_from(command):
    environment = help_of(*command).split("\nEnvironment:\n")[1]
    for source in "VAULT_ADDR", "VAULT_TOKEN", "BELFRY_TOKEN", "~/.vault-token", "VAULT_NAMESPACE", "VAULT_FORMAT", "VAULT_CACERT", "VAULT_SKIP_VERIFY":
        assert source in environment


def test_help_explains_what_arguments_may_be():
    for command in ("put", "patch"):
        text = help_of("kv", command)
        assert all(word in text for word in ("@file", "KEY=-", "standard input"))
    for command in ("subscribe", "explain"):
        assert "* stands for any text" in help_of("events", command)
    assert "VAULT_DEV_ROOT_TOKEN_ID" in help_of("server")


@pytest.mark.parametrize("command", COMMANDS, ids=words)
def test_an_unknown_flag_is_1_and_named_as_it_was_typed(command):
    result = belfry(*command, "-nosuch=x")
    assert result.returncode == 1 and result.stdout == ""
    assert result.stderr.startswith("flag provided but not defined: -nosuch\n")
    assert f"Usage: belfry {words(command)}" in result.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=words)
def test_a_value_that_a_flag_cannot_take_is_named_with_the_flag_as_it_was_typed(command):
    text = help_of(*command)
    tried = 0
    flags = re.findall(r"^  (-[a-z-]+)(?:=<value>)?$", text, re.MULTILINE)
    for flag in set(flags) - {"-address", "-namespace", "-format", "-field", "-mount"}:
        result = belfry(*command, f"{flag}=nosuch value")
        if "invalid" in result.stderr.split("\n")[0]:
            tried += 1
            assert result.returncode == 1 and f" {flag}: parse error\n" in result.stderr and f"-{flag}" not in result.stderr
    assert tried or words(command) not in ("server", "kv put", "kv get", "kv patch", "kv metadata put", "kv metadata patch")


@pytest.mark.parametrize("command", COMMANDS, ids=words)
def test_a_flag_after_the_first_argument_is_refused_and_never_an_argument(command):
    result = belfry(*command, "argument", "x=1", "-cas=0")
    assert result.returncode == 1 and result.stdout == ""
    assert "flags come before arguments" in result.stderr and "-cas=0" in result.stderr


@pytest.mark.parametrize("command", OF_CLIENTS, ids=words)
def test_an_unknown_format_is_refused(command):
    text = help_of(*command)
    assert "-format=" in text
    result = belfry(*command, "-format=nosuch", "x", "y=1")
    assert result.returncode == 1 and result.stdout == ""


def test_version_takes_no_arguments():
    assert belfry("version", "-bogus").returncode == 1
    assert belfry("version", "bogus").returncode == 1
    for spelling in "version", "-version", "--version", "-v":
        result = belfry(spelling)
        assert result.returncode == 0 and re.fullmatch(r"Belfry v\d+\.\d+\.\d+\n", result.stdout)
