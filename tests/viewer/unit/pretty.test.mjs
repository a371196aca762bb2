import assert from "node:assert/strict";
import test from "node:test";
import { prettyJson } from "../../../nginx/html/js/pretty-json.mjs";
import { prettyXml } from "../../../nginx/html/js/pretty-xml.mjs";
import { describe, prettyForm, PRETTY_LIMIT } from "../../../nginx/html/js/pretty.mjs";

test("JSON is indented and keeps its tokens", () => {
  for (const [text, pretty] of [
    [
      '{"a":12345678901234567890,"b":[1.0,2e5],"c":{},"d":[]}',
      '{\n  "a": 12345678901234567890,\n  "b": [\n    1.0,\n    2e5\n  ],\n  "c": {},\n  "d": []\n}',
    ],
    [' [ { "x" : "a\\"b{,}" } , null ] ', '[\n  {\n    "x": "a\\"b{,}"\n  },\n  null\n]'],
    ["{broken", null],
    ["", null],
  ]) {
    assert.equal(prettyJson(text), pretty);
  }
  const value = { list: [1, "two", { three: null }], text: "\u0000\ud800<script>" };
  assert.equal(prettyJson(JSON.stringify(value)), JSON.stringify(value, null, 2));
  const deep = "[".repeat(3000) + "]".repeat(3000);
  assert.equal(prettyJson(deep).replace(/\s/g, ""), deep);
});

test("XML is indented where its tags match", () => {
  for (const [text, pretty] of [
    [
      '<?xml version="1.0"?><a x="1>2"><b>t</b><c/><d></d></a>',
      '<?xml version="1.0"?>\n<a x="1>2">\n  <b>t</b>\n  <c/>\n  <d></d>\n</a>',
    ],
    ["<a><!-- <b> --><![CDATA[<x>]]></a>", "<a>\n  <!-- <b> -->\n  <![CDATA[<x>]]>\n</a>"],
    ["<a><b></a></b>", null],
    ["<p>one<br>two</p>", null],
    ["<", null],
    ["<a", null],
    ["text <a/>", null],
  ]) {
    assert.equal(prettyXml(text), pretty);
  }
});

test("a form's fields", () => {
  assert.equal(prettyForm("status=200&note=Gr%C3%BC%C3%9Fe+x&id="), "status = 200\nnote   = Grüße x\nid     = ");
  for (const text of ["", "no form", "a=b c", "{a=b}", "x=<script>"]) assert.equal(prettyForm(text), null);
});

test("the kind is the declared one where the body is that, else what it looks like", () => {
  for (const [type, body, kind] of [
    ["application/json", '{"a":1}', "JSON"],
    ["application/json", "12", "JSON"],
    ["text/plain", "12", "text"],
    ["text/plain", "[1]", "JSON"],
    ["application/json", "<a/>", "XML"],
    ["application/vnd.x+json; charset=utf-8", "oops", "text"],
    ["application/x-www-form-urlencoded", "a=1&b=2", "form"],
    ["text/html", "<!doctype html><p>a<br>b", "text"],
    ["image/png", "\ufffdPNG\r\n\u001a\n\u0000\u0000\u0000", "binary"],
    ["text/plain", "caf\ufffd and twenty more characters of text", "text"],
  ]) {
    assert.equal(describe(`Content-Type: ${type}`, body).kind, kind, `${type} ${body}`);
  }
  assert.equal(describe(null, `[${"1,".repeat(PRETTY_LIMIT)}1]`).pretty, null);
});

test("what indentation would make too long is shown as it is", () => {
  const xml = `${"<a>".repeat(1e5)}${"</a>".repeat(1e5)}`;
  const json = `${"[".repeat(4e5)}${"]".repeat(4e5)}`;
  const form = `${"x".repeat(30)}=${"&a=".repeat(3e5)}`;
  for (const body of [xml, json, form]) assert.deepEqual(describe(null, body), { kind: "text", pretty: null });
  assert.equal(prettyJson("[1]", 3), null);
  assert.equal(prettyXml("<a><b/></a>", 12), null);
});

// A pattern that backtracks would hang the page: these took ages with a careless one.
test("hostile bodies take no time", () => {
  for (const body of [
    "<".repeat(5e5),
    `<a ${'x="'.repeat(2e5)}`,
    `<!--${"-".repeat(5e5)}`,
    `<!DOCTYPE ${"[".repeat(2e5)}`,
    `"${"\\".repeat(5e5)}`,
    "a=b&".repeat(2e5),
    "a".repeat(9e5),
    "<a>".repeat(2e5),
    `<?${"?".repeat(5e5)}`,
    `<![CDATA[${"]]".repeat(2e5)}`,
  ]) {
    const began = performance.now();
    describe("Content-Type: application/xml", body);
    assert.ok(performance.now() - began < 3000, `${body.slice(0, 20)}…: ${performance.now() - began} ms`);
  }
});
