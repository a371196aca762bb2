import assert from "node:assert/strict";
import test from "node:test";
import { curlCommand } from "../../../nginx/html/js/curl.mjs";
import { bodiesQuery, countsQuery, cursorOf, exportQuery, listQuery } from "../../../nginx/html/js/query.mjs";
import { DEFAULTS } from "../../../nginx/html/js/state.mjs";

const GTE = "filter[created_at__gte]";
const NOW = Date.parse("2026-11-24T12:00:00.000Z");

test("a page asks for no bodies", () => {
  assert.equal(
    listQuery(DEFAULTS, NOW),
    "sort=-created_at&page[size]=25&page[after]=&fields[notification/webhook/calls]=http_code,created_at&include=webhook",
  );
  assert.match(listQuery({ ...DEFAULTS, before: "abc" }, NOW), /&page\[before\]=abc&/);
});

test("what is new is asked for alone", () => {
  const since = (changes) => new URLSearchParams(listQuery({ ...DEFAULTS, ...changes }, NOW, NOW - 300e3)).getAll(GTE);
  assert.deepEqual(since({}), ["2026-11-24T11:55:00.000Z"]);
  assert.deepEqual(since({ range: "1h", body: "x" }), ["2026-11-24T11:55:00.000Z"]);
  assert.deepEqual(since({ range: "custom", from: "2026-11-24T11:58:00.000Z" }), ["2026-11-24T11:58:00.000Z"]);
});

test("filters", () => {
  const query = (changes) => exportQuery({ ...DEFAULTS, ...changes }, NOW).replace(/&?sort=-created_at$/, "");
  for (const [changes, expected] of [
    [{}, ""],
    [{ codes: ["5xx", "404"] }, "filter[http_code]=5xx,404"],
    [{ codes: ["none"] }, "filter[http_code]"],
    [{ codes: ["none", "5xx"] }, "filter[http_code]=5xx&filter[http_code]"],
    [{ range: "1h" }, "filter[created_at__gte]=2026-11-24T11:00:00.000Z"],
    [
      { range: "custom", from: "2026-11-23T10:00:00.000Z", to: "2026-11-23T11:00:00.000Z" },
      "filter[created_at__gte]=2026-11-23T10:00:00.000Z&filter[created_at__lt]=2026-11-23T11:00:00.000Z",
    ],
    [{ body: "a&b=c+d ü'" }, "filter[body__match]=a%26b%3Dc%2Bd%20%C3%BC%27"],
    [{ headers: "X-Y: z" }, "filter[headers__match]=X-Y:%20z"],
  ]) {
    assert.equal(query(changes), expected);
  }
});

test("counts have the filters and no records", () => {
  assert.equal(
    countsQuery({ ...DEFAULTS, codes: ["5xx"], size: 100, after: "abc" }, NOW, "hour"),
    "filter[http_code]=5xx&count_by=created_at.hour,http_code.class&page[size]=0",
  );
});

test("bodies are asked for by the ids of a page", () => {
  assert.equal(bodiesQuery(["1", "22"]), "filter[id]=1,22&page[size]=2&fields[notification/webhook/calls]=body");
});

test("a link's cursor", () => {
  assert.equal(cursorOf(undefined), null);
  assert.deepEqual(cursorOf("/api/v3/x/calls?page%5Bafter%5D=abc&sort=-id"), { after: "abc", before: "" });
  assert.deepEqual(cursorOf("/calls?page[before]=d-_e"), { after: "", before: "d-_e" });
});

test("curl commands survive a shell and hold no secret", () => {
  assert.equal(curlCommand("http://h/a?b='c'", true), `curl -g -H "Authorization: Bearer $TOKEN" 'http://h/a?b='\\''c'\\'''`);
  assert.equal(curlCommand("http://h/a", false), "curl -g 'http://h/a'");
});
