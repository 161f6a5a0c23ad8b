# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Find the port of an SO-101: probe candidate ports in a fixed order for six servos.

The order is ``REFLEX_SO101_PORT``, adapters with a known USB id, /dev/serial/by-id, common names;
each port is probed at every usual baud rate of the servos. If the user names a port, only that
port is used (protocol reference, section k.1; SO-101 reference, section 7).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reflex_ros.errors import BusError, BusTimeout, ConfigurationError
from reflex_ros.hardware.bus import Bus
from reflex_ros.hardware.port import SerialPort
from reflex_ros.hardware.registers import MODEL_NUMBER, MODEL_STS3215
from reflex_ros.hardware.so101 import SO101_JOINTS

VARIABLE = 'REFLEX_SO101_PORT'
OPTION, CONFIGURATION = '--port', 'configuration'
NAMED = (VARIABLE, OPTION, CONFIGURATION)
"""Sources of a candidate that a person has named."""
USB_IDS = {
    '1a86:55d3': 'CH343', '1a86:55d4': 'CH9102', '1a86:55d2': 'CH342', '1a86:7523': 'CH340',
    '10c4:ea60': 'CP210x', '0403:6001': 'FTDI FT232R', '0403:6015': 'FTDI FT-X',
}
"""USB ids of the adapters that are sold with arms, most common first (SO-101 reference, 7.2)."""
NAMES = ('cu.usbmodem*', 'tty.usbmodem*', 'cu.usbserial*', 'tty.usbserial*', 'cu.wchusbserial*',
         'tty.wchusbserial*', 'cu.SLAB_USBtoUART*', 'tty.SLAB_USBtoUART*', 'ttyACM*', 'ttyUSB*')
BAUD_RATES = (1_000_000, 500_000, 250_000, 128_000, 115_200, 76_800, 57_600, 38_400)
PROBE_RETRIES = 5
"""Retries per baud rate: one slow reply must not hide an arm; a silent port costs 30 ms."""
SERVO_IDS = tuple(joint.servo_id for joint in SO101_JOINTS)


@dataclass(frozen=True, slots=True)
class Candidate:
    """
    A port that may belong to an arm.

    :param path: its most stable name.
    :param source: why the port is a candidate, as text.
    :param serial: serial number of the USB adapter; empty when unknown.
    """

    path: str
    source: str
    serial: str = ''

    @property
    def is_named(self) -> bool:
        """Whether a person has named the port."""
        return self.source in NAMED


@dataclass(frozen=True, slots=True)
class Finding:
    """
    The result of probing a candidate.

    :param baud: baud rate at which most servos answered, or 0.
    :param models: model number of each servo that answered, by id.
    :param problem: why the port could not be probed, or an empty text.
    :param tried: baud rates at which the port was probed.
    :param elsewhere: ids of the servos that answered at other baud rates only, by baud rate.
    :param others: ids that no joint has and that answered at ``baud``.
    """

    candidate: Candidate
    baud: int = 0
    models: Mapping[int, int] = field(default_factory=dict)
    problem: str = ''
    tried: tuple[int, ...] = ()
    elsewhere: Mapping[int, Sequence[int]] = field(default_factory=dict)
    others: tuple[int, ...] = ()

    @property
    def is_arm(self) -> bool:
        """Whether all six servos answered with the model number of an STS3215."""
        return [self.models.get(servo_id) for servo_id in SERVO_IDS] \
            == [MODEL_STS3215] * len(SERVO_IDS)


def candidates(environ: Mapping[str, str], root: Path = Path('/')) -> list[Candidate]:
    """
    List the ports to probe, each once, in the documented order.

    :param root: root of the file system, for tests.
    """
    named = environ.get(VARIABLE, '')
    found = [Candidate(named, VARIABLE)] if named else []
    links = sorted((root / 'dev/serial/by-id').glob('*'))
    found += _known_adapters(root, links)
    found += [Candidate(str(link), 'by-id link') for link in links]
    found += [Candidate(str(path), 'common name')
              for pattern in NAMES for path in sorted((root / 'dev').glob(pattern))]
    # Keep the first name of each device; dict keeps the order of insertion.
    first: dict[Path, Candidate] = {}
    for candidate in found:
        first.setdefault(Path(candidate.path).resolve(), candidate)
    return list(first.values())


def probe(candidate: Candidate, baud_rates: Iterable[int] = BAUD_RATES) -> Finding:
    """Probe a port for the six servos, at one baud rate after the other; write nothing."""
    heard: dict[int, dict[int, int]] = {}
    strangers: dict[int, tuple[int, ...]] = {}
    problem, tried = '', []
    for baud in baud_rates:
        try:
            heard[baud], strangers[baud] = _ask(candidate.path, baud)
        except (BusError, ConfigurationError) as exc:
            problem = str(exc)
            break
        tried.append(baud)
        if Finding(candidate, baud, heard[baud]).is_arm:
            break
    best = max(tried, key=lambda baud: (len(heard[baud]), len(strangers[baud])), default=0)
    models = heard.get(best, {})
    elsewhere = {baud: [servo_id for servo_id in found if servo_id not in models]
                 for baud, found in heard.items() if baud != best}
    return Finding(candidate, best if models or strangers.get(best) else 0, models, problem,
                   tuple(tried), {baud: ids for baud, ids in elsewhere.items() if ids},
                   strangers.get(best, ()))


def find_arm(environ: Mapping[str, str], root: Path = Path('/'), *,
             partial: bool = False) -> tuple[str, int]:
    """
    Find the one arm that is connected to this machine.

    :param partial: when no complete arm answers, accept the one bus on which any servo answers:
        to inspect an incomplete arm, or to switch its torque off.
    :returns: port and baud rate.
    :raises ConfigurationError: when no arm is found (the text lists the probed ports), when
        several are connected and none is named, or when an arm answers on another port than the
        named one: the wrong arm must not move.
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
            f'{VARIABLE} names {environ[VARIABLE]}, but no complete arm answers there'
            f'{f" ({findings[0].problem})" if findings[0].problem else ""}. An arm answers at '
            f'{arms[0].candidate.path}. Plug the right arm in, or set {VARIABLE} to that port')
    if len(arms) == 1:
        return arms[0].candidate.path, arms[0].baud
    if arms:
        names = ', '.join(arm.candidate.path for arm in arms)
        raise ConfigurationError(f'{len(arms)} arms are connected: {names}. Select one: set the '
                                 f"parameter 'port' of so101, --port, or {VARIABLE}")
    raise ConfigurationError(not_found_message(findings))


def not_found_message(findings: Sequence[Finding], *, lists_ports: bool = False) -> str:
    """
    Return the error text for "no arm found".

    If a port was named, the text is about this port only. The text about a search is in the words
    of the service's documentation.

    :param lists_ports: whether the command is the one that lists the ports, ``so101 find``.
    """
    named = next((finding for finding in findings if finding.candidate.is_named), None)
    if named is not None:
        findings = [named]
        if named.problem or not (named.models or named.others):
            return _named_problem(named, lists_ports=lists_ports)
    best = max(findings, key=lambda finding: len(finding.models), default=None)
    if best is not None and best.models:
        return _incomplete(best)
    lone = next((finding for finding in findings if finding.others), None)
    if lone is not None:
        return (f'Found servos at {lone.candidate.path}@{lone.baud}, but with ids '
                f'{_listing(lone.others)}; the joints of an SO-101 have 1 to 6. {SET_IDS}')
    checked = [f'{finding.candidate.path}@{baud}' for finding in findings
               for baud in finding.tried]
    what = f' Checked {", ".join(checked)}.' if checked else ''
    problems = [finding.problem for finding in findings if finding.problem]
    if problems:
        return f'Could not auto-detect an SO-101 serial bus: {". ".join(problems)}.{what}'
    return (f'Could not auto-detect an SO-101 serial bus.'
            f'{what or " Checked no serial candidates."} Plug the arm in, switch its servo supply '
            f'on, and {"try again" if lists_ports else "run `reflex so101 find`"}; or name the '
            f"port (the parameter 'port' of so101, --port, {VARIABLE}).")


def _named_problem(finding: Finding, *, lists_ports: bool) -> str:
    """Say what is wrong with a port that a person has named."""
    source = f'. {VARIABLE} names this port' if finding.candidate.source == VARIABLE else ''
    if finding.problem:
        return finding.problem + source
    listing = 'Without a port, this command' if lists_ports else '`reflex so101 find`'
    return (f'no servo answers at {finding.candidate.path}, at {_listing(finding.tried)} bit/s'
            f'{source}. Switch the servo supply on, and check the cable of the first servo. '
            f'{listing} lists the ports of this machine')


SET_IDS = ('Set the ids one servo at a time, as in the assembly guide (lerobot-setup-motors), '
           'then try again')


def _incomplete(best: Finding) -> str:
    """Say what is wrong with a bus on which some servos of an arm answer."""
    names = {joint.servo_id: joint.name for joint in SO101_JOINTS}
    wrong = [f'servo {servo_id} ({names[servo_id]}) is model {model}'
             for servo_id, model in best.models.items() if model != MODEL_STS3215]
    missing = [servo_id for servo_id in SERVO_IDS if servo_id not in best.models]
    where = f'{best.candidate.path}@{best.baud}'
    if wrong and not missing:
        return (f'Found six servos at {where}, but {", ".join(wrong)}; an SO-101 has the model '
                f'{MODEL_STS3215} (STS3215) in every joint. Replace it')
    models = ', '.join(f'{id_}:{model}' for id_, model in sorted(best.models.items()))
    text = (f'Found a Feetech-like bus but not all SO-101 motors responded (best {where}: '
            f'{models}).')
    if wrong:
        text += f' {", ".join(wrong)}, expected {MODEL_STS3215}.'
    for baud, ids in best.elsewhere.items():
        text += (f' Servo {_listing(ids)} answers at {baud} bit/s: set its baud rate to that of '
                 'the others (lerobot-setup-motors).')
    at_other = {servo_id for ids in best.elsewhere.values() for servo_id in ids}
    silent = [servo_id for servo_id in missing if servo_id not in at_other]
    if silent and best.others:
        return (f'{text} Servo {_listing(silent)} does not answer, but the ids '
                f'{_listing(best.others)} do, which no joint has. {SET_IDS}')
    if silent:
        text += (f' Servo {_listing(silent)} does not answer. Check the cable before it, and that '
                 'no two servos have the same id')
    return text


def _listing(ids: Iterable[int]) -> str:
    return ', '.join(map(str, sorted(ids)))


def _ask(path: str, baud: int) -> tuple[dict[int, int], tuple[int, ...]]:
    """Return the models of the joints' servos that answer, by id, and the other ids."""
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
        models = {id_: MODEL_NUMBER.decode(answer.data)
                  for id_, answer in sorted(answers.items())}
        if len(models) == len(SERVO_IDS):
            return models, ()
        heard = {status.servo_id for status in bus.ping_all()}
        return models, tuple(sorted(heard - set(SERVO_IDS)))
    finally:
        bus.close()


def _known_adapters(root: Path, links: Iterable[Path]) -> list[Candidate]:
    """List serial ports whose USB id is in the table, by their by-id link if they have one."""
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
