"""What the settings say of the mail: who gets what, by which server, and the outbox."""

from collections.abc import Mapping
from typing import Literal, cast

from rsmonitor.config import Settings
from rsmonitor.io.deliver.mail.server import MailPolicy, MailServer, read_login
from rsmonitor.io.deliver.sftp import SftpServer
from rsmonitor.io.stores.outbox import SqliteOutbox
from rsmonitor.records.sending import FOLDER


def outbox_of(settings: Settings) -> SqliteOutbox:
    """
    Open the outbox.

    Parameters
    ----------
    settings : Settings
        Settings.

    Returns
    -------
    SqliteOutbox
        In the work folder; one for all districts of the file.
    """
    work = settings.path(settings.run.work)
    return SqliteOutbox(work / "outbox.sqlite", locks=work / "locks")


def recipients_of(settings: Settings, area: str) -> tuple[str, ...]:
    """
    List to whom the packages of an area go.

    Parameters
    ----------
    settings : Settings
        Settings.
    area : str
        `Area.code`.

    Returns
    -------
    tuple of str
        Mail addresses and addresses of servers, each once; `FOLDER` alone where there
        is none.
    """
    servers = tuple(
        address for address, (of, _) in sftp_servers_of(settings).items() if of == area
    )
    return (*_addressees(settings, area), *servers) or (FOLDER,)


def sftp_servers_of(settings: Settings) -> Mapping[str, tuple[str, SftpServer]]:
    """
    Give the servers that take packages by SFTP.

    Parameters
    ----------
    settings : Settings
        Settings.

    Returns
    -------
    Mapping of str to (str, SftpServer)
        By recipient, which is `SftpServer.address` and the area: whose packages it
        takes, and the server.
    """
    found = {}
    for each in settings.deliver.servers:
        server = SftpServer(
            host=each.host.lower(),
            port=each.port,
            user=each.user,
            folder=each.path,
            key_file=settings.path(each.key_file),
            known_hosts=settings.path(each.known_hosts),
        )
        found[f"{server.address}#{each.area}"] = (each.area, server)
    return found


def _addressees(settings: Settings, area: str) -> tuple[str, ...]:
    """List the mail addresses of an area."""
    mail = settings.mail
    if mail.host is None:
        return ()
    found = {
        # the right half is the same in capitals; the left half is the server's business
        f"{name}@{domain.lower()}": None
        for each in mail.recipients
        if each.area == area
        for name, _, domain in (address.rpartition("@") for address in each.addresses)
    }
    return tuple(found)


def server_of(settings: Settings, policy: MailPolicy) -> MailServer:
    """
    Give the mail server of the settings, with its password.

    Parameters
    ----------
    settings : Settings
        Settings that name a server.
    policy : MailPolicy
        Patience.

    Returns
    -------
    MailServer
        The server.

    Raises
    ------
    SettingsError
        If no password can be read.
    """
    mail = settings.mail
    file = None if mail.password_file is None else settings.path(mail.password_file)
    return MailServer(
        host=mail.host or "",
        port=mail.port,
        security=cast("Literal['tls', 'starttls']", mail.security),
        sender=mail.comes_from,
        login=read_login(mail.user, file),
        ca=None if mail.ca is None else settings.path(mail.ca),
        policy=policy,
    )
