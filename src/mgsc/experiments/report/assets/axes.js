// Scales, ticks and the frame that the figures share.

function niceStep(span, count) {
  const rough = span / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough * 0.999);
}

function linearTicks(low, high, count) {
  const step = niceStep(high - low, count);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) ticks.push(i * step);
  return ticks.map((tick) => (Math.abs(tick) < 1e-9 * step ? 0 : tick));
}

function logTicks(low, high) {
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    for (const factor of high / low > 300 ? [1] : [1, 2, 5]) {
      const tick = factor * 10 ** power;
      if (tick >= low * 0.999 && tick <= high * 1.001) ticks.push(tick);
    }
  }
  return ticks;
}

// Numbers to pixels; `invert` goes back. Bounds that coincide are moved apart.
function scaleOf(low, high, from, to, isLog = false) {
  const forward = isLog ? Math.log10 : (value) => value;
  const back = isLog ? (value) => 10 ** value : (value) => value;
  const [a, b] = high > low ? [forward(low), forward(high)] : [forward(low) - 0.5, forward(low) + 0.5];
  const scale = (value) => from + ((forward(value) - a) / (b - a)) * (to - from);
  scale.invert = (pixel) => back(a + ((pixel - from) / (to - from)) * (b - a));
  scale.ticks = (count) => (isLog ? logTicks(low, high) : linearTicks(back(a), back(b), count));
  return scale;
}

function label(x, y, text, attributes = {}) {
  return draw("text", { x, y, text, class: "label", ...attributes });
}

// Ticks, grid and titles of both axes in one group.
function frame(box, x, y, titles) {
  const group = draw("g", { class: "frame" });
  for (const tick of y ? y.ticks(Math.max(3, (box.bottom - box.top) / 55)) : []) {
    group.append(
      draw("line", { x1: box.left, x2: box.right, y1: y(tick), y2: y(tick), class: "grid" }),
      label(box.left - 6, y(tick) + 4, brief(tick), { "text-anchor": "end" }),
    );
  }
  for (const tick of x.ticks(Math.max(2, (box.right - box.left) / 95))) {
    if (!y) group.append(draw("line", { x1: x(tick), x2: x(tick), y1: box.top, y2: box.bottom, class: "grid" }));
    group.append(label(x(tick), box.bottom + 17, withCommas(tick, Number.isInteger(tick) ? 0 : 2), { "text-anchor": "middle" }));
  }
  group.append(label(box.right, box.bottom + 35, titles.x, { "text-anchor": "end", class: "label muted" }));
  if (titles.y) group.append(label(box.left, box.top - 9, titles.y, { class: "label muted" }));
  return group;
}

function svgFigure(width, height, description) {
  return draw("svg", {
    width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": description, class: "plot",
  });
}
