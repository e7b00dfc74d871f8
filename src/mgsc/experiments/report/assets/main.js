// The page's state, and who is drawn anew when some of it changes.

const contents = JSON.parse(byId("contents").textContent);
const suites = contents.suites.map((description, number) => new Suite(description, number));
const view = {
  suite: null, chunk: 0, seed: null, measure: null, window: "all", isLog: false, scale: 2,
  hasPolicy: false, hasValues: false, hasNumbers: false, hidden: new Set(), chosen: null,
};
const MOST_CHOSEN = 3; // agents on the maze at first
const SMALLEST_WIDTH = 160; // of the page; with less nothing is drawn

const time = new Time(onTime);
const curves = new Curves(byId("curves"), (chunk, by) => (by ? time.move(by) : time.set(chunk)));
const panels = new Panels(byId("panels"), byId("key"));

function onTime(chunk) {
  view.chunk = chunk;
  if (!view.isReady) return;
  if (view.suite.hasStates) panels.update(view);
  if (view.window === "near") curves.draw(view.suite, view);
  else curves.setTime(chunk);
}

function fail(error) {
  const message = byId("message");
  message.textContent = `The page cannot be drawn: ${error.message}`;
  message.hidden = false;
}

async function showSuite(suite) {
  view.isReady = false;
  const hasChosenMeasure = view.suite !== null && view.measure !== view.suite.measures[0].name;
  view.suite = suite;
  view.seed = null;
  for (const tab of byId("tabs").children) {
    const isChosen = Number(tab.dataset.suite) === suite.number;
    fill(tab, { "aria-selected": String(isChosen), tabindex: isChosen ? 0 : -1 }, []);
  }
  await suite.load();
  if (view.suite !== suite) return; // another one was chosen meanwhile
  view.chosen = firstChosen(suite);
  view.hidden = new Set();
  const hasMeasure = suite.measures.some((measure) => measure.name === view.measure);
  if (!hasChosenMeasure || !hasMeasure) view.measure = suite.measures[0].name;
  writeTexts(suite);
  fillChoices(suite);
  time.setSuite(suite, suite.numChunks - 1);
  view.isReady = true;
  drawAll();
  drawTables(byId("tables"), suite);
  drawFacts(byId("facts"), suite);
  document.body.dataset.ready = suite.number;
}

// The featured agent, uniform, and the last others that plan.
function firstChosen(suite) {
  const planning = suite.agents.filter((agent) => agent.plans);
  const wanted = [...planning.filter((agent) => agent.isFeatured), ...planning.filter((agent) => agent.name === "uniform"),
    ...[...planning].reverse(), ...suite.agents];
  return new Set([...new Set(wanted.map((agent) => agent.name))].slice(0, MOST_CHOSEN));
}

function writeTexts(suite) {
  const seeds = suite.seeds.length;
  const level = `${(100 * suite.level).toFixed(0)} %`;
  byId("title").textContent = suite.title;
  document.title = `${suite.title}: mgsc`;
  byId("summary").textContent = `${suite.agents.length} agents, ${seeds} ${seeds === 1 ? "seed" : "seeds"} each, ${withCommas(suite.totals.steps)} environment steps`;
  byId("totals-note").textContent = seeds === 1
    ? "One seed: there are no intervals."
    : `Every dot is a seed; above them the mean over seeds with its ${level} interval (Student's t).`;
  if (isConstant(suite)) byId("totals-note").textContent += " Every run has the same: it does not depend on what is done.";
  byId("missing").textContent = suite.missing;
  byId("missing").hidden = !suite.missing;
  byId("maze-section").hidden = !suite.hasStates;
  if (!suite.hasStates) return;
  byId("maze-title").textContent = suite.hasMap("d") ? "Where planning looks" : "Values and greedy policy";
  byId("maze-note").textContent = mazeNote(suite);
}

// Whether all of several runs have the same total reward, rounding aside.
function isConstant(suite) {
  const totals = suite.totals.agents.flatMap((agent) => agent.seeds);
  const [low, high] = [Math.min(...totals), Math.max(...totals)];
  return totals.length > 1 && totals.every(isNumber) && high - low <= 1e-9 * Math.max(Math.abs(low), Math.abs(high));
}

// What the maps are, and in how many figures and how often they were kept.
function mazeNote(suite) {
  const places = suite.hasMaze ? "" : "The states of this suite have no places: they stand in their order. ";
  const ofSeeds = seedsNote(suite);
  if (!suite.hasMap("d")) return `${places}Arrows and values are those at a chunk's end. Arrows of several seeds are as long as their shares. ${ofSeeds}`;
  const precision = "As stored here, d is off by at most 1/65,000 (means) and 1/250 (single seeds) of the largest d.";
  if (!suite.single) return `${places}d is the mean over a chunk. ${ofSeeds}${precision}`;
  const layers = suite.hasMap("policy") || suite.hasMap("value")
    ? "; arrows and values are those at its end. Arrows of several seeds are as long as their shares. "
    : ". ";
  return `${places}d is the mean over a chunk${layers}${ofSeeds}${precision}`;
}

function seedsNote(suite) {
  if (suite.seeds.length === 1) return "";
  if (!suite.single) return "Single seeds are left out: they would make the file too large. ";
  const { stride } = suite.single;
  return stride > 1
    ? `To keep the file small, single seeds are stored at every ${stride}th chunk; between them the latest one stored is shown. `
    : "";
}

function fillChoices(suite) {
  byId("measure").replaceChildren(...suite.measures.map((one) => option(one.name, one.title, one.name === view.measure)));
  const seeds = suite.single ? suite.seeds.map((seed, i) => option(i, `seed ${seed}`)) : [];
  byId("seed").replaceChildren(option("", suite.seeds.length === 1 ? `seed ${suite.seeds[0]}` : `mean over ${suite.seeds.length}`), ...seeds);
  byId("policy-label").hidden = !suite.hasMap("policy") || !suite.hasMap("d");
  byId("values-label").hidden = !suite.hasMap("value");
  byId("scale-label").hidden = byId("numbers-label").hidden = !suite.hasMap("d");
  byId("window").parentElement.hidden = !suite.switches.length || !suite.hasStates;
  fillChips();
}

function chip(agent, isOn, onChange, isMuted = false) {
  return make("button", {
    type: "button", class: isMuted ? "chip muted" : "chip", "aria-pressed": String(isOn), "data-agent": agent.name,
    title: isMuted ? "has no numbers for this measure" : null, onclick: onChange,
  }, swatch(agent), agent.name);
}

function toggle(set, name) {
  if (!set.delete(name)) set.add(name);
}

// Chips are changed in place where they are there, so that the focus stays.
function fillChips() {
  const { suite, hidden, chosen } = view;
  byId("legend").replaceChildren(...suite.agents.map((agent, index) => {
    const hasNumbers = suite.curve(view.measure, index).mean.some(Number.isFinite);
    return chip(agent, !hidden.has(agent.name), (event) => {
      toggle(hidden, agent.name);
      event.currentTarget.setAttribute("aria-pressed", String(!hidden.has(agent.name)));
      curves.draw(suite, view);
    }, !hasNumbers);
  }));
  byId("chosen").replaceChildren(...suite.agents.map((agent) => chip(agent, chosen.has(agent.name), (event) => {
    toggle(chosen, agent.name);
    event.currentTarget.setAttribute("aria-pressed", String(chosen.has(agent.name)));
    panels.build(suite, view);
  })));
}

function drawAll() {
  if (!view.isReady || byId("content").clientWidth < SMALLEST_WIDTH) return; // there is nowhere to draw
  drawTotals(byId("totals"), view.suite);
  curves.draw(view.suite, view);
  if (!view.suite.hasStates) return;
  panels.build(view.suite, view);
  time.drawMarks();
}

function drawTabs() {
  const tabs = byId("tabs");
  tabs.hidden = suites.length < 2;
  tabs.replaceChildren(...suites.map((suite) => make("button", {
    type: "button", role: "tab", "data-suite": suite.number, "aria-controls": "content", text: suite.label,
    onclick: () => showSuite(suite).catch(fail),
  })));
  tabs.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!move) return;
    const next = (view.suite.number + move + suites.length) % suites.length;
    tabs.children[next].focus();
    showSuite(suites[next]).catch(fail);
  });
}

async function chooseSeed(value) {
  const { suite } = view;
  if (value !== "") await suite.loadSingle();
  if (view.suite !== suite) return;
  view.seed = value === "" ? null : Number(value);
  panels.update(view);
}

function onChoice(id, key, read, redraw) {
  byId(id).addEventListener("change", (event) => {
    view[key] = read(event.target);
    redraw();
  });
}

function showTheme() {
  byId("theme-name").textContent = isDark() ? "dark" : "light";
  fillThemed();
}

// What holds colours of its own is drawn anew; the rest follows the style sheet.
function fillThemed() {
  if (!view.isReady) return;
  fillChips();
  drawAll();
  drawTables(byId("tables"), view.suite);
}

function start() {
  const redrawCurves = () => curves.draw(view.suite, view);
  const redrawPanels = () => panels.update(view);
  onChoice("measure", "measure", (element) => element.value, () => { fillChips(); redrawCurves(); });
  onChoice("window", "window", (element) => element.value, redrawCurves);
  onChoice("log", "isLog", (element) => element.checked, redrawCurves);
  onChoice("scale", "scale", (element) => Number(element.value), redrawPanels);
  onChoice("policy", "hasPolicy", (element) => element.checked, redrawPanels);
  onChoice("values", "hasValues", (element) => element.checked, redrawPanels);
  onChoice("numbers", "hasNumbers", (element) => element.checked, redrawPanels);
  byId("seed").addEventListener("change", (event) => chooseSeed(event.target.value).catch(fail));
  byId("theme").addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    showTheme();
  });
  systemIsDark.addEventListener("change", showTheme);
  let width = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth !== width) drawAll();
    width = window.innerWidth;
  });
  window.addEventListener("scroll", hideTip, { passive: true });
  drawTabs();
  showTheme();
  showSuite(suites[0]).catch(fail);
}

start();
