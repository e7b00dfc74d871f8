// Small tools: elements, numbers as text, the one tooltip.

const SVG = "http://www.w3.org/2000/svg";
const byId = (id) => document.getElementById(id);

function fill(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "text") element.textContent = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

const make = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const draw = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

function option(value, text, isSelected = false) {
  return make("option", { value, text, selected: isSelected });
}

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

function withCommas(value, digits = 0) {
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

// Three to four figures, whatever the size; a true minus sign.
function brief(value) {
  if (!isNumber(value)) return "–";
  const size = Math.abs(value);
  let text;
  if (size === 0) text = "0";
  else if (size >= 1000) text = withCommas(value);
  else if (size >= 1e-3) text = String(Number(value.toPrecision(3)));
  else text = value.toExponential(1);
  return text.replace("-", "−");
}

const percent = (value, digits = 1) => (isNumber(value) ? `${(100 * value).toFixed(digits)} %` : "–");

function signed(value) {
  const text = brief(value);
  return value > 0 ? `+${text}` : text;
}

const interval = (mean, low, high) =>
  isNumber(low) ? `${brief(mean)}  [${brief(low)}, ${brief(high)}]` : brief(mean);

// rows: [[swatch or null, name, text], …]
function showTip(title, rows, x, y) {
  const tip = byId("tip");
  const lines = rows.map(([mark, name, text]) =>
    make("div", { class: "line" }, mark || make("span"), make("span", { text: name }), make("b", { text })));
  tip.replaceChildren(make("div", { class: "tip-title", text: title }), ...lines);
  tip.hidden = false;
  const edge = 8;
  const { width, height } = tip.getBoundingClientRect();
  const right = document.documentElement.clientWidth - edge;
  let left = x + 14;
  if (left + width > right) left = x - width - 14;
  tip.style.left = `${Math.max(edge, Math.min(left, right - width))}px`;
  const below = y + 14 + height > window.innerHeight - edge ? y - height - 14 : y + 14;
  tip.style.top = `${Math.max(edge, below)}px`;
}

function hideTip() {
  byId("tip").hidden = true;
}
