"""Plays cases of `wire_cases` against a server and compares them with what its application, the witness, has noted."""
import json
import socket
import time

from wire_cases.cases import ANSWER, END, INTERIM, RESET, Pause, Planned, Refused, Seen

from .address import connect
from .http import Broken, Reader, encode

AFTER = "/after"
SMUGGLED = "/smuggled"


class Witness:
    """The file in which the application notes what reaches it."""

    def __init__(self, path):
        self.path = path
        self.path.touch()
        self.read = 0

    def new(self):
        """What has been noted since the last look."""
        with open(self.path, "rb") as file:
            file.seek(self.read)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self.read += len(whole)
        return [json.loads(line) for line in whole.splitlines()]


class Play:
    """One case on one connection."""

    def __init__(self, case, address, timeout=10):
        self.case = case
        self.link = connect(address, timeout)
        self.reader = Reader(self.link)
        self.answers = []

    def run(self):
        """Sends the steps and reads the answers. `after` is true when a further request was served."""
        with self.link:
            for step in self.case.steps:
                self.step(step)
            while len(self.answers) < len(self.case.answers):
                self.read_answer()
            self.after = self.goes_on()
        return self

    def step(self, step):
        if isinstance(step, bytes):
            self.send(step)
        elif isinstance(step, Pause):
            time.sleep(step.seconds)
        elif step is END:
            self.link.shutdown(socket.SHUT_WR)
        elif step is ANSWER:
            self.read_answer()
        elif step is INTERIM:
            status = self.reader.interim_response()
            assert status == 100, f"{status} instead of 100 Continue"
        elif step is RESET:
            self.link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self.link.close()

    def send(self, data):
        try:
            self.link.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it was refused before it was complete: the answer says so

    def read_answer(self):
        expected = self.case.answers[len(self.answers)]
        method = expected.method if isinstance(expected, Planned) else self.case.method
        start = len(self.reader.interim)
        try:
            answer = self.reader.response(method)
        except Broken as problem:
            answer = problem
        self.answers.append(answer)
        self.interim = self.reader.interim[start:]

    def goes_on(self):
        """Asks once more where the case says that the connection stays; elsewhere reads to its end."""
        if self.case.steps[-1] is RESET:
            return False
        if self.case.then == "stays" and END not in self.case.steps:
            self.link.sendall(encode("GET", AFTER))
            answer = self.reader.response()
            assert answer.status == 200 and json.loads(answer.body)["environ"]["REQUEST_URI"] == AFTER, answer
            return True
        if self.case.then == "either":
            self.link.settimeout(0.05)
            try:
                rest = self.reader.rest()
            except TimeoutError:
                rest = self.reader.buffer
        else:
            rest = self.reader.rest()
        broken = self.answers and isinstance(self.answers[-1], Broken)
        assert broken or not rest, f"more than the answers came: {rest[:300]!r}"
        return False


def check(case, address, witness):
    """Plays a case; what came and what was noted must be what the case says."""
    if case.then == "broken":
        return check_broken_off(case, address, witness)
    witness.new()
    play = Play(case, address).run()
    noted = witness.new()
    complete = [note for note in noted if "error" not in note]
    assert not [note for note in noted if note["environ"].get("PATH_INFO") == SMUGGLED], f"smuggled: {noted}"
    if play.after:
        assert complete and complete.pop()["environ"]["REQUEST_URI"] == AFTER
    served = [expected for expected in case.answers if not isinstance(expected, Refused)]
    assert len(complete) == len(served), f"{len(complete)} requests reached the application: {complete}"
    for expected, answer in zip(case.answers, play.answers):
        check_answer(expected, answer, complete.pop(0) if not isinstance(expected, Refused) else None)
    return play


def check_answer(expected, answer, note):
    if isinstance(expected, Planned):
        return check_planned(expected, answer)
    if isinstance(answer, Broken):
        raise answer
    if isinstance(expected, Refused):
        assert answer.status in expected.statuses, f"{answer.status} instead of {expected.statuses}"
        assert answer.get("Connection") == "close", answer
        assert len(answer.body) < 500 and answer.get("Date"), answer
        return None
    assert answer.status == 200, answer
    assert json.loads(answer.body) == note, "the answer is of another request"
    return check_seen(expected, note)


def check_seen(expected: Seen, note):
    found = {name: note["environ"].get(name) for name in expected.environ}
    assert found == expected.environ
    if expected.body is not None:
        body = expected.body.decode("latin-1") if isinstance(expected.body, bytes) else expected.body
        assert note["body"] == body
    return None


def check_planned(expected, answer):
    if expected.broken:
        assert isinstance(answer, Broken), f"the answer looks complete: {answer}"
        return
    if isinstance(answer, Broken):
        raise answer
    assert answer.status == expected.status, answer
    assert answer.body == expected.body, answer
    for name, value in expected.fields.items():
        assert answer.all(name) == ([] if value is None else value if isinstance(value, list) else [value]), answer
    lengths, codings = answer.all("Content-Length"), answer.all("Transfer-Encoding")
    found = "chunked" if codings else "length" if lengths else "none"
    assert expected.framing in ("", found), answer
    assert len(lengths) + len(codings) <= 1 and codings in ([], ["chunked"])


def http_status(data):
    """The status of an answer, however it goes on."""
    return int(data.split(b" ")[1])


def check_broken_off(case, address, witness, status=http_status):
    """A request that its client does not complete: whatever comes, the application must not have seen a complete one."""
    witness.new()
    with connect(address) as link:
        for step in case.steps:
            if isinstance(step, bytes):
                link.sendall(step)
        link.shutdown(socket.SHUT_WR)
        rest = Reader(link).rest()
    assert not rest or status(rest) >= 400, f"it was answered: {rest[:300]!r}"
    assert all("error" in note for note in witness.new()), "it was served as if it were complete"


def play_behind(case, address, witness):
    """The same through a proxy, which may refuse or repair what the case sends, but must not be led astray.

    What the client gets of the application is what the application has seen, in that order: a request within another
    one, which the proxy did not see, would be one too many.
    """
    witness.new()
    fields = [("Connection", "close")]
    with connect(address, 0.3) as link:
        reader, answers = Reader(link), []
        for step in (*case.steps, encode("GET", AFTER, fields)):
            if isinstance(step, Pause):
                time.sleep(step.seconds)
            elif isinstance(step, bytes):
                try:
                    link.sendall(step)
                except OSError:
                    break
        methods = [expected.method if isinstance(expected, Planned) else case.method for expected in case.answers]
        try:
            while True:
                answers.append(reader.response(methods.pop(0) if methods else "GET"))
        except (Broken, OSError):
            pass
    echoing = [note for note in witness.new() if "error" not in note and note["environ"]["PATH_INFO"] != "/answer"]
    echoed = [json.loads(answer.body) for answer in answers if answer.get("Content-Type") == "application/json"]
    assert echoed == echoing, "what the client got of the application is not what the application has served"


def check_one(case, address, witness, parse):
    """Plays a case of a protocol whose connections end with the answer; `parse` takes the answer apart. The answer."""
    if case.then == "broken":
        return check_broken_off(case, address, witness, lambda data: parse(data).status)
    witness.new()
    with connect(address) as link:
        for step in case.steps:
            if isinstance(step, Pause):
                time.sleep(step.seconds)
            elif step is END:
                link.shutdown(socket.SHUT_WR)
            else:
                try:
                    link.sendall(step)
                except OSError:
                    break  # it was refused before it was complete: the answer says so
        data = Reader(link).rest()
    noted = witness.new()
    complete = [note for note in noted if "error" not in note]
    assert not [note for note in noted if note["environ"].get("PATH_INFO") == SMUGGLED], f"smuggled: {noted}"
    assert len(complete) == sum(not isinstance(expected, Refused) for expected in case.answers), f"these were served: {complete}"
    if not case.answers:
        assert not data
        return None
    (expected,) = case.answers
    answer = parse(data)
    if isinstance(expected, Seen):
        assert answer.status == 200 and json.loads(answer.body) == complete[0]
        check_seen(expected, complete[0])
    elif isinstance(expected, Refused):
        assert answer.status in expected.statuses and len(answer.body) < 500, answer
    elif expected.broken:
        assert int(answer.get("Content-Length")) > len(answer.body), "it looks complete"
    else:
        assert (answer.status, answer.body) == (expected.status, expected.body)
        for name, value in expected.fields.items():
            assert answer.all(name) == ([] if value is None else value if isinstance(value, list) else [value]), answer
    return answer
