// Recorded bodies as people read them. Each is text of a stranger: what these functions return is text, too, never markup.
import { parseHeaders } from "./headers.mjs";
import { prettyJson } from "./pretty-json.mjs";
import { prettyXml } from "./pretty-xml.mjs";

export const PRETTY_LIMIT = 1 << 20; // characters; what is longer is shown as it is
const PRETTY_MOST = 1 << 22; // characters of the readable text; the page shows half of that

// A form's fields, one on a line. Null where it does not look like one, or that would be longer than MOST.
export function prettyForm(text, most = Infinity) {
  if (!text.includes("=") || /[\s<>{}"]/.test(text)) return null;
  if (text.split("&").some((field) => !/^[^=]+=[^=]*$/.test(field))) return null;
  const fields = [...new URLSearchParams(text)];
  const width = Math.min(
    30,
    fields.reduce((most, [name]) => Math.max(most, name.length), 0),
  );
  if (fields.length * (width + 3) > most) return null;
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
      const pretty = KINDS[kind](body, PRETTY_MOST);
      if (pretty !== null) return { kind, pretty };
    }
  }
  return { kind: "text", pretty: null };
}
