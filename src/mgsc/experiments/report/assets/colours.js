// Colours of the theme in use, heat, and the agents' marks: colour, marker and dashes as in the paper's figures.

const PALETTES = {
  light: {
    ink: "#1c2024", muted: "#5d666f", faint: "#c4cad0", shade: "#eceff2", surface: "#ffffff", wall: "#e9ecef",
    terminal: "#ffffff", highlight: "#D55E00", gain: "#00698f", loss: "#b04a00",
    heat: [[247, 251, 255], [198, 219, 239], [107, 174, 214], [33, 113, 181], [8, 48, 107]],
  },
  dark: {
    ink: "#eceff2", muted: "#a3adb7", faint: "#4a545e", shade: "#262d34", surface: "#181d22", wall: "#242b32",
    terminal: "#181d22", highlight: "#ff8330", gain: "#6cc7f2", loss: "#ffa366",
    heat: [[16, 24, 34], [15, 62, 104], [24, 118, 178], [95, 184, 226], [235, 248, 255]],
  },
};
const DARK_INSTEAD = { // what vanishes on a dark page
  "#000000": "#ffffff", "#0072B2": "#3d9fdc", "#6A3D9A": "#a98be0", "#882255": "#d0679b",
};

const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : systemIsDark.matches;
}

const palette = () => PALETTES[isDark() ? "dark" : "light"];
const agentColour = (agent) => (isDark() && DARK_INSTEAD[agent.colour]) || agent.colour;

function heatRgb(share) {
  const stops = palette().heat;
  const place = Math.max(0, Math.min(1, share)) * (stops.length - 1);
  const index = Math.min(stops.length - 2, Math.floor(place));
  return stops[index].map((from, i) => Math.round(from + (stops[index + 1][i] - from) * (place - index)));
}

const heat = (share) => `rgb(${heatRgb(share).join(",")})`;

// Dark or light letters, whichever is read better on a colour of the heat map.
function inkOnHeat(share) {
  const [r, g, b] = heatRgb(share);
  return 0.299 * r + 0.587 * g + 0.114 * b > 115 ? "#10151a" : "#ffffff";
}

function polygon(corners, radius, turn = 0, inner = 1) {
  const count = inner === 1 ? corners : 2 * corners;
  const points = Array.from({ length: count }, (_, i) => {
    const angle = turn - Math.PI / 2 + (2 * Math.PI * i) / count;
    const length = inner !== 1 && i % 2 ? radius * inner : radius;
    return `${(length * Math.cos(angle)).toFixed(2)},${(length * Math.sin(angle)).toFixed(2)}`;
  });
  return `M${points.join("L")}Z`;
}

const cross = (r) => `M${-r},0H${r}M0,${-r}V${r}`;
const MARKERS = {
  "*": (r) => polygon(5, 1.5 * r, 0, 0.42),
  o: (r) => `M${-r},0A${r},${r} 0 1 0 ${r},0A${r},${r} 0 1 0 ${-r},0Z`,
  s: (r) => polygon(4, 1.25 * r, Math.PI / 4),
  D: (r) => polygon(4, 1.25 * r),
  "^": (r) => polygon(3, 1.3 * r),
  v: (r) => polygon(3, 1.3 * r, Math.PI),
  "<": (r) => polygon(3, 1.3 * r, -Math.PI / 2),
  ">": (r) => polygon(3, 1.3 * r, Math.PI / 2),
  p: (r) => polygon(5, 1.2 * r),
  h: (r) => polygon(6, 1.2 * r),
  P: (r) => cross(1.2 * r),
  X: (r) => polygon(4, 1.3 * r, Math.PI / 4, 0.45),
};

function marker(agent, radius, attributes = {}) {
  const shape = MARKERS[agent.marker] || MARKERS.o;
  const isLine = agent.marker === "P";
  return draw("path", {
    d: shape(radius), fill: agentColour(agent), stroke: isLine ? agentColour(agent) : palette().surface,
    "stroke-width": isLine ? 2 : 0.8, ...attributes,
  });
}

const dashArray = (agent, width) => agent.dashes.map((length) => length * width).join(" ") || null;

// A short piece of the agent's line with its marker.
function swatch(agent) {
  const width = agent.width + 0.6;
  const line = draw("line", {
    x1: 1, x2: 29, y1: 6, y2: 6, stroke: agentColour(agent), "stroke-width": width,
    "stroke-dasharray": dashArray(agent, width),
  });
  const mark = marker(agent, 3.2, { transform: "translate(15,6)" });
  return draw("svg", { width: 30, height: 12, viewBox: "0 0 30 12", class: "swatch", "aria-hidden": "true" }, line, mark);
}
