// Pieces of XML that are one token, by how they begin and end.
const WHOLE = [
  ["<!--", "-->"],
  ["<![CDATA[", "]]>"],
  ["<?", "?>"],
];

// Where the tag (or document type) that begins here ends: at the first ">" outside of quotation marks; -1 where it does not.
function endOfTag(text, at) {
  const special = /[>"'[]/g;
  for (special.lastIndex = at; ;) {
    const found = special.exec(text);
    if (!found) return -1;
    if (found[0] === ">") return special.lastIndex;
    const close = text.indexOf(found[0] === "[" ? "]" : found[0], special.lastIndex);
    if (close < 0) return -1;
    special.lastIndex = close + 1;
  }
}

// Tags, comments and texts in turn; null where that is no XML.
function tokensOf(text) {
  const tokens = [];
  for (let at = 0; at < text.length;) {
    let end;
    if (text[at] !== "<") {
      end = text.indexOf("<", at);
      if (end < 0) end = text.length;
    } else {
      const [begin, close] = WHOLE.find(([start]) => text.startsWith(start, at)) ?? [];
      if (begin) {
        const found = text.indexOf(close, at + begin.length);
        end = found < 0 ? -1 : found + close.length;
      } else {
        end = /[A-Za-z_:/!]/.test(text[at + 1] ?? "") ? endOfTag(text, at) : -1;
      }
      if (end < 0) return null;
    }
    tokens.push(text.slice(at, end));
    at = end;
  }
  return tokens;
}

const isOpening = (token) => /^<[A-Za-z_:]/.test(token);
const nameOf = (tag) => /^<\/?([^\s/>]+)/.exec(tag)?.[1];

// prettyXml(TEXT, MOST): indented XML; an element that holds only a text stays on a line. Null where the tags do not match, as in most
// HTML, or where it would be longer than MOST.
export function prettyXml(text, most = Infinity) {
  const source = text.trim();
  const tokens = source.startsWith("<") ? tokensOf(source) : null;
  if (!tokens?.some(isOpening)) return null;
  const lines = [];
  const names = [];
  let size = 0;
  const add = (piece) => {
    const line = "  ".repeat(Math.min(names.length, 32)) + piece;
    lines.push(line);
    size += line.length + 1;
  };
  for (let i = 0; i < tokens.length; i += 1) {
    if (size > most) return null;
    const token = tokens[i];
    if (token.startsWith("</")) {
      if (names.pop() !== nameOf(token)) return null;
      add(token);
    } else if (isOpening(token) && !token.endsWith("/>")) {
      const close = `</${nameOf(token)}>`;
      if (tokens[i + 1] === close) {
        add(token + tokens[(i += 1)]);
      } else if (tokens[i + 2] === close && !tokens[i + 1].startsWith("<")) {
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
  return names.length === 0 && size <= most ? lines.join("\n") : null;
}
