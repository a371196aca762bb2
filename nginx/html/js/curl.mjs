// A request as a command for a shell. The token stays a variable's name: a command is pasted into chats and tickets.

export const shellQuote = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

export function curlCommand(url, withToken) {
  const token = withToken ? ' -H "Authorization: Bearer $TOKEN"' : "";
  return `curl -g${token} ${shellQuote(url)}`;
}
