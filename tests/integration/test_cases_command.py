"""Cases, status and verify by the command line, on a ledger that a real run wrote."""

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from commands import Nursery, Ran

from rsmonitor.config import read_settings
from rsmonitor.errors import SettingsError, StoreError
from rsmonitor.io.deliver.folder import FolderSink
from rsmonitor.io.stores.head import read_head, write_head
from rsmonitor.io.stores.ledger import SqliteLedger
from rsmonitor.records.event import EventDraft, EventKind, Head
from rsmonitor.wiring.cases import heads_of

LEDGER = Path(__file__).parents[1] / "corpus" / "ledgers" / "schema1.sqlite"

Run = Callable[..., Ran]


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    os.environ.pop("RSMONITOR_WHO", None)
    with Nursery(tmp_path_factory.mktemp("nursery")) as started:
        yield started


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    shutil.copy(LEDGER, tmp_path / "work" / "ledger.sqlite")
    path = tmp_path / "watch.toml"
    path.write_text(
        """
[district]
code = "demo-romania"
name_zh = "示例区"
name_en = "demo"
bureau = "示例局"
[source]
kind = "cube"
files = ["cube.nc"]
[history]
until = 2018-06-30
[cases]
province_check_mu = 3.0
[run]
work = "work"
out = "out"
""",
        encoding="utf-8",
    )
    return path


@pytest.fixture
def rs(nursery: Nursery, config: Path) -> Run:
    def run(*arguments: str, who: str | None = "李四") -> Ran:
        group, *rest = arguments
        words = [group, rest[0], str(config), *rest[1:]] if group == "cases" else None
        if words is None:
            words = [group, str(config), *rest]
        if who and group == "cases" and rest[0] not in {"list", "show"}:
            words += ["--who", who]
        return nursery.run(*words)

    return run


def said(ran: Ran) -> Any:  # noqa: ANN401 - JSON
    assert ran.code == 0, ran.stderr
    return json.loads(ran.stdout)


def largest(rs: Run) -> dict[str, Any]:
    found: list[dict[str, Any]] = said(rs("cases", "list", "--json"))
    return max(found, key=lambda case: case["area_mu"])


def test_every_standing_alert_is_a_case_and_the_old_ledger_is_kept(
    rs: Run, config: Path
) -> None:
    ran = rs("cases", "list")
    assert ran.code == 0
    assert "11 件案件 cases" in ran.stdout
    assert "待交办 not assigned" in ran.stdout
    assert "ledger.sqlite.schema1" in ran.stderr
    assert (config.parent / "work" / "ledger.sqlite.schema1").is_file()
    assert "schema1" not in rs("cases", "list").stderr


def test_a_case_lives_from_its_assignment_to_its_file(rs: Run) -> None:
    site = largest(rs)["site_id"]
    assign = ("cases", "assign", site, "--handler", "张三", "--why", "卫片线索")
    first = said(rs(*assign, "--json"))
    assert first["added"]["kind"] == "assigned"
    assert first["added"]["who"] == "李四"
    assert (first["state"], first["handler"], first["days_overdue"]) == (
        "assigned",
        "张三",
        0,
    )
    assert said(rs(*assign, "--json"))["added"] is None
    again = rs(*assign)
    assert again.stdout.startswith("已有相同记录，未新增 nothing was added")

    put_off = rs("cases", "extend", site, "--due", "2099-01-31", "--why", "大雪封山")
    assert "延期 extended" in put_off.stdout
    assert "2099-01-31" in put_off.stdout

    close = ("cases", "close", site, "--handling", "filed", "--why", "无证开采")
    refused = rs(*close)
    assert refused.code == 3
    assert "the province must check it on site first" in refused.stderr
    seen = rs(
        *("cases", "inspect", site, "--inspector", "王五", "--level", "province"),
        *("--on", "2026-11-20", "--found", "在采"),
    )
    assert "省级已实地核查" in seen.stdout
    handed = rs(
        *("cases", "transfer", site, "--to", "public_security"),
        *("--document", "赣移〔2026〕3号", "--why", "涉嫌犯罪"),
    )
    assert "已移送 transferred" in handed.stdout
    assert "已结案 closed" in rs(*close).stdout

    shown = said(rs("cases", "show", site, "--json"))
    assert (shown["handling"], shown["handling_zh"]) == ("filed", "立案")
    kinds = [event["kind"] for event in shown["events"]]
    assert kinds[0] == "detected"
    assert kinds[-5:] == ["assigned", "extended", "inspected", "transferred", "closed"]
    text = rs("cases", "show", "a" + site[1:]).stdout
    assert "赣移〔2026〕3号" in text
    assert "王五" in text
    assert rs("verify").code == 0


def test_status_says_what_ran_and_what_is_overdue(rs: Run) -> None:
    (found,) = said(rs("status", "--json"))
    assert (found["runs"], found["alerts"]) == (6, 11)
    assert found["last_run"]["week"] == "2018-W31"
    assert found["newest_scene"].startswith("2018-")
    assert found["seen"] is None
    late = found["overdue"]
    assert len(late) == 11
    assert all(case["days_overdue"] > 2000 for case in late)
    assert late == sorted(late, key=lambda case: (case["due"], case["site_id"]))
    text = rs("status").stdout
    assert "逾期 overdue: 11" in text
    assert f"逾期 {late[0]['days_overdue']} 天 days" in text
    assert len(said(rs("cases", "list", "--overdue", "--json"))) == 11


def test_a_special_use_is_not_even_a_case(rs: Run, config: Path) -> None:
    site = largest(rs)["site_id"]
    body = {
        "site_id": site,
        "verdict": "special_use",
        "cause": None,
        "imagery": "",
        "judged_by": "王五",
        "judged_on": "2026-11-20",
        "note": "",
        "photos": [],
    }
    work = config.parent / "work"
    SqliteLedger(work / "ledger.sqlite", locks=work / "locks").append(
        [
            EventDraft(
                kind=EventKind.TRIAGED,
                at=datetime(2026, 11, 24, tzinfo=UTC),
                who="王五",
                body=body,
            )
        ]
    )
    assert site not in rs("cases", "list", "--json").stdout
    assert site not in rs("status", "--json").stdout
    assert "no case" in rs("cases", "show", site).stderr


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("cases", "show", "snobody"), 3, "has no case 'snobody'"),
        (
            ("cases", "extend", "SITE", "--due", "2000-01-01", "--why", "w"),
            3,
            "earlier",
        ),
        (("cases", "extend", "SITE", "--due", "soon", "--why", "w"), 2, "soon"),
        (("cases", "close", "SITE", "--handling", "gone", "--why", "w"), 2, "filed"),
        (("cases", "transfer", "SITE", "--to", "forestry", "--why", ""), 3, "why is"),
        (("cases", "list", "--district", "x"), 3, "has no district 'x'"),
    ],
)
def test_what_is_wrong_is_said_and_adds_nothing(
    rs: Run, words: tuple[str, ...], code: int, why: str
) -> None:
    site = largest(rs)["site_id"]
    ran = rs(*(site if word == "SITE" else word for word in words))
    assert ran.code == code, ran.stderr
    assert why in ran.stderr
    assert "39 events" in rs("verify").stdout


def test_nobody_acts_without_a_name(rs: Run) -> None:
    words = ("cases", "extend", "s", "--due", "2099-01-01", "--why", "w")
    ran = rs(*words, who=None)
    assert ran.code == 2
    assert "--who" in ran.stderr


def test_without_a_ledger_nothing_is_made(rs: Run, config: Path) -> None:
    work = config.parent / "work"
    shutil.rmtree(work)
    for words in (("cases", "list"), ("status",), ("verify",)):
        ran = rs(*words)
        assert ran.code == 3
        assert "no run has been committed there" in ran.stderr
    assert not work.exists()


# ---------------------------------------------------------------- heads


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """Make a key as the documentation says, with OpenSSL."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    path = tmp_path / "head.pem"
    make = ["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(path)]
    subprocess.run(make, check=True)  # noqa: S603 - as documented
    public = ["openssl", "pkey", "-in", str(path), "-pubout", "-out", f"{path}.pub"]
    subprocess.run(public, check=True)  # noqa: S603
    path.chmod(0o600)
    return path


def published(config: Path) -> Path:
    """Publish a delivery with its head, as a run does after its commit."""
    settings = read_settings(config)
    work = config.parent / "work"
    ledger = SqliteLedger(work / "ledger.sqlite", locks=work / "locks")
    run = config.parent / "out" / "runs" / "demo-2018-w31"
    run.mkdir(parents=True, exist_ok=True)
    (run / "manifest.json").write_text('{"files": {}}', encoding="utf-8")
    sink = FolderSink(config.parent / "out", head=heads_of(settings, ledger))
    sink.publish(run.name)
    return run / "head.json"


def cut(config: Path) -> None:
    """Cut the end of the chain off and leave no trace in the file."""
    path = config.parent / "work" / "ledger.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        (trigger,) = connection.execute(
            "SELECT sql FROM sqlite_master WHERE name = 'event_kept'"
        ).fetchone()
        connection.execute("DROP TRIGGER event_kept")
        connection.execute("DELETE FROM event WHERE seq = 39")
        connection.execute(trigger)


def test_a_published_head_shows_a_cut_tail(rs: Run, config: Path) -> None:
    head = published(config)
    kept = Path(shutil.copy(head, config.parent / "kept.json"))
    whole = rs("verify", "--head", str(kept))
    assert whole.code == 0
    assert "held against: 2; 台账完整 whole" in whole.stdout
    cut(config)
    # the one in the outputs is asked without being named
    found = rs("verify")
    assert found.code == 3
    assert "its end was cut off or written anew" in found.stdout
    shutil.rmtree(config.parent / "out")
    unseen = rs("verify")
    assert unseen.code == 0
    assert "would look whole" in unseen.stderr
    assert rs("verify", "--head", str(kept)).code == 3


def test_a_head_stays_as_it_was_published_first(rs: Run, config: Path) -> None:
    head = published(config)
    before = head.read_bytes()
    site = largest(rs)["site_id"]
    rs("cases", "assign", site, "--handler", "张三", "--why", "w")
    published(config)
    assert head.read_bytes() == before
    assert rs("verify").code == 0


def test_a_signed_head_is_from_this_office_and_unchanged(
    rs: Run, config: Path, key: Path
) -> None:
    unsigned = published(config)
    outsider = Path(shutil.copy(unsigned, config.parent / "unsigned.json"))
    unsigned.unlink()
    text = config.read_text("utf-8")
    config.write_text(text.replace("[cases]", '[cases]\nsigning_key = "head.pem"'))
    head = published(config)
    assert read_head(head).signer is not None
    public = ("--public-key", f"{key}.pub")
    assert rs("verify", *public).code == 0
    assert published(config).read_bytes() == head.read_bytes()

    ran = rs("verify", "--head", str(outsider), *public)
    assert ran.code == 3
    assert "is signed by nobody" in ran.stdout

    value = json.loads(head.read_bytes())
    value["seq"] = 38
    head.write_text(json.dumps(value), encoding="utf-8")
    ran = rs("verify")
    assert ran.code == 3
    assert "its signature does not fit" in ran.stdout
    with pytest.raises(StoreError, match="does not fit"):
        read_head(head)


def test_a_changed_manifest_does_not_fit_its_head(rs: Run, config: Path) -> None:
    manifest = published(config).with_name("manifest.json")
    manifest.write_text("{}", encoding="utf-8")
    ran = rs("verify", "--json")
    assert ran.code == 3
    (problem,) = json.loads(ran.stdout)["problems"]
    assert "manifest.json: was changed" in problem


def test_an_older_ledger_is_verified_and_not_touched(rs: Run, config: Path) -> None:
    ledger = config.parent / "work" / "ledger.sqlite"
    assert rs("verify").code == 0
    assert ledger.read_bytes() == LEDGER.read_bytes()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff\xfe",
        b'{"what": "head of a ledger of rsmonitor", "signature": 7}',
        b'{"what": "head of a ledger of rsmonitor", "seq": true}',
        b"[" * 70_000,
    ],
)
def test_what_is_no_head_is_refused_and_the_chain_verified_all_the_same(
    rs: Run, config: Path, content: bytes
) -> None:
    path = config.parent / "odd.json"
    path.write_bytes(content)
    ran = rs("verify", "--head", str(path))
    assert ran.code == 1
    assert "台账完整 whole" in ran.stdout
    assert f"refused: {path}" in ran.stderr


def test_keys_that_others_can_read_or_that_are_none_are_refused_before_a_run(
    config: Path, key: Path
) -> None:
    config.write_text(
        config.read_text("utf-8").replace("[cases]", '[cases]\nsigning_key="head.pem"')
    )
    ledger = SqliteLedger(config.parent / "l.sqlite", locks=config.parent / "locks")
    settings = read_settings(config)
    key.chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        heads_of(settings, ledger)
    key.chmod(0o600)
    secret = key.read_text()
    key.write_text("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")
    with pytest.raises(SettingsError, match="no private Ed25519 key") as refused:
        heads_of(settings, ledger)
    assert "c2VjcmV0" not in str(refused.value)
    key.write_text(secret)
    heads_of(settings, ledger)
    key.unlink()
    with pytest.raises(SettingsError, match="cannot be read"):
        heads_of(settings, ledger)


def test_an_empty_ledger_has_a_head_too(tmp_path: Path) -> None:
    head = Head(
        seq=0, hash="0" * 64, at="", district="demo", run_id="", manifest_sha256=""
    )
    path = tmp_path / "head.json"
    path.write_bytes(write_head(head))
    assert read_head(path).head == head
