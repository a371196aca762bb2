// parseHeaders(TEXT): recorded header lines as pairs of a name and a value, in order. A line that goes on the one before it is
// joined to that; one without a colon (such as a status line) has an empty name.
export function parseHeaders(text) {
  const pairs = [];
  for (const line of text.split(/\r\n|\n|\r/)) {
    const colon = line.indexOf(":");
    if (/^[ \t]/.test(line) && pairs.length > 0) pairs[pairs.length - 1][1] += ` ${line.trim()}`;
    else if (colon > 0) pairs.push([line.slice(0, colon).trim(), line.slice(colon + 1).trim()]);
    else if (line.trim()) pairs.push(["", line.trim()]);
  }
  return pairs;
}
