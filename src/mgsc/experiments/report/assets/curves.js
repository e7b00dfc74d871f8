// Measures through time: means over seeds with their bands, the switches, and the time shown on the maze.

const MOST_MARKERS = 12;
const MOST_BEYOND = 0.5; // of the means' range, for intervals: as in figures/episodes.py

class Curves {
  // onTime(chunk) is called when a time is chosen here.
  constructor(container, onTime) {
    this.container = container;
    this.onTime = onTime;
  }

  draw(suite, view) {
    Object.assign(this, { suite, measure: suite.measures.find((one) => one.name === view.measure) });
    this.chosen = suite.agents.map((agent, index) => ({ agent, index, ...suite.curve(view.measure, index) }))
      .filter((one) => !view.hidden.has(one.agent.name) && one.mean.some(Number.isFinite));
    this.setRange(view);
    const width = this.container.clientWidth;
    this.box = { left: 52, right: width - 16, top: 26, bottom: width < 620 ? 262 : 342 };
    this.setScales(view);
    const svg = svgFigure(width, this.box.bottom + 44, this.describe());
    fill(svg, {
      tabindex: 0, onpointermove: (event) => this.hover(event), onpointerleave: hideTip,
      onclick: (event) => this.onTime(this.chunkAt(event)), onkeydown: (event) => this.key(event), onblur: hideTip,
    }, []);
    svg.append(this.background(), frame(this.box, this.x, this.y, { x: "environment step", y: this.measure.unit }));
    svg.append(draw("clipPath", { id: "plot-area" }, draw("rect", {
      x: this.box.left, y: this.box.top - 4, width: this.box.right - this.box.left, height: this.box.bottom - this.box.top + 8,
    })));
    svg.append(this.lines());
    this.cursor = draw("line", { class: "cursor", y1: this.box.top, y2: this.box.bottom });
    svg.append(this.cursor);
    const hadFocus = document.activeElement === this.svg && this.svg !== undefined;
    this.svg = svg;
    this.container.replaceChildren(svg);
    if (hadFocus) svg.focus({ preventScroll: true });
    this.setTime(view.chunk);
    byId("curves-note").textContent = this.note();
  }

  // The chunks shown: all, or the phase of the time shown with its neighbours.
  setRange(view) {
    const { suite } = this;
    this.range = [0, suite.numChunks - 1];
    if (view.window !== "near" || !suite.switches.length || !suite.hasStates) return;
    const edges = [0, ...suite.chunksAfterSwitches(), suite.numChunks];
    const phase = edges.findLastIndex((edge) => edge <= view.chunk);
    this.range = [edges[Math.max(0, phase - 1)], edges[Math.min(edges.length - 1, phase + 2)] - 1];
  }

  setScales(view) {
    const { suite, box, range } = this;
    this.x = scaleOf(range[0] ? suite.steps[range[0] - 1] : 0, suite.steps[range[1]], box.left, box.right);
    const reference = suite.reference(view.measure);
    const seen = [...this.chosen.flatMap((one) => [one.mean, one.low, one.high]), ...(reference ? [reference] : [])];
    const numbers = seen.flatMap((values) => [...values.slice(range[0], range[1] + 1)]).filter(Number.isFinite);
    const positive = numbers.filter((value) => value > 0);
    this.isLog = view.isLog && positive.length > 0;
    const usable = this.isLog ? positive : numbers;
    const low = usable.reduce((a, b) => Math.min(a, b), Infinity);
    const high = usable.reduce((a, b) => Math.max(a, b), -Infinity);
    const [bottom, top] = usable.length ? this.near(low, high) : [0, 1];
    this.isCut = usable.length > 0 && (bottom > low || top < high);
    this.y = scaleOf(this.isLog ? bottom : Math.min(0, bottom), top, box.bottom, box.top, this.isLog);
    this.reference = reference;
  }

  // Of measures that few seeds may have, intervals know no bounds: the axis then stays near the means.
  near(low, high) {
    if (!this.measure.note || this.isLog) return [low, high];
    const means = this.chosen.flatMap((one) => [...one.mean.slice(this.range[0], this.range[1] + 1)]).filter(Number.isFinite);
    const [least, most] = [Math.min(...means), Math.max(...means)];
    const beyond = MOST_BEYOND * (most - least);
    return [Math.max(low, least - beyond), Math.min(high, most + beyond)];
  }

  middle(chunk) {
    return (this.suite.steps[chunk] + this.suite.firstStep(chunk) - 1) / 2;
  }

  background() {
    const { suite, box, x } = this;
    const group = draw("g", { "clip-path": "url(#plot-area)" });
    for (const [first, last] of suite.wrongStretches()) {
      const from = x(suite.firstStep(first) - 1);
      group.append(draw("rect", {
        x: from, y: box.top, width: x(suite.steps[last]) - from, height: box.bottom - box.top, class: "wrong-phase",
      }));
    }
    for (const step of suite.switches) {
      group.append(draw("line", { x1: x(step), x2: x(step), y1: box.top, y2: box.bottom, class: "switch" }));
    }
    return group;
  }

  lines() {
    const group = draw("g", { "clip-path": "url(#plot-area)" });
    if (this.reference) group.append(draw("path", { d: this.steps(this.reference), class: "reference" }));
    for (const one of this.chosen) group.append(draw("path", {
      d: this.band(one), fill: agentColour(one.agent), class: "band",
    }));
    for (const one of this.chosen) {
      const width = one.agent.width + 0.4;
      group.append(draw("path", {
        d: this.line(one.mean), class: "curve", "data-agent": one.agent.name, stroke: agentColour(one.agent),
        "stroke-width": width, "stroke-dasharray": dashArray(one.agent, width),
      }));
      group.append(...this.markers(one));
    }
    return group;
  }

  point(chunk, value) {
    const usable = Number.isFinite(value) && (!this.isLog || value > 0);
    return usable ? `${this.x(this.middle(chunk)).toFixed(1)},${this.y(value).toFixed(1)}` : null;
  }

  // A gap where there is no number.
  line(values) {
    let path = "";
    let isDown = false;
    for (let chunk = this.range[0]; chunk <= this.range[1]; chunk++) {
      const point = this.point(chunk, values[chunk]);
      if (point) path += `${isDown ? "L" : "M"}${point}`;
      isDown = point !== null;
    }
    return path;
  }

  // A gap where there is no interval.
  band({ low, high }) {
    const floor = (value) => (this.isLog ? Math.max(value, this.y.invert(this.box.bottom)) : value);
    const stretches = [[]];
    for (let chunk = this.range[0]; chunk <= this.range[1]; chunk++) {
      if (this.point(chunk, high[chunk]) && Number.isFinite(low[chunk])) stretches.at(-1).push(chunk);
      else if (stretches.at(-1).length) stretches.push([]);
    }
    return stretches.filter((there) => there.length).map((there) => {
      const up = there.map((chunk) => this.point(chunk, high[chunk]));
      const down = there.reverse().map((chunk) => this.point(chunk, floor(low[chunk])));
      return `M${[...up, ...down].join("L")}Z`;
    }).join("");
  }

  steps(values) {
    const { suite } = this;
    let path = "";
    for (let chunk = this.range[0]; chunk <= this.range[1]; chunk++) {
      if (!this.point(chunk, values[chunk])) continue;
      const height = this.y(values[chunk]).toFixed(1);
      path += `${path ? "L" : "M"}${this.x(suite.firstStep(chunk) - 1).toFixed(1)},${height}H${this.x(suite.steps[chunk]).toFixed(1)}`;
    }
    return path;
  }

  markers(one) {
    const every = Math.max(1, Math.ceil((this.range[1] - this.range[0] + 1) / MOST_MARKERS));
    const found = [];
    const isThere = (chunk) => chunk >= this.range[0] && chunk <= this.range[1] && this.point(chunk, one.mean[chunk]) !== null;
    for (let chunk = this.range[0]; chunk <= this.range[1]; chunk++) {
      // A line through one point is not seen: it always has its marker.
      const isLone = !isThere(chunk - 1) && !isThere(chunk + 1);
      if (!isLone && (chunk - this.range[0]) % every !== one.index % every) continue;
      const point = this.point(chunk, one.mean[chunk]);
      if (point) found.push(marker(one.agent, one.agent.isFeatured ? 3.6 : 2.8, { transform: `translate(${point})` }));
    }
    return found;
  }

  setTime(chunk) {
    const place = this.x(this.middle(chunk));
    const isInside = chunk >= this.range[0] && chunk <= this.range[1] && this.suite.hasStates;
    fill(this.cursor, { x1: place, x2: place, visibility: isInside ? "visible" : "hidden" }, []);
  }

  chunkAt(event) {
    const step = this.x.invert(event.clientX - this.svg.getBoundingClientRect().left);
    const found = this.suite.steps.findIndex((end) => end >= step);
    return Math.max(this.range[0], Math.min(this.range[1], found < 0 ? this.suite.numChunks - 1 : found));
  }

  hover(event) {
    this.tell(this.chunkAt(event), event.clientX, event.clientY);
  }

  key(event) {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!move) return;
    event.preventDefault();
    const chunk = this.onTime(null, move);
    const { left, top } = this.svg.getBoundingClientRect();
    this.tell(chunk, left + this.x(this.middle(chunk)), Math.max(0, top) + this.box.top);
  }

  tell(chunk, x, y) {
    const { suite } = this;
    const rows = this.chosen
      .filter((one) => Number.isFinite(one.mean[chunk]))
      .sort((a, b) => b.mean[chunk] - a.mean[chunk])
      .map((one) => [swatch(one.agent), one.agent.name, interval(one.mean[chunk], one.low[chunk], one.high[chunk])]);
    if (this.reference) rows.push([null, this.measure.reference, brief(this.reference[chunk])]);
    showTip(`steps ${withCommas(suite.firstStep(chunk))}–${withCommas(suite.steps[chunk])}${suite.modelWords(chunk)}`, rows, x, y);
  }

  note() {
    const seeds = this.suite.seeds.length;
    const level = `${(100 * this.suite.level).toFixed(0)} %`;
    const what = seeds === 1 ? "One seed, chunk by chunk." : `Means over ${seeds} seeds with ${level} intervals, chunk by chunk.`;
    const wrong = this.suite.wrongStretches().length ? " Shaded: the model is wrong somewhere." : "";
    const switches = this.suite.switches.length ? " Thin vertical lines: switches." : "";
    const reference = this.reference ? ` Thin level line: ${this.measure.reference}.` : "";
    const note = this.measure.note ? ` ${this.measure.note}${this.isCut ? " Intervals wider than the axis are cut." : ""}` : "";
    const click = this.suite.hasStates ? " Click to choose the time of the mazes below." : "";
    return `${what}${note}${wrong}${switches}${reference}${click}`;
  }

  describe() {
    const last = this.range[1];
    const ends = this.chosen.map((one) => `${one.agent.name} ${brief(one.mean[last])}`).join("; ");
    return `${this.measure.title} through time; at the end: ${ends}. Arrow keys move the time.`;
  }
}
