// Reads JSON as it arrives, and keeps only the beginning of the long texts under one name. For what an API sends: the JSON is
// taken to be valid, and an answer that ends early is for the caller to notice (`done`).
//
//     const stream = new JsonStream({ name: "body", limit: 1000, onItem: (resource) => … });
//     stream.push('{"data":[{"id":"1","attributes":{"bo'); …
//
// A text called `name` becomes { text, bytes, exact, cut, complete }: at most `limit` characters of it (a surrogate pair may be cut),
// its size as UTF-8 as far as it has arrived, whether that is the size of what was recorded, whether there is more than `text`, and
// whether it has all arrived. `overflow` is the resource that is being read whose text has passed the limit, else null.
// onItem is given each finished object of an array in the outermost object.

const [QUOTE, BACKSLASH, U, REPLACEMENT] = ['"', "\\", "u", "\ufffd"].map((character) => character.charCodeAt(0));

export class JsonStream {
  constructor({ name, limit = Infinity, onItem = () => {} }) {
    Object.assign(this, { name, limit, onItem, root: undefined, done: false, overflow: null });
    this.stack = []; // the open arrays and objects
    this.keys = []; // of each of them the name that awaits its value
    this.text = null; // the text being read: its parts, in which an escape is decoded
    this.rest = ""; // an escape, number or word that has not all arrived
  }

  push(chunk) {
    const input = this.rest + chunk;
    this.rest = "";
    let at = 0;
    while (at < input.length) {
      const next = this.text ? this.#inText(input, at) : this.#between(input, at);
      if (next < 0) {
        this.rest = input.slice(at);
        return;
      }
      at = next;
    }
  }

  // All that has arrived of the text, escapes too, is taken at once: a body of NULs has millions of them.
  #inText(input, at) {
    if (input.charCodeAt(at) === QUOTE) {
      this.#endText();
      return at + 1;
    }
    const end = endOfRun(input, at);
    if (end === at) return -1;
    const run = input.slice(at, end);
    this.#append(run.includes("\\") ? JSON.parse(`"${run}"`) : run);
    return end;
  }

  #append(piece) {
    const { text } = this;
    if (!text.limited) {
      text.parts.push(piece);
      return;
    }
    count(piece, text.value);
    if (text.length < this.limit) text.parts.push(piece.slice(0, this.limit - text.length));
    text.length += piece.length;
    if (text.length > this.limit && !this.overflow) {
      Object.assign(text.value, { text: text.parts.join(""), cut: true });
      this.overflow = Array.isArray(this.stack[1]) ? this.stack[2] : this.stack[1];
      this.#put(text.value, true);
    }
  }

  #beginText() {
    const key = this.keys.at(-1);
    const limited = key === this.name && key !== undefined && !Array.isArray(this.stack.at(-1));
    this.text = { parts: [], length: 0, limited, value: { text: "", bytes: 0, exact: true, cut: false, complete: false } };
  }

  #endText() {
    const { text } = this;
    this.text = null;
    const value = text.parts.join("");
    if (!text.limited) {
      const top = this.stack.at(-1);
      if (top && !Array.isArray(top) && this.keys.at(-1) === undefined) this.keys[this.keys.length - 1] = value;
      else this.#put(value);
      return;
    }
    Object.assign(text.value, { text: value, complete: true });
    this.overflow = null;
    this.#put(text.value);
  }

  #between(input, at) {
    const character = input[at];
    if (character === '"') {
      this.#beginText();
    } else if (character === "{" || character === "[") {
      const value = character === "{" ? {} : [];
      this.#put(value);
      this.stack.push(value);
      this.keys.push(undefined);
    } else if (character === "}" || character === "]") {
      const value = this.stack.pop();
      this.keys.pop();
      this.done = this.stack.length === 0;
      if (this.stack.length === 2 && Array.isArray(this.stack[1])) this.onItem(value);
    } else if (!/[\s,:]/.test(character)) {
      const end = input.slice(at).search(/[\s,:\]}]/);
      if (end < 0) return -1;
      this.#put(JSON.parse(input.slice(at, at + end)));
      return at + end;
    }
    return at + 1;
  }

  #put(value, keepKey = false) {
    const top = this.stack.at(-1);
    if (top === undefined) {
      this.root = value;
    } else if (Array.isArray(top)) {
      top.push(value);
    } else {
      Object.defineProperty(top, this.keys.at(-1), { value, configurable: true, enumerable: true, writable: true });
      if (!keepKey) this.keys[this.keys.length - 1] = undefined;
    }
  }
}

// Where the text from there on ends, or the last escape that is whole.
function endOfRun(input, at) {
  for (let end = at; ; end += 1) {
    const code = input.charCodeAt(end); // NaN behind the end
    if (code === BACKSLASH) {
      const last = end + (input.charCodeAt(end + 1) === U ? 5 : 1);
      if (last >= input.length) return end;
      end = last;
    } else if (code === QUOTE || end >= input.length) {
      return end;
    }
  }
}

// A surrogate is half of four bytes, so it matters not where a text is cut. What the API puts in the place of bytes that are no UTF-8
// counts as one byte, which it mostly was.
function count(piece, value) {
  for (let at = 0; at < piece.length; at += 1) {
    const code = piece.charCodeAt(at);
    if (code === REPLACEMENT) {
      value.bytes += 1;
      value.exact = false;
    } else {
      value.bytes += code < 0x80 ? 1 : code < 0x800 || (code & 0xf800) === 0xd800 ? 2 : 3;
    }
  }
}
