"""Runs a command whose NUMA binding calls do not do what they are asked for.

    with-binding-calls.py refused COMMAND ...    set_mempolicy and mbind fail with EPERM, as in
                                                 many containers
    with-binding-calls.py pretended COMMAND ...  they and sched_setaffinity succeed, and do nothing

A seccomp filter does it, so the kernel itself answers so, to the command and all its children.
"""

import ctypes
import errno
import os
import struct
import sys

# x86-64 numbers of system calls.
SCHED_SETAFFINITY, MBIND, SET_MEMPOLICY = 203, 237, 238
AUDIT_ARCH_X86_64 = 0xC000003E
# linux/filter.h and linux/seccomp.h
LOAD_WORD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, FAIL_WITH = 0x7FFF0000, 0x00050000
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2


class Program(ctypes.Structure):
    """struct sock_fprog"""

    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def instruction(code, operand, if_true=0, if_false=0):
    return struct.pack("HBBI", code, if_true, if_false, operand)


def answering(calls, error):
    """A filter that answers these system calls with an error, 0 for success, and passes others."""
    checks = [
        instruction(JUMP_IF_EQUAL, call, if_true=len(calls) - index)
        for index, call in enumerate(calls)
    ]
    return b"".join(
        [instruction(LOAD_WORD, 4), instruction(JUMP_IF_EQUAL, AUDIT_ARCH_X86_64, 1, 0)]
        + [instruction(RETURN, ALLOW), instruction(LOAD_WORD, 0)]
        + checks
        + [instruction(RETURN, ALLOW), instruction(RETURN, FAIL_WITH | error)]
    )


def install(code):
    libc = ctypes.CDLL(None, use_errno=True)
    program = Program(len(code) // 8, code)
    calls = [(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)]
    calls.append((PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0))
    for arguments in calls:
        if libc.prctl(*arguments) != 0:
            sys.exit("prctl: " + os.strerror(ctypes.get_errno()))


if sys.argv[1] == "refused":
    install(answering([MBIND, SET_MEMPOLICY], errno.EPERM))
elif sys.argv[1] == "pretended":
    install(answering([MBIND, SET_MEMPOLICY, SCHED_SETAFFINITY], 0))
else:
    sys.exit("refused or pretended?")
os.execvp(sys.argv[2], sys.argv[2:])
