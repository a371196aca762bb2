#!/usr/bin/python3
"""Holds openapi.yaml against itself, and against the running service.

The service has the records of the acceptance cases (cases/fixture.txt), so that the document's examples can be asked for.
Every answer must be as documented: status, headers and members, none more and none less. What the document allows for a
parameter must be accepted, what it does not allow must be refused.
"""

import re
import socket
import sys
import unittest
from pathlib import Path
from urllib.parse import quote_plus

import yaml
from jsonschema import Draft202012Validator

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "tests/acceptance"))
from cases_test import TOKEN, load_fixture  # noqa: E402
from service import Service  # noqa: E402

# The web server's headers, and those that OpenAPI puts in another place.
OF_HTTP = {"server", "date", "content-type", "content-length", "content-encoding", "transfer-encoding", "connection"}
# The members of these components, as far as this document uses them.
MEMBERS = {"parameters": "name in description required style explode schema example",
           "responses": "description headers content", "headers": "description required schema example"}


class Loader(yaml.SafeLoader):
    def construct_mapping(self, node, deep=False):
        mapping = super().construct_mapping(node, deep)
        assert len(mapping) == len(node.value), f"a name stands twice among {[name.value for name, _ in node.value]}"
        return mapping


def inlined(node):
    """With what its references point to in their place."""
    if isinstance(node, list):
        return [inlined(child) for child in node]
    if not isinstance(node, dict):
        return node
    _, _, kind, component = node.get("$ref", "///").split("/")
    target = inlined(WRITTEN["components"][kind][component]) if component else {}
    return {**target, **{name: inlined(child) for name, child in node.items() if name != "$ref"}}


def nodes(node, where="#"):
    """Every object, with its place."""
    if isinstance(node, dict):
        yield where, node
    for name, child in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from nodes(child, f"{where}/{name}")


WRITTEN = yaml.load((PROJECT / "openapi.yaml").read_text(encoding="utf-8"), Loader)
DOCUMENT = inlined(WRITTEN)
LIST, SHOW = PATHS = list(DOCUMENT["paths"])
PARAMETERS = {parameter["name"]: parameter for parameter in DOCUMENT["components"]["parameters"].values()}


def parameters(path):
    return {node["name"]: node for node in DOCUMENT["paths"][path]["parameters"] if node["in"] == "query"}


def target_of(path):
    return re.sub(r"\{(\w+)\}", lambda match: str(PARAMETERS[match[1]]["example"]), path)


def responses(path, method="GET"):
    return DOCUMENT["paths"][path]["head" if method == "HEAD" else "get"]["responses"]


def examples_of(response):
    return [example["value"] for node in response.get("content", {}).values() for example in node["examples"].values()]


def without_ids(document):
    errors = isinstance(document, dict) and document.get("errors")
    return [{**error, "id": "the request's"} for error in errors] if errors else document


class DocumentTest(unittest.TestCase):
    def test_structure(self):
        for kind, names in MEMBERS.items():
            for name, node in DOCUMENT["components"][kind].items():
                self.assertTrue({"description"} <= set(node) <= set(names.split()), f"{kind} {name} with {sorted(node)}")
        self.assertRegex(DOCUMENT["openapi"], r"^3\.1\.\d+$")
        ids = [DOCUMENT["paths"][path][method]["operationId"] for path in PATHS for method in ("get", "head")]
        self.assertEqual(len(set(ids)), len(ids))
        self.assertTrue(all(node["in"] != "path" or node["required"] for node in PARAMETERS.values()))
        version = re.search(r"project\(\S+ VERSION ([\d.]+)", (PROJECT / "CMakeLists.txt").read_text(encoding="utf-8"))
        self.assertEqual(DOCUMENT["info"]["version"], version.group(1))

    def test_references(self):
        used = {node["$ref"] for _, node in nodes(WRITTEN) if "$ref" in node}
        kinds = ("schemas", "responses", "parameters", "headers")
        self.assertEqual(used, {f"#/components/{kind}/{name}" for kind in kinds for name in DOCUMENT["components"][kind]})

    def test_schemas_and_examples(self):
        known = {*Draft202012Validator.VALIDATORS, "description", "default", "examples"}
        for where, holder in ((where, node) for where, node in nodes(DOCUMENT) if "schema" in node):
            schema = holder["schema"]
            Draft202012Validator.check_schema(schema)
            for inner, node in nodes(schema, where):
                if not inner.endswith("/properties"):
                    self.assertLessEqual(set(node), known, f"{inner}: a keyword that JSON Schema does not know")
                if node.get("type") == "object":
                    self.assertIs(node.get("additionalProperties"), False, f"{inner} is not closed")
            values = schema.get("examples", []) + [example["value"] for example in holder.get("examples", {}).values()]
            values += [node[name] for node in (holder, schema) for name in ("example", "default") if name in node]
            for value in values:
                self.assertTrue(Draft202012Validator(schema).is_valid(value), f"{where}: an example is not valid: {value}")


def texts_of(parameter, value):
    """What stands behind the name's "=", each time that the parameter is given."""
    texts = list(map(str, value if isinstance(value, list) else [value]))
    return texts if parameter.get("explode", True) else [",".join(texts)]


def is_valid(parameter, texts):
    """Whether the document allows these texts."""
    schema = parameter["schema"]
    if not PARAMETERS[parameter["name"].removesuffix("[]")].get("explode", True):  # commas divide what is given with [] too
        texts = [part for text in texts if text for part in text.split(",")]
    read = {"integer": lambda text: int(text) if re.fullmatch("-?[0-9]+", text) else text, "string": str,
            "boolean": lambda text: {"true": True, "false": False}.get(text.lower(), text)}
    values = [read[schema.get("items", schema)["type"]](text) for text in texts]
    return Draft202012Validator(schema).is_valid(values if schema["type"] == "array" or len(values) > 1 else values[0])


def probes(parameter):
    """Texts that the document allows, and texts that it does not, close to where the one ends and the other begins."""
    schema, example = parameter["schema"], parameter["example"]
    item = schema.get("items", schema)
    bounds = [item[name] + step for name in ("minimum", "maximum") if name in item for step in (-1, 0, 1)]
    texts = ("-1 1.5 0 1 1,2 1000 1001 x TRUE true false null webhook name url id -id webhook_id http_code -headers body "
             "created_at id, id,created_at id,id 2026-11-01 2026-11-01T10:00 2026-11-01T10:00:00.123456789+0200 2026-11-01Z "
             "2026-11-01T10:00:00.1234567890Z 2026-11-01t10:00Z 2026-11-1 10:00").split() + ["", " 1", "2026-11-01 10:00Z"]
    yield from ([str(value)] for value in [*texts, *bounds, *item.get("enum", []), *item.get("examples", [])])
    yield texts_of(parameter, example)
    for count in (2, schema.get("maxItems", 100), schema.get("maxItems", 100) + 1):
        yield texts_of(parameter, example[:1] * count) if isinstance(example, list) else texts_of(parameter, example) * count


class ServiceTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = service = Service(workers=2)
        cls.addClassCleanup(service.stop)
        load_fixture(service)
        pool = "unix:" + service.env["FCGI_SOCKET"]
        few = [("limit_req_status", "limit_req zone=few; limit_req_status")]
        late = [("fastcgi_connect_timeout 2s", "fastcgi_connect_timeout 200ms")]
        # A listener whose queue is full: to connect to it takes for ever.
        full = cls.enterClassContext(socket.create_server(("127.0.0.1", 0), backlog=0))
        cls.enterClassContext(socket.create_connection(full.getsockname()))
        cls.servers = {
            403: service.nginx_server("closed", pool, [("limit_req_status", "deny all; limit_req_status")]),
            429: service.nginx_server("few", pool, few, "limit_req_zone $host zone=few:64k rate=1r/m;"),
            500: service.pool("without-tables", WEBHOOK_CALLS_DB_NAME="information_schema"),
            502: service.nginx_server("down", "unix:/nonexistent"),
            503: service.pool("without-database", WEBHOOK_CALLS_DB_HOSTS="unix:/nonexistent"),
            504: service.nginx_server("full", "%s:%d" % full.getsockname(), late)}
        cls.servers[429].send("GET", target_of(LIST))  # so that the next is one too many

    def ask(self, path, pairs=(), method="GET", target=None, server=None, headers=(), token=TOKEN, **options):
        """Sends a request to an endpoint, and compares its answer with the document."""
        target = target or target_of(path) + "?" + "&".join(f"{quote_plus(name)}={quote_plus(text)}" for name, text in pairs)
        answer = (server or self.service).send(method, target, [*headers, ("Authorization", token)], **options)
        response = responses(path, method).get(str(answer.status))
        self.assertTrue(response and answer.complete, f"the document has no {answer.status}: {answer.body[:500]}")
        names = {name.lower() for name, _ in answer.headers} - OF_HTTP
        expected = {name: header for name, header in response["headers"].items()
                    if header["required"] or answer.export()}  # only an export has more than the required ones
        self.assertEqual(names, {name.lower() for name in expected}, answer.status)
        for name, header in expected.items():
            value = answer.header(name)
            Draft202012Validator(header["schema"]).validate(int(value) if header["schema"]["type"] == "integer" else value)
        if method == "HEAD" or "content" not in response:
            self.assertEqual(answer.body, b"")
        else:
            content = answer.body.decode() if answer.export() else answer.json()
            Draft202012Validator(response["content"][answer.header("Content-Type")]["schema"]).validate(content)
        return answer

    def test_values(self):
        for path, parameter in ((path, parameter) for path in PATHS for parameter in parameters(path).values()):
            for texts in probes(parameter):
                name, allowed = parameter["name"], is_valid(parameter, texts)
                # Of these the descriptions allow more than the schemas.
                allowed = allowed or name.startswith("fields[") or (
                    parameter["schema"]["type"] == "boolean" and texts in (["0"], ["1"]))
                others = [("count", "true")] if name == "page[size]" else []  # 0 is good for counts alone
                with self.subTest(path=path, name=name, texts=texts[:5], times=len(texts)):
                    answer = self.ask(path, [*others, *((name, text) for text in texts)])
                    self.assertEqual(answer.status, 200 if allowed else 400, answer.body[:500])
        for name in ("http_code", "headers", "body"):
            self.assertEqual(self.ask(LIST, target=f"{target_of(LIST)}?filter[{name}]").ids(), [3, 11])  # without a response

    def test_defaults(self):
        target = LIST.format(webhook_id=8)  # it has more records than a page
        plain = self.ask(LIST, target=target).json()
        for parameter in (parameter for parameter in parameters(LIST).values() if "default" in parameter["schema"]):
            query = f"?{parameter['name']}={texts_of(parameter, parameter['schema']['default'])[0]}"
            document = self.ask(LIST, target=target + query).json()
            self.assertTrue({**document, "links": plain["links"]} == plain, query + " changes the answer")

    def test_other_names(self):
        names = {"page", "page[]", "fields", "filter", "q"}
        for field in ("id", "webhook_id", "http_code", "headers", "body", "created_at", "type", "x"):
            names |= {f"filter[{field}{suffix}]" for suffix in ("", "__lt", "__lte", "__gt", "__gte", "__ne", "][")}
        for name in [*parameters(LIST), *parameters(SHOW)]:
            names |= {name, name + "x", "x" + name, name.upper(), name + "[x]", name.split("[")[0] + "s"}
        for path, name in ((path, name) for path in PATHS for name in sorted(names - set(parameters(path)))):
            with self.subTest(path=path, name=name):
                for value in ("1", "id", "webhook", "2026-11-01"):  # one of them is right for any parameter
                    answer = self.ask(path, [(name, value)])
                    self.assertEqual((answer.status, answer.body.count(b'"source":')), (400, 1), answer.body[:500])

    def test_statuses(self):
        """Each status can be had, and each example is what the service answers."""
        statuses, answers = set(), []
        for path, (status, request) in ((path, case) for path in PATHS for case in self.requests(path)):
            for method in [request.pop("method")] if "method" in request else ["HEAD", "GET"]:
                with self.subTest(path=path, status=status, method=method):
                    answer = self.ask(path, method=method, **request)
                    self.assertEqual(answer.status, status)
            statuses.add((path, str(status)))
            answers += [answer.body.decode() if answer.export() else without_ids(answer.json())] if answer.body else []
        self.assertEqual(statuses, {(path, key) for path in PATHS for key in responses(path)})
        examples = [example for path, key in statuses for example in examples_of(responses(path)[key])]
        self.assertEqual([example for example in examples if without_ids(example) not in answers], [])

    def requests(self, path):
        yield from ((200, {"target": example["links"]["self"]}) for example in examples_of(responses(path)["200"])
                    if isinstance(example, dict))
        yield from ((200, {"target": target_of(path) + "?filter[id]=1,3", "headers": [("Accept", kind)]})
                    for kind in responses(path)["200"]["content"] if kind != "application/vnd.api+json")
        if path == SHOW:
            yield 304, {"headers": [("If-None-Match", self.ask(path).header("ETag"))]}
            yield 404, {"target": SHOW.format(webhook_id=1, resource_id=999)}
        yield 400, {"pairs": [("include", "x"), ("filter[typo]", "1")]}
        yield from ((401, {"token": token}) for token in (None, "Bearer long-expired"))
        yield from ((404, {"target": path.format(webhook_id=number, resource_id=1)}) for number in ("3", "01"))
        yield from ((405, {"method": "POST"}), (505, {"version": "HTTP/2.0"}))
        yield 413, {"headers": [("Content-Length", "70000")], "body": b"x" * 70000}
        yield 414, {"pairs": [("x", "x" * 40000)]}
        headers = {400: ("Host", "a/b"), 406: ("Accept", "text/plain"), 494: ("X-Long", "x" * 40000),
                   415: ("Content-Type", "application/vnd.api+json; charset=utf-8"), 501: ("Transfer-Encoding", "gzip")}
        yield from ((status, {"headers": [header]}) for status, header in headers.items())
        yield from ((status, {"server": server}) for status, server in self.servers.items())


if __name__ == "__main__":
    unittest.main()
