// Figures that can be explored: a patch or a picture to move, curves to choose, a derivation step by step.
// Each stands in the place of the printed figure, which stays below it, and works with the keyboard alone.
"use strict";

const [SHADES, LABELS] = [ // a small number is dark
  ["#3f0e08", "#b4472e", "#edc3ae", "#ffffff"],
  ["#0b5c8a", "#b4472e", "#5b7f2b", "#8a5a9e", "#b98a1f", "#4b8e8d", "#3d4b66", "#c46f95", "#8b6b4a", "#9aa3af"],
].map((colours) => colours.map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16))));

function shade(value) { // of a number from 0 to 1
  const place = Math.max(0, Math.min(1, value)) * (SHADES.length - 1);
  const low = Math.min(Math.floor(place), SHADES.length - 2);
  return SHADES[low].map((c, i) => Math.round(c + (SHADES[low + 1][i] - c) * (place - low)));
}

let controls = 0;
function labelled(text, control) {
  control.id = `control-${++controls}`;
  return make("span", {}, make("label", { for: control.id }, `${text} `), control);
}

function choice(text, names, changed) {
  const select = make("select", { onchange: changed }, ...names.map((name) => make("option", {}, name)));
  return [select, labelled(text, select)];
}

// The explorer takes the place of the printed figure.
function installed(picture, ...parts) {
  const explorer = make("div", { class: "explore" }, ...parts);
  picture.before(explorer);
  explorer.append(make("details", { class: "still" }, make("summary", {}, "As printed"), picture));
  return explorer;
}

function places(data, picture, name) {
  const { rows, columns, patch } = data;
  const size = { high: data.choices[0].picture.length, wide: data.choices[0].picture[0].length };
  const names = Object.keys(data.choices[0].values);
  const start = (list, middle) => list.reduce((best, value, i) => (Math.abs(value - middle) < Math.abs(list[best] - middle) ? i : best), 0);
  let at = [start(rows, patch ? (size.high - patch) / 2 : 0), start(columns, patch ? (size.wide - patch) / 2 : 0)];
  let chosen = 0;

  const output = make("output", { "aria-live": "polite" });
  const boards = [patch ? "The patch on it" : "Shifted", ...names, "label"].map((title) => {
    const canvas = make("canvas", { "aria-hidden": "true" });
    return { title: make("span", {}, title), canvas };
  });
  const stage = make("div", {
    class: "stage", tabindex: "0", role: "application",
    "aria-label": `${patch ? "Move the patch" : "Shift the picture"} with the arrow keys`, onkeydown: key,
  }, ...boards.map(({ title, canvas }) => make("div", { class: "board" }, title, canvas)));
  const [select, control] = choice("Digit", data.choices.map((each) => each.name), () => { chosen = select.selectedIndex; draw(); });
  const hint = make("small", {}, "Drag it, or use the arrow keys.");
  const explorer = installed(picture, make("div", { class: "controls" }, control, hint), stage, output);
  explorer.id = `explore:${name}`;

  function key(event) {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    move(at[0] + step[0], at[1] + step[1]);
  }

  function move(row, column) {
    at = [Math.max(0, Math.min(rows.length - 1, row)), Math.max(0, Math.min(columns.length - 1, column))];
    draw();
  }

  function painted(canvas, high, wide, colour) {
    canvas.width = wide;
    canvas.height = high;
    const context = canvas.getContext("2d");
    const image = context.createImageData(wide, high);
    for (let r = 0; r < high; r++) {
      for (let c = 0; c < wide; c++) image.data.set([...colour(r, c), 255], 4 * (r * wide + c));
    }
    context.putImageData(image, 0, 0);
    return context;
  }

  function ink(value) { return [22, 32, 43].map((dark) => Math.round(255 + (dark - 255) * value)); }

  function draw() {
    const one = data.choices[chosen];
    const [top, left] = [rows[at[0]], columns[at[1]]];
    const inside = (r, c) => patch && r >= top && r < top + patch && c >= left && c < left + patch;
    const pixel = (r, c) => {
      if (inside(r, c)) return data.fill;
      const [from, across] = patch ? [r, c] : [r - top, c - left];
      return ((one.picture[from] || [])[across] || 0) / 255;
    };
    painted(boards[0].canvas, size.high, size.wide, (r, c) => {
      const shown = ink(pixel(r, c));
      const edge = inside(r, c) && !(inside(r - 1, c) && inside(r + 1, c) && inside(r, c - 1) && inside(r, c + 1));
      return edge ? [180, 71, 46] : shown;
    });
    const maps = [...names.map((map) => [one.values[map], shade]), [one.labels, (label) => LABELS[label % 10]]];
    maps.forEach(([map, colour], i) => {
      const scale = 6; // so that the cross is finer than a place
      const context = painted(boards[i + 1].canvas, rows.length * scale, columns.length * scale,
        (r, c) => colour(map[Math.floor(r / scale)][Math.floor(c / scale)]));
      context.strokeStyle = "#ffffff";
      context.lineWidth = 2;
      context.strokeRect(at[1] * scale - 1, at[0] * scale - 1, scale + 2, scale + 2);
      context.strokeStyle = "#000000";
      context.lineWidth = 1;
      context.strokeRect(at[1] * scale - 2.5, at[0] * scale - 2.5, scale + 5, scale + 5);
    });
    const label = one.labels[at[0]][at[1]];
    const where = patch
      ? `Patch on rows ${top} to ${top + patch - 1}, columns ${left} to ${left + patch - 1}: `
      : `Shifted by ${left} to the right and ${top} down: `;
    const numbers = names.map((map) => `${map} ${one.values[map][at[0]][at[1]].toFixed(4)}`).join(", ");
    output.replaceChildren(where, make("b", {}, numbers), `, label ${label}.`);
  }

  boards.forEach(({ canvas }, i) => {
    const reach = (event) => {
      const box = canvas.getBoundingClientRect();
      const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
      if (i) move(Math.floor(y * rows.length), Math.floor(x * columns.length));
      else if (patch) move(start(rows, y * size.high - patch / 2), start(columns, x * size.wide - patch / 2));
      else move(start(rows, (y - 0.5) * size.high), start(columns, (x - 0.5) * size.wide));
    };
    canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); reach(event); });
    canvas.addEventListener("pointermove", (event) => { if (event.pointerType === "mouse" || event.buttons) reach(event); });
  });
  draw();
}

function drawing(tag, attributes, ...inside) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...inside);
  return element;
}

function curves(data, picture, name) {
  const COLOURS = ["accent", "warm", "green", "violet", "ochre", "ink"];
  const [wide, high, left, bottom, top, right] = [760, 340, 56, 44, 26, 130];
  const all = data.lines.flatMap((line) => line.x);
  const xs = [...new Set(all)].sort((a, b) => a - b);
  const ys = data.lines.flatMap((line) => [...line.y, ...(line.points || []).flat()]).filter((y) => !data.logarithmic || y > 0);
  const scale = data.logarithmic ? Math.log10 : (y) => y;
  const [low, up] = [data.logarithmic ? Math.floor(scale(Math.min(...ys))) : Math.min(0, ...ys), data.logarithmic ? Math.ceil(scale(Math.max(...ys))) : Math.max(...ys) * 1.05];
  const px = (x) => left + ((x - xs[0]) / (xs[xs.length - 1] - xs[0])) * (wide - left - right);
  const py = (y) => high - bottom - ((scale(Math.max(y, data.logarithmic ? 10 ** low : y)) - low) / (up - low)) * (high - bottom - top);
  const draft = drawing("svg", { viewBox: `0 0 ${wide} ${high}`, class: "chart", "aria-hidden": "true" });
  const output = make("output", { "aria-live": "polite" });
  const selects = data.chosen_by.map((key) => {
    const names = [...new Set(data.lines.map((line) => line[key]))];
    return [key, ...choice(key[0].toUpperCase() + key.slice(1), names, draw)];
  });
  const slider = make("input", { type: "range", min: 0, max: xs.length - 1, step: 1, value: Math.floor(xs.length / 3), oninput: draw });
  const explorer = installed(picture, make("div", { class: "controls" }, ...selects.map(([, , control]) => control), labelled(data.x, slider)), draft, output);
  explorer.id = `explore:${name}`;

  function ticks() {
    const marks = [];
    const step = Math.max(1, Math.ceil((up - low) / 6));
    if (data.logarithmic) for (let e = low; e <= up; e += step) marks.push([10 ** e, `10${String(e).replace("-", "−").replace(/\d/g, (d) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[d]).replace("−", "⁻")}`]);
    else {
      const power = 10 ** Math.floor(Math.log10((up - low) / 4));
      const round = [1, 2, 5, 10].map((n) => n * power).find((n) => (up - low) / n <= 6);
      for (let i = Math.ceil(low / round); i * round <= up; i++) marks.push([i * round, String(Number((i * round).toPrecision(6)))]);
    }
    return marks;
  }

  function path(line) { return line.x.map((x, i) => `${i ? "L" : "M"}${px(x).toFixed(1)} ${py(line.y[i]).toFixed(1)}`).join(""); }

  function text(x, y, words, more) { return drawing("text", { x, y, "font-size": 13, "data-fill": "quiet", ...more }, words); }

  function draw() {
    const at = xs[slider.value];
    const mine = (line) => selects.every(([key, select]) => line[key] === select.value);
    const chosen = data.lines.filter(mine);
    const parts = ticks().flatMap(([value, words]) => [
      drawing("line", { x1: left, x2: wide - right, y1: py(value), y2: py(value), "data-stroke": "rule" }),
      text(left - 8, py(value) + 4, words, { "text-anchor": "end" }),
    ]);
    const every = Math.ceil(xs.length / 10);
    xs.forEach((x, i) => { if (i % every === 0) parts.push(text(px(x), high - bottom + 18, String(x), { "text-anchor": "middle" })); });
    parts.push(text((left + wide - right) / 2, high - 6, data.x, { "text-anchor": "middle" }), text(4, 12, data.y, {}));
    for (const line of data.lines) if (!mine(line)) parts.push(drawing("path", { d: path(line), fill: "none", "data-stroke": "rule", "stroke-width": 1.2 }));
    const names = chosen.map((line, i) => ({ line, colour: COLOURS[i % COLOURS.length], y: py(line.y[line.y.length - 1]) })).sort((a, b) => a.y - b.y);
    names.forEach((each, i) => { if (i && each.y < names[i - 1].y + 16) each.y = names[i - 1].y + 16; });
    for (const { line, colour, y } of names) {
      parts.push(drawing("path", { d: path(line), fill: "none", "data-stroke": colour, "stroke-width": 2.2, "stroke-linejoin": "round" }));
      (line.points || []).forEach((values, i) => values.forEach((value) => parts.push(drawing("circle", { cx: px(line.x[i]), cy: py(value), r: 3.2, fill: "none", "data-stroke": colour }))));
      parts.push(text(wide - right + 8, y + 4, line.name, { "data-fill": colour }));
      const i = line.x.indexOf(at);
      if (i >= 0) parts.push(drawing("circle", { cx: px(at), cy: py(line.y[i]), r: 5, "data-fill": colour }));
    }
    parts.push(drawing("line", { x1: px(at), x2: px(at), y1: top, y2: high - bottom, "data-stroke": "quiet", "stroke-dasharray": "3 3" }));
    draft.replaceChildren(...parts);
    const number = (y) => (y !== 0 && (Math.abs(y) < 1e-3 || Math.abs(y) >= 1e5) ? y.toExponential(2) : String(Number(y.toPrecision(4))));
    const told = chosen.filter((line) => line.x.includes(at)).map((line) => `${line.name} ${number(line.y[line.x.indexOf(at)])}`);
    output.replaceChildren(`${data.x}: ${at}. ${data.y}: `, make("b", {}, told.join(", ") || "nothing"), ".");
    slider.setAttribute("aria-valuetext", `${at}`);
  }
  draw();
}

// A derivation whose lines are named a[0], a[1] …: one step at a time, forwards and then back.
(function steps() {
  const derivations = new Map();
  for (const name of document.querySelectorAll("math .line")) {
    const found = /^line:(\w+)\.([\w.]+)\[(\d+)\]$/.exec(name.id);
    if (!found) continue;
    const [, job, line, step] = found;
    const rows = [];
    let row = name.closest("math > mtable > mtr, mtr");
    while (row.parentElement.closest("mtr")) row = row.parentElement.closest("mtr");
    do { rows.push(row); row = row.nextElementSibling; } while (row && !row.querySelector(".line"));
    if (!derivations.has(job)) derivations.set(job, []);
    derivations.get(job).push({ line, step: Number(step), rows, block: name.closest("p") });
  }
  for (const [job, lines] of derivations) {
    const forward = lines.filter(({ line }) => !/^(d\w+_d|jacobian)/.test(line));
    const backward = lines.filter(({ line }) => line.startsWith("dL_d"));
    if (!backward.length || new Set(forward.map((line) => line.step)).size < 2) continue;
    explore(job, forward, backward);
  }

  function explore(job, forward, backward) {
    const order = (part) => [...new Set(part.map((line) => line.step))].filter((step) => step < count).sort((a, b) => a - b);
    const count = Math.max(...forward.map((line) => line.step)) + 1;
    const stops = [...order(forward).map((step) => [forward, step]), ...order(backward).reverse().map((step) => [backward, step])];
    const slider = make("input", { type: "range", min: 0, max: stops.length - 1, step: 1, value: 0, oninput: draw });
    const output = make("output", { "aria-live": "polite" });
    const shown = make("div", { class: "lines", tabindex: "0", role: "region", "aria-label": "The lines of this step" });
    const net = drawing("svg", { viewBox: `0 0 ${count * 190 + 80} 275`, class: "chart", role: "img" });
    const explorer = make("div", { class: "explore steps", id: `explore:${job}` },
      make("div", { class: "controls" }, labelled("Step by step, forwards and back", slider)), net, output, shown);
    forward[0].block.before(explorer);
    const letters = [...new Set(forward.map((line) => line.line))];

    function box(x, y, words, active) {
      const group = drawing("g", {});
      group.append(
        drawing("rect", { x: x - 26, y: y - 15, width: 52, height: 30, rx: 6, fill: active ? "var(--accent)" : "var(--raised)", "data-stroke": active ? "accent" : "quiet" }),
        drawing("text", { x, y: y + 5, "text-anchor": "middle", "font-size": 14, "font-style": words.length > 2 ? "normal" : "italic", fill: active ? "var(--paper)" : "var(--ink)" }, words));
      return group;
    }

    function arrow(x1, y1, x2, y2, active) {
      const [dx, dy] = [x2 - x1, y2 - y1];
      const length = Math.hypot(dx, dy);
      const [ux, uy] = [dx / length, dy / length];
      const colour = active ? "warm" : "quiet";
      return drawing("g", {},
        drawing("line", { x1, y1, x2: x2 - 6 * ux, y2: y2 - 6 * uy, "data-stroke": colour, "stroke-width": active ? 2.2 : 1.4 }),
        drawing("path", { d: `M${x2} ${y2}l${-9 * ux - 4 * uy} ${-9 * uy + 4 * ux}l${8 * uy} ${-8 * ux}z`, "data-fill": colour }));
    }

    function draw() {
      const [part, step] = stops[slider.value];
      const back = part === backward;
      const made = [];
      const rows = letters.slice(0, 6).map((letter, i) => [letter, 235 - i * (210 / Math.max(1, Math.min(letters.length, 6) - 1))]);
      const state = rows.find(([letter]) => letter === "h") || rows[Math.min(1, rows.length - 1)];
      for (let t = 0; t < count; t++) {
        const x = 90 + t * 190;
        const active = t === step;
        rows.forEach(([letter, y], i) => {
          if (i) made.push(back ? arrow(x, y + 15, x, rows[i - 1][1] - 15, active) : arrow(x, rows[i - 1][1] - 15, x, y + 15, active));
          made.push(box(x, y, letter, active));
        });
        if (t + 1 < count) made.push(back ? arrow(x + 164, state[1], x + 26, state[1], step === t + 1 || active) : arrow(x + 26, state[1], x + 164, state[1], active));
        made.push(drawing("text", { x, y: 270, "text-anchor": "middle", "font-size": 12, "data-fill": active ? "accent" : "quiet" }, `t = ${t}`));
      }
      net.replaceChildren(...made);
      const way = back ? "Backwards" : "Forwards";
      net.setAttribute("aria-label", `The network unrolled over ${count} steps; ${way.toLowerCase()}, at step ${step}`);
      const own = part.filter((line) => line.step === step);
      output.replaceChildren(make("b", {}, `${way}, t = ${step}`), `: ${own.map((line) => `${line.line}[${step}]`).join(", ")}.`);
      slider.setAttribute("aria-valuetext", `${way}, step ${step}`);
      const math = document.createElementNS("http://www.w3.org/1998/Math/MathML", "math");
      math.setAttribute("display", "block");
      const table = document.createElementNS("http://www.w3.org/1998/Math/MathML", "mtable");
      for (const line of own) for (const row of line.rows) table.append(row.cloneNode(true));
      for (const each of table.querySelectorAll("[id]")) each.removeAttribute("id");
      math.append(table);
      shown.replaceChildren(math);
    }
    draw();
  }
})();

for (const [name, data] of Object.entries(read("explored"))) {
  const picture = document.querySelector(`.picture[data-figure="${CSS.escape(name)}"]`);
  if (picture) ({ places, curves })[data.kind](data, picture, name);
}
