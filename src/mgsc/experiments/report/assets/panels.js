// The chosen agents' mazes side by side, on one colour scale, with their key.

const SMALLEST_PANEL = 250;

class Panels {
  constructor(container, key) {
    this.container = container;
    this.key = key;
    this.panels = new Map();
  }

  // Builds one panel for each agent chosen; `update` then draws into them.
  build(suite, view) {
    this.suite = suite;
    const chosen = suite.agents.map((agent, index) => [agent, index]).filter(([agent]) => view.chosen.has(agent.name));
    chosen.sort(([one], [other]) => other.isFeatured - one.isFeatured); // first, where the eye begins
    this.panels = new Map(chosen.map(([agent, index]) => [index, this.panel(agent, index)]));
    const figures = [...this.panels.values()].map((panel) => panel.figure);
    this.container.replaceChildren(...(figures.length ? figures : [make("p", { class: "muted", text: "Choose an agent above." })]));
    this.update(view);
  }

  panel(agent, index) {
    const canvas = make("canvas", { tabindex: 0, role: "img", "data-agent": agent.name });
    const caption = make("figcaption", {}, swatch(agent), make("strong", { text: agent.name }));
    const note = make("p", { class: "muted" });
    const maze = new Maze(canvas);
    fill(canvas, {
      onpointermove: (event) => this.point(agent, maze, event), onpointerleave: hideTip,
      onkeydown: (event) => this.move(agent, maze, event), onblur: () => this.leave(maze),
    }, []);
    return { agent, index, maze, note, canvas, figure: make("figure", { class: "panel" }, caption, canvas, note) };
  }

  update(view) {
    const gap = 20;
    const width = this.container.clientWidth;
    const columns = Math.max(1, Math.min(this.panels.size, Math.floor((width + gap) / (SMALLEST_PANEL + gap))));
    this.container.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
    this.size = (width - gap * (columns - 1)) / columns;
    for (const panel of this.panels.values()) this.drawPanel(panel, view);
    this.drawKey(view);
  }

  drawPanel({ agent, index, maze, note, canvas }, view) {
    const scene = sceneOf(this.suite, index, view);
    maze.draw(scene, this.size);
    const text = noteOf(scene);
    note.textContent = text;
    canvas.setAttribute("aria-label", `${agent.name}: ${text || "greedy policy and values"}. Arrow keys go from state to state.`);
  }

  point(agent, maze, event) {
    const state = maze.stateUnder(event);
    if (state === undefined) hideTip();
    else showTip(`${agent.name}, ${this.suite.stateName(state)}`, maze.facts(state), event.clientX, event.clientY);
  }

  move(agent, maze, event) {
    const place = ["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight"].indexOf(event.key);
    if (place < 0) return;
    event.preventDefault();
    maze.inspected = maze.inspected === null ? 0 : maze.neighbour(maze.inspected, MOVES[place]);
    maze.draw(maze.scene, this.size);
    showTip(`${agent.name}, ${this.suite.stateName(maze.inspected)}`, maze.facts(maze.inspected), ...maze.placeOnScreen(maze.inspected));
  }

  leave(maze) {
    maze.inspected = null;
    maze.draw(maze.scene, this.size);
    hideTip();
  }

  drawKey(view) {
    const { goalReward, start, wrongInPhase } = this.suite.states;
    const marks = this.suite.hasMap("d") ? this.heatKey(view) : [];
    const terminal = this.suite.hasMap("d") ? "terminal: never queried" : "terminal";
    marks.push(make("span", {}, make("i", { class: "mark terminal" }), goalReward ? "terminal, with the reward of entering it now" : terminal));
    if (wrongInPhase.some((states) => states.length)) marks.push(make("span", {}, make("i", { class: "mark wrong" }), "the model is wrong here"));
    if (start) marks.push(make("span", {}, make("b", { text: "S" }), " start"));
    this.key.replaceChildren(...marks);
  }

  heatKey(view) {
    const most = this.suite.largest("d", view.seed);
    const stops = Array.from({ length: 13 }, (_, i) => heat(i / 12)).join(", ");
    const bar = make("span", { class: "heat" });
    bar.style.background = `linear-gradient(90deg, ${stops})`;
    const half = most * 0.5 ** view.scale;
    const scale = make("span", { class: "heat-scale" }, bar, make("span", { class: "heat-labels" },
      ...[0, half, most].map((value) => make("span", { text: percent(value, value >= 0.1 || !value ? 0 : 1) }))));
    return [make("span", { class: "heat-title", text: "d: the probability that planning queries a state" }), scale];
  }
}

function noteOf({ suite, d, chunk }) {
  if (!suite.hasMap("d")) return "";
  if (!d) return "does not plan: there is no d";
  const best = d.reduce((found, value, state) => (value > d[found] ? state : found), 0);
  const wrong = d.reduce((sum, value, state) => sum + (suite.isWrong(state, chunk) ? value : 0), 0);
  const where = suite.hasMaze ? `(${suite.places[best].join(", ")})` : suite.stateName(best);
  const most = `most at ${where}: ${percent(d[best])}`.replaceAll(", ", ",\u00a0").replaceAll(" %", "\u00a0%");
  return suite.isModelWrong?.[chunk] ? `${percent(wrong)} on wrong states; ${most}` : most;
}
