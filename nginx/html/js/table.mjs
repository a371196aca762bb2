// The table of calls. A row stays the same element as long as its call is shown, so that what has the focus keeps it.
import { byId, el } from "./dom.mjs";
import { classOf, firstLine, formatCount, formatSize, localClock, localDate, utcTime, zoneName } from "./format.mjs";

export const codeMark = (code) => el("span", { class: `code c${classOf(code)}` }, code === null ? "no response" : String(code));

export class CallTable {
  // hrefOf(ID): the address of the call's detail. onOpen(ID): somebody has chosen it.
  constructor(hrefOf, onOpen) {
    Object.assign(this, { hrefOf, onOpen, chosen: "" });
    this.table = byId("calls");
    this.rows = byId("rows");
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
    const title = body ? `${formatSize(body, formatCount)} bytes` : "";
    if (body) fill(row, formatSize(body).replace("more than", ">"), firstLine(body.text), { title });
    else if (body === null) fill(row, "–", "");
    else fill(row, "large", "not loaded; open the call to see it", { quiet: true });
  }

  // For those that have none yet: they could not be loaded, as it is.
  setNoBodies() {
    for (const id of this.idsWithoutBody()) fill(this.#find(id), "?", "not loaded", { quiet: true });
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

  // The id of the call that many rows further, or an empty text.
  beside(id, step) {
    const rows = [...this.rows.rows];
    return rows[rows.indexOf(this.#find(id)) + step]?.dataset.id ?? "";
  }

  focus(id) {
    (this.#find(id)?.querySelector("a") ?? this.table).focus();
  }

  #find(id) {
    return [...this.rows.rows].find((row) => row.dataset.id === id);
  }

  #row({ id, attributes }, mark) {
    const date = new Date(attributes.created_at);
    const time = el("time", { datetime: attributes.created_at, title: `${utcTime(date)}; shown is ${zoneName(date)}` });
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

function fill(row, size, line, { title = "", quiet = false } = {}) {
  Object.assign(row.querySelector(".size"), { textContent: size, title });
  row.querySelector(".line").textContent = line;
  row.querySelector(".line").classList.toggle("quiet", quiet);
}
