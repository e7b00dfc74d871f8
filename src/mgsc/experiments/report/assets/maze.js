// One maze on a canvas: d as heat, walls, goals, wrong states, and what may lie on top.

const MOVES = [[-1, 0], [1, 0], [0, -1], [0, 1]]; // up, down, left, right, as the environments number them
const ARROWS = ["↑", "↓", "←", "→"];
const GAP = 1.5;
const LARGEST_CELL = 64;
const FADED = 0.08; // shares of the seeds below it get no arrow

// What there is to draw of one agent at one moment.
function sceneOf(suite, agent, view) {
  const chunk = suite.shownChunk(view.chunk, view.seed);
  const policyName = view.seed === null ? "policy" : "action";
  const arrays = view.seed === null ? suite.means : suite.singles;
  return {
    suite, chunk, view,
    d: suite.hasMap("d") && suite.agents[agent].plans ? suite.mapAt("d", agent, chunk, view.seed) : null,
    value: "value" in arrays ? suite.mapAt("value", agent, chunk, view.seed) : null,
    policy: policyName in arrays ? suite.policyAt(agent, chunk, view.seed) : null,
    hasPolicy: view.hasPolicy || !suite.hasMap("d"), // without d there would be nothing to see at first
    most: suite.hasMap("d") ? suite.largest("d", view.seed) : 0,
  };
}

const heatShare = (scene, state) => (scene.most > 0 ? (scene.d[state] / scene.most) ** (1 / scene.view.scale) : 0);

class Maze {
  constructor(canvas) {
    this.canvas = canvas;
    this.inspected = null;
  }

  draw(scene, width) {
    const { suite } = scene;
    this.scene = scene;
    this.cell = Math.min(LARGEST_CELL, width / suite.numColumns);
    const [w, h] = [this.cell * suite.numColumns, this.cell * suite.numRows];
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(w * ratio);
    this.canvas.height = Math.round(h * ratio);
    this.canvas.style.width = `${w}px`;
    this.canvas.style.height = `${h}px`;
    this.context = this.canvas.getContext("2d");
    this.context.scale(ratio, ratio);
    this.context.fillStyle = palette().wall;
    if (suite.hasMaze) this.rounded(0, 0, w, h, 6).fill();
    for (let state = 0; state < suite.numStates; state++) this.drawState(state);
    if (this.inspected !== null) this.outline(this.inspected, palette().ink, 2, 1);
  }

  corner(state) {
    const [row, column] = this.scene.suite.places[state];
    return [column * this.cell, row * this.cell];
  }

  rounded(x, y, w, h, radius) {
    this.context.beginPath();
    this.context.roundRect(x, y, w, h, radius);
    return this.context;
  }

  drawState(state) {
    const { suite, d, chunk, view, policy, hasPolicy, value } = this.scene;
    const [x, y] = this.corner(state);
    const side = this.cell - GAP;
    const isTerminal = !suite.states.isCandidate[state];
    this.context.fillStyle = isTerminal ? palette().terminal : d ? heat(heatShare(this.scene, state)) : palette().shade;
    this.rounded(x + GAP / 2, y + GAP / 2, side, side, Math.min(4, side / 6)).fill();
    const ink = d && !isTerminal ? inkOnHeat(heatShare(this.scene, state)) : palette().ink;
    if (isTerminal) this.drawGoal(state, x, y);
    if (suite.states.start && suite.states.start[state] > 0) this.text("S", x + 0.17 * this.cell, y + 0.2 * this.cell, 0.26, ink);
    if (suite.isWrong(state, chunk)) this.outline(state, palette().highlight, 2.2, 2);
    if (isTerminal) return;
    const [shift, hasText] = this.layout(view, value, d);
    if (hasPolicy && policy) this.drawPolicy(policy[state], x, y - (hasText ? shift : 0), ink);
    if (hasText) this.drawTexts(state, x, y + (hasPolicy && policy ? shift : 0), ink);
  }

  // How far arrows and texts give way to each other.
  layout(view, value, d) {
    const hasText = (view.hasValues && value !== null) || (view.hasNumbers && d !== null);
    return [this.cell * 0.17, hasText];
  }

  drawGoal(state, x, y) {
    const { context } = this;
    context.save();
    this.rounded(x + GAP / 2, y + GAP / 2, this.cell - GAP, this.cell - GAP, 4).clip();
    context.strokeStyle = palette().faint;
    context.lineWidth = 1;
    context.beginPath();
    for (let i = -this.cell; i < this.cell; i += 6) {
      context.moveTo(x + i, y + this.cell);
      context.lineTo(x + i + this.cell, y);
    }
    context.stroke();
    context.restore();
    const reward = this.scene.suite.goalReward(state, this.scene.chunk);
    const middle = [x + this.cell / 2, y + this.cell / 2];
    const text = isNumber(reward) ? signed(reward) : "end";
    const colour = !isNumber(reward) || reward === 0 ? palette().muted : reward > 0 ? palette().gain : palette().loss;
    context.fillStyle = palette().terminal;
    context.beginPath();
    context.arc(...middle, this.cell * 0.34, 0, 2 * Math.PI);
    context.fill();
    this.text(text, ...middle, text.length > 2 ? 0.28 : 0.4, colour, true);
  }

  drawPolicy(shares, x, y, ink) {
    const { context } = this;
    const [cx, cy] = [x + this.cell / 2, y + this.cell / 2];
    const reach = this.cell * 0.3;
    context.strokeStyle = context.fillStyle = ink;
    context.lineWidth = Math.max(1.2, this.cell / 24);
    let isDrawn = false;
    shares.forEach((share, action) => {
      if (!(share > FADED)) return;
      const [down, right] = MOVES[action];
      this.arrow(cx, cy, right * reach * share, down * reach * share);
      isDrawn = true;
    });
    if (isDrawn) return;
    context.beginPath();
    context.arc(cx, cy, 1.6, 0, 2 * Math.PI);
    context.fill();
  }

  arrow(x, y, dx, dy) {
    const { context } = this;
    const length = Math.hypot(dx, dy);
    const head = Math.min(this.cell * 0.12, length * 0.7);
    const [ux, uy] = [dx / length, dy / length];
    const [tx, ty] = [x + dx, y + dy];
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(tx, ty);
    context.moveTo(tx - head * (ux + uy), ty - head * (uy - ux));
    context.lineTo(tx, ty);
    context.lineTo(tx - head * (ux - uy), ty - head * (uy + ux));
    context.stroke();
  }

  drawTexts(state, x, y, ink) {
    const { d, value, view } = this.scene;
    const texts = [];
    if (view.hasNumbers && d) texts.push((100 * d[state]).toFixed(1));
    if (view.hasValues && value) texts.push(value[state].toFixed(2).replace("-", "−"));
    const gap = this.cell * 0.27;
    texts.forEach((text, i) => {
      const offset = (i - (texts.length - 1) / 2) * gap;
      this.text(text, x + this.cell / 2, y + this.cell / 2 + offset, 0.26, ink, i > 0);
    });
  }

  text(text, x, y, size, colour, isBold = false) {
    const { context } = this;
    context.fillStyle = colour;
    context.font = `${isBold ? "600 " : ""}${Math.max(7.5, Math.min(16, size * this.cell))}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText(text, x, y);
  }

  outline(state, colour, width, inset) {
    const [x, y] = this.corner(state);
    this.context.strokeStyle = colour;
    this.context.lineWidth = width;
    const side = this.cell - 2 * inset;
    this.rounded(x + inset, y + inset, side, side, Math.min(4, side / 6)).stroke();
  }

  stateUnder(event) {
    const { left, top } = this.canvas.getBoundingClientRect();
    const row = Math.floor((event.clientY - top) / this.cell);
    const column = Math.floor((event.clientX - left) / this.cell);
    return this.scene.suite.stateAt.get(`${row},${column}`);
  }

  // The nearest state in a direction, across walls.
  neighbour(state, [down, right]) {
    const { suite } = this.scene;
    let [row, column] = suite.places[state];
    do {
      row += down;
      column += right;
      const found = suite.stateAt.get(`${row},${column}`);
      if (found !== undefined) return found;
    } while (row >= 0 && column >= 0 && row < suite.numRows && column < suite.numColumns);
    return state;
  }

  placeOnScreen(state) {
    const { left, top } = this.canvas.getBoundingClientRect();
    const [x, y] = this.corner(state);
    return [left + x + this.cell, top + y + this.cell];
  }

  // [[null, name, text], …] of one state, for the tooltip.
  facts(state) {
    const { suite, d, value, policy, chunk } = this.scene;
    const rows = [];
    if (!suite.states.isCandidate[state]) {
      const reward = suite.goalReward(state, chunk);
      rows.push([null, suite.hasMap("d") ? "terminal: never queried" : "terminal", isNumber(reward) ? `reward ${signed(reward)}` : ""]);
    } else if (d) rows.push([null, "d", percent(d[state], 2)]);
    else if (suite.hasMap("d")) rows.push([null, "d", "does not plan"]);
    if (suite.isWrong(state, chunk)) rows.push([null, "the model is wrong here", ""]);
    if (value && suite.states.isCandidate[state]) rows.push([null, "value, max q", brief(value[state])]);
    if (policy && suite.states.isCandidate[state]) {
      const text = policy[state].map((share, i) => (share > 0.004 ? `${ARROWS[i]} ${percent(share, 0)}` : "")).filter(Boolean);
      rows.push([null, "greedy", text.join("  ") || "tie"]);
    }
    if (suite.states.start && suite.states.start[state] > 0) rows.push([null, "start", percent(suite.states.start[state], 0)]);
    return rows;
  }
}
