"""Parcels that lie in a folder, and settings that send them, for the tests."""

import hashlib
from pathlib import Path

from emulators.smtp_server import PASSWORD, USER, Running

from rsmonitor.config import Settings, read_settings
from rsmonitor.records.package import Language, Reason
from rsmonitor.records.sending import Named, Parcel
from rsmonitor.records.week import IsoWeek

AREA, OTHER = "360734", "441426"
WEEK = IsoWeek(year=2026, week=47)
WANG, LI = "wang@bureau.example", "li@bureau.example"


def parcel_in(  # noqa: PLR0913 - each is a field of the parcel
    packages: Path,
    code: str = AREA,
    *,
    week: IsoWeek = WEEK,
    run: str = "run-1",
    revision: int = 1,
    content: bytes = b"PK not really a zip",
    language: Language = "zh",
    name: str = "寻乌县",
    archive: str | None = None,
    report: str = "",
) -> Parcel:
    """Put a parcel into a folder of packages."""
    archive = archive or f"{week}/rsmonitor-{code}-{week}.zip"
    (packages / archive).parent.mkdir(parents=True, exist_ok=True)
    (packages / archive).write_bytes(content)
    return Parcel(
        area=code,
        name_zh=name,
        name_en="Xunwu",
        bureau=f"{name}自然资源局",
        week=week,
        revision=revision,
        run_ids=(run,),
        zip=archive,
        sha256=hashlib.sha256(content).hexdigest(),
        report=report,
        language=language,
        standing=2,
        new=1,
        changed=0,
        lines=(Reason(zh="疑似无证开采，1.5 亩", en="suspected mining, 0.10 ha"),),
        unseen=(Reason(zh="37% 没有清晰影像", en="37% was not seen clear"),),
        alerts=(
            Named(site_id=f"s{code}", alert_id="aabcdefghijkl", version=1),
            Named(site_id=f"t{code}", alert_id="amnopqrstuvwx", version=2),
        ),
    )


def settings_in(  # noqa: PLR0913 - each is a key of the settings
    folder: Path,
    server: Running | None,
    *,
    recipients: dict[str, tuple[str, ...]] | None = None,
    password: str | None = PASSWORD,
    user: str = USER,
    more: str = "",
    host: str = "localhost",
    ca: Path | None = None,
    port: int | None = None,
) -> Settings:
    """Write and read settings that send by a server, or into the folder only."""
    folder.mkdir(parents=True, exist_ok=True)
    text = (Path(__file__).parents[1] / "configs" / "demo.toml").read_text()
    text = text.replace("../demo-out", "demo-out")
    text = text.replace('"demo-out/packages"', '"packages"')
    if server is not None:
        if password is not None:
            secret = folder / "password"
            secret.touch(mode=0o600)
            secret.write_text(f"{password}\n")
        named = {AREA: (WANG, LI)} if recipients is None else recipients
        text += f"""
[mail]
host = "{host}"
port = {port or server.port}
security = "{server.security}"
sender = "rsmonitor@office.example"
user = "{user}"
password_file = "password"
ca = "{ca or server.ca}"
{more}
"""
        for code, addresses in named.items():
            listed = ", ".join(f'"{address}"' for address in addresses)
            text += f'[[mail.recipients]]\narea = "{code}"\naddresses = [{listed}]\n'
    path = folder / "settings.toml"
    path.write_text(text)
    return read_settings(path)
