"use strict";
// The map of `fovea map`: points and small pictures on a canvas. `data` is what pages/map.py wrote.
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const { x, y, paths, tile, across, colourings } = data;
  const n = x.length;
  const canvas = byId("canvas"), pen = canvas.getContext("2d");
  const PALETTE = ["#2f7fd1", "#e5832a", "#2f9e53", "#cf4446", "#8d66c9", "#94634d", "#d873b5", "#6f7f8f", "#a8ab22", "#1ab2c4", "#f0b429", "#4a4fb5"];
  const RAMP = ["#cf3a2c", "#e9892f", "#d9bb4a", "#8fa0b3"];  // from the worst to the best
  const GREY = "#8b95a1", MOST_ZOOM = 400, REACH_PX = 22;
  const order = shuffled(n);  // who comes first where pictures would cover each other: the same at every zoom
  const sheets = [];
  let ranked = order;  // on a scale the worst come first
  let view = { k: 1, dx: 0, dy: 0 }, fitted = 1, width = 0, height = 0, ratio = 1;
  let colouring = colourings[0], hidden = new Set(), lit = null, size = tile ? (innerWidth < 640 ? 32 : n < 300 ? 80 : 48) : 0;
  let pointed = -1, held = -1, found = null, chosen = [], chosenFor = "", waiting = false;

  function shuffled(count) {
    const numbers = Uint32Array.from({ length: count }, (_, i) => i);
    let state = 1;
    for (let i = count - 1; i > 0; i--) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      const j = state % (i + 1);
      [numbers[i], numbers[j]] = [numbers[j], numbers[i]];
    }
    return numbers;
  }

  const classOf = (i) => (colouring ? colouring.of[i] : -1);
  function colourOf(c) {
    if (c < 0) return GREY;
    if (colouring.scale) return RAMP[Math.min(c, RAMP.length - 1)];
    if (colouring.names.length <= PALETTE.length) return PALETTE[c];
    return `hsl(${(c * 137.508) % 360} ${55 + 15 * (c % 3)}% ${42 + 8 * (c % 4)}%)`;
  }
  const isShown = (i) => !hidden.has(classOf(i)) && (!found || found[i]);
  const toX = (i) => x[i] * view.k + view.dx, toY = (i) => y[i] * view.k + view.dy;

  function fit() {
    if (!n) return;
    let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let i = 0; i < n; i++) {
      left = Math.min(left, x[i]); right = Math.max(right, x[i]);
      top = Math.min(top, y[i]); bottom = Math.max(bottom, y[i]);
    }
    const edge = 20 + size / 2;
    fitted = Math.min((width - 2 * edge) / Math.max(right - left, 1), (height - 2 * edge) / Math.max(bottom - top, 1));
    view = { k: fitted, dx: width / 2 - fitted * (left + right) / 2, dy: height / 2 - fitted * (top + bottom) / 2 };
    redraw();
  }

  function zoom(factor, atX = width / 2, atY = height / 2) {
    const k = Math.min(Math.max(view.k * factor, fitted / 2), fitted * MOST_ZOOM), f = k / view.k;
    view = { k, dx: atX - f * (atX - view.dx), dy: atY - f * (atY - view.dy) };
    redraw();
  }

  // Which pictures are drawn: going through `ranked`, those that cover none drawn before. Moving the map changes nothing.
  function choose() {
    const key = `${view.k} ${size}`;
    if (key === chosenFor) return;
    chosenFor = key;
    chosen = [];
    if (!size) return;
    const step = (size + 2) / view.k, taken = new Map();
    for (const i of ranked) {
      if (!isShown(i)) continue;
      const a = Math.floor(x[i] / step), b = Math.floor(y[i] / step);
      let free = true;
      for (let u = a - 1; free && u <= a + 1; u++) {
        for (let v = b - 1; free && v <= b + 1; v++) {
          const j = taken.get(u * 1e6 + v);
          free = j === undefined || Math.abs(x[i] - x[j]) >= step || Math.abs(y[i] - y[j]) >= step;
        }
      }
      if (free) { taken.set(a * 1e6 + b, i); chosen.push(i); }
    }
  }

  function redraw() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  }

  function draw() {
    const style = getComputedStyle(document.documentElement);
    const ink = style.getPropertyValue("--ink"), paper = style.getPropertyValue("--paper");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    choose();
    drawPoints();
    pen.lineWidth = 3;
    for (const i of chosen) drawTile(i, size, colourOf(classOf(i)));
    const told = held >= 0 ? held : pointed;
    if (told >= 0) {
      const side = Math.max(size, tile ? 72 : 12);
      pen.lineWidth = 7; outline(told, side + 4, paper);
      pen.lineWidth = 3;
      if (tile) drawTile(told, side, ink); else outline(told, side, ink);
    }
  }

  function drawPoints() {
    const r = n > 20000 ? 1.5 : n > 3000 ? 2 : 3, k = Math.min(2.5, Math.max(1, Math.sqrt(view.k / fitted) / 1.5));
    const side = 2 * r * k, drawn = new Map();
    for (let i = 0; i < n; i++) {
      if (!isShown(i)) continue;
      const px = toX(i), py = toY(i);
      if (px < -side || py < -side || px > width + side || py > height + side) continue;
      const c = classOf(i);
      if (!drawn.has(c)) drawn.set(c, []);
      drawn.get(c).push(px - side / 2, py - side / 2);
    }
    for (const [c, places] of drawn) {
      pen.fillStyle = colourOf(c);
      pen.globalAlpha = lit !== null && c !== lit ? 0.12 : 0.85;
      for (let at = 0; at < places.length; at += 2) pen.fillRect(places[at], places[at + 1], side, side);
    }
    pen.globalAlpha = 1;
  }

  function cut(i) {
    const sheet = sheets[Math.floor(i / across ** 2)], at = i % across ** 2;
    return [sheet, (at % across) * tile + 1, Math.floor(at / across) * tile + 1];  // JPEG's colours run over by a pixel
  }

  function drawTile(i, side, colour) {
    const px = toX(i) - side / 2, py = toY(i) - side / 2;
    if (px < -side || py < -side || px > width || py > height) return;
    const [sheet, sx, sy] = cut(i);
    pen.globalAlpha = lit !== null && classOf(i) !== lit ? 0.15 : 1;
    if (sheet) pen.drawImage(sheet, sx, sy, tile - 2, tile - 2, px, py, side, side);
    pen.strokeStyle = colour;
    pen.strokeRect(px, py, side, side);
    pen.globalAlpha = 1;
  }

  function outline(i, side, colour) {
    pen.strokeStyle = colour;
    pen.strokeRect(toX(i) - side / 2, toY(i) - side / 2, side, side);
  }

  // The picture that lies uppermost under a place, or else the nearest point within reach.
  function pick(px, py, reach = REACH_PX) {
    for (let at = chosen.length - 1; at >= 0; at--) {
      const i = chosen[at];
      if (Math.abs(toX(i) - px) <= size / 2 && Math.abs(toY(i) - py) <= size / 2) return i;
    }
    let best = -1, least = reach ** 2;
    for (let i = 0; i < n; i++) {
      if (!isShown(i)) continue;
      const far = (toX(i) - px) ** 2 + (toY(i) - py) ** 2;
      if (far < least) { least = far; best = i; }
    }
    return best;
  }

  function tell() {
    const i = held >= 0 ? held : pointed, told = byId("told"), large = byId("large").getContext("2d");
    const lines = [];
    if (i >= 0) {
      lines.push(paths[i]);
      for (const one of colourings) {
        const c = one.of[i], value = one.values.length ? one.values[i] : null;
        const name = c < 0 ? "none" : one.names[c];
        if (value === null || value < 0) lines.push(`${one.title}: ${name}`);
        else lines.push(one.told ? `${one.told}: ${shown(value)}` : `${one.title}: ${name} (${shown(value)})`);
      }
    } else lines.push(`Point at a picture, or use the keyboard.`);
    told.replaceChildren(...lines.map((line) => { const p = document.createElement("p"); p.textContent = line; return p; }));
    large.clearRect(0, 0, 320, 320);
    if (i < 0 || !tile) return;
    const [sheet, sx, sy] = cut(i);
    large.imageSmoothingQuality = "high";
    if (sheet) large.drawImage(sheet, sx, sy, tile - 2, tile - 2, 0, 0, 320, 320);
  }
  const shown = (share) => `${(100 * share).toFixed(1)} %`;

  function point(i) {
    if (i === pointed) return;
    pointed = i;
    if (held < 0) tell();
    redraw();
  }

  function hold(i) { held = i; pointed = i; tell(); redraw(); }

  function changed() { chosenFor = ""; redraw(); }

  function colourBy(k) {
    colouring = colourings[k];
    hidden = new Set();
    ranked = colouring.scale ? [...order].sort((a, b) => (colouring.of[a] < 0) - (colouring.of[b] < 0) || colouring.of[a] - colouring.of[b]) : order;
    writeLegend();
    changed();
  }

  function writeLegend() {
    const list = byId("legend").querySelector("ul"), counts = new Map();
    byId("legend").querySelector("legend").textContent = colouring ? colouring.title : "No colours";
    byId("meaning").textContent = colouring ? colouring.meaning : "";
    for (let i = 0; i < n; i++) counts.set(classOf(i), (counts.get(classOf(i)) ?? 0) + 1);
    const numbers = [...counts.keys()].sort((a, b) => (a < 0) - (b < 0) || a - b);
    list.replaceChildren(...numbers.map((c) => legendRow(c, counts.get(c))));
  }

  function legendRow(c, count) {
    const row = document.createElement("li"), label = document.createElement("label"), box = document.createElement("input");
    const dot = document.createElement("i"), name = document.createElement("span"), number = document.createElement("b");
    box.type = "checkbox";
    box.checked = !hidden.has(c);
    box.addEventListener("change", () => { if (box.checked) hidden.delete(c); else hidden.add(c); changed(); });
    dot.style.background = colourOf(c);
    name.textContent = c < 0 ? "none" : colouring.names[c];
    number.textContent = count.toLocaleString("en");
    label.append(box, dot, name, number);
    const light = (is) => () => { lit = is ? c : null; redraw(); };
    label.addEventListener("pointerenter", light(true));
    label.addEventListener("pointerleave", light(false));
    box.addEventListener("focus", light(true));
    box.addEventListener("blur", light(false));
    row.append(label);
    return row;
  }

  function showAll(is) {
    hidden = new Set(is ? [] : colouring.of);
    writeLegend();
    changed();
  }

  const pointers = new Map();
  let travelled = 0;
  const place = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, place(event));
    travelled = pointers.size > 1 ? Infinity : 0;
    canvas.classList.add("moving");
  });
  canvas.addEventListener("pointermove", (event) => {
    const now = place(event), before = pointers.get(event.pointerId);
    if (!before) { point(pick(...now)); return; }
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) zoom(distance(now, other) / Math.max(distance(before, other), 1), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
    const share = other ? 0.5 : 1;  // two fingers move the map by the way of their middle
    view.dx += share * (now[0] - before[0]);
    view.dy += share * (now[1] - before[1]);
    travelled += distance(now, before);
    pointers.set(event.pointerId, now);
    redraw();
  });
  const distance = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);
  function release(event) {
    if (!pointers.delete(event.pointerId)) return;
    canvas.classList.remove("moving");
    if (event.type === "pointerup" && travelled < 6) { const i = pick(...place(event)); hold(i === held ? -1 : i); }
  }
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("pointerleave", () => point(-1));
  canvas.addEventListener("dblclick", (event) => zoom(2, ...place(event)));
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const step = event.deltaMode ? 0.05 : event.ctrlKey ? 0.01 : 0.0015;
    zoom(Math.exp(-step * event.deltaY), ...place(event));
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const far = 80, moves = { ArrowLeft: [far, 0], ArrowRight: [-far, 0], ArrowUp: [0, far], ArrowDown: [0, -far] };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (moves[event.key]) { view.dx += moves[event.key][0]; view.dy += moves[event.key][1]; redraw(); }
    else if (event.key === "+" || event.key === "=") zoom(1.4);
    else if (event.key === "-") zoom(1 / 1.4);
    else if (event.key === "0" || event.key === "Home") fit();
    else if (event.key === "Escape") { hold(-1); return; }
    else return;
    event.preventDefault();
    choose();
    hold(pick(width / 2, height / 2, Infinity));
  });

  byId("in").addEventListener("click", () => zoom(1.5));
  byId("out").addEventListener("click", () => zoom(1 / 1.5));
  byId("whole").addEventListener("click", fit);
  byId("all").addEventListener("click", () => showAll(true));
  byId("none").addEventListener("click", () => showAll(false));
  if (tile) byId("size").value = size;
  byId("size")?.addEventListener("input", (event) => { size = Number(event.target.value) < 16 ? 0 : Number(event.target.value); redraw(); });
  byId("find").addEventListener("input", (event) => {
    const words = event.target.value.trim().toLowerCase();
    found = words ? paths.map((path) => path.toLowerCase().includes(words)) : null;
    changed();
  });
  byId("colour").append(...colourings.map((one, k) => new Option(one.title, k)));
  byId("colour").addEventListener("change", (event) => colourBy(Number(event.target.value)));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

  let isFirst = true;
  new ResizeObserver(() => {
    ratio = devicePixelRatio || 1;
    width = canvas.clientWidth; height = canvas.clientHeight;
    canvas.width = width * ratio; canvas.height = height * ratio;
    if (isFirst) { isFirst = false; fit(); } else redraw();
  }).observe(canvas);
  document.querySelectorAll("img.sheet").forEach((image, k) => image.decode().then(() => createImageBitmap(image)).then((bitmap) => {
    sheets[k] = bitmap;
    tell();
    redraw();
  }));
  writeLegend();
  tell();
})();
