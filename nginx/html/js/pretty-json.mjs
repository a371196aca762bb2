// Where the text that begins at this quotation mark ends.
function endOfText(text, at) {
  for (let end = at + 1; ; end += 1) {
    if (text[end] === "\\") end += 1;
    else if (text[end] === '"') return end + 1;
  }
}

// prettyJson(TEXT, MOST): indented JSON with the tokens as they were written, so that a number keeps all its digits. Null where it is
// none, or would be longer than MOST: indentation makes much of few brackets.
export function prettyJson(text, most = Infinity) {
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  const parts = [];
  let size = 0;
  let depth = 0;
  let open = false; // directly behind [ or {
  const add = (part) => {
    parts.push(part);
    size += part.length;
  };
  const line = () => add(`\n${"  ".repeat(Math.min(depth, 32))}`);
  const plain = /[^\s{}[\],:"]+/y;
  for (let at = 0; at < text.length;) {
    if (size > most) return null;
    const character = text[at];
    let end = at + 1;
    if (/\s/.test(character)) {
      at = end;
      continue;
    }
    const closes = character === "}" || character === "]";
    if (closes) depth -= 1;
    if (closes ? !open : open) line();
    open = character === "{" || character === "[";
    if (open) depth += 1;
    if (character === '"') {
      end = endOfText(text, at);
    } else if (!"{}[],:".includes(character)) {
      plain.lastIndex = at;
      plain.test(text);
      end = plain.lastIndex;
    }
    add(text.slice(at, end));
    if (character === ",") line();
    else if (character === ":") add(" ");
    at = end;
  }
  return size <= most ? parts.join("") : null;
}
