"""What was built leaves the house: once to each recipient, whatever fails between.

The order is always the same: what the dead left behind is looked at, what was taken
is told to the ledger, what is new is written down, and only then is anything sent. Each
step can be done twice without being done again.
"""

import contextlib
import logging
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from rsmonitor.config import Settings
from rsmonitor.errors import OutputError, SettingsError
from rsmonitor.interfaces import Clock, Ledger, Progress
from rsmonitor.io.deliver.mail.letter import (
    Enclosed,
    fitting,
    read_enclosed,
    write_letter,
)
from rsmonitor.io.deliver.mail.postman import Answer, Postman
from rsmonitor.io.deliver.mail.server import MailPolicy, Verdict
from rsmonitor.io.deliver.sftp import (
    Courier,
    LineError,
    SftpServer,
    UntrustedServerError,
)
from rsmonitor.io.foundation.clock import SystemClock
from rsmonitor.io.stores.outbox import Due, SqliteOutbox
from rsmonitor.records.sending import (
    FOLDER,
    Outcome,
    Parcel,
    Sending,
    SendingState,
)
from rsmonitor.stages.outgoing import parcel_of
from rsmonitor.wiring.deliver import Built
from rsmonitor.wiring.mailroom import (
    outbox_of,
    recipients_of,
    server_of,
    sftp_servers_of,
)
from rsmonitor.wiring.office import unwatched
from rsmonitor.wiring.sent_events import tell_sent

logger = logging.getLogger(__name__)

NEXT_TRY: Final = timedelta(minutes=15)
"""Servers that put strangers off take them after some minutes."""

_BREAKS: Final = 3
"""Broken connections in a row after which a round is given up."""

_MB: Final = 1_000_000

_ALL_STOP: Final = frozenset({Verdict.UNTRUSTED, Verdict.UNWELCOME})
"""What a second try in the same call would not change."""

_NO_SERVER: Final = frozenset({Verdict.UNREACHABLE, Verdict.UNTRUSTED})


def send_parcels(
    settings: Settings,
    parcels: Sequence[Parcel],
    *,
    ledger: Ledger,
    clock: Clock,
    progress: Progress = unwatched,
    again: bool = False,
    policy: MailPolicy | None = None,
) -> Outcome:
    """
    Send parcels, and what earlier calls left unsent, once to each recipient.

    An area without mail addresses, or settings without a mail server, mean that the
    folder of packages is where the parcel goes.

    Parameters
    ----------
    settings : Settings
        ``mail`` says who gets what, ``deliver.out`` where the parcels lie.
    parcels : sequence of Parcel
        Built and on disk.
    ledger : Ledger
        Told of each alert version that an area was sent.
    clock : Clock
        Time.
    progress : Progress, optional
        Who watches.
    again : bool, default False
        True sends these parcels once more to those who have them.
    policy : MailPolicy, optional
        Patience with the server.

    Returns
    -------
    Outcome
        What was taken, waits, or was refused.

    Raises
    ------
    SettingsError
        If the mail settings or the password cannot be used; what was to be sent is
        written down all the same, and goes out once they can.
    BusyError
        If another process sends, or others keep ledger or outbox busy.
    StoreError
        If ledger or outbox is damaged.
    OutputError
        If one of them cannot be written.
    """
    outbox = outbox_of(settings)
    with outbox.lock():
        call = _Call(settings, outbox, ledger, clock, progress)
        left = outbox.recover()
        if left:
            call.note(
                f"{len(left)} letters were being handed over when their run died; they "
                "go out with the same Message-ID, marked as possible repeats"
            )
        call.tell()
        before = call.plan(parcels, again=again)
        call.publish()
        call.tell()
        try:
            call.carry()
            call.post(policy or MailPolicy())
        finally:
            # whatever ends the call early: what was taken, was sent
            call.tell()
        return call.outcome(before)


def send_packages(
    settings: Settings,
    built: Sequence[Built],
    *,
    ledger: Ledger,
    clock: Clock | None = None,
    progress: Progress = unwatched,
    again: bool = False,
) -> Outcome:
    """
    Send packages that were built, and what earlier calls left unsent.

    Parameters
    ----------
    settings : Settings
        As in `send_parcels`.
    built : sequence of Built
        From `rsmonitor.wiring.deliver`.
    ledger : Ledger
        Told of what was sent.
    clock : Clock, optional
        Time; the machine's by default.
    progress : Progress, optional
        Who watches.
    again : bool, default False
        True sends these packages once more to those who have them.

    Returns
    -------
    Outcome
        As `send_parcels`.

    Raises
    ------
    ContractError
        If a manifest lacks what a letter needs.
    SettingsError
        If the mail settings or the password cannot be used.
    BusyError
        If another process sends.
    StoreError
        If ledger or outbox is damaged.
    OutputError
        If one of them cannot be written.
    """
    parcels = [
        parcel_of(
            each.manifest,
            archive=f"{each.archive.parent.name}/{each.archive.name}",
            sha256=each.sha256,
        )
        for each in built
    ]
    return send_parcels(
        settings,
        parcels,
        ledger=ledger,
        clock=clock or SystemClock(),
        progress=progress,
        again=again,
    )


@dataclass(slots=True, eq=False)
class _Letter:
    """A parcel on its way to one address, as far as this call has brought it."""

    sending: Sending
    parcel: Parcel


@dataclass(slots=True, eq=False)
class _Call:
    """One call of `send_parcels`."""

    settings: Settings
    outbox: SqliteOutbox
    ledger: Ledger
    clock: Clock
    progress: Progress
    notes: list[str] = field(default_factory=list)
    accepted: list[Sending] = field(default_factory=list)
    refused: dict[tuple[str, str], Sending] = field(default_factory=dict)
    waiting: list[Sending] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    events: int = 0
    stopped: Verdict | None = None
    answered: bool = False
    cut_off: int = 0

    def note(self, text: str) -> None:
        """Say something worth telling."""
        logger.warning("%s", text)
        self.notes.append(text)

    def plan(self, parcels: Sequence[Parcel], *, again: bool) -> int:
        """Write down what is to go out; say how many letters had been taken before."""
        domain = self.settings.mail.comes_from.rpartition("@")[2] or "localhost"
        before = 0
        for parcel in parcels:
            recipients = recipients_of(self.settings, parcel.area)
            self.outbox.plan(parcel, recipients, domain=domain, again=again)
            self.keys.add(parcel.key)
            for each in self.outbox.all(parcel.key):
                before += each.state is SendingState.ACCEPTED
                if each.state is SendingState.REFUSED and each.recipient in recipients:
                    self.refused[each.key, each.recipient] = each
        return before

    def publish(self) -> None:
        """Let what goes nowhere but into the folder be published."""
        for due in self.outbox.due():
            if due.sending.recipient == FOLDER and self._enclosed(due) is not None:
                now = self.clock.now()
                begun = due.sending.attempting(at=now)
                self.outbox.record(due.sending, begun)
                done = begun.accepted(said="published in the folder", at=now)
                self.accepted.append(self.outbox.record(begun, done))

    def post(self, policy: MailPolicy) -> None:
        """Send what goes by mail."""
        letters = list(self._letters())
        if not letters:
            return
        total = len(letters)
        with Postman(server_of(self.settings, policy)) as postman:
            for number in range(policy.rounds):
                if number:
                    pause = policy.first_pause_s * 2 ** (number - 1)
                    time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
                self.stopped = None
                letters = self._round(postman, letters, total)
                if not letters or self.stopped in _ALL_STOP:
                    break
        self.waiting += [letter.sending for letter in letters]

    def carry(self) -> None:
        """Bring what goes to servers of bureaus."""
        servers = sftp_servers_of(self.settings)
        waiting: dict[str, list[_Letter]] = {}
        for due in self.outbox.due():
            if due.sending.recipient in servers:
                letter = _Letter(sending=due.sending, parcel=due.parcel)
                waiting.setdefault(due.sending.recipient, []).append(letter)
        for recipient, letters in waiting.items():
            self._carry_to(servers[recipient][1], letters)

    def _carry_to(self, server: SftpServer, letters: Sequence[_Letter]) -> None:
        """Bring parcels to one server; what does not arrive waits for the next call."""
        why = ""
        with contextlib.ExitStack() as stack:
            courier: Courier | None = None
            for letter in letters:
                due = Due(sending=letter.sending, parcel=letter.parcel)
                if self._enclosed(due) is None:
                    continue
                if not why:
                    begun = letter.sending.attempting(at=self.clock.now())
                    letter.sending = self.outbox.record(letter.sending, begun)
                    try:
                        courier = courier or stack.enter_context(Courier(server))
                        self._bring(courier, letter)
                        continue
                    except (LineError, UntrustedServerError, SettingsError) as error:
                        why = str(error)
                        self.cut_off += not isinstance(error, SettingsError)
                    except OutputError as error:
                        self._wait(letter, str(error))
                        self.waiting.append(letter.sending)
                        continue
                tried = letter.sending.state is SendingState.ATTEMPTING
                self._wait(letter, why, tried=tried)
                self.waiting.append(letter.sending)

    def _bring(self, courier: Courier, letter: _Letter) -> None:
        """Bring one parcel; a repeat after a broken line changes nothing there."""
        parcel = letter.parcel
        brought = courier.bring(
            self.settings.path(self.settings.deliver.out) / parcel.zip,
            folder=f"{parcel.area}/{parcel.week}",
            sha256=parcel.sha256,
        )
        said = "brought, and renamed when whole" if brought else "was there already"
        done = letter.sending.accepted(said=said, at=self.clock.now())
        letter.sending = self.outbox.record(letter.sending, done)
        self.accepted.append(letter.sending)
        self.answered = True
        logger.info("brought to %s: %s", letter.sending.shown, letter.sending.key)

    def _letters(self) -> Iterator[_Letter]:
        """List the letters that are due to addresses that the settings name."""
        unnamed = 0
        servers = sftp_servers_of(self.settings)
        for due in self.outbox.due():
            if due.sending.recipient == FOLDER or due.sending.recipient in servers:
                continue
            if due.sending.recipient in recipients_of(self.settings, due.sending.area):
                yield _Letter(sending=due.sending, parcel=due.parcel)
            else:
                unnamed += 1
        if unnamed:
            self.note(
                f"{unnamed} parcels stay in the outbox: the settings do not name "
                "where they were to go any more"
            )

    def _round(
        self, postman: Postman, letters: Sequence[_Letter], total: int
    ) -> list[_Letter]:
        """Try each letter once; give those that are still to go."""
        left: list[_Letter] = []
        breaks = 0
        why = ""
        for place, letter in enumerate(letters):
            self.progress("letters", total - len(letters) + place - len(left), total)
            if self.stopped is not None:
                self._wait(letter, why, tried=False)
                left.append(letter)
                continue
            due = Due(sending=letter.sending, parcel=letter.parcel)
            enclosed = self._enclosed(due)
            if enclosed is None:
                continue
            answer = self._hand_over(postman, letter, enclosed)
            if letter.sending.state is SendingState.WAITING:
                left.append(letter)
                breaks = breaks + 1 if answer.broken else 0
                if answer.verdict in {Verdict.UNREACHABLE, *_ALL_STOP}:
                    self.stopped, why = answer.verdict, answer.said
                elif breaks == _BREAKS:
                    self.stopped, why = Verdict.POSTPONED, answer.said
            else:
                breaks = 0
        self.progress("letters", total - len(left), total)
        return left

    def _hand_over(
        self, postman: Postman, letter: _Letter, enclosed: tuple[Enclosed, ...]
    ) -> Answer:
        """Send one letter and write down, before and after, what that means."""

        def text(limit: int | None) -> bytes:
            return write_letter(
                letter.parcel,
                letter.sending,
                sender=self.settings.mail.comes_from,
                enclosed=fitting(enclosed, limit),
                at=self.clock.now(),
            )

        def intend() -> None:
            begun = letter.sending.attempting(at=self.clock.now())
            letter.sending = self.outbox.record(letter.sending, begun)

        before = letter.sending
        answer = postman.hand_over(before.recipient, letter=text, intend=intend)
        now = self.clock.now()
        if answer.verdict is Verdict.ACCEPTED:
            # before anything else: a death up to here makes the only possible repeat
            done = letter.sending.accepted(said=answer.said, at=now)
            letter.sending = self.outbox.record(letter.sending, done)
            self.accepted.append(letter.sending)
            logger.info("sent to %s: %s", letter.sending.shown, letter.sending.key)
        elif answer.verdict is Verdict.REFUSED:
            self._refuse(letter, answer.said, now)
        else:
            unanswered = answer.verdict is Verdict.UNANSWERED
            self._wait(letter, answer.said, unanswered=unanswered)
        self.answered |= answer.verdict not in _NO_SERVER
        return answer

    def _wait(
        self,
        letter: _Letter,
        said: str,
        *,
        unanswered: bool = False,
        tried: bool = True,
    ) -> None:
        """Write down that a letter waits."""
        now = self.clock.now()
        waits = letter.sending.waiting(
            said=said,
            at=now,
            next_try=now + NEXT_TRY,
            unanswered=unanswered,
            tried=tried,
        )
        letter.sending = self.outbox.record(letter.sending, waits)
        if tried:
            self._log(letter.sending, "waits")

    def _refuse(self, letter: _Letter, said: str, now: datetime) -> None:
        """Write down that a letter was refused."""
        done = letter.sending.refused(said=said, at=now)
        letter.sending = self.outbox.record(letter.sending, done)
        self.refused[done.key, done.recipient] = done
        self._log(done, "was refused")

    def _enclosed(self, due: Due) -> tuple[Enclosed, ...] | None:
        """Read what goes along; None, written down, where it is not what was built."""
        folder = self.settings.path(self.settings.deliver.out)
        largest = self.settings.mail.largest_mb * _MB
        if "@" not in due.sending.recipient or "://" in due.sending.recipient:
            largest = 0  # goes by no letter: only to be checked
        letter = _Letter(sending=due.sending, parcel=due.parcel)
        try:
            return read_enclosed(due.parcel, folder, largest_bytes=largest)
        except OutputError as error:
            if due.parcel.key in self.keys:
                self._wait(letter, str(error))
                self.waiting.append(letter.sending)
            else:
                # of an earlier week, and gone: nobody will build it again by himself
                self._refuse(letter, str(error), self.clock.now())
            return None

    def _log(self, sending: Sending, what: str) -> None:
        """Say why something did not go out, without the name of a person."""
        logger.warning("%s to %s %s: %s", sending.key, sending.shown, what, sending.why)

    def tell(self) -> None:
        """Tell the ledger of what was taken, once for each alert version and area."""
        untold = self.outbox.untold()
        if untold:
            self.events += tell_sent(self.ledger, untold, at=self.clock.now())
            self.outbox.tell([due.sending for due in untold])

    def outcome(self, before: int) -> Outcome:
        """Say what became of all of it."""
        return Outcome(
            accepted=tuple(self.accepted),
            waiting=tuple(self.waiting),
            refused=tuple(self.refused.values()),
            before=before,
            events=self.events,
            unreachable=(self.stopped in _NO_SERVER or self.cut_off > 0)
            and not self.answered,
            notes=tuple(self.notes),
        )
