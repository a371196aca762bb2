"""The work of scripts/import-calls, which has the options and the help. Python's standard library and the database client, no more.

The input is read in batches. A batch is one transaction: its records, and in webhook_call_imports how far the input is read. Its
rejects are on disk before it is sent. So whatever ends an import, and whenever: the next run knows from the database where to go
on, and cuts what the file of rejects has beyond that.
"""

import argparse
import base64
import collections
import concurrent.futures
import contextlib
import csv
import datetime
import errno
import fcntl
import hashlib
import json
import os
import re
import stat
import subprocess
import sys
import tempfile
import time

LINE_BYTES = 64 << 20  # of a record in the input, at most: it is held in memory
BATCH_LINES = 5000
BATCH_BYTES = 3 << 20  # of the input
BATCH_SECONDS = 1  # then it is sent with the next record, for an input that comes slowly
STATEMENT_BYTES = 512 << 10  # of headers and bodies; hexadecimal digits take twice that
BATCHES_AHEAD = 2  # that are made while the database is at one
ROW_BYTES = 60  # what a record counts beside its headers and body
PIECE = 1 << 20  # of what is read without being looked at
HEADERS_BYTES = (1 << 24) - 1  # what MEDIUMBLOB holds
REJECTS_SHOWN = 20
SEAL_TRIES = 5
F_SETPIPE_SZ = 1031  # Linux; in Python's fcntl from 3.10 on
LOCK_SECONDS = 10  # the client of an import that was killed may still be at its last transaction

COLUMNS = ("webhook_id", "http_code", "headers", "headers_base64", "body", "body_base64", "created_at")
COLUMN_SET = frozenset(COLUMNS)
REQUIRED = ("webhook_id", "http_code", "created_at")
INSERT = "INSERT INTO webhook_calls (webhook_id, http_code, headers, body, created_at) VALUES\n"
INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII)
BASE64_SPACE = dict.fromkeys(map(ord, " \t\r\n"))
EMPTY_LINE = {}
BOM = b"\xef\xbb\xbf"


class Reject(Exception):
    """Why a record is not imported."""


class Failure(Exception):
    """Why the import cannot go on, and its exit code."""

    def __init__(self, words, code=1):
        super().__init__(words)
        self.code = code


# ---- From the input's lines to the fields of a record


class Input:
    """Records in turn. `raw` has the last one's lines; where there is more of its line than can be held, `cut` is true."""

    def __init__(self, stream):
        self.stream, self.raw, self.cut, self.lines = stream, [], False, 0

    def readline(self):
        line = self.stream.readline(LINE_BYTES + 1)
        if line:
            self.raw.append(line)
            self.lines += 1
            if len(line) > LINE_BYTES:
                self.cut = not line.endswith(b"\n")
                raise Reject(f"it is longer than {LINE_BYTES >> 20} MiB")
        return line

    def skip(self, size):
        """Past so many bytes, which are given in pieces."""
        while size > 0:
            piece = self.stream.read(min(size, PIECE))
            if not piece:
                raise EOFError
            size -= len(piece)
            yield piece

    def rest_of_line(self):
        while self.cut:
            piece = self.stream.readline(PIECE)
            self.cut = bool(piece) and not piece.endswith(b"\n")
            if piece:
                yield piece


def members_once(pairs):
    members = dict(pairs)
    if len(members) < len(pairs):
        raise Reject("a member is there twice")
    return members


def no_number(word):
    raise Reject(f"it is not valid JSON: {word}")


decode_json = json.JSONDecoder(object_pairs_hook=members_once, parse_constant=no_number).decode


class Ndjson(Input):
    header = b""

    def read(self):
        """The fields of the next record, EMPTY_LINE, or None at the end. May throw Reject."""
        self.raw.clear()
        line = self.readline()
        if not line:
            return None
        if self.lines == 1:
            line = line.removeprefix(BOM)
        try:
            text = line.decode()
            if text.isspace():
                return EMPTY_LINE
            document = decode_json(text)
        except UnicodeDecodeError as error:
            raise Reject(f"it is not valid UTF-8 at byte {error.start + 1}") from None
        except RecursionError:
            raise Reject("its values are nested too deeply") from None
        except json.JSONDecodeError as error:
            raise Reject(f"it is not valid JSON: {error.msg} at character {error.pos + 1}") from None
        except ValueError:
            raise Reject("it is not valid JSON: a number is too long") from None
        if type(document) is not dict:
            raise Reject("it is not a JSON object")
        if "type" in document:
            document = from_resource(document)
        if not document.keys() <= COLUMN_SET:
            raise Reject(f"{shown(min(document.keys() - COLUMN_SET))} is no member of a record")
        for name in REQUIRED:
            if name not in document:
                raise Reject(f"{name} is missing")
        return document


ATTRIBUTES = frozenset(("http_code", "headers", "body", "created_at"))


def from_resource(document):
    """As the API shows it. Its id is not kept."""
    if document["type"] != "notification/webhook/calls":
        raise Reject("its type is not notification/webhook/calls")
    unknown = document.keys() - {"type", "id", "attributes", "relationships"}
    if unknown:
        raise Reject(f"{shown(min(unknown))} is no member of a record")
    attributes, relationships = document.get("attributes"), document.get("relationships")
    if type(attributes) is not dict or type(relationships) is not dict or relationships.keys() != {"webhook"}:
        raise Reject("it has not the attributes, and of relationships the webhook")
    if not attributes.keys() <= ATTRIBUTES:
        raise Reject(f"{shown(min(attributes.keys() - ATTRIBUTES))} is no attribute of a record")
    webhook = relationships["webhook"]
    webhook = webhook.get("data") if type(webhook) is dict else None
    if type(webhook) is not dict or webhook.get("type") != "notification/webhooks" or type(webhook.get("id")) is not str:
        raise Reject("its webhook is not named by type and id")
    return {**attributes, "webhook_id": whole_number(webhook["id"])}


class Csv(Input):
    def __init__(self, stream):
        super().__init__(stream)
        csv.field_size_limit(2 * LINE_BYTES)
        self._size = 0
        self._reader = csv.reader(self, strict=True)
        try:
            names = next(self._reader)
        except (Reject, csv.Error) as error:
            raise Failure(f"The first line is not CSV with the columns' names: {error}.", 2) from None
        except StopIteration:
            names = []
        self.header = b"".join(self.raw)
        if names:
            names[0] = names[0].removeprefix("\N{BOM}")
        unknown = [name for name in names if name not in COLUMN_SET]
        missing = [name for name in REQUIRED if name not in names]
        if unknown:
            raise Failure(f"The first line must have the columns' names; {shown(unknown[0])} is none.", 2)
        if missing and names:
            raise Failure(f"The first line names no column {missing[0]}.", 2)
        if len(set(names)) < len(names):
            raise Failure("The first line names a column twice.", 2)
        self._names = names

    def __iter__(self):
        return self

    def __next__(self):
        """A line for the reader."""
        line = self.readline()
        if not line:
            raise StopIteration
        self._size += len(line)
        if self._size > LINE_BYTES:
            raise Reject(f"it is longer than {LINE_BYTES >> 20} MiB; a quoted field may not be closed")
        return line.decode("utf-8", "surrogateescape")

    def read(self):
        self.raw.clear()
        self._size = 0
        try:
            values = next(self._reader)
        except StopIteration:
            return None
        except csv.Error as error:
            raise Reject(f"it is not valid CSV: {error}") from None
        if not values:
            return EMPTY_LINE
        if len(values) != len(self._names):
            raise Reject(f"it has {len(values)} fields, and the first line {len(self._names)}")
        fields = {name: value for name, value in zip(self._names, values) if value}
        for name in ("webhook_id", "http_code"):
            if name in fields:
                fields[name] = whole_number(fields[name])
        return fields


def whole_number(text):
    """Where it is none, the text itself, which is a fault then."""
    return int(text) if text.isdecimal() and text.isascii() and len(text) <= 20 else text


def shown(value):
    """What stood in the input, for a message: short, and without what a terminal obeys."""
    if type(value) in (dict, list):
        return "an object" if type(value) is dict else "an array"
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


# ---- From the fields to the columns


class Clock:
    """The database's, as far as it moves on like this machine's."""

    def __init__(self, now):
        self._began, self._then = time.monotonic(), datetime.datetime.fromisoformat(now)
        self.refresh()

    def refresh(self):
        now = self._then + datetime.timedelta(seconds=time.monotonic() - self._began)
        self.now = now.isoformat(" ", "milliseconds")
        self.cutoff = (now - datetime.timedelta(days=60)).isoformat(" ", "milliseconds")


class Checks:
    def __init__(self, webhooks, clock, packet):
        self._webhooks, self._clock, self._packet, self._days = webhooks, clock, packet, set()

    def row(self, fields):
        """(webhook's id, code, headers, body, created_at), or None for a record that is past its time. May throw Reject."""
        created = self.instant(fields.get("created_at"))
        clock = self._clock
        if created > clock.now:
            clock.refresh()
            if created > clock.now:
                raise Reject(f"created_at is in the future: {shown(fields['created_at'])}")
        if created <= clock.cutoff:
            return None
        webhook = fields.get("webhook_id")
        if type(webhook) is not int:
            raise Reject(f"webhook_id is not a whole number: {shown(webhook)}")
        if webhook not in self._webhooks:
            raise Reject(f"there is no webhook {webhook}")
        code = fields.get("http_code")
        headers, body = self.octets(fields, "headers", HEADERS_BYTES), self.octets(fields, "body", self._packet)
        if code is None:
            if headers or body:
                raise Reject(f"http_code is null, and yet there {'are headers' if headers else 'is a body'}")
            return webhook, None, None, None, created
        if type(code) is not int or not 100 <= code <= 999:
            raise Reject("http_code is not a whole number from 100 to 999, or null where no response arrived: " + shown(code))
        return webhook, code, headers, body, created

    def instant(self, text):
        """As DATETIME(3) in UTC."""
        if type(text) is not str:
            raise Reject("created_at is not a text with a date and a time")
        match = INSTANT.fullmatch(text)
        if not match:
            raise Reject(f"created_at is no date and time as in 2026-11-01T10:00:00.123Z: {shown(text)}")
        day, hour, minute, second, fraction, zone = match.groups()
        if day not in self._days:
            try:
                datetime.date.fromisoformat(day)
            except ValueError:
                raise Reject(f"created_at has a date that does not exist: {shown(text)}") from None
            if len(self._days) > 1000:
                self._days.clear()
            self._days.add(day)
        hour, minute, second = hour or "00", minute or "00", second or "00"
        if hour > "23" or minute > "59" or second > "59":
            raise Reject(f"created_at has a time that does not exist: {shown(text)}")
        if zone is not None and zone != "Z":
            if zone[1:3] > "23" or zone[-2:] > "59":
                raise Reject(f"created_at has an offset that does not exist: {shown(text)}")
            offset = datetime.timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
            try:
                utc = datetime.datetime.fromisoformat(f"{day} {hour}:{minute}") + (offset if zone[0] == "-" else -offset)
            except OverflowError:
                raise Reject(f"created_at has a date that does not exist: {shown(text)}") from None
            day, hour, minute = utc.date().isoformat(), f"{utc.hour:02}", f"{utc.minute:02}"
        return f"{day} {hour}:{minute}:{second}.{fraction[:3]:0<3}" if fraction else f"{day} {hour}:{minute}:{second}.000"

    def octets(self, fields, name, limit):
        text, encoded = fields.get(name), fields.get(name + "_base64")
        if text is not None and encoded is not None:
            raise Reject(f"{name} and {name}_base64 are both there")
        if text is not None:
            if type(text) is not str:
                raise Reject(f"{name} is not a text")
            try:
                value = text.encode()
            except UnicodeEncodeError:
                raise Reject(f"{name} is not valid Unicode; {name}_base64 is for other bytes") from None
        elif encoded is not None:
            if type(encoded) is not str:
                raise Reject(f"{name}_base64 is not a text")
            try:
                value = base64.b64decode(encoded.translate(BASE64_SPACE), validate=True)
            except ValueError:
                raise Reject(f"{name}_base64 is not valid Base64") from None
        else:
            return b""
        if len(value) > min(limit, self._packet):
            whose = "its column holds" if limit < self._packet else "the database takes (max_allowed_packet)"
            raise Reject(f"{name} has {len(value)} bytes, more than {whose}")
        return value


# ---- The database


class Database:
    """A session of the database client. Values reach it in hexadecimal digits: there is nothing to escape."""

    def __init__(self, command):
        self._errors = tempfile.TemporaryFile()
        # Ctrl-C is not for the client: it would end a transaction where this program does not expect it.
        self._client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
                                        start_new_session=True)
        with contextlib.suppress(OSError):  # a statement of the next batch is there when the client is through with one
            fcntl.fcntl(self._client.stdin, F_SETPIPE_SZ, 1 << 20)

    def ask(self, *parts):
        """Sends the parts of some SQL; returns the rows of its answer, as texts."""
        rows = []
        try:
            for part in parts:
                self._client.stdin.write(part.encode())
            self._client.stdin.write(b"\nSELECT '.';\n")
            self._client.stdin.flush()
            while (line := self._client.stdout.readline()) != b".\n":
                if not line:
                    raise BrokenPipeError
                rows.append(line.decode().rstrip("\n"))
        except BrokenPipeError:
            self._client.wait()
            raise Failure(self._words()) from None
        return rows

    def _words(self):
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").splitlines()
        # Some clients repeat the statement, which holds what was recorded.
        words = "\n".join([line for line in lines if line.startswith("ERROR ")] or lines[-3:]) or "The database client has ended."
        if "ERROR 1146 " in words:
            words += "\nHas scripts/migrate brought the database's schema up to date?"
        return words

    def end(self):
        self._client.stdin.close()
        self._client.wait()

    def kill(self):
        self._client.kill()
        self._client.wait()


def sql_text(text):
    return f"CONVERT(x'{text.encode('utf-8', 'surrogateescape').hex()}' USING utf8mb4)"


class Statements:
    """The INSERTs of a batch."""

    def __init__(self, packet):
        self._most = min(STATEMENT_BYTES, packet // 8)
        self.parts, self._rows, self._size = [], [], 0

    def add(self, row):
        webhook, code, headers, body, created = row
        size = ROW_BYTES + len(headers or "") + len(body or "")
        if self._size + size > self._most:
            self.end()
        if size > self._most:  # no statement could hold it
            for name, value in (("headers", headers), ("body", body)):
                self.parts.append(f"SET @{name} = x'';\n")
                for begin in range(0, len(value), self._most):
                    self.parts.append(f"SET @{name} = CONCAT(@{name}, x'{value[begin:begin + self._most].hex()}');\n")
            self.parts.append(f"{INSERT}({webhook},{code},@headers,@body,'{created}');\nSET @headers = x'', @body = x'';\n")
            return
        self._size += size
        if code is None:
            self._rows.append(f"({webhook},NULL,NULL,NULL,'{created}')")
        else:
            self._rows.append(f"({webhook},{code},x'{headers.hex()}',x'{body.hex()}','{created}')")

    def end(self):
        if self._rows:
            self.parts.append(INSERT + ",\n".join(self._rows) + ";\n")
            self._rows, self._size = [], 0
        return self.parts


# ---- The import


class Rejects:
    """The file of rejects. Only its first `size` bytes belong to what was read; what is behind them an interrupted run left."""

    def __init__(self, path, size, is_ours, header):
        self.path, self._header, self._dirty = path, header, False
        self._file = open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b", buffering=0)
        about = os.fstat(self._file.fileno())
        self._regular = stat.S_ISREG(about.st_mode)
        if not self._regular:
            size = 0
        elif not is_ours and about.st_size > 0:
            raise Failure(f"The file {path} for the rejects is there already. Remove it, or name another by --rejects.", 2)
        elif about.st_size == 0:
            size = 0
        elif about.st_size < size:
            raise Failure(f"The file of rejects {path} has {about.st_size} bytes, and the import has noted {size}. Put the whole of it "
                          "back, or take it away: then the rejects that are still to come are in a new one.", 2)
        if self._regular:
            self._file.truncate(size)
            self._file.seek(size)
        self.size = size

    def add(self, *pieces):
        if self.size == 0:
            pieces = (self._header, *pieces)
        for piece in pieces:
            view = memoryview(piece)
            while view:
                written = self._file.write(view)
                self.size += written
                view = view[written:]
        self._dirty = True

    def sync(self):
        """What is committed in the database shall not be lost here, where both are on a machine that fails."""
        if self._dirty and self._regular:
            os.fsync(self._file.fileno())
        self._dirty = False

    def remove_empty(self):
        if self._regular and self.size == 0:
            os.unlink(self.path)


class NoRejects:
    """Of a dry run."""

    path, size = None, 0

    def add(self, *_):
        pass

    sync = remove_empty = add


class Progress:
    """To a terminal in one line, else a line every five seconds and at the end."""

    def __init__(self, size, done):
        self._size, self._start, self._began, self._last = size, done, time.monotonic(), time.monotonic()
        self._terminal, self._open = sys.stdout.isatty(), False

    def show(self, records, done, end=False):
        now = time.monotonic()
        if not end and now < self._last + (0.2 if self._terminal else 5):
            return
        self._last = now
        elapsed = now - self._began + 1e-3
        words = f"{records} records, {records / elapsed:.0f} records/s"
        if self._size:
            rate = (done - self._start) / elapsed
            to_go = f", {max(0, self._size - done) / rate:.0f} s to go" if rate else ""
            words = f"{words}, {done * 100 // max(self._size, done, 1)} %{to_go}"
        if self._terminal:
            print("\r\x1b[K" + words, end="\n" if end else "", flush=True)
            self._open = not end
        else:
            print(words, flush=True)

    def say(self, words, file=sys.stdout):
        if self._open:
            print("\r\x1b[K", end="", flush=True)
        print(words, file=file, flush=True)


class Import:
    def __init__(self, options):
        self.options, self.database = options, None
        self.imported = self.rejected = self.expired = 0
        self.shown = 0  # of the rejects

    def run(self):
        options = self.options
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name may be anything
        try:
            options.name.encode()
        except UnicodeEncodeError:
            raise Failure("The file's name is not valid UTF-8: give the import another by --name.", 2) from None
        self.input = make_input(open(0, "rb", buffering=1 << 20, closefd=False), options.format)
        self.digest, self.bytes_read = hashlib.sha256(self.input.header), len(self.input.header)
        self.database = Database(options.client)
        self.database.ask("SET SESSION autocommit = 1, sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION';")
        if options.dry_run:
            self.rejects = NoRejects()
        else:
            self.begin()
        self.before = self.records()
        (about, *webhooks) = self.database.ask("SELECT CONCAT(UTC_TIMESTAMP(3)), @@max_allowed_packet; SELECT id FROM webhooks;")
        now, packet = about.split("\t")
        self.packet = int(packet)
        self.checks = Checks(set(map(int, webhooks)), Clock(now), self.packet)
        about = os.fstat(0)
        self.progress = Progress(about.st_size if stat.S_ISREG(about.st_mode) else 0, self.bytes_read)
        self.read_all()
        if not options.dry_run:
            self.database.ask(f"UPDATE webhook_call_imports SET ended_at = UTC_TIMESTAMP(3) WHERE name = {sql_text(options.name)};")
        self.rejects.remove_empty()
        code = self.tell_end()
        self.database.end()
        return code

    def records(self):
        return self.imported + self.rejected + self.expired

    # ---- Where it begins

    def begin(self):
        """Behind what was committed before, or with a row for a new import."""
        (locked,) = self.database.ask(
            f"SELECT COALESCE(GET_LOCK(LEFT(CONCAT(DATABASE(), '.import_calls'), 64), {LOCK_SECONDS}), 0);")
        if locked != "1":
            raise Failure("Another import is running in this database.")
        found = self.database.ask("SELECT bytes_read, lines_read, HEX(digest), imported, rejected, expired, HEX(rejects_file),"
                                  " rejects_bytes, COALESCE(ended_at, '') FROM webhook_call_imports"
                                  f" WHERE name = {sql_text(self.options.name)};")
        if found:
            *committed, ended = found[0].split("\t")
            self.skip_to(*committed[:6])
            self.open_rejects(*committed[6:])
            self.tell_begin(ended)
            return
        # Before there is a row a file of rejects is not ours to change.
        self.rejects = Rejects(self.options.rejects, 0, False, self.input.header)
        self.database.ask(f"INSERT INTO webhook_call_imports SET name = {sql_text(self.options.name)}, bytes_read = {self.bytes_read},"
                          f" lines_read = {self.input.lines}, digest = x'{self.digest.hexdigest()}',"
                          f" rejects_file = {self.rejects_file()};")

    def rejects_file(self):
        return f"x'{os.fsencode(self.options.rejects).hex()}'"

    def skip_to(self, size, lines, digest, *counts):
        """Past what was read before, which must be the same."""
        another = Failure(f"This is not the input with which the import \"{self.options.name}\" was begun: of the first {size} bytes,"
                          " which it has read, some are different. Give another input a name of its own, by --name.", 2)
        if int(size) < self.bytes_read:
            raise another
        piece = self.input.header
        try:
            for piece in self.input.skip(int(size) - self.bytes_read):
                self.digest.update(piece)
        except EOFError:
            raise another from None
        if self.digest.hexdigest().upper() != digest:
            raise another
        if piece and not piece.endswith(b"\n") and self.input.stream.peek(1):
            raise Failure(f"The input now goes on in line {lines}, which was the last one, without a line break, and is read already.", 2)
        self.bytes_read, self.input.lines = int(size), int(lines)
        self.imported, self.rejected, self.expired = map(int, counts)

    def open_rejects(self, path, size):
        path, size = bytes.fromhex(path), int(size)
        is_ours = path == os.fsencode(self.options.rejects)
        self.rejects = Rejects(self.options.rejects, size, is_ours, self.input.header)
        if size > 0 and self.rejects.size == 0:
            print(f"The rejects up to line {self.input.lines} are in {os.fsdecode(path)}, as the run before has left it; "
                  f"{self.options.rejects} is begun anew.", flush=True)
        if size != self.rejects.size or not is_ours:
            self.database.ask(f"UPDATE webhook_call_imports SET rejects_file = {self.rejects_file()}, rejects_bytes = {self.rejects.size}"
                              f" WHERE name = {sql_text(self.options.name)};")

    def tell_begin(self, ended):
        name, line = self.options.name, self.input.lines
        if not ended:
            print(f"Going on behind line {line}, up to which {self.records()} records were read before.", flush=True)
        elif self.input.stream.peek(1):
            print(f"The import \"{name}\" was at the end of its input at {ended} UTC. The input has grown: going on behind line {line}.",
                  flush=True)
        else:
            print(f"The import \"{name}\" is done since {ended} UTC; nothing is imported now.", flush=True)

    # ---- The way through the input

    def read_all(self):
        sys.setswitchinterval(0.0005)  # the thread that feeds the client is not to wait for this one
        self.executor = concurrent.futures.ThreadPoolExecutor(max_workers=1)
        self.pending = collections.deque()
        self.cut_off = None
        self.raw, self.sent, self.last = [], self.bytes_read, (0, self.bytes_read)
        while self.read_batch():
            pass
        while self.pending:
            self.committed()
        if self.records() > self.before:
            self.progress.show(*self.last, end=True)
        if self.cut_off:
            raise self.cut_off

    def read_batch(self):
        """And sends it. False at the end of the input."""
        source, read, row_of, raw = self.input, self.input.read, self.checks.row, self.raw
        statements, began = Statements(self.packet), time.monotonic()
        size, more = 0, True
        for _ in range(BATCH_LINES):
            line = source.lines + 1
            try:
                fields = read()
                if fields is None:
                    more = False
                    break
                row = row_of(fields) if fields is not EMPTY_LINE else EMPTY_LINE
            except Reject as reject:
                if not source.cut and not source.raw[-1].endswith(b"\n"):
                    self.cut_off = Failure(f"The input seems to be cut off: line {source.lines}, its last, has no line break, and {reject}."
                                           " What comes before has been read; the same command goes on there, with the whole input, or"
                                           " with a line break at its end where it is whole.")
                    more = False
                    break
                self.reject(line, str(reject))
            else:
                raw += source.raw
                if row:
                    statements.add(row)
                    self.imported += 1
                elif row is None:
                    self.expired += 1
            size += sum(map(len, source.raw))
            if size > BATCH_BYTES or time.monotonic() - began > BATCH_SECONDS:
                break
        self.send(statements)
        return more

    def reject(self, line, why):
        source, raw = self.input, self.input.raw
        self.rejected += 1
        if self.shown < REJECTS_SHOWN:
            where = f"line {line}" if line == source.lines else f"lines {line} to {source.lines}"
            self.progress.say(f"{self.options.program}: {where}: {why}.", sys.stderr)
        elif self.shown == REJECTS_SHOWN:
            also = f"; all are in {self.rejects.path}" if self.rejects.path else ""
            self.progress.say(f"{self.options.program}: Further rejects are not shown{also}.", sys.stderr)
        self.shown += 1
        self.rejects.add(*raw)
        self.raw += raw
        last = raw[-1]
        for piece in source.rest_of_line():
            self.take_raw()
            self.rejects.add(piece)
            self.raw.append(piece)
            last = piece
        if not last.endswith(b"\n"):
            self.rejects.add(b"\n")

    def take_raw(self):
        """What was read into the digest."""
        read = b"".join(self.raw)
        self.digest.update(read)
        self.bytes_read += len(read)
        self.raw.clear()

    def send(self, statements):
        """The batch to the database, which may still be at those before."""
        self.take_raw()
        if self.bytes_read == self.sent:
            return
        self.sent = self.bytes_read
        state = (self.records() - self.before, self.bytes_read)
        if self.options.dry_run:
            self.last = state
            self.progress.show(*state)
            return
        self.rejects.sync()
        parts = ["START TRANSACTION;\n", *statements.end(),
                 "UPDATE webhook_call_imports SET ended_at = NULL,"
                 f" bytes_read = {self.bytes_read}, lines_read = {self.input.lines}, digest = x'{self.digest.hexdigest()}',"
                 f" imported = {self.imported}, rejected = {self.rejected}, expired = {self.expired},"
                 f" rejects_bytes = {self.rejects.size} WHERE name = {sql_text(self.options.name)};\nCOMMIT;"]
        self.pending.append((self.executor.submit(self.database.ask, *parts), state))
        while len(self.pending) > BATCHES_AHEAD or (self.pending and self.pending[0][0].done()):
            self.committed()

    def committed(self):
        future, self.last = self.pending.popleft()
        future.result()
        self.progress.show(*self.last)

    # ---- What is said at the end

    def tell_end(self):
        options = self.options
        records, words = self.records(), f"{self.rejected} rejected, {self.expired} past their 60 days."
        if options.dry_run:
            print(f"Read {records} records: {self.imported} would be imported, {words}", flush=True)
            return 3 if self.rejected else 0
        print(f"Read {records} records: {self.imported} imported, {words}", flush=True)
        if self.rejects.size:
            print(f"The rejected lines are in {self.rejects.path}.", flush=True)
        seal = [options.seal, "--all", "--time-limit", "86400"]
        if options.seal_defaults_file:
            seal += ["--defaults-file", options.seal_defaults_file]
        # One that cron began may not look at the webhooks that had records imported.
        for _ in range(SEAL_TRIES):
            self.database.ask("SELECT GET_LOCK(LEFT(CONCAT(DATABASE(), '.seal_webhook_calls'), 64), 60);"
                              "SELECT RELEASE_LOCK(LEFT(CONCAT(DATABASE(), '.seal_webhook_calls'), 64));")
            sealing = subprocess.run(seal, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, encoding="utf-8", check=False)
            if not sealing.stdout.startswith("Another sealing"):
                break
        print(sealing.stdout, end="", flush=True)
        # 3: somebody holds records locked; it says so itself, and the next one does the rest.
        if sealing.returncode not in (0, 3):
            raise Failure("All was read, but the sealing failed: run scripts/seal-calls --all.")
        return 3 if self.rejected else 0


def make_input(stream, form):
    begin = stream.peek(4).removeprefix(BOM).lstrip()
    if not form:
        form = "ndjson" if begin[:1] in (b"{", b"") else "csv"
    return Ndjson(stream) if form == "ndjson" else Csv(stream)


def main():
    parser = argparse.ArgumentParser()
    for name in ("program", "name", "rejects", "format", "seal", "seal-defaults-file"):
        parser.add_argument("--" + name)
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("client", nargs="+")
    task = Import(parser.parse_args())

    def complain(words):
        for line in str(words).splitlines():
            print(f"{task.options.program}: {line}", file=sys.stderr, flush=True)

    try:
        code = task.run()
    except Failure as failure:
        complain(failure)
        code = failure.code
    except KeyboardInterrupt:
        complain("Stopped. What is committed stays; the same command, with the same input, goes on behind it.")
        code = 130
    except OSError as error:
        complain("Nobody reads what it says." if error.errno == errno.EPIPE else
                 f"{error.filename or task.options.rejects}: {error.strerror}.")
        code = 1
    finally:
        if task.database:
            task.database.kill()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    # Without waiting for a thread that may be at a batch which is not to be committed any more.
    os._exit(code)


if __name__ == "__main__":
    main()
