"""No secret passes: neither one that was told, nor one that looks like it."""

import io
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsmonitor.io.foundation import redaction
from rsmonitor.io.foundation.redaction import (
    RedactingFilter,
    guard_logging,
    learn,
    redact,
    redact_address,
    without_credentials,
)

CANARY = "kan4r1e-+/=&vogel"


@pytest.fixture(autouse=True, scope="module")
def forgotten() -> Iterator[None]:
    """Forget at the end what was learnt here: other tests have words of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(redaction, "_known", set())
        yield


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer {}",
        "authorization: bearer {}",
        "Authorization: Basic {}",
        "client_secret={}&grant_type=x",
        "https://user:{}@host.example/a",
        "https://h/a.tif?sv=1&sig={}",
        "https://h/a.tif?X-Amz-Signature={}&x=1",
        "https://h/v?subscription-key={}",
        "{{'access_token': '{}', 'expires_in': 600}}",
        '{{"client_secret": "{}"}}',
        "('token', '{}')",
        "headers={{b'Authorization': b'{}'}}",
    ],
)
def test_what_looks_like_a_secret_is_hidden(text: str) -> None:
    secret = "abcDEF123456.xyz-_"  # noqa: S105 - to be hidden
    assert secret not in redact(text.format(secret))
    assert redact(text.format(secret)) != ""


def test_a_token_is_hidden_wherever_it_stands() -> None:
    token = "eyJhbGciOiJSUzI1NiJ9.eyJhenAiOiJ4In0.c2lnbmF0dXJl"  # noqa: S105
    assert redact(f"got {token}.") == "got ***."


@pytest.mark.parametrize(
    "text",
    [
        "https://host.example/data/T50RKV_20260103_B04_10m.tif",
        "the token is refused, fetching a new one",
        "processing_baseline=05.10",
        "release=4 policy: none; cases=3; designs=7",
        "S2B_MSIL2A_20260103T025549_N0510_R032_T50RKV_20260103T120000",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6))
def test_what_was_learnt_is_hidden_in_every_text(secret: str) -> None:
    learn(secret)
    assert secret not in redact(f"before {secret} after {secret}")


def test_a_secret_is_hidden_as_it_stands_in_an_address() -> None:
    learn(CANARY)
    assert "vogel" not in redact("GET /a?x=kan4r1e-%2B%2F%3D%26vogel HTTP/1.1")


@given(st.text(max_size=200))
def test_any_text_can_be_redacted(text: str) -> None:
    redact(text)
    redact_address(text)
    without_credentials(text)


@pytest.mark.parametrize(
    ("address", "shown", "stored"),
    [
        ("https://u:p@h/a?sig=1#f", "https://h/a", "https://h/a"),
        ("https://h/a?version=2", "https://h/a", "https://h/a?version=2"),
        ("/vsicurl/https://u:p@h/a?sig=1", "/vsicurl/https://h/a", None),
        ("s3://bucket/key", "s3://bucket/key", "s3://bucket/key"),
        ("http://[::1?sig=abcdef", "http://[::1", None),
    ],
)
def test_an_address_is_shown_and_stored_without_secrets(
    address: str, shown: str, stored: str | None
) -> None:
    assert redact_address(address) == shown
    if stored is not None:
        assert without_credentials(address) == stored


@pytest.fixture
def guarded() -> Iterator[io.StringIO]:
    before = logging.getLogRecordFactory()
    guard_logging()
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    logger = logging.getLogger("of.somebody.else")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield said
    logger.removeHandler(handler)
    logging.setLogRecordFactory(before)


def test_records_of_any_logger_are_made_without_secrets(guarded: io.StringIO) -> None:
    learn(CANARY)
    logger = logging.getLogger("of.somebody.else")
    logger.debug("with %s and %s", CANARY, {"client_secret": "abcdefg"})
    logger.debug(f"in the message {CANARY}")  # noqa: G004 - as libraries do
    logger.debug("wrong arguments %s %s", CANARY)  # noqa: PLE1206 - as libraries do
    logger.error("failed", exc_info=RuntimeError(f"failed with {CANARY}"))
    said = guarded.getvalue()
    assert CANARY not in said
    assert "abcdefg" not in said
    assert "RuntimeError: failed with ***" in said, "the traceback is still there"
    assert said.count("***") >= 4


def test_guarding_twice_is_guarding_once(guarded: io.StringIO) -> None:
    once = logging.getLogRecordFactory()
    guard_logging()
    assert logging.getLogRecordFactory() is once
    assert not guarded.getvalue()


def test_a_filter_guards_one_handler() -> None:
    learn(CANARY)
    record = logging.LogRecord("x", 10, "f", 1, "say %s", (CANARY,), None)
    assert RedactingFilter().filter(record)
    assert record.getMessage() == "say ***"


@pytest.mark.parametrize("name", ["requests_oauthlib", "oauthlib"])
def test_loggers_that_print_credentials_do_not_speak(
    guarded: io.StringIO, name: str
) -> None:
    assert not logging.getLogger(f"{name}.oauth2_session").isEnabledFor(logging.DEBUG)
    assert not guarded.getvalue()
