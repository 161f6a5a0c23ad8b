# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A servo's register memory: access rules, the EEPROM lock, and the EEPROM image."""

from __future__ import annotations

from reflex_ros.hardware.registers import (
    ASYNC_WRITE_FLAG,
    LOCK,
    MAX_TORQUE,
    Register,
    REGISTERS,
    TORQUE_LIMIT,
)

SIZE = 256
_ID_ADDRESS = 5

_WRITABLE = bytearray(SIZE)
_PERSISTENT = bytearray(SIZE)
_FACTORY = bytearray(SIZE)
for _register in REGISTERS:
    _span = slice(_register.address, _register.address + _register.size)
    _FACTORY[_span] = _register.default.to_bytes(_register.size, 'little')
    if _register.writable:
        _WRITABLE[_span] = b'\x01' * _register.size
    # The factory page (80 and above) behaves like EEPROM, although it lies above the SRAM.
    if _register.is_eeprom or _register.address >= 80:
        _PERSISTENT[_span] = b'\x01' * _register.size


class Memory:
    """
    256 bytes of registers, and the image that survives a power cut.

    :param read_ns: time for which an EEPROM byte reads as 0 after an unlocked write.
    :param commit_ns: time after which an unlocked write is in the image.
    """

    def __init__(self, read_ns: int, commit_ns: int) -> None:
        self.live = bytearray(_FACTORY)
        self.image = bytearray(_FACTORY)
        self._backup = bytearray(_FACTORY)
        self.read_ns = read_ns
        self._commit_ns = commit_ns
        self._uncommitted: dict[int, tuple[int, int]] = {}
        self.is_lock_stuck = False
        self.commits = 0

    def get(self, register: Register) -> int:
        """Return the signed value of a register."""
        start = register.address
        return register.decode(bytes(self.live[start:start + register.size]))

    def set(self, register: Register, value: int) -> None:
        """Set the live value only, without the access rules."""
        start = register.address
        self.live[start:start + register.size] = register.encode(value)

    def set_persistent(self, register: Register, value: int) -> None:
        """Set the live value and the image, without the access rules."""
        self.set(register, value)
        span = slice(register.address, register.address + register.size)
        self.image[span] = self.live[span]
        self.commits += 1

    def write(self, address: int, data: bytes, now_ns: int,
              protected: frozenset[int] = frozenset()) -> None:
        """
        Write bytes as an instruction does; read-only and `protected` addresses keep their value.

        With lock = 0, EEPROM bytes go into the image after the commit time.
        """
        unlocked = self.live[LOCK.address] == 0 and not self.is_lock_stuck
        for at, value in enumerate(data, address):
            if at >= SIZE or not _WRITABLE[at] or at in protected:
                continue
            self.live[at] = value
            if unlocked and _PERSISTENT[at]:
                self._uncommitted[at] = (now_ns, value)

    def read(self, address: int, count: int, now_ns: int) -> bytes:
        """Return `count` bytes; EEPROM bytes that are being written read as 0."""
        data = bytes(self.live[address:address + count])
        if not self._uncommitted:
            return data
        self.commit(now_ns)
        busy = bytearray(data)
        for at, (written_ns, _) in self._uncommitted.items():
            if address <= at < address + count and now_ns - written_ns < self.read_ns:
                busy[at - address] = 0
        return bytes(busy)

    def commit(self, now_ns: int) -> None:
        """Move the writes that are older than the commit time into the image."""
        for at, (written_ns, value) in list(self._uncommitted.items()):
            if now_ns - written_ns >= self._commit_ns:
                self.image[at] = value
                del self._uncommitted[at]
                self.commits += 1

    def power_cycle(self, now_ns: int) -> None:
        """Restart with the image and the power-on values; uncommitted writes are lost."""
        self.commit(now_ns)
        self._uncommitted.clear()
        for at in range(SIZE):
            self.live[at] = self.image[at] if _PERSISTENT[at] else _FACTORY[at]
        self.set(TORQUE_LIMIT, self.get(MAX_TORQUE))
        self.set(ASYNC_WRITE_FLAG, 0)

    @property
    def is_writing(self) -> bool:
        """Whether an EEPROM write is not in the image yet."""
        return bool(self._uncommitted)

    def backup(self) -> None:
        """Store the present parameters; `recover` restores them."""
        self._backup[:] = self.live

    def recover(self) -> None:
        """Restore the stored parameters (without a backup: the factory's), except the id."""
        for at in range(SIZE):
            if _PERSISTENT[at] and at != _ID_ADDRESS:
                self.live[at] = self.image[at] = self._backup[at]
        self._uncommitted.clear()
        self.commits += 1

    def dump(self) -> str:
        """Return the image as hexadecimal text."""
        return self.image.hex()

    def load(self, text: str) -> None:
        """
        Replace the image by the output of `dump`; effective after a power cycle.

        :raises ValueError: when the text is not 256 bytes in hexadecimal.
        """
        image = bytes.fromhex(text)
        if len(image) != SIZE:
            raise ValueError(f'EEPROM image: {len(image)} bytes, expected {SIZE}')
        self.image[:] = image


def swap_words(address: int, data: bytes) -> bytes:
    """Swap the bytes of each two-byte register that lies completely in a block at `address`."""
    swapped = bytearray(data)
    for at in range(len(data) - 1):
        if address + at in _WORDS:
            swapped[at], swapped[at + 1] = data[at + 1], data[at]
    return bytes(swapped)


_WORDS = frozenset(register.address for register in REGISTERS if register.size == 2)
