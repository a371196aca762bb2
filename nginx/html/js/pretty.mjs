// Recorded bodies as people read them. Each is text of a stranger: what these functions return is text, too, never markup.
import { parseHeaders } from "./headers.mjs";

export const PRETTY_LIMIT = 1 << 20; // characters; what is longer is shown as it is

// Indented JSON with the tokens as they were written: a number keeps all its digits. Null where it is none.
export function prettyJson(text) {
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  const parts = [];
  let depth = 0;
  let open = false; // directly behind [ or {
  const line = () => parts.push("\n", "  ".repeat(Math.min(depth, 100)));
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g)) {
    if (token === "}" || token === "]") {
      depth -= 1;
      if (!open) line();
      open = false;
    } else if (open) {
      line();
      open = false;
    }
    parts.push(token);
    if (token === "{" || token === "[") {
      depth += 1;
      open = true;
    } else if (token === ",") {
      line();
    } else if (token === ":") {
      parts.push(" ");
    }
  }
  return parts.join("");
}

const XML_TOKEN = /<!--[\s\S]*?-->|<!\[CDATA\[[\s\S]*?\]\]>|<\?[\s\S]*?\?>|<!DOCTYPE(?:[^[>]|\[[^\]]*\])*>|<[A-Za-z_:/](?:[^<>"']|"[^"]*"|'[^']*')*>|[^<]+/gy;
const nameOf = (tag) => /^<\/?([^\s/>]+)/.exec(tag)?.[1];

// Indented XML; elements that hold text stay on a line. Null where the tags do not match, as in most HTML.
export function prettyXml(text) {
  const source = text.trim();
  if (!source.startsWith("<")) return null;
  const tokens = source.match(XML_TOKEN) ?? [];
  if (tokens.join("").length !== source.length) return null;
  const lines = [];
  const names = [];
  let elements = 0;
  const add = (piece) => lines.push("  ".repeat(Math.min(names.length, 100)) + piece);
  for (let i = 0; i < tokens.length; i += 1) {
    const token = tokens[i];
    if (token.startsWith("</")) {
      if (names.pop() !== nameOf(token)) return null;
      add(token);
    } else if (/^<[A-Za-z_:]/.test(token)) {
      elements += 1;
      const close = tokens[i + 2];
      if (token.endsWith("/>")) {
        add(token);
      } else if (tokens[i + 1] === `</${nameOf(token)}>`) {
        add(token + tokens[(i += 1)]);
      } else if (close === `</${nameOf(token)}>` && !/^<[A-Za-z_:/]/.test(tokens[i + 1])) {
        add(token + tokens[i + 1].trim() + close);
        i += 2;
      } else {
        add(token);
        names.push(nameOf(token));
      }
    } else if (token.trim()) {
      add(token.trim());
    }
  }
  return names.length === 0 && elements > 0 ? lines.join("\n") : null;
}

// A form's fields, one on a line. Null where it does not look like one.
export function prettyForm(text) {
  if (!/^[^\s=&<>{}"]+=[^\s<>{}"]*(?:&[^\s=&<>{}"]+=[^\s<>{}"&]*)*$/.test(text)) return null;
  const fields = [...new URLSearchParams(text)];
  const width = Math.min(30, Math.max(...fields.map(([name]) => name.length)));
  return fields.map(([name, value]) => `${name.padEnd(width)} = ${value}`).join("\n");
}

const KINDS = { JSON: prettyJson, XML: prettyXml, form: prettyForm };

function declaredKind(headers) {
  const type = parseHeaders(headers ?? "").find(([name]) => name.toLowerCase() === "content-type")?.[1] ?? "";
  if (/[/+]json\b/i.test(type)) return "JSON";
  if (/[/+]xml\b/i.test(type)) return "XML";
  return /x-www-form-urlencoded/i.test(type) ? "form" : null;
}

const looksBinary = (text) => {
  const start = text.slice(0, 4096);
  const odd = start.match(/[\u0000-\u0008\u000e-\u001a\u001c-\u001f\ufffd]/g)?.length ?? 0;
  return odd > 0 && odd * 20 > start.length;
};

// describe(HEADERS, BODY): { kind, pretty }: JSON, XML, form, text or binary, and the text to read, or null where the raw one is.
export function describe(headers, body) {
  if (looksBinary(body)) return { kind: "binary", pretty: null };
  if (body.length <= PRETTY_LIMIT) {
    const declared = declaredKind(headers);
    for (const kind of new Set([declared, "JSON", "XML", "form"])) {
      // A number or a word alone is JSON, too, but then it is for the sender to say so.
      if (kind === null || (kind === "JSON" && declared !== "JSON" && !/^\s*[{[]/.test(body))) continue;
      const pretty = KINDS[kind](body);
      if (pretty !== null) return { kind, pretty };
    }
  }
  return { kind: "text", pretty: null };
}
