// The tables of the comparison, and how the result was made.

function drawTables(container, suite) {
  container.replaceChildren(...suite.tables.map((table) => {
    const agents = Object.fromEntries(suite.agents.map((agent) => [agent.name, agent]));
    const head = make("tr", {}, make("th", { scope: "col", text: "agent" }),
      ...table.heads.map((text) => make("th", { scope: "col", text })));
    const rows = table.rows.map((row) => make("tr", { class: row.isBaseline ? "baseline" : null },
      make("th", { scope: "row" }, make("span", {}, swatch(agents[row.agent]), row.agent)),
      ...row.cells.map((text) => make("td", { text }))));
    const scroller = make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": table.title },
      make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows)));
    return make("div", { class: "table" }, make("h3", { text: table.title }), scroller, make("p", { class: "muted", text: table.note }));
  }));
}

function drawFacts(container, suite) {
  const { created, rootSeed, versions, settings } = suite.facts;
  const list = make("dl", {});
  const add = (name, text) => list.append(make("dt", { text: name }), make("dd", { text }));
  add("Suite", suite.suite);
  add("Made", created.replace("T", " ").replace("+00:00", " UTC"));
  add("Seeds", `${suite.seeds.length} (${suite.seeds[0]} to ${suite.seeds.at(-1)}), root seed ${rootSeed}`);
  add("Versions", Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(", "));
  const scroller = make("pre", { tabindex: 0, text: settings });
  container.replaceChildren(list, make("details", {}, make("summary", { text: "All settings" }), scroller));
}
