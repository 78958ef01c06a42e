"""The API behind the commands: a Unix socket that only its owner can open, and HTTP on it."""

import http.client
import json
import os
import socket

import pytest

pytestmark = pytest.mark.proxy_only
NOBODY = 65534


@pytest.fixture
def call(fleet):
    """Sends a request to the fleet's socket; returns status, content type and JSON."""

    def send(method, path, body=None):
        connection = http.client.HTTPConnection("localhost", timeout=20)
        connection.sock = socket.socket(socket.AF_UNIX)
        try:
            connection.sock.settimeout(20)
            connection.sock.connect(str(socket_file(fleet)))
            connection.request(method, f"/api/v1{path}", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.headers.get_content_type(), json.loads(response.read())
        finally:
            connection.close()

    return send


def socket_file(fleet):
    return fleet.home.runtime_dir / ".fleet/admin.sock"


def test_only_its_owner_can_open_the_socket(fleet):
    assert socket_file(fleet).stat().st_mode & 0o777 == 0o600
    assert socket_file(fleet).parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_is_not_answered_even_if_he_could_open_it(own_fleet):
    file = socket_file(own_fleet)
    for place, mode in [(own_fleet.home.path, 0o755), (own_fleet.home.runtime_dir, 0o755), (file.parent, 0o755), (file, 0o666)]:
        place.chmod(mode)
    assert ask_as(0, file).startswith(b"HTTP/1.1 200")
    assert ask_as(NOBODY, file) == b""


def ask_as(user, file):
    """What a process of this user reads from the socket."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresuid(user, user, user)
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(10)
                connection.connect(str(file))
                try:
                    connection.sendall(b"GET /api/v1/status HTTP/1.1\r\nHost: x\r\n\r\n")
                    os.write(write, connection.recv(100))
                except (BrokenPipeError, ConnectionResetError):
                    pass
            os._exit(0)
        except BaseException as error:
            os.write(write, repr(error).encode())
            os._exit(1)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return answer


def test_the_api_describes_itself(call):
    status, kind, document = call("GET", "/openapi.json")
    assert (status, kind) == (200, "application/json") and document["openapi"].startswith("3.1")
    assert set(document["paths"]["/api/v1/kernels"]) == {"get", "post"}
    assert {f"/api/v1/{path}" for path in ("status", "clients", "why", "kernels/{id}", "kernels/{id}/endpoint")} < set(document["paths"])


@pytest.mark.parametrize(
    ("method", "path", "body", "expected", "code"),
    [
        ("GET", "/kernels/nosuch", None, 404, "no-such-kernel"),
        ("DELETE", "/kernels/nosuch", None, 404, "no-such-kernel"),
        ("GET", "/nosuch", None, 404, "no-such-path"),
        ("POST", "/why", "{", 400, "bad-request"),
        ("POST", "/why", '{"flet": {}}', 400, "bad-request"),
        ("POST", "/why", '{"fleet": {"runtmie": "lua"}}', 400, "bad-request"),
        ("POST", "/kernels", '{"fleet": {"runtime": "nosuch"}}', 422, "no-matching-kernel"),
        ("POST", "/kernels", '{"fleet": {"isolated": true}}', 400, "bad-request"),
        ("POST", "/why", '{"fleet": {"group": "' + "x" * (64 << 10) + '"}}', 400, "bad-request"),
    ],
)
def test_problems_are_told_in_the_form_of_rfc_9457(call, method, path, body, expected, code):
    status, kind, problem = call(method, path, body)
    assert (status, kind) == (expected, "application/problem+json")
    assert (problem["status"], problem["code"]) == (expected, code) and problem["title"] and problem["detail"]
