"""Runs one command that must not outlive the process that started it (Linux), optionally as another user.

Executed as a script (`python -I -S launch.py OPTIONS -- COMMAND ...`), never imported: it needs only the standard
library, so that it starts in a few milliseconds, and it becomes the command by `exec`, so that the pid stays.

Why not `preexec_fn`: running Python between fork and exec is unsafe in a threaded parent; here it runs after exec.
"""

import argparse
import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Drop privileges, ask the kernel for the death signal, become the command."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, default=0, help="pid that this process must not outlive (0: none)")
    parser.add_argument("--death-signal", type=int, default=9)
    parser.add_argument("--uid", type=int, default=-1)
    parser.add_argument("--gid", type=int, default=-1)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()

    if options.uid >= 0:
        os.setgroups([])
        os.setgid(options.gid)
        os.setuid(options.uid)
    # After setuid: the kernel clears the death signal when credentials change.
    if options.parent and sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, options.death_signal, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
        if os.getppid() != options.parent:
            sys.exit("the supervising process ended before its child started")
    os.execvp(options.command[0], options.command)  # noqa: S606  # becoming the command is the purpose


if __name__ == "__main__":
    main()
