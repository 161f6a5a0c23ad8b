# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Find the port of an SO-101: candidates in a fixed order, each asked for its six servos.

``REFLEX_SO101_PORT`` first, then adapters with a known USB id, then /dev/serial/by-id, then the
common names; each at every baud rate that servos are found at. Whoever names a port gets that one
and no other (protocol reference, section k.1; SO-101 reference, section 7).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reflex_ros.domain.joints import SO101_JOINTS
from reflex_ros.errors import BusError, BusTimeout, ConfigurationError
from reflex_ros.hardware.bus import Bus
from reflex_ros.hardware.port import SerialPort
from reflex_ros.hardware.registers import MODEL_NUMBER, MODEL_STS3215

VARIABLE = 'REFLEX_SO101_PORT'
USB_IDS = {
    '1a86:55d3': 'CH343', '1a86:55d4': 'CH9102', '1a86:55d2': 'CH342', '1a86:7523': 'CH340',
    '10c4:ea60': 'CP210x', '0403:6001': 'FTDI FT232R', '0403:6015': 'FTDI FT-X',
}
"""Adapters that arms come with, the likeliest first (SO-101 reference, section 7.2)."""
NAMES = ('cu.usbmodem*', 'tty.usbmodem*', 'cu.usbserial*', 'tty.usbserial*', 'cu.wchusbserial*',
         'tty.wchusbserial*', 'cu.SLAB_USBtoUART*', 'tty.SLAB_USBtoUART*', 'ttyACM*', 'ttyUSB*')
BAUD_RATES = (1_000_000, 500_000, 250_000, 128_000, 115_200, 57_600)
PROBE_RETRIES = 5
"""One slow answer must not hide an arm; a silent port costs 30 ms per baud rate."""
SERVO_IDS = tuple(joint.servo_id for joint in SO101_JOINTS)


@dataclass(frozen=True, slots=True)
class Candidate:
    """
    A port that may be an arm's.

    :param path: the most stable name that it has.
    :param source: why it is one, in words.
    :param serial: of the USB adapter, as far as known.
    """

    path: str
    source: str
    serial: str = ''


@dataclass(frozen=True, slots=True)
class Finding:
    """
    What a candidate answered.

    :param baud: at which most servos answered, or 0.
    :param models: model number of each servo that answered, by id.
    :param problem: why it could not be asked, or an empty text.
    :param tried: baud rates at which it was asked.
    """

    candidate: Candidate
    baud: int = 0
    models: Mapping[int, int] = field(default_factory=dict)
    problem: str = ''
    tried: tuple[int, ...] = ()

    @property
    def is_arm(self) -> bool:
        """Whether all six servos answered, and are what an SO-101 has."""
        return [self.models.get(servo_id) for servo_id in SERVO_IDS] \
            == [MODEL_STS3215] * len(SERVO_IDS)


def candidates(environ: Mapping[str, str], root: Path = Path('/')) -> list[Candidate]:
    """
    List the ports worth asking, each once, in the documented order.

    :param root: of the file system, for tests.
    """
    named = environ.get(VARIABLE, '')
    found = [Candidate(named, VARIABLE)] if named else []
    links = sorted((root / 'dev/serial/by-id').glob('*'))
    found += _known_adapters(root, links)
    found += [Candidate(str(link), 'by-id link') for link in links]
    found += [Candidate(str(path), 'common name')
              for pattern in NAMES for path in sorted((root / 'dev').glob(pattern))]
    # The first name of a device counts: dict keeps the order in which they came.
    first: dict[Path, Candidate] = {}
    for candidate in found:
        first.setdefault(Path(candidate.path).resolve(), candidate)
    return list(first.values())


def probe(candidate: Candidate, baud_rates: Iterable[int] = BAUD_RATES) -> Finding:
    """Ask a port for the six servos, at one baud rate after the other; nothing is written."""
    best = Finding(candidate)
    tried: list[int] = []
    for baud in baud_rates:
        try:
            models = _ask(candidate.path, baud)
        except (BusError, ConfigurationError) as exc:
            return Finding(candidate, best.baud, best.models, str(exc), tuple(tried))
        tried.append(baud)
        if len(models) > len(best.models):
            best = Finding(candidate, baud, models)
        if best.is_arm:
            break
    return Finding(candidate, best.baud, best.models, '', tuple(tried))


def find_arm(environ: Mapping[str, str], root: Path = Path('/'), *,
             partial: bool = False) -> tuple[str, int]:
    """
    Find the one arm of this machine.

    :param partial: be content with the one bus on which any servo answers, when none is whole:
        for looking at what is left of an arm, and for letting it go.
    :returns: port and baud rate.
    :raises ConfigurationError: when there is none, with what was asked, or more than one and
        nobody said which, or one elsewhere than somebody said: the wrong arm must not move.
    """
    findings: list[Finding] = []
    for candidate in candidates(environ, root):
        finding = probe(candidate)
        findings.append(finding)
        if candidate.source == VARIABLE and (finding.is_arm or (partial and finding.models)):
            return candidate.path, finding.baud
    arms = [finding for finding in findings if finding.is_arm]
    if partial and not arms:
        arms = [finding for finding in findings if finding.models]
    if arms and environ.get(VARIABLE):
        raise ConfigurationError(
            f'{VARIABLE} names {environ[VARIABLE]}, and no whole arm answers there'
            f'{f" ({findings[0].problem})" if findings[0].problem else ""}. There is one at '
            f'{arms[0].candidate.path}, which nobody named: plug the right one in, or name that '
            'one')
    if len(arms) == 1:
        return arms[0].candidate.path, arms[0].baud
    if arms:
        names = ', '.join(arm.candidate.path for arm in arms)
        raise ConfigurationError(f'{len(arms)} arms are connected: {names}. Say which: set the '
                                 f"parameter 'port' of so101, --port, or {VARIABLE}")
    raise ConfigurationError(why_none(findings))


def why_none(findings: Sequence[Finding]) -> str:
    """Say, as the service's documentation words it, that no arm was found, and what to do."""
    best = max(findings, key=lambda finding: len(finding.models), default=None)
    if best is not None and best.models:
        models = ', '.join(f'{id_}:{model}' for id_, model in sorted(best.models.items()))
        return ('Found a Feetech-like bus but not all SO-101 motors responded (best '
                f'{best.candidate.path}@{best.baud}: {models}). Check the cable before the first '
                'missing servo, and that each servo has an id of its own')
    checked = [f'{finding.candidate.path}@{baud}' for finding in findings
               for baud in finding.tried]
    what = f'Checked {", ".join(checked)}.' if checked else 'Checked no serial candidates.'
    problems = [finding.problem for finding in findings if finding.problem]
    hint = ' '.join(f'{problem}.' for problem in problems) or (
        'Plug the arm in, switch its servo supply on, and look with `reflex so101 find`; or name '
        f"the port (the parameter 'port' of so101, --port, {VARIABLE}).")
    return f'Could not auto-detect an SO-101 serial bus. {what} {hint}'


def _ask(path: str, baud: int) -> dict[int, int]:
    bus = Bus(SerialPort(path, baud))
    try:
        bus.detect_echo(SERVO_IDS[0])
        present = list(SERVO_IDS)
        try:
            answers = bus.sync_read(present, MODEL_NUMBER.address, MODEL_NUMBER.size,
                                    retries=PROBE_RETRIES)
        except BusTimeout as exc:
            present = [servo_id for servo_id in present if servo_id not in exc.servo_ids]
            answers = bus.sync_read(present, MODEL_NUMBER.address, MODEL_NUMBER.size) \
                if present else {}
        return {id_: MODEL_NUMBER.decode(answer.data) for id_, answer in sorted(answers.items())}
    finally:
        bus.close()


def _known_adapters(root: Path, links: Iterable[Path]) -> list[Candidate]:
    """List serial ports whose USB id is in the table, by their by-id link where there is one."""
    stable = {link.resolve(): link for link in links}
    found: dict[str, list[Candidate]] = {usb_id: [] for usb_id in USB_IDS}
    for entry in sorted((root / 'sys/class/tty').glob('tty*/device')):
        device = entry.resolve()
        usb = next((folder for folder in (device, *device.parents)
                    if (folder / 'idVendor').is_file()), device)
        usb_id = f'{_text(usb / "idVendor")}:{_text(usb / "idProduct")}'
        if usb_id in USB_IDS:
            path = root / 'dev' / entry.parent.name
            found[usb_id].append(Candidate(
                str(stable.get(path.resolve(), path)), f'USB {usb_id} ({USB_IDS[usb_id]})',
                _text(usb / 'serial')))
    return [candidate for same in found.values() for candidate in same]


def _text(path: Path) -> str:
    try:
        return path.read_text(errors='replace').strip()
    except OSError:
        return ''
