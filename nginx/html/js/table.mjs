// The table of calls. A row stays the same element as long as its call is shown, so that what has the focus keeps it.
import { byId, el } from "./dom.mjs";
import { classOf, firstLine, formatBytes, formatCount, localClock, localDate, utcTime, zoneName } from "./format.mjs";

export const codeMark = (code) => el("span", { class: `code c${classOf(code)}` }, code === null ? "no response" : String(code));

export class CallTable {
  // hrefOf(ID): the address of the call's detail. onOpen(ID): somebody has chosen it.
  constructor(hrefOf, onOpen) {
    Object.assign(this, { hrefOf, onOpen, chosen: "" });
    this.table = byId("calls");
    this.rows = byId("rows");
    byId("time-heading").textContent = `Time (${zoneName(new Date())})`;
    this.rows.addEventListener("click", (event) => this.#click(event));
    this.rows.addEventListener("keydown", (event) => this.#move(event));
  }

  idsWithoutBody() {
    return [...this.rows.rows].filter((row) => !("body" in row.dataset)).map((row) => row.dataset.id);
  }

  // Shows these calls, in this order.
  show(calls, { mark = false } = {}) {
    const known = new Map([...this.rows.rows].map((row) => [row.dataset.id, row]));
    const rows = calls.map((call) => known.get(call.id) ?? this.#row(call, mark));
    const wanted = new Set(rows);
    for (const row of known.values()) if (!wanted.has(row)) row.remove();
    // Only what is in another place is moved: to move an element takes the focus from it.
    let at = this.rows.firstElementChild;
    for (const row of rows) {
      if (row === at) at = at.nextElementSibling;
      else this.rows.insertBefore(row, at);
    }
    this.refresh();
  }

  // The links lead to what is shown now, beside the call.
  refresh() {
    for (const row of this.rows.rows) row.querySelector("a").href = this.hrefOf(row.dataset.id);
  }

  // BODY as of bodies.mjs
  setBody(id, body) {
    const row = this.#find(id);
    if (!row) return;
    row.dataset.body = "";
    const [size, line] = [row.querySelector(".size"), row.querySelector(".line")];
    size.textContent = body ? `${body.complete ? "" : "> "}${formatBytes(body.bytes)}` : body === null ? "–" : "large";
    size.title = body ? `${body.complete ? "" : "more than "}${formatCount(body.bytes)} bytes` : "";
    line.textContent = body ? firstLine(body.text) : body === null ? "" : "not loaded; open the call to see it";
    line.classList.toggle("quiet", body === undefined);
  }

  choose(id) {
    this.chosen = id;
    for (const row of this.rows.rows) {
      const chosen = row.dataset.id === id;
      row.classList.toggle("chosen", chosen);
      if (chosen) row.querySelector("a").setAttribute("aria-current", "true");
      else row.querySelector("a").removeAttribute("aria-current");
    }
  }

  focus(id) {
    (this.#find(id)?.querySelector("a") ?? this.table).focus();
  }

  #find(id) {
    return [...this.rows.rows].find((row) => row.dataset.id === id);
  }

  #row({ id, attributes }, mark) {
    const date = new Date(attributes.created_at);
    const time = el("time", { datetime: attributes.created_at, title: utcTime(date) });
    time.append(el("span", { class: "day" }, `${localDate(date)} `), localClock(date));
    return el(
      "tr",
      { role: "row", "data-id": id, class: [mark && "new", id === this.chosen && "chosen"].filter(Boolean).join(" ") },
      el("td", { role: "cell", class: "time" }, el("a", { href: this.hrefOf(id) }, time)),
      el("td", { role: "cell", class: "status" }, codeMark(attributes.http_code)),
      el("td", { role: "cell", class: "size" }, "…"),
      el("td", { role: "cell", class: "line" }),
    );
  }

  #click(event) {
    const row = event.target.closest("tr");
    // With a key held, the link is the browser's; where text is being selected, nothing was clicked.
    if (!row || event.ctrlKey || event.metaKey || event.shiftKey || !getSelection().isCollapsed) return;
    event.preventDefault();
    this.onOpen(row.dataset.id);
  }

  #move(event) {
    const row = event.target.closest("tr");
    const next = { ArrowDown: row?.nextElementSibling, ArrowUp: row?.previousElementSibling }[event.key];
    if (!next) return;
    event.preventDefault();
    next.querySelector("a").focus();
  }
}
