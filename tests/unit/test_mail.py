"""Mail is encrypted or not sent, says what it must, and never tells the password."""

import base64
import email
import email.policy
import hashlib
import logging
import os
import smtplib
import traceback
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from emulators.smtp_server import PASSWORD, USER, Running, mail_server
from hypothesis import given
from hypothesis import strategies as st
from outgoing import AREA, LI, WANG, WEEK, parcel_in, settings_in
from sample_package import sample_package

from rsmonitor.errors import ContractError, SettingsError
from rsmonitor.io.deliver.mail.letter import (
    Enclosed,
    fitting,
    read_enclosed,
    write_letter,
)
from rsmonitor.io.deliver.mail.postman import Postman
from rsmonitor.io.deliver.mail.server import (
    ADDRESS,
    Login,
    MailPolicy,
    MailServer,
    Verdict,
    read_login,
)
from rsmonitor.io.foundation.clock import SystemClock
from rsmonitor.io.stores.ledger import SqliteLedger
from rsmonitor.records.alert import NOTICE, NOTICE_INVENTED
from rsmonitor.records.package import Language, Package, Reason
from rsmonitor.records.sending import (
    Outcome,
    Parcel,
    Sending,
    SendingState,
    message_id_of,
)
from rsmonitor.stages.outgoing import letter_entry, parcel_of
from rsmonitor.wiring.deliver import Built
from rsmonitor.wiring.mailroom import outbox_of
from rsmonitor.wiring.sending import send_packages, send_parcels

QUICK = MailPolicy(connect_s=2, reply_s=2, final_s=2, rounds=1, first_pause_s=0.01)
NOW = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)
WIRE_FORMS = (
    PASSWORD,
    base64.b64encode(PASSWORD.encode()).decode(),
    base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode(),
)


@pytest.fixture(scope="module")
def servers(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Running]]:
    folder = tmp_path_factory.mktemp("servers")
    with mail_server(folder, "tls") as tls, mail_server(folder, "starttls") as start:
        yield {"tls": tls, "starttls": start}


@pytest.fixture(params=["tls", "starttls"])
def server(servers: dict[str, Running], request: pytest.FixtureRequest) -> Running:
    running = servers[request.param]
    running.forget()
    return running


@pytest.fixture
def starttls(servers: dict[str, Running]) -> Running:
    servers["starttls"].forget()
    return servers["starttls"]


def send(folder: Path, server: Running, **settings: object) -> Outcome:
    return send_parcels(
        settings_in(folder, server, **settings),  # type: ignore[arg-type]
        [parcel_in(folder / "packages")],
        ledger=SqliteLedger(folder / "ledger.sqlite", locks=folder / "locks"),
        clock=SystemClock(),
        policy=QUICK,
    )


def sending_to(address: str, parcel: Parcel, **more: object) -> Sending:
    named = message_id_of(parcel.key, address, 0, domain="office.example")
    return Sending(
        key=parcel.key,
        area=parcel.area,
        week=parcel.week,
        recipient=address,
        state=SendingState.PLANNED,
        message_id=named,
        **more,  # type: ignore[arg-type]
    )


def letter_of(
    parcel: Parcel, enclosed: Enclosed | None = None, **more: object
) -> EmailMessage:
    text = write_letter(
        parcel,
        sending_to(WANG, parcel, **more),
        sender="rsmonitor@office.example",
        enclosed=enclosed,
        at=NOW,
    )
    assert text.isascii()
    assert max(map(len, text.split(b"\r\n"))) <= 998
    assert b"\n" not in text.replace(b"\r\n", b"")
    found = email.message_from_bytes(text, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


def body_of(letter: EmailMessage) -> str:
    part = letter.get_body()
    assert part is not None
    return str(part.get_content())


# ---------------------------------------------------------------------- on the wire


def test_each_address_gets_a_letter_of_its_own(server: Running, tmp_path: Path) -> None:
    assert send(tmp_path, server).exit_code == 0
    letters = [server.letter(one) for one in server.noted("accepted")]
    assert [letter["To"] for letter in letters] == [LI, WANG]
    for letter, other in zip(letters, (WANG, LI), strict=True):
        assert other not in letter.as_string()
        (attached,) = letter.iter_attachments()
        assert attached.get_filename() == "rsmonitor-360734-2026-W47.zip"
        assert attached.get_content() == b"PK not really a zip"
    assert len({letter["Message-ID"] for letter in letters}) == 2


def test_name_and_text_go_over_tls_only(server: Running, tmp_path: Path) -> None:
    send(tmp_path, server)
    for one in server.noted("AUTH", "MAIL", "accepted"):
        assert one["tls"] is True
    assert [one["kind"] for one in server.noted("AUTH")] == ["AUTH"]


def test_a_server_without_starttls_is_told_nothing(
    starttls: Running, tmp_path: Path
) -> None:
    starttls.faults({"on": "OFFER", "do": "plain", "times": -1})
    outcome = send(tmp_path, starttls)
    assert [one["kind"] for one in starttls.noted()] == ["EHLO"]
    assert (outcome.exit_code, len(outcome.waiting)) == (5, 2)
    assert "does not offer STARTTLS" in outcome.waiting[0].said
    # once it does, nothing was lost
    starttls.forget()
    assert send(tmp_path, starttls).exit_code == 0


@pytest.mark.parametrize("said", ["502 5.5.1 what?", "454 4.7.0 later", "250 sure"])
def test_a_server_that_will_not_begin_tls_is_told_nothing(
    starttls: Running, tmp_path: Path, said: str
) -> None:
    starttls.faults({"on": "STARTTLS", "do": "say", "say": said, "times": -1})
    assert send(tmp_path, starttls).exit_code == 5
    assert [one["kind"] for one in starttls.noted()] == ["EHLO", "STARTTLS"]


def test_words_put_in_before_tls_are_not_heard(
    starttls: Running, tmp_path: Path
) -> None:
    starttls.faults(
        {"on": "STARTTLS", "do": "inject", "say": "250-evil\r\n250 AUTH EVIL"}
    )
    assert send(tmp_path, starttls).exit_code == 0
    assert [one["mechanism"] for one in starttls.noted("AUTH")] == ["PLAIN"]
    assert starttls.noted("injected")


def test_a_stranger_with_another_authority_is_told_nothing(
    server: Running, tmp_path: Path
) -> None:
    outcome = send(tmp_path, server, ca=server.other_ca)
    assert outcome.exit_code == 5
    assert not server.noted("AUTH", "MAIL")
    assert "CERTIFICATE_VERIFY_FAILED" in outcome.waiting[0].said
    assert "mail.ca" in outcome.waiting[0].said


def test_a_certificate_of_another_name_is_not_enough(
    server: Running, tmp_path: Path
) -> None:
    # it is of localhost, which is the same machine
    outcome = send(tmp_path, server, host="127.0.0.1")
    assert outcome.exit_code == 5
    assert "IP address mismatch" in outcome.waiting[0].said
    assert not server.noted("AUTH", "MAIL")


def test_a_server_in_the_clear_is_no_server_for_tls(
    starttls: Running, tmp_path: Path
) -> None:
    outcome = send(tmp_path, replace(starttls, security="tls"))
    assert outcome.exit_code == 5
    assert not starttls.noted("AUTH", "MAIL")


def test_a_wrong_password_is_tried_once(server: Running, tmp_path: Path) -> None:
    outcome = send(tmp_path, server, password="wrong-Passwort-1")  # noqa: S106
    assert outcome.exit_code == 1
    assert len(server.noted("AUTH")) == 1
    assert "refuses the login with 535" in outcome.waiting[0].said
    assert not server.noted("MAIL")
    assert send(tmp_path, server).exit_code == 0


def test_the_servers_limit_chooses_what_is_enclosed(
    starttls: Running, tmp_path: Path
) -> None:
    starttls.faults({"on": "OFFER", "do": "size", "size": 100_000, "times": -1})
    packages = tmp_path / "packages"
    (packages / "2026-W47").mkdir(parents=True)
    (packages / "2026-W47" / "report.pdf").write_bytes(b"%PDF small")
    parcel = parcel_in(packages, content=b"z" * 90_000, report="2026-W47/report.pdf")
    outcome = send_parcels(
        settings_in(tmp_path, starttls, recipients={AREA: (WANG,)}),
        [parcel],
        ledger=SqliteLedger(tmp_path / "l.sqlite", locks=tmp_path / "locks"),
        clock=SystemClock(),
        policy=QUICK,
    )
    assert outcome.exit_code == 0
    (one,) = starttls.noted("accepted")
    letter = starttls.letter(one)
    (attached,) = letter.iter_attachments()
    assert attached.get_filename() == "report.pdf"
    assert "2026-W47/rsmonitor-360734-2026-W47.zip" in body_of(letter)


def test_lines_that_begin_with_a_dot_arrive_whole(starttls: Running) -> None:
    text = b"Subject: x\r\n\r\n.\r\n..\r\n.a\r\n"
    server = MailServer(
        host="localhost",
        port=starttls.port,
        security="starttls",
        sender="a@b.example",
        login=Login(user=USER, password=PASSWORD),
        ca=starttls.ca,
        policy=QUICK,
    )
    with Postman(server) as postman:
        answer = postman.hand_over(WANG, letter=lambda _: text, intend=lambda: None)
    assert answer.verdict is Verdict.ACCEPTED
    (one,) = starttls.noted("accepted")
    assert (starttls.script.letters / one["file"]).read_bytes() == text


# ------------------------------------------------------------------------ the password


def test_the_password_is_told_to_nobody(
    server: Running,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(smtplib.SMTP, "debuglevel", 2)
    for name in ("", "rsmonitor"):
        caplog.set_level(logging.DEBUG, logger=name)
    server.faults(
        # a server that repeats what it heard
        {"on": "AUTH", "do": "say", "say": f"535 bad {' '.join(WIRE_FORMS)}"},
        {"on": "MAIL", "do": "say", "say": f"451 later {' '.join(WIRE_FORMS)}"},
    )
    outcomes = [send(tmp_path, server) for _ in range(3)]
    assert [outcome.exit_code for outcome in outcomes] == [1, 1, 0]
    assert "smtp: (login)" in caplog.text
    assert "MAIL FROM" in caplog.text
    printed = capfd.readouterr()
    said = [caplog.text, printed.out, printed.err.replace(server.script.log.name, "")]
    said += [repr(outcomes), repr(outbox_of(settings_in(tmp_path, server)).all())]
    said += [
        path.read_bytes().decode(errors="replace")
        for path in tmp_path.rglob("*")
        if path.is_file() and path.name != "password"
    ]
    for text in said:
        for form in WIRE_FORMS:
            assert form not in text


def test_no_traceback_holds_the_password_not_even_with_its_variables(
    server: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("rsmonitor.io.stores.outbox.SqliteOutbox.record", full)
    with pytest.raises(OSError, match="disk is full") as caught:
        send(tmp_path, server)
    told = traceback.TracebackException.from_exception(
        caught.value, capture_locals=True
    )
    text = "".join(told.format())
    assert "hand_over" in text
    for form in WIRE_FORMS:
        # the frames of this test hold nothing of it either
        assert form not in text


def test_a_login_shows_neither_name_nor_password() -> None:
    login = Login(user=USER, password=PASSWORD)
    assert repr(login) == "Login()"
    server = MailServer(
        host="h", port=1, security="tls", sender="a@b.example", login=login
    )
    assert PASSWORD not in repr(server)
    assert USER not in repr(server)


def test_the_environment_comes_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.touch(mode=0o600)
    file.write_text("from the file\n")
    found = read_login("me", file, {"RSMONITOR_MAIL_PASSWORD": "from outside"})
    assert found == Login(user="me", password="from outside")  # noqa: S106
    assert read_login("me", file, {}) == Login(user="me", password="from the file")  # noqa: S106
    assert read_login("", file, {}) is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o700, 0o660])
def test_a_password_that_others_may_read_is_none(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "password"
    file.write_text(PASSWORD)
    file.chmod(mode)
    with pytest.raises(SettingsError, match="chmod 600") as caught:
        read_login("me", file, {})
    assert PASSWORD not in str(caught.value)


def test_a_pipe_in_place_of_the_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(SettingsError, match="regular file"):
        read_login("me", tmp_path / "pipe", {})


@pytest.mark.parametrize(
    "text", ["", "\n", "two\nlines", "密码密码密码", "a\0b", "x" * 10_001]
)
def test_a_password_that_cannot_be_sent_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "password"
    file.touch(mode=0o600)
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        read_login("me", file, {})
    assert not text.strip() or text not in str(caught.value)


def test_a_missing_password_loses_nothing_that_was_to_be_sent(
    starttls: Running, tmp_path: Path
) -> None:
    settings = settings_in(tmp_path, starttls, password=None)
    ledger = SqliteLedger(tmp_path / "ledger.sqlite", locks=tmp_path / "locks")
    with pytest.raises(SettingsError, match="password"):
        send_parcels(
            settings,
            [parcel_in(tmp_path / "packages")],
            ledger=ledger,
            clock=SystemClock(),
        )
    settings = settings_in(tmp_path, starttls)
    outcome = send_parcels(settings, [], ledger=ledger, clock=SystemClock())
    assert len(outcome.accepted) == 2


# ------------------------------------------------------------------ what a letter says


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_letter_says_what_must_be_known(tmp_path: Path, language: Language) -> None:
    parcel = replace(parcel_in(tmp_path, language=language), invented=True)
    letter = letter_of(parcel, read_enclosed(parcel, tmp_path, largest_bytes=10_000)[0])
    body = body_of(letter)
    zh = language == "zh"
    assert letter["Subject"] == (
        "寻乌县 2026-W47 卫星监测线索：新增 1，有变化 0，共 2"
        if zh
        else "Xunwu 2026-W47 satellite clues: 1 new, 0 changed, 2 in all"
    )
    for text in (
        "360734",
        "2026-11-16",
        "2026-11-22",
        parcel.sha256,
        parcel.lines[0][language],
        parcel.unseen[0][language],
        "rsmonitor-360734-2026-W47.zip",
        NOTICE,
        NOTICE_INVENTED,
    ):
        assert text in body
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["Date"].datetime == NOW


def test_the_same_letter_has_the_same_bytes(tmp_path: Path) -> None:
    parcel = parcel_in(tmp_path)
    enclosed = read_enclosed(parcel, tmp_path, largest_bytes=10_000)[0]
    one, two = (letter_of(parcel, enclosed).as_bytes() for _ in range(2))
    assert one == two
    assert letter_of(parcel)["Message-ID"] == sending_to(WANG, parcel).message_id


@pytest.mark.parametrize("language", ["zh", "en"])
def test_marks_stand_in_subject_header_and_body(
    tmp_path: Path, language: Language
) -> None:
    parcel = parcel_in(tmp_path, language=language)
    letter = letter_of(parcel, doubtful=True, attempt=1, resent=True, series=2)
    zh = language == "zh"
    marks = "【重发】【可能重复】" if zh else "[Resent] [May be a repeat] "
    assert letter["Subject"].startswith(marks)
    assert letter["X-Rsmonitor-Repeat"] == "possible"
    assert letter["X-Rsmonitor-Resent"] == "2"
    assert ("可能重复" if zh else "may be a repeat") in body_of(letter)
    plain = letter_of(parcel)
    assert plain["X-Rsmonitor-Repeat"] is None
    assert plain["X-Rsmonitor-Resent"] is None


def parcel_in_memory() -> Parcel:
    return Parcel(
        area=AREA,
        name_zh="寻乌县",
        name_en="Xunwu",
        week=WEEK,
        run_ids=("r",),
        zip="2026-W47/a.zip",
        sha256="0" * 64,
        standing=0,
        new=0,
        changed=0,
    )


@given(
    name=st.text(max_size=80),
    line=st.text(max_size=80),
    file=st.text(min_size=1, max_size=40),
)
def test_no_name_makes_a_header_of_its_own(name: str, line: str, file: str) -> None:
    parcel = replace(
        parcel_in_memory(),
        name_zh=f"{name}\r\nBcc: evil@else.example",
        bureau=f"x\r\n\r\n{name}",
        lines=(Reason(zh=f"{line}\r\n.\r\nQUIT", en=line),),
    )
    enclosed = Enclosed(name=f"{file}\r\nBcc: e@f.example", kind="zip", data=b"PK")
    letter = letter_of(parcel, enclosed)
    assert set(letter.keys()) == {
        "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version",
        "X-Rsmonitor-Package", "X-Rsmonitor-Sha256", "Content-Type",
    }  # fmt: skip
    assert letter["To"] == WANG
    assert letter["Subject"].endswith("新增 0，有变化 0，共 0")
    (attached,) = letter.iter_attachments()
    assert attached["Bcc"] is None
    assert attached.get_content() == b"PK"


@given(name=st.text("县 区（）Aa1.", min_size=1, max_size=50))
def test_a_subject_arrives_as_it_was_written(name: str) -> None:
    shown = " ".join(name.split())
    parcel = replace(parcel_in_memory(), name_zh=name)
    assert letter_of(parcel)["Subject"] == (
        f"{shown or AREA} 2026-W47 卫星监测线索：新增 0，有变化 0，共 0"
    )


def test_a_chinese_file_name_arrives_as_it_is(tmp_path: Path) -> None:
    name = "寻乌县 2026-W47 卫星监测线索（第一版）" * 3 + ".zip"
    parcel = parcel_in(tmp_path)
    letter = letter_of(parcel, Enclosed(name=name, kind="zip", data=b"PK"))
    (attached,) = letter.iter_attachments()
    assert attached.get_filename() == name


def test_what_is_too_large_is_named_and_not_enclosed(tmp_path: Path) -> None:
    (tmp_path / "report.pdf").write_bytes(b"%PDF")
    parcel = parcel_in(tmp_path, content=b"z" * 5000, report="report.pdf")
    both = read_enclosed(parcel, tmp_path, largest_bytes=5000)
    assert [each.kind for each in both] == ["zip", "pdf"]
    (report,) = read_enclosed(parcel, tmp_path, largest_bytes=4999)
    assert report.kind == "pdf"
    assert "仅为报告" in body_of(letter_of(parcel, report))
    assert read_enclosed(parcel, tmp_path, largest_bytes=3) == ()
    body = body_of(letter_of(parcel))
    assert "无附件" in body
    assert parcel.zip in body
    assert fitting(both, None) is both[0]
    assert fitting(both, 22_000) is both[1]
    assert fitting(both, 100) is None


@pytest.mark.parametrize(
    "address",
    ["a b@c.example", "a@b@c.example", "a..b@c.example", "@c.example", "a@-c.example",
     "a@c.example\r\nRCPT TO:<e@f.example>", "a>@c.example", "张@c.example", ".a@c.d",
     "a" * 65 + "@c.example", "a@c.example\n"],
)  # fmt: skip
def test_an_address_that_could_say_more_is_none(address: str) -> None:
    assert not ADDRESS.fullmatch(address)


@pytest.mark.parametrize("address", [WANG, "o'neil+x@a-b.example", "x@localhost"])
def test_a_plain_address_is_one(address: str) -> None:
    assert ADDRESS.fullmatch(address)


def manifest_of(package: Package) -> dict[str, Any]:
    return {
        "area": {"code": AREA, "level": "county", "name_zh": "寻乌县",
                 "name_en": "Xunwu", "bureau": "局"},
        "week": str(package.week),
        "revision": 2,
        "runs": list(package.runs),
        "invented_licences": package.invented,
        "alerts": [
            {"alert_id": each.alert.alert_id, "site_id": each.alert.site.site_id,
             "version": each.alert.version, "also": []}
            for each in package.dossiers
        ],
        "files": {"report.pdf": {}},
        "letter": letter_entry(package),
    }  # fmt: skip


def test_packages_on_disk_go_out_with_their_own_words(
    starttls: Running, tmp_path: Path
) -> None:
    package = sample_package(2)
    root = tmp_path / "packages" / str(package.week)
    root.mkdir(parents=True)
    archive = root / f"rsmonitor-{AREA}-{package.week}.zip"
    archive.write_bytes(b"PK")
    built = Built(
        area=package.area,
        week=package.week,
        folder=root / AREA,
        archive=archive,
        sha256=hashlib.sha256(b"PK").hexdigest(),
        revision=1,
        manifest=manifest_of(package) | {"files": {}, "revision": 1},
        fresh=True,
    )
    settings = settings_in(tmp_path, starttls, recipients={AREA: (WANG,)})
    ledger = SqliteLedger(tmp_path / "ledger.sqlite", locks=tmp_path / "locks")
    outcomes = [send_packages(settings, [built], ledger=ledger) for _ in range(2)]
    assert [each.exit_code for each in outcomes] == [0, 0]
    assert outcomes[0].lines == (
        "1 sent now, 0 sent before, 0 waiting, 0 refused",
        f"{package.week} to {AREA} (w***@bureau.example): sent",
    )
    assert outcomes[1].lines[0].startswith("0 sent now, 1 sent before")
    (one,) = starttls.noted("accepted")
    body = body_of(starttls.letter(one))
    assert all(each.short_name in body for each in package.dossiers)
    assert len(list(ledger.events())) == 2


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_package_makes_a_parcel_through_its_manifest(language: Language) -> None:
    package = sample_package(3, language)
    manifest = manifest_of(package)
    parcel = parcel_of(manifest, archive="w/a.zip", sha256="0" * 64)
    assert (parcel.standing, parcel.new, parcel.changed) == (3, 1, 1)
    assert len(parcel.lines) == len(parcel.alerts) == 3
    assert parcel.report == f"{package.week}/{AREA}/report.pdf"
    assert package.dossiers[0].short_name in parcel.lines[0][language]
    assert "%" in parcel.unseen[0][language]
    letter_of(parcel)
    del manifest["letter"]
    with pytest.raises(ContractError, match="build the package again"):
        parcel_of(manifest, archive="w/a.zip", sha256="0" * 64)
