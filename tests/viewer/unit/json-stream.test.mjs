import assert from "node:assert/strict";
import test from "node:test";
import { JsonStream } from "../../../nginx/html/js/json-stream.mjs";

const DOCUMENT = {
  jsonapi: { version: "1.1" },
  data: [
    { type: "c", id: "1", attributes: { http_code: 200, body: 'a"b\\c\n\u0001 ü 日本 🐎 "body":"x"', n: -1.5e3, t: true } },
    { type: "c", id: "2", attributes: { http_code: null, body: null, list: [[], {}, ["body"]] } },
  ],
  links: { self: "/x?body=1" },
};
const TEXT = JSON.stringify(DOCUMENT);

function read(text, size, options = {}) {
  const items = [];
  const stream = new JsonStream({ name: "body", onItem: (item) => items.push(item), ...options });
  for (let at = 0; at < text.length; at += size) stream.push(text.slice(at, at + size));
  return { stream, items };
}

test("the same document, however it is cut", () => {
  for (const size of [1, 2, 3, 7, TEXT.length]) {
    const { stream, items } = read(TEXT, size);
    const { text, bytes, complete } = stream.root.data[0].attributes.body;
    assert.equal(text, DOCUMENT.data[0].attributes.body);
    assert.equal(complete, true);
    assert.equal(bytes, Buffer.byteLength(text));
    const plain = structuredClone(stream.root);
    plain.data[0].attributes.body = text;
    assert.deepEqual(plain, DOCUMENT);
    assert.equal(stream.done, true);
    assert.deepEqual(
      items.map(({ id }) => id),
      ["1", "2"],
    );
  }
});

test("of a long text the beginning is kept, and its object is told while it is read", () => {
  const text = `{"data":[{"id":"1","attributes":{"body":"short"}},{"id":"2","attributes":{"body":"${"x".repeat(1000)}`;
  const { stream, items } = read(text, 100, { limit: 50 });
  assert.equal(items.length, 1);
  assert.equal(stream.overflow.id, "2");
  assert.equal(stream.overflow.attributes.body.text, "x".repeat(50));
  assert.equal(stream.overflow.attributes.body.complete, false);
  assert.ok(stream.overflow.attributes.body.bytes > 50);
  assert.equal(stream.done, false);
});

test("one that ends in the same piece has its whole size, and says that it was cut", () => {
  const { stream } = read('{"data":{"id":"1","attributes":{"body":"1234567","http_code":200}}}', 100, { limit: 5 });
  assert.equal(stream.overflow, null);
  assert.deepEqual(stream.root.data.attributes, {
    body: { text: "12345", bytes: 7, exact: true, cut: true, complete: true },
    http_code: 200,
  });
});

test("the resource is told also where it is the only one", () => {
  const { stream } = read('{"data":{"id":"1","attributes":{"body":"1234567', 3, { limit: 5 });
  assert.equal(stream.overflow.id, "1");
});

test("a text of exactly the limit is whole", () => {
  const { stream } = read('{"data":{"id":"1","attributes":{"body":"12345"}}}', 4, { limit: 5 });
  assert.equal(stream.overflow, null);
  assert.deepEqual(stream.root.data.attributes.body, { text: "12345", bytes: 5, exact: true, cut: false, complete: true });
});

test("names are data, also such that have a meaning for objects", () => {
  const { stream } = read('{"data":[{"__proto__":{"x":1},"constructor":2}]}', 5);
  assert.equal(Object.getPrototypeOf(stream.root.data[0]), Object.prototype);
  assert.equal({}.x, undefined);
  assert.deepEqual(Object.keys(stream.root.data[0]), ["__proto__", "constructor"]);
});

test("an escape that is cut is read when the rest of it is there", () => {
  const text = '{"data":[{"id":"1","attributes":{"body":"a\\u00e4\\ud83d\\udc0e\\\\\\"\\n"}}]}';
  for (let size = 1; size < 9; size += 1) {
    const { text: body, bytes } = read(text, size).stream.root.data[0].attributes.body;
    assert.deepEqual([body, bytes], ['aä🐎\\"\n', 10]);
  }
});

test("of bytes that are not UTF-8 each counts as one, and the size as inexact", () => {
  const { stream } = read('{"data":{"id":"1","attributes":{"body":"\ufffdPNG\ufffd","other":"x"}}}', 3);
  const { bytes, exact } = stream.root.data.attributes.body;
  assert.deepEqual([bytes, exact], [5, false]);
});

test("a body of NULs is read as quickly as others", () => {
  const escaped = "\\u0000".repeat(2e6);
  const plain = "x".repeat(escaped.length);
  const time = (body) => {
    const began = performance.now();
    read(`{"data":{"id":"1","attributes":{"body":"${body}"}}}`, 65536);
    return performance.now() - began;
  };
  time(plain);
  const [fast, slow] = [time(plain), time(escaped)];
  // One escape at a time takes forty times as long.
  assert.ok(slow < 10 * fast + 100, `${slow} ms, beside ${fast} ms`);
});
