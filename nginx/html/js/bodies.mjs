// Sizes and first lines of bodies. The API gives a body only as a whole, so of a large one as little as possible is read: the
// answer is cut where a body passes the limit, and the others are asked for again without it.
import { JsonStream } from "./json-stream.mjs";
import { bodiesQuery } from "./query.mjs";

const LIMIT = 128 * 1024; // characters of one body
const TOTAL = 16 << 20; // characters of a page; what would be beyond is left out

// onBody(ID, BODY) for each of these calls: BODY is null (no response), or as of json-stream.mjs, with its beginning;
// undefined where it was left out.
export async function loadBodies(api, webhook, ids, signal, onBody) {
  const open = new Set(ids);
  let total = 0;
  const give = (id, body) => {
    if (open.delete(id)) onBody(id, body);
  };
  while (open.size > 0 && total < TOTAL) {
    const stream = new JsonStream({ name: "body", limit: LIMIT, onItem: ({ id, attributes }) => give(id, attributes.body) });
    const ended = await api.stream(api.url(webhook, bodiesQuery([...open])), signal, (text) => {
      total += text.length;
      stream.push(text);
      return stream.overflow === null && total < TOTAL;
    });
    if (stream.overflow) give(stream.overflow.id, stream.overflow.attributes.body);
    else if (ended) break; // what is left has expired meanwhile
  }
  for (const id of [...open]) give(id, undefined);
}
