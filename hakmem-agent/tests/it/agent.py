"""The Python side of the agent's tests: another gRPC, and system calls that are unsafe in Rust.

agent.py clients SOCKET         asks an agent over its unix socket
agent.py break AGENT DIRECTORY  starts an agent whose event loop gets errors from the system
agent.py fails COMMAND...       runs a command in the same way
agent.py stall AGENT DIRECTORY  starts an agent and stops its sampler's thread
"""

import ctypes
import os
import platform
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request

PATIENCE_S = 40
LIBC = ctypes.CDLL(None, use_errno=True)


def wait_for(ask, what):
    begin = time.monotonic()
    while time.monotonic() - begin < PATIENCE_S:
        answer = ask()
        if answer:
            return answer
        time.sleep(0.05)
    sys.exit(f"it did not happen within {PATIENCE_S} s: {what}")


def agent(command, directory, **options):
    arguments = ["--directory", directory, "--socket", f"{directory}/agent.sock"]
    arguments += ["--http", "127.0.0.1:0"]
    return subprocess.Popen([command, *arguments], stderr=subprocess.PIPE, text=True, **options)


# Another gRPC


def message(number, data):
    """A message with one field of bytes (protobuf's wire format)."""
    length, size = b"", len(data)
    while size > 0x7F:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + data


def call(channel, method, request, streams=False):
    """The answer, or the code and the text of the error."""
    import grpc

    kind = channel.stream_stream if streams else channel.unary_unary
    function = kind(method, request_serializer=bytes, response_deserializer=bytes)
    try:
        if streams:
            return next(function(iter([request]), timeout=PATIENCE_S))
        return function(request, timeout=PATIENCE_S)
    except grpc.RpcError as error:
        return error.code().name, error.details()


def clients(socket):
    import grpc

    telemetry = "/hakmem.v1.Telemetry/"
    with grpc.insecure_channel(f"unix:{socket}") as channel:
        for _ in range(3):
            listed = call(channel, telemetry + "ListProcesses", b"")
            assert isinstance(listed, bytes) and b"mine" in listed, listed
        for version in ["v1", "v1alpha"]:
            method = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
            services = call(channel, method, message(7, b""), streams=True)
            assert b"hakmem.v1.Telemetry" in services, (version, services)
        health = call(channel, "/grpc.health.v1.Health/Check", message(1, b"hakmem.v1.Telemetry"))
        assert health == b"\x08\x01", health

        def refused(method, request, code, text):
            told = call(channel, telemetry + method, request)
            assert told[0] == code and text in told[1], told
            assert len(told[1]) < 1000, len(told[1])

        refused("GetProcess", b"\xff\xff", "INVALID_ARGUMENT", "decode")
        refused("GetProcess", message(1, b"\xff"), "INVALID_ARGUMENT", "decode")
        refused("GetProcess", b"", "INVALID_ARGUMENT", "empty")
        refused("GetProcess", message(1, b"k" * 500_000), "NOT_FOUND", "no process")
        refused("GetProcess", message(1, b"k" * 3_000_000), "OUT_OF_RANGE", "too large")
        refused("GetProcess", message(1, b"a\nb"), "NOT_FOUND", "a\\nb")
        refused("GetHistory", message(1, b"k" * 500_000), "NOT_FOUND", "no process")
        refused(
            "WatchEvents", message(3, b"x" * 500_000), "INVALID_ARGUMENT", "not a kind of event"
        )
        refused("WatchEvents", b"\xff", "INVALID_ARGUMENT", "decode")
        refused("Nothing", b"", "UNIMPLEMENTED", "")


# An event loop that breaks


class Instruction(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint16), ("yes", ctypes.c_uint8), ("no", ctypes.c_uint8)]
    _fields_ += [("value", ctypes.c_uint32)]


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(Instruction))]


def refuse_waiting():
    """Makes epoll return EBADF in this process and in the programs that it executes."""
    numbers = {"x86_64": [232, 281, 441], "aarch64": [22, 441]}[platform.machine()]
    load, equal, give = 0x20, 0x15, 0x06
    lines = [(load, 0, 0, 0)]
    for at, number in enumerate(numbers):
        lines.append((equal, len(numbers) - at, 0, number))
    lines += [(give, 0, 0, 0x7FFF0000), (give, 0, 0, 0x00050000 | 9)]
    instructions = (Instruction * len(lines))(*lines)
    program = Program(len(lines), instructions)
    no_new_privileges, seccomp, with_filter = 38, 22, 2
    if LIBC.prctl(no_new_privileges, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs")
    if LIBC.prctl(seccomp, with_filter, ctypes.byref(program), 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")


def break_it(command, directory):
    with agent(command, directory, preexec_fn=refuse_waiting) as child:
        try:
            _, told = child.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            child.kill()
            sys.exit(f"it lives on without its threads: {child.communicate()}")
    assert child.returncode == 1, (child.returncode, told)
    lines = [line for line in told.splitlines() if "panicked at" in line]
    assert lines and all(" ERROR " in line for line in lines), told


def fails(*command):
    try:
        options = {"preexec_fn": refuse_waiting, "timeout": PATIENCE_S}
        done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    except subprocess.TimeoutExpired:
        sys.exit("it lives on without its threads")
    assert done.returncode == 101, done
    assert "panicked at" in done.stderr and not done.stdout, done


# A sampler that stands still


def ptrace(request, thread):
    LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    if LIBC.ptrace(request, thread, None, None):
        raise OSError(ctypes.get_errno(), "ptrace")


def thread_called(pid, name):
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/comm") as comm:
            if comm.read().strip() == name:
                return int(thread)
    sys.exit(f"no thread is called {name}")


def get(address, path):
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=PATIENCE_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def stall(command, directory):
    import grpc

    child = agent(command, directory)
    try:
        address = None
        while not address:
            address = re.search("http://([0-9.:]+)/metrics", child.stderr.readline())
        address = address[1]
        wait_for(lambda: get(address, "/-/ready")[0] == 200, "ready")
        channel = grpc.insecure_channel(f"unix:{directory}/agent.sock")

        def health():
            service = message(1, b"hakmem.v1.Telemetry")
            return call(channel, "/grpc.health.v1.Health/Check", service)

        def age():
            page = get(address, "/metrics")[1]
            return float(re.search("^hakmem_agent_round_age_seconds (.*)$", page, re.M)[1])

        assert age() < 10 and health() == b"\x08\x01"
        sampler = thread_called(child.pid, "hakmem-sampler")
        seize, interrupt, detach, any_thread = 0x4206, 0x4207, 17, 0x40000000
        ptrace(seize, sampler)
        ptrace(interrupt, sampler)
        os.waitpid(sampler, any_thread)
        wait_for(lambda: get(address, "/-/healthy")[0] == 503, "unhealthy")
        assert "nothing was sampled" in get(address, "/-/healthy")[1]
        assert get(address, "/-/ready")[0] == 503
        assert age() > 10
        wait_for(lambda: health() == b"\x08\x02", "not serving")
        ptrace(detach, sampler)
        wait_for(lambda: get(address, "/-/ready")[0] == 200, "ready again")
        wait_for(lambda: health() == b"\x08\x01", "serving again")
        assert age() < 10
    finally:
        child.kill()
        child.wait()


if __name__ == "__main__":
    commands = {"clients": clients, "break": break_it, "fails": fails, "stall": stall}
    commands[sys.argv[1]](*sys.argv[2:])
