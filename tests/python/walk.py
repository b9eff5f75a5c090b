"""Drives a program in a pseudo terminal: `walk.py SCRIPT PROGRAM ARGUMENTS…`.

SCRIPT is JSON: a list of [keys, text to wait for]; a key of null sends SIGTERM. Prints as JSON what the screen showed
at each step, how the program ended, and whether the terminal is as it was before.
"""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

PATIENCE = 30
# Stands in the last line of every screen.
LAST_LINE = "⏎"


def read_until(master, text, seen):
    """Reads until the screen shows the text, and its last line, and no more comes."""
    began = time.monotonic()
    while True:
        screen = seen.split("\x1b[2J")[-1]
        if text in screen and LAST_LINE in screen and not select.select([master], [], [], 0.05)[0]:
            return seen
        if time.monotonic() - began > PATIENCE:
            sys.exit(f"waited in vain for {text!r}; seen: {seen[-4000:]!r}")
        ready, _, _ = select.select([master], [], [], 0.2)
        if ready:
            try:
                seen += os.read(master, 65536).decode("utf-8", "replace")
            except OSError:
                sys.exit(f"it ended before {text!r}; seen: {seen[-4000:]!r}")


def drain(master):
    """Everything up to the end of the program."""
    rest = ""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:
            return rest
        if not piece:
            return rest
        rest += piece.decode("utf-8", "replace")


def main():
    script, line = json.loads(sys.argv[1]), sys.argv[2:]
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    before = termios.tcgetattr(slave)
    pid = os.fork()
    if pid == 0:
        os.close(master)
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        for number in (0, 1, 2):
            os.dup2(slave, number)
        os.execv(line[0], line)
    seen, screens = "", []
    for keys, text in script:
        if keys is None:
            os.kill(pid, signal.SIGTERM)
        else:
            os.write(master, keys.encode())
        if text is not None:
            seen = read_until(master, text, seen)
            screens.append(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.split("\x1b[2J")[-1]))
    _, status = os.waitpid(pid, 0)
    after = termios.tcgetattr(slave)
    os.close(slave)
    seen += drain(master)
    print(
        json.dumps(
            {
                "code": os.waitstatus_to_exitcode(status),
                "screens": screens,
                "is_restored": before == after,
                "has_left": seen.rfind("\x1b[?1049l") > seen.rfind("\x1b[?1049h") > -1,
                "cursor_is_shown": seen.rfind("\x1b[?25h") > seen.rfind("\x1b[?25l"),
            }
        )
    )


main()
