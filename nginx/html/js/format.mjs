// Values as people read them.

const number = new Intl.NumberFormat("en");
export const formatCount = (value) => number.format(value);

export function formatBytes(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  for (const [unit, size] of [
    ["kB", 1e3],
    ["MB", 1e6],
    ["GB", 1e9],
  ]) {
    const value = bytes / size;
    if (value < 999.5 || unit === "GB") return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${unit}`;
  }
}

// formatSize(BODY): of a body as of json-stream.mjs; FORMAT of the number.
export function formatSize({ bytes, exact, complete }, format = formatBytes) {
  return `${complete ? (exact ? "" : "about ") : "more than "}${format(bytes)}`;
}

const pad = (value, digits = 2) => String(value).padStart(digits, "0");
export const localDate = (date) => `${pad(date.getFullYear(), 4)}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
export const localClock = (date) =>
  `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}.${pad(date.getMilliseconds(), 3)}`;
export const localTime = (date) => `${localDate(date)} ${localClock(date)}`;
export const utcTime = (date) => `${date.toISOString().replace("T", " ").replace("Z", "")} UTC`;

// The local zone's offset from UTC at that time: "UTC", "UTC+1", "UTC-3:30".
export function zoneName(date) {
  const minutes = -date.getTimezoneOffset();
  if (minutes === 0) return "UTC";
  const rest = Math.abs(minutes) % 60;
  return `UTC${minutes < 0 ? "-" : "+"}${Math.trunc(Math.abs(minutes) / 60)}${rest ? `:${pad(rest)}` : ""}`;
}

// The value of an <input type="datetime-local">, to the second, and back (null where it is not complete).
export const localInput = (date) => `${localDate(date)}T${localClock(date).slice(0, 8)}`;
export function fromLocalInput(text) {
  const date = new Date(text);
  return text && !Number.isNaN(date.getTime()) ? date : null;
}

export const CLASSES = ["none", "5xx", "4xx", "3xx", "2xx", "other"];
export const CLASS_NAMES = { none: "no response", "5xx": "5xx", "4xx": "4xx", "3xx": "3xx", "2xx": "2xx", other: "other" };

// The class of a code, or of the API's name of a class.
export function classOf(code) {
  if (code === null) return "none";
  const name = typeof code === "number" ? `${Math.floor(code / 100)}xx` : code;
  return CLASSES.includes(name) ? name : "other";
}

// Control characters as their symbols, and others that are invisible or move the text by their numbers.
export const visible = (text) =>
  text
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, (c) =>
      String.fromCharCode(c === "\u007f" ? 0x2421 : 0x2400 + c.charCodeAt(0)),
    )
    .replace(
      /[\u0080-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
      (c) => `\u27e8U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}\u27e9`,
    );

// The first line that says something: a bracket that stands alone, as in indented JSON, goes on with what follows.
export function firstLine(text, limit = 200) {
  const lines = text.slice(0, 4096).split(/[\r\n]+/);
  let line = "";
  while (line.length < 3 && lines.length > 0) line = `${line} ${lines.shift().replaceAll("\t", " ").trim()}`.trim();
  return visible(line.slice(0, limit));
}
