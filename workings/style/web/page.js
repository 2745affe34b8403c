// The page's script: a number's card, the ledger's search, contents that follow, larger figures, the theme.
// Without it everything is still there: numbers are links to the ledger, which is a table.
"use strict";

// An element with its attributes and what is in it; texts stay texts.
function make(tag, attributes, ...inside) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...inside.filter((each) => each != null));
  return element;
}

function read(id) { return JSON.parse(document.getElementById(id).textContent); }

(function cards() {
  const data = read("data");
  const card = document.getElementById("card");
  // A sentence of the card in the report's language, with what stands at each {}.
  const say = (text, ...values) => (data.words[text] || text).replace(/\{\}/g, () => values.shift());
  let opener = null, pinned = false, timer = 0;

  // A formula is one thing to a screen reader, so its numbers have their links beside it, for the keyboard.
  for (const formula of document.querySelectorAll("main math")) {
    const inside = [...formula.querySelectorAll(".m")];
    if (!inside.length) continue;
    const links = inside.map((number) => make("a", { class: "m key", href: number.getAttribute("href"), "data-use": number.id }, number.textContent));
    formula.after(make("span", { class: "keys" }, ...links));
    for (const number of inside) {
      number.setAttribute("data-href", number.getAttribute("href"));
      number.removeAttribute("href");
    }
  }
  for (const number of document.querySelectorAll("a.m")) number.setAttribute("aria-haspopup", "dialog");

  function excerpt(row) {
    const lines = data.code[row.file];
    if (!lines || !row.line) return null;
    const shown = [];
    for (let n = row.line - 3; n <= row.line + 3; n++) {
      if (n in lines) shown.push(make("span", { class: n === row.line ? "here" : false }, `${String(n).padStart(4)}  ${lines[n]}`));
    }
    return make("pre", { tabindex: "0", role: "region", "aria-label": `${row.file}, around line ${row.line}` }, ...shown);
  }

  function list(title, pairs) {
    if (!pairs.length) return [];
    return [make("h3", {}, title), make("dl", {}, ...pairs.flatMap(([name, ...rest]) => [make("dt", {}, name), make("dd", {}, ...rest)]))];
  }

  function short(sum) { return make("code", { title: sum }, sum.slice(0, 12)); }

  function uses(row, here) {
    const others = row.uses.filter(([use]) => use !== here);
    if (!others.length) return [];
    const items = others.map(([use, section, how]) => {
      const [number, title] = data.sections[section] || ["", section];
      const printed = document.getElementById(`use:${use}`);
      const text = printed ? printed.textContent : "";
      return make("li", {}, make("a", { href: `#use:${use}` }, `${number} ${title}`.trim()), text ? `: ${text}` : "", how ? ` (${how})` : "");
    });
    return [make("h3", {}, say("Also printed in")), make("ul", {}, ...items)];
  }

  function filled(name, here, printed) {
    const row = data.rows[name];
    const job = data.jobs[row.job];
    const use = row.uses.find(([anchor]) => anchor === here);
    const value = typeof row.value === "string" ? row.value : JSON.stringify(row.value);
    const chosen = name.startsWith("config.");
    const parts = [
      make("button", { class: "close", type: "button", onclick: () => close(true) }, say("Close")),
      make("h2", { id: "card-key" }, row.key),
      make("p", { class: "value" }, value.length > 400 ? `${value.slice(0, 400)} …` : value),
    ];
    if (printed && use) parts.push(make("p", {}, say("Printed here as {}", printed), use[2] ? `: ${use[2]}.` : ".", ` ${say("By")} `, make("code", {}, use[3]), "."));
    if (row.seeds) parts.push(make("p", {}, say("Over other seeds: mean {}, deviation ± {}, from {} to {}.", row.seeds.mean, row.seeds.deviation, row.seeds.lowest, row.seeds.highest)));
    const place = make("code", {}, row.at);
    parts.push(make("h3", {}, say(chosen ? "Chosen in" : "Recorded by"), " ", row.link ? make("a", { href: row.link }, place) : place), excerpt(row));
    if (job) {
      parts.push(...list(say("Configuration of the job"), job.configuration.map(([key, given, at]) => [key, given, " ", make("small", {}, at)])));
      parts.push(...list(say("Inputs, SHA-256"), job.inputs.map(([path, sum]) => [path, short(sum)])));
      parts.push(...list(say("Results, SHA-256"), [[job.results[0], short(job.results[1])]]));
      if (job.changed.length) parts.push(make("p", {}, say("Changed since the commit: {}.", job.changed.join(", "))));
    }
    parts.push(...uses(row, here), make("p", {}, make("a", { href: `#ledger:${name}` }, say("Its row in the ledger"))));
    return parts.filter((part) => part);
  }

  // In the margin at the number's height where there is room; else below the number or above it.
  function place(number) {
    const page = document.documentElement.clientWidth;
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const margin = document.querySelector("main > header").getBoundingClientRect().right + 2.25 * rem;
    const room = page - margin - 12;
    const beside = room >= 18 * rem && number.right < margin;
    card.style.width = beside ? `${Math.min(room, 29 * rem)}px` : "";
    const width = card.offsetWidth, height = card.offsetHeight;
    const below = number.bottom + height + 12 < innerHeight || number.top < height + 12;
    const left = beside ? margin : Math.max(12, Math.min(number.left, page - width - 12));
    const top = beside ? Math.max(12, Math.min(number.top, innerHeight - height - 12)) : below ? number.bottom + 6 : number.top - height - 6;
    card.style.left = `${left + scrollX}px`;
    card.style.top = `${top + scrollY}px`;
  }

  function open(number, pin) {
    const name = decodeURIComponent((number.getAttribute("href") || number.getAttribute("data-href")).replace("#ledger:", ""));
    if (!data.rows[name]) return;
    close(false);
    opener = number;
    pinned = pin;
    number.setAttribute("aria-expanded", "true");
    card.replaceChildren(...filled(name, (number.dataset.use || number.id || "").replace("use:", ""), number.classList.contains("label") ? "" : number.textContent));
    card.hidden = false;
    card.scrollTop = 0;
    place(number.getBoundingClientRect());
    if (pin) card.focus({ preventScroll: true });
  }

  function close(back) {
    clearTimeout(timer);
    if (card.hidden) return;
    card.hidden = true;
    opener.removeAttribute("aria-expanded");
    if (back) opener.focus({ preventScroll: true });
    pinned = false;
  }

  document.addEventListener("click", (event) => {
    const number = event.target.closest(".m");
    if (number && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      open(number, true);
    } else if (!event.target.closest("#card")) close(false);
    else if (event.target.closest("#card a[href^='#']")) close(false);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !card.hidden) close(true);
    if (event.key === "Enter" && event.target.closest(".m")) {
      event.preventDefault();
      open(event.target.closest(".m"), true);
    }
  });
  // A glance with the mouse: the card goes with it, unless it was asked to stay.
  if (matchMedia("(hover: hover)").matches) {
    document.addEventListener("pointerover", (event) => {
      const number = event.target.closest(".m");
      if (number && number !== opener && !pinned) {
        clearTimeout(timer);
        timer = setTimeout(() => open(number, false), 250);
      } else if (event.target.closest("#card") || (number && number === opener)) clearTimeout(timer);
    });
    document.addEventListener("pointerout", (event) => {
      if (!pinned && event.target.closest(".m, #card")) {
        clearTimeout(timer);
        timer = setTimeout(() => { close(false); opener = null; }, card.style.width ? 900 : 350); // longer where the way to it is longer
      }
    });
  }
})();

(function ledger() {
  const table = document.getElementById("ledger");
  if (!table) return;
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const count = make("span", { role: "status" });
  const field = make("input", { type: "search", id: "find", oninput: show });
  table.parentElement.before(make("div", { class: "find" }, make("label", { for: "find" }, "Search the ledger"), field, count));
  function show() {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      shown += !row.hidden;
    }
    count.textContent = `${shown} of ${rows.length} rows`;
  }
  show();
  const order = new Intl.Collator("en", { numeric: true }).compare;
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const name = head.textContent;
    head.replaceChildren(make("button", { type: "button", onclick: sort }, name));
    function sort() {
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const text = (row) => row.cells[column].textContent;
      const number = (row) => Number(text(row).replace(",", "."));
      const both = (a, b) => !Number.isNaN(number(a)) && !Number.isNaN(number(b));
      const compare = (a, b) => (both(a, b) ? number(a) - number(b) : order(text(a), text(b)));
      body.append(...rows.sort((a, b) => (up ? compare(a, b) : compare(b, a))));
    }
  });
  // A link to a row that the search hides shows it.
  addEventListener("hashchange", () => {
    const row = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (row && row.hidden) { field.value = ""; show(); row.scrollIntoView(); }
  });
})();

(function contents() {
  const nav = document.getElementById("contents");
  const links = new Map([...nav.querySelectorAll("a")].map((link) => [decodeURIComponent(link.hash.slice(1)), link]));
  const tools = document.getElementById("tools");
  const dark = () => (document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const theme = make("button", { type: "button", onclick: () => { document.documentElement.dataset.theme = dark() ? "light" : "dark"; name(); } });
  const name = () => { theme.textContent = dark() ? "Light" : "Dark"; };
  name();
  const toggle = make("button", { type: "button", class: "toggle", "aria-expanded": "false", onclick: () => {
    toggle.setAttribute("aria-expanded", String(nav.classList.toggle("open")));
  } }, "Contents");
  tools.append(theme, toggle);
  const narrow = matchMedia("(max-width: 84rem)");
  const adapt = () => { toggle.hidden = !narrow.matches; };
  narrow.addEventListener("change", adapt);
  adapt();
  nav.addEventListener("click", (event) => {
    if (event.target.closest("a") && narrow.matches) { nav.classList.remove("open"); toggle.setAttribute("aria-expanded", "false"); }
  });
  const heads = [...document.querySelectorAll("main h2, main h3")].filter((head) => links.has(head.id));
  let current = null, waiting = false;
  function follow() {
    waiting = false;
    const passed = heads.filter((head) => head.getBoundingClientRect().top < 160);
    const link = passed.length ? links.get(passed[passed.length - 1].id) : null;
    if (link === current) return;
    if (current) current.removeAttribute("aria-current");
    if (link) {
      link.setAttribute("aria-current", "true");
      const top = link.offsetTop - nav.scrollTop;
      if (top < 40 || top > nav.clientHeight - 60) nav.scrollTop = link.offsetTop - nav.clientHeight / 2;
    }
    current = link;
  }
  addEventListener("scroll", () => { if (!waiting) { waiting = true; requestAnimationFrame(follow); } }, { passive: true });
  follow();
})();

(function figures() {
  const large = document.getElementById("large");
  large.addEventListener("click", (event) => { if (event.target === large || event.target.closest("button")) large.close(); });
  for (const picture of document.querySelectorAll(".picture")) {
    const drawn = picture.querySelector("svg");
    const enlarge = () => {
      large.replaceChildren(make("button", { type: "button", autofocus: true }, "Close"), drawn.cloneNode(true));
      large.showModal();
    };
    const label = drawn.closest("figure").querySelector(".label");
    picture.append(make("button", { type: "button", class: "enlarge", onclick: enlarge, "aria-label": `Enlarge ${label ? label.textContent : "the figure"}` }, "Enlarge"));
  }
  // What scrolls sideways can be reached with the keyboard.
  for (const block of document.querySelectorAll("main p")) {
    if (block.scrollWidth > block.clientWidth + 1) { block.tabIndex = 0; block.setAttribute("role", "group"); block.setAttribute("aria-label", "A wide formula"); }
  }
})();
