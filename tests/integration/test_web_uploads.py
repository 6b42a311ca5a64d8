"""Files that people send: looked at, taken in, or refused; the service stays up.

Each file is read in a process of its own, which takes a moment to start: what is told
of one file is asked of it once.
"""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from web_served import Answer, Served, serve
from web_world import ANYUAN, XUNWU, World, build

from rsmonitor.errors import ReturnsError
from rsmonitor.records.account import Role
from rsmonitor.wiring import web_uploads
from rsmonitor.wiring.web_uploads import Upload, plain_name, take

CORPUS = Path(__file__).parents[1] / "corpus"
EDGE = b"edge-of-a-part"
CRASH = CORPUS / "returns" / "crash-short-position.geojson"
ENTITIES = b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><kml>&b;</kml>'


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return build(tmp_path_factory.mktemp("uploads"), each=3)


@pytest.fixture(scope="module")
def served(world: World) -> Iterator[Served]:
    scopes = (("*",), (XUNWU,))
    with serve(world, {Role.ANALYST: scopes, Role.BUREAU: scopes}) as found:
        yield found


def send(
    served: Served,
    kind: str,
    name: str,
    content: bytes,
    *areas: str,
    role: Role = Role.ANALYST,
    query: str = "",
) -> Answer:
    head = f'Content-Disposition: form-data; name="file"; filename="{name}"'
    body = b"\r\n".join(
        [b"--" + EDGE, head.encode(), b"", content, b"--" + EDGE + b"--", b""]
    )
    return served.ask(
        f"/api/uploads/{kind}{query}",
        served.token(*(areas or ("*",)), role=role),
        method="POST",
        body=body,
        headers={"Content-Type": f"multipart/form-data; boundary={EDGE.decode()}"},
    )


def test_findings_are_looked_at_first_and_only_of_what_is_seen(
    served: Served, world: World
) -> None:
    mine, other = world.alerts[XUNWU][0], world.alerts[ANYUAN][0]
    table = (
        "alert_id,verdict,reason,who\n"
        f"{mine.alert_id},unlawful,digging,李华\n{other.alert_id},unlawful,,李华\n"
        f"{mine.alert_id},unlawful,artefact,李华\n"
    ).encode()
    before = world.ledger.head()
    looked = send(served, "triage", "核查.csv", table, XUNWU)
    assert looked.status == 200
    assert world.ledger.head() == before
    report = looked.json
    assert [each["alert_id"] for each in report["rows"]] == [mine.alert_id]
    assert report["refused_count"] == 2
    assert report["applied"] == 0
    # what is said of another county's alert is what is said of no alert at all
    rules = {each["line"]: each["rule"] for each in report["refused"]}
    assert "of this ledger" in rules[3]
    taken = send(served, "triage", "核查.csv", table, XUNWU, query="?apply=true")
    assert taken.json["applied"] == 1
    assert world.ledger.head()[0] == before[0] + 1
    assert world.ledger.verify() == []


def bomb() -> bytes:
    """A workbook of a few kilobytes that unpacks to a gigabyte."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:
            for _ in range(256):
                sheet.write(bytes(2**20))
    return packed.getvalue()


@pytest.mark.parametrize(
    ("kind", "name", "content"),
    [
        ("triage", "../../etc/passwd", b"\x00\xff" * 500),
        ("triage", "bomb.xlsx", bomb()),
        ("triage", "deep.geojson", b'{"features":' + b"[" * 90_000),
        ("tips", "crash.geojson", CRASH.read_bytes()),
        ("licences", "entities.kml", ENTITIES),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_hostile_file_is_refused_in_words(
    served: Served, world: World, kind: str, name: str, content: bytes
) -> None:
    answer = send(served, kind, name, content)
    assert answer.status == 422, answer.body
    assert answer.json["detail"]
    assert b"root:" not in answer.body
    assert str(world.folder).encode() not in answer.body
    assert b"/tmp/" not in answer.body
    assert served.ask("/api", served.token("*")).status == 200


def test_good_licences_are_looked_at(served: Served) -> None:
    content = (CORPUS / "licences/licences.geojson").read_bytes()
    answer = send(served, "licences", "licences.geojson", content)
    assert answer.status == 200, answer.body
    assert answer.json["count"] > 0
    assert answer.json["applied"] == 0


def test_who_may_not_send_is_told_before_anything_is_read(served: Served) -> None:
    content = b"alert_id,verdict\n"
    assert send(served, "triage", "a.csv", content, role=Role.BUREAU).status == 403
    assert send(served, "nothing", "a.csv", content).status == 404
    assert send(served, "licences", "a.csv", content, XUNWU).status == 403
    assert send(served, "triage", "a.csv", content, query="?apply=yes").status == 400
    no_file = served.ask("/api/uploads/triage", served.token("*"), method="POST")
    assert no_file.status == 422
    large = send(served, "triage", "a.csv", bytes(32 * 2**20 + 1))
    assert large.status == 413


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("../../a.csv", "a.csv"),
        ("C:\\work\\结果 表.xlsx", "结果_表.xlsx"),
        (".hidden", "hidden"),
        ("a\x00b;rm -rf.csv", "a_b_rm_-rf.csv"),
        ("", "upload"),
        ("/", "upload"),
        ("x" * 300 + ".csv", "x" * 76 + ".csv"),
    ],
)
def test_a_name_becomes_a_plain_one(name: str, plain: str) -> None:
    assert plain_name(name) == plain


def test_a_long_name_fits_into_a_folder_however_many_bytes_a_sign_has(
    tmp_path: Path,
) -> None:
    name = plain_name("\U00020000" * 90 + ".csv")
    (tmp_path / name).write_bytes(b"")  # file systems count bytes
    assert name.endswith("\U00020000.csv")


def test_a_process_that_takes_too_long_is_ended(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_uploads, "SECONDS", 0.05)
    upload = Upload(kind="triage", config=world.config, who="x", apply=False)
    with pytest.raises(ReturnsError, match="longer than"):
        take(upload, "a.csv", b"alert_id,verdict\n")
